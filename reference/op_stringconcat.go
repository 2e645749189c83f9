package reference

import "cmp"

// opStringConcat joins two strings. ONNX StringConcat, opset 20.
var opStringConcat = operator{
	name: "StringConcat",
	eval: single(func(c *call) (*Value, error) {
		x, y := c.in[0], c.in[1]
		var spent error
		out, err := c.zip(x, y, x.Type, false, pairwise(x, y, func(a, b string) string {
			if spent == nil {
				spent = c.take(textCost(a) + textCost(b))
			}
			if spent != nil {
				return ""
			}
			return a + b
		}))
		return out, cmp.Or(err, spent)
	}),
}
