package reference

// opCelu is max(0, x) + min(0, alpha (exp(x/alpha) - 1)). ONNX Celu, opset 12.
var opCelu = operator{
	name: "Celu",
	eval: single(func(c *call) *Value {
		alpha, f := exact(c.float("alpha")), c.format(c.in[0])
		return c.mapNumbers(c.in[0], func(x number) number {
			return f.expLinear(x, alpha, f.div(x, alpha))
		})
	}),
}
