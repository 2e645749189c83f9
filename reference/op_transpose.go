package reference

import (
	"fmt"
)

// opTranspose permutes the axes, and reverses them by default. ONNX Transpose,
// opset 1, 13, 21.
var opTranspose = operator{
	name: "Transpose", in: []port{moves},
	eval: single(func(c *call) *Value {
		x := c.in[0]
		rank := len(x.Dims)
		perm := c.intList("perm")
		if !c.has("perm") {
			for i := range rank {
				perm = append(perm, rank-1-i)
			}
		}
		return c.transpose(x, perm)
	}),
}

// transpose makes axis perm[i] of x the axis i of the result.
func (c *call) transpose(x *Value, perm []int) *Value {
	rank := len(x.Dims)
	axes := axesOf(perm, rank)
	if len(axes) != rank {
		fail(fmt.Errorf("perm is %v, want a permutation of %d axes", perm, rank))
	}
	own := strides(x.Dims)
	dims, step, at := make([]int, rank), make([]int, rank), make([]int, rank)
	for i, a := range axes {
		dims[i], step[i] = x.Dims[a], own[a]
	}
	return c.pick(x, dims, func(i int) int {
		unravel(i, dims, at)
		return ravel(at, step)
	})
}
