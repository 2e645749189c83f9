package reference

import (
	"fmt"
	"slices"
)

// opGather takes the elements at the indices along an axis. ONNX Gather, opset
// 1, 11, 13.
var opGather = operator{
	name: "Gather", in: []port{moves},
	eval: single(func(c *call) *Value {
		x := c.in[0]
		axis := c.axis("axis", len(x.Dims))
		indices := c.indices(1, x.Dims[axis])
		_, n, inner := split(x.Dims, axis)
		dims := slices.Concat(x.Dims[:axis], c.in[1].Dims, x.Dims[axis+1:])
		return c.pick(x, dims, func(i int) int {
			o, k := i/inner/len(indices), i/inner%len(indices)
			return (o*n+indices[k])*inner + i%inner
		})
	}),
}

// indices returns input i as indices of an axis of length n.
func (c *call) indices(i, n int) []int {
	list, _ := c.intInput(i)
	for k, x := range list {
		if x < -n || x >= n {
			fail(fmt.Errorf("index %d is %d, want one of an axis of length %d", k, x, n))
		}
		if x < 0 {
			list[k] += n
		}
	}
	return list
}
