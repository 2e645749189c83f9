package reference

// opIdentity hands its input on. ONNX Identity, opset 1, 13, 14, 16, 19, 21.
var opIdentity = operator{
	name: "Identity", in: []port{moves},
	eval: single(func(c *call) *Value {
		v := *c.in[0]
		return &v
	}),
}
