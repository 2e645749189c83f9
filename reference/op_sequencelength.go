package reference

// opSequenceLength is the number of elements. ONNX SequenceLength, opset 11.
var opSequenceLength = operator{
	name: "SequenceLength", in: []port{moves},
	eval: single(func(c *call) *Value {
		v := c.int64Value(len(c.in[0].Elems))
		return reshaped(v, nil)
	}),
}
