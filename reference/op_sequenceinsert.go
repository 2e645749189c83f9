package reference

import "slices"

// opSequenceInsert inserts a tensor before a position, by default at the end.
// ONNX SequenceInsert, opset 11.
var opSequenceInsert = operator{
	name: "SequenceInsert", in: []port{moves, moves},
	eval: single(func(c *call) *Value {
		list := c.in[0].Elems
		at := c.position(2, len(list), len(list), len(list))
		out := &Value{Kind: Sequence, Elems: slices.Insert(slices.Clone(list), at, c.in[1])}
		c.take(cost(out))
		return out
	}),
}
