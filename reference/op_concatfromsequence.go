package reference

import (
	"fmt"
	"slices"
)

// opConcatFromSequence joins the elements of a sequence along an axis, a new one
// if new_axis is 1. ONNX ConcatFromSequence, opset 11.
var opConcatFromSequence = operator{
	name: "ConcatFromSequence", in: []port{moves},
	eval: single(func(c *call) *Value {
		list := slices.Clone(c.in[0].Elems)
		axis := c.int("axis")
		for i, v := range list {
			if v.Kind != Tensor {
				fail(fmt.Errorf("element %d is a %s", i, v))
			}
			if c.int("new_axis") == 0 {
				continue
			}
			a := axisOf(axis, len(v.Dims)+1)
			list[i] = reshaped(v, slices.Insert(slices.Clone(v.Dims), a, 1))
		}
		return c.concat(list, axis)
	}),
}
