package reference

// opSwish is x sigmoid(alpha x). ONNX Swish, opset 24.
var opSwish = operator{
	name: "Swish",
	eval: single(func(c *call) *Value {
		alpha, f := exact(c.float("alpha")), c.format(c.in[0])
		return c.mapNumbers(c.in[0], func(x number) number {
			return f.swish(x, alpha)
		})
	}),
}

func (f format) swish(x, alpha number) number {
	return f.mul(x, sigmoidFunction.at(f, f.mul(alpha, x)))
}
