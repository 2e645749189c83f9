package reference

// opStringConcat joins two strings. ONNX StringConcat, opset 20.
var opStringConcat = operator{
	name: "StringConcat",
	eval: single(func(c *call) *Value {
		x, y := c.in[0], c.in[1]
		return c.zip(x, y, x.Type, false, pairwise(x, y, func(a, b string) string {
			c.take(textCost(a) + textCost(b))
			return a + b
		}))
	}),
}
