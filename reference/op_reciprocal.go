package reference

// opReciprocal is 1/x. ONNX Reciprocal, opset 1, 6, 13.
var opReciprocal = operator{
	name: "Reciprocal",
	eval: single(func(c *call) *Value {
		f := c.format(c.in[0])
		return c.mapNumbers(c.in[0], func(x number) number { return f.div(exact(1), x) })
	}),
}
