package reference

import (
	"errors"
	"slices"
)

// opSequenceErase drops the element at a position, by default the last one.
// ONNX SequenceErase, opset 11.
var opSequenceErase = operator{
	name: "SequenceErase", in: []port{moves},
	eval: single(func(c *call) *Value {
		list := c.in[0].Elems
		if len(list) == 0 {
			fail(errors.New("the sequence is empty"))
		}
		at := c.position(1, len(list), len(list)-1, len(list)-1)
		out := &Value{Kind: Sequence, Elems: slices.Delete(slices.Clone(list), at, at+1)}
		c.take(cost(out))
		return out
	}),
}
