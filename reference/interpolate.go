package reference

import (
	"math"
)

// A tap is one neighbour along an axis of a place between elements.
type tap struct {
	index  int // -1 lies outside, where the value is zero
	other  int // what rounding may take in its stead, where neighbours are chosen and not weighed
	weight number
}

// A kernel weighs neighbours by their distance from a place.
type kernel struct {
	weight func(distance float64) float64
	reach  int     // the weight is zero from here on
	slope  float64 // the largest
	error  float64 // of a weight, in u, for a given distance: what computing the polynomial costs
}

// linearKernel is the triangle.
var linearKernel = kernel{weight: func(d float64) float64 { return max(0, 1-math.Abs(d)) }, reach: 1, slope: 1, error: 4}

// cubicKernel is the cubic convolution of Keys 1981 with parameter a. Its
// polynomials have coefficients up to 8|a|, so that roundings cost up to 64 u
// where |a| is at most 1.
func cubicKernel(a float64) kernel {
	return kernel{weight: func(d float64) float64 {
		switch d = math.Abs(d); {
		case d <= 1:
			return ((a+2)*d-(a+3))*d*d + 1
		case d < 2:
			return a * (((d-5)*d+8)*d - 4)
		}
		return 0
	}, reach: 2, slope: 2 + math.Abs(a), error: 64 * max(1, math.Abs(a))}
}

// around returns the indices of the neighbours of place x that have a weight,
// or may have one by the errors of x, and their weights. Below 1, stretch widens
// the kernel.
func (k kernel) around(f format, x number, stretch float64) (indices []int, weights []number) {
	e := max(x.sound, x.screen())
	if math.IsNaN(x.v) || e > 1 {
		return []int{0}, []number{unknown(0)} // the place may be any
	}
	reach := float64(k.reach) / stretch
	slope := k.slope * stretch
	for i := int(math.Ceil(x.v - e - reach)); float64(i) <= x.v+e+reach; i++ {
		w := exact(k.weight((float64(i) - x.v) * stretch))
		if w.v == 0 && e == 0 {
			continue
		}
		w.sound = slope*x.sound + k.error*f.u
		w.spread = math.Hypot(slope*x.spread, k.error*f.u/8)
		w.declared = slope * x.declared
		indices, weights = append(indices, i), append(weights, w)
	}
	return indices, weights
}

// interpolate is the sum over all combinations of taps, one of each axis, of
// the element there times the weights. steps is how far a step along each axis goes,
// base is the first element of x that counts, and roundings how many a weight has.
func (f format) interpolate(x *Value, base int, steps []int, axes [][]tap, roundings int) number {
	var room [3][8]int // for as many axes as there usually are
	counts, pick := append(room[0][:0], steps...), append(room[1][:0], steps...)
	for a := range axes {
		counts[a] = len(axes[a])
	}
	value := func(index int) number {
		if index < 0 {
			return exact(0)
		}
		return x.at(base + index)
	}
	var s dot
	var single, weight number
	combinations := size(counts)
	for t := range combinations {
		unravel(t, counts, pick)
		weight = exact(1)
		for a := range axes {
			if p := axes[a][pick[a]]; p.weight != exact(1) {
				weight = f.mul(weight, p.weight)
			}
		}
		candidates := elementsAt(room[2][:0], axes, pick, steps)
		single = value(candidates[0])
		height := 0.0
		for _, other := range candidates[1:] {
			height = max(height, math.Abs(value(other).v-single.v)+value(other).sound)
		}
		s.add(value(candidates[0]), weight)
		single.sound += height
		single.declared += height
	}
	if combinations == 1 && weight == exact(1) {
		return single // moved, not weighed
	}
	return s.sum(f, roundings)
}

// elementsAt appends the elements that rounding may choose for one tap of each
// axis, the reference's own first; negative ones lie outside.
func elementsAt(elements []int, axes [][]tap, pick, steps []int) []int {
	elements = append(elements, 0)
	for a := range axes {
		p := axes[a][pick[a]]
		n := len(elements)
		if p.other != p.index {
			for _, e := range elements[:n] {
				elements = append(elements, advance(e, p.other, steps[a]))
			}
		}
		for k := range n {
			elements[k] = advance(elements[k], p.index, steps[a])
		}
	}
	return elements
}

// advance adds a coordinate to an index; negative means outside for both.
func advance(index, k, stride int) int {
	if index < 0 || k < 0 {
		return -1
	}
	return index + k*stride
}
