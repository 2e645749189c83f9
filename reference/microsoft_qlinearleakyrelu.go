package reference

// opMicrosoftQLinearLeakyRelu is LeakyRelu on bytes. ONNX Runtime's com.microsoft
// QLinearLeakyRelu.
var opMicrosoftQLinearLeakyRelu = mapBytes("QLinearLeakyRelu", func(c *call, f format) func(number) number {
	alpha := exact(c.float("alpha"))
	return func(x number) number { return f.leaky(x, alpha) }
})
