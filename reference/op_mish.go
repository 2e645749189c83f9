package reference

// opMish is x tanh(softplus(x)). ONNX Mish, opset 18, 22.
var opMish = operator{
	name: "Mish",
	eval: single(func(c *call) *Value {
		f := c.format(c.in[0])
		return c.mapNumbers(c.in[0], func(x number) number {
			return f.mul(x, tanhFunction.at(f, softplusFunction.at(f, x)))
		})
	}),
}
