package reference

import "fmt"

// opSequenceAt is the element at a position; negative ones count from the end.
// ONNX SequenceAt, opset 11.
var opSequenceAt = operator{
	name: "SequenceAt", in: []port{moves, sizing},
	eval: single(func(c *call) *Value {
		list := c.in[0].Elems
		if len(list) == 0 {
			fail(fmt.Errorf("the sequence is empty"))
		}
		at := c.position(1, len(list), len(list)-1, 0)
		return list[at]
	}),
}
