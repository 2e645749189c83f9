package reference

// opHardSwish is x max(0, min(1, x/6 + 1/2)). ONNX HardSwish, opset 14, 22. Many
// compute it as x min(6, max(0, x+3)) / 6 instead (Howard et al., Searching for
// MobileNetV3, 2019, section 5.2): two more roundings. ONNX defines it by HardSigmoid, whose
// result a runtime without an own kernel stores in the type.
var opHardSwish = operator{
	name: "HardSwish",
	eval: single(func(c *call) *Value {
		f := c.format(c.in[0])
		store := c.profile.stored(c.in[0].Type)
		return c.mapNumbers(c.in[0], func(x number) number {
			gate := f.hardSigmoid(x, f.constant(1./6), exact(0.5))
			if store != nil {
				gate = store.store(gate)
			}
			return f.rounded(f.mul(x, gate), 2)
		})
	}),
}
