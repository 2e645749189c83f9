package reference

// opMicrosoftQuickGelu is x sigmoid(alpha x). ONNX Runtime's com.microsoft QuickGelu.
var opMicrosoftQuickGelu = operator{
	name: "QuickGelu", domain: microsoft,
	eval: single(func(c *call) *Value {
		f, alpha := c.format(c.in[0]), c.held(c.float("alpha"))
		return c.mapNumbers(c.in[0], func(x number) number {
			return f.mul(x, sigmoidFunction.at(f, f.mul(x, alpha)))
		})
	}),
}
