package reference

// opOptional makes an optional of its input, an empty one without. ONNX Optional,
// opset 15.
var opOptional = operator{
	name: "Optional", in: []port{moves},
	eval: single(func(c *call) *Value {
		out := &Value{Kind: Optional}
		if c.given(0) {
			out.Elems = []*Value{c.in[0]}
		}
		c.take(cost(out))
		return out
	}),
}
