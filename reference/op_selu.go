package reference

// opSelu is gamma x for x > 0 and gamma alpha (exp(x) - 1) below. ONNX Selu,
// opset 1, 6, 22; opset 1 has other defaults.
var opSelu = operator{
	name: "Selu",
	eval: single(func(c *call) *Value {
		a, g, f := exact(c.float("alpha")), exact(c.float("gamma")), c.format(c.in[0])
		return c.mapNumbers(c.in[0], func(x number) number { return f.rounded(f.mul(g, f.expLinear(x, a, x)), 1) })
	}),
}
