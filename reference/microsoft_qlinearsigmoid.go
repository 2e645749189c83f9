package reference

// opMicrosoftQLinearSigmoid is Sigmoid on bytes. ONNX Runtime's com.microsoft
// QLinearSigmoid.
var opMicrosoftQLinearSigmoid = mapBytes("QLinearSigmoid", func(_ *call, f format) func(number) number {
	return func(x number) number { return sigmoidFunction.at(f, x) }
})
