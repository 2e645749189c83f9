package reference

// opHardSigmoid is max(0, min(1, alpha x + beta)). ONNX HardSigmoid, opset 1, 6,
// 22.
var opHardSigmoid = operator{
	name: "HardSigmoid",
	eval: single(func(c *call) *Value {
		alpha, beta := exact(c.float("alpha")), exact(c.float("beta"))
		f := c.format(c.in[0])
		return c.mapNumbers(c.in[0], func(x number) number { return f.hardSigmoid(x, alpha, beta) })
	}),
}

func (f format) hardSigmoid(x, alpha, beta number) number {
	return larger(exact(0), smaller(exact(1), f.add(f.mul(alpha, x), beta)))
}
