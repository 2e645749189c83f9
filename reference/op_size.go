package reference

// opSize returns the number of elements. ONNX Size, opset 1, 13, 19, 21.
var opSize = operator{
	name: "Size", in: []port{moves},
	eval: single(func(c *call) *Value {
		v := c.int64Value(c.in[0].Len())
		return reshaped(v, nil)
	}),
}
