package reference

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// opDFT is the discrete Fourier transform along an axis, of real numbers (the last
// axis has length 1) or complex ones (2). A length cuts the axis or fills it with
// zeros. The axis is an attribute until opset 19 and input 2 from opset 20 on. ONNX
// DFT, opset 17, 20.
var opDFT = operator{
	name: "DFT",
	in:   []port{derived, sizing},
	eval: single(func(c *call) *Value {
		x := c.in[0]
		rank := len(x.Dims)
		if rank < 2 || x.Dims[rank-1] < 1 || x.Dims[rank-1] > 2 {
			fail(fmt.Errorf("input of shape %v, want a last axis of length 1 or 2", x.Dims))
		}
		at := c.int("axis")
		if c.opset >= 20 {
			at = -2
		}
		if c.given(2) {
			at = c.intScalar(2)
		}
		axis := axisOf(at, rank)
		if axis == rank-1 {
			fail(fmt.Errorf("axis %d of shape %v, want one before the last", at, x.Dims))
		}
		inverse, onesided := c.int("inverse") != 0, c.int("onesided") != 0
		n := x.Dims[axis]
		if onesided && inverse {
			n = 2 * (n - 1)
		}
		if c.given(1) {
			n = c.intScalar(1)
		}
		if n < 1 || n > 1<<24 {
			fail(fmt.Errorf("a transform of length %d", n))
		}
		// Back from one side, the result is real.
		bins, parts := n, 2
		switch {
		case onesided && inverse:
			parts = 1
		case onesided:
			bins = n/2 + 1
		}
		dims := slices.Clone(x.Dims)
		dims[axis], dims[rank-1] = bins, parts
		out := c.numbers(x.Type, dims...)
		given, width := x.Dims[axis], x.Dims[rank-1]
		outer, _, inner := split(x.Dims, axis)
		inner /= width
		element := func(o, k, i int) (re, im number) {
			mirrored := onesided && inverse && k > n/2
			if mirrored {
				k = n - k
			}
			if k >= given {
				return number{}, number{}
			}
			base := ((o*given+k)*inner + i) * width
			if re = x.at(base); width == 2 {
				im = x.at(base + 1)
			}
			if mirrored {
				im = neg(im)
			}
			return re, im
		}
		re, im := make([]number, n), make([]number, n)
		for o := range outer {
			for i := range inner {
				c.spend(int64(n) * int64(bins))
				for k := range n {
					re[k], im[k] = element(o, k, i)
				}
				for b := range bins {
					y := c.format(x).fourier(re, im, b, inverse)
					for p := range parts {
						out.set(((o*bins+b)*inner+i)*parts+p, y[p])
					}
				}
			}
		}
		return out
	}),
}

// fourier is bin b of the transform, real and imaginary part. A fast transform
// adds in another order and turns every element several times on its way, so that
// the whole magnitude of an element takes part in the roundings of either part.
func (f format) fourier(re, im []number, b int, inverse bool) [2]number {
	n := len(re)
	var sums [2]dot
	size, square := 0.0, 0.0
	for k := range n {
		if re[k] == (number{}) && im[k] == (number{}) {
			continue
		}
		angle := 2 * math.Pi * float64(b*k%n) / float64(n)
		if !inverse {
			angle = -angle
		}
		cos, sin := exact(math.Cos(angle)), exact(math.Sin(angle))
		sums[0].add(re[k], cos)
		sums[0].add(neg(im[k]), sin)
		sums[1].add(re[k], sin)
		sums[1].add(im[k], cos)
		m := math.Hypot(math.Abs(re[k].v)+re[k].sound, math.Abs(im[k].v)+im[k].sound)
		size += m
		square += m * m
	}
	var y [2]number
	turns := 4 * (1 + bits.Len(uint(n)))
	for p := range y {
		y[p] = sums[p].sum(f, turns)
		y[p].sound += f.gamma(n+turns) * size
		y[p].spread = math.Hypot(y[p].spread, f.u*math.Sqrt(float64(turns)*square))
		if inverse {
			y[p] = f.rounded(scaled(y[p], 1/float64(n)), 1)
		}
	}
	return y
}
