package reference

import (
	"cmp"
	"math"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
)

// opUnique is the different elements, or slices along an axis, sorted or in the
// order of their first appearance; then where each was first, which one every
// element is, and how often each occurs. ONNX Unique, opset 11.
var opUnique = operator{
	name: "Unique", in: []port{sizing},
	eval: func(c *call) []*Value { return c.unique(c.int("sorted") != 0) },
}

// unique is all outputs of Unique.
func (c *call) unique(sorted bool) []*Value {
	x, axis := c.slices()
	outer, n, inner := split(x.Dims, axis)
	// compare two slices element by element
	compare := func(a, b int) int {
		for o := range outer {
			for i := range inner {
				if d := x.compare((o*n+a)*inner+i, (o*n+b)*inner+i); d != 0 {
					return d
				}
			}
		}
		return 0
	}
	order := make([]int, n)
	for k := range order {
		order[k] = k
	}
	c.spend(int64(x.Len()))
	slices.SortStableFunc(order, compare)
	var first []int // where each different slice is first, sorted by the slices
	which, counts := make([]int, n), []int{}
	for k, at := range order {
		if k == 0 || compare(order[k-1], at) != 0 {
			first, counts = append(first, at), append(counts, 0)
		}
		which[at] = len(first) - 1
		counts[len(counts)-1]++
	}
	if !sorted {
		first, which, counts = byAppearance(first, which, counts)
	}
	dims := slices.Clone(x.Dims)
	dims[axis] = len(first)
	y := c.pick(x, dims, func(i int) int { return (i/inner/len(first)*n+first[i/inner%len(first)])*inner + i%inner })
	outputs := []*Value{y}
	for _, list := range [][]int{first, which, counts} {
		v := c.int64Value(list...)
		outputs = append(outputs, v)
	}
	if d, ok := x.Data.(onnx.Slice[float64]); ok && slices.ContainsFunc(d, math.IsNaN) {
		for _, v := range outputs {
			c.undefinedAll(v, orderOfNaN)
		}
	}
	return outputs
}

// byAppearance sorts the lists of Unique by the place where each slice is first.
func byAppearance(first, which, counts []int) (f, w, n []int) {
	order := make([]int, len(first))
	for k := range order {
		order[k] = k
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(first[a], first[b]) })
	rank := make([]int, len(first))
	for to, from := range order {
		rank[from] = to
		f, n = append(f, first[from]), append(n, counts[from])
	}
	return f, convert(which, func(k int) int { return rank[k] }), n
}
