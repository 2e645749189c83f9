package reference

// opHardSwish is x max(0, min(1, x/6 + 1/2)). ONNX HardSwish, opset 14, 22.
var opHardSwish = operator{
	name: "HardSwish",
	eval: single(func(c *call) (*Value, error) {
		f := c.format(c.in[0])
		return c.mapNumbers(c.in[0], func(x number) number {
			return f.mul(x, f.hardSigmoid(x, f.constant(1./6), exact(0.5)))
		})
	}),
}
