package reference

// opSelu is gamma x for x > 0 and gamma alpha (exp(x) - 1) below. ONNX Selu,
// opset 1, 6, 22; opset 1 has other defaults.
var opSelu = operator{
	name: "Selu", attrs: attrs{"alpha": aFloat, "gamma": aFloat, "consumed_inputs": aInts.until(5)}, in: []port{need(floats)},
	eval: single(func(c *call) (*Value, error) {
		alpha, gamma := float64(float32(1.67326319217681884765625)), float64(float32(1.05070102214813232421875))
		if c.opset < 6 {
			alpha, gamma = float64(float32(1.6732)), float64(float32(1.0507))
		}
		a, g, f := exact(c.float("alpha", alpha)), exact(c.float("gamma", gamma)), c.format(c.in[0])
		return c.mapNumbers(c.in[0], func(x number) number { return f.rounded(f.mul(g, f.expLinear(x, a, x)), 1) })
	}),
}
