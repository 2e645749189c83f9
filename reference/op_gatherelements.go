package reference

import (
	"fmt"
)

// opGatherElements takes element [i, j, index[i, j, k]] for every [i, j, k] of
// the indices, here for axis 2. ONNX GatherElements, opset 11, 13.
var opGatherElements = operator{
	name: "GatherElements", in: []port{moves},
	eval: single(func(c *call) *Value {
		at := c.elementsAlong(c.in[0], 1)
		return c.pick(c.in[0], c.in[1].Dims, func(i int) int { return at[i] })
	}),
}

// elementsAlong returns, for every element of the indices in input i, the
// element of x that it names along attribute axis.
func (c *call) elementsAlong(x *Value, i int) []int {
	index := c.in[i]
	axis := c.axis("axis", len(x.Dims))
	if len(index.Dims) != len(x.Dims) {
		fail(fmt.Errorf("indices of shape %v for shape %v, want equal ranks", index.Dims, x.Dims))
	}
	for a, d := range index.Dims {
		if a != axis && d > x.Dims[a] {
			fail(fmt.Errorf("indices of shape %v are longer than shape %v along axis %d", index.Dims, x.Dims, a))
		}
	}
	list := c.indices(i, x.Dims[axis])
	own, at := strides(x.Dims), make([]int, len(x.Dims))
	for k, j := range list {
		unravel(k, index.Dims, at)
		at[axis] = j
		list[k] = ravel(at, own)
	}
	return list
}
