package reference

// opStringConcat joins two strings. ONNX StringConcat, opset 20.
var opStringConcat = operator{
	name: "StringConcat",
	eval: single(func(c *call) (*Value, error) {
		x, y := c.in[0], c.in[1]
		return c.zip(x, y, x.Type, false, func(out *Value, i, j, k int) error {
			a, b := x.Data.([]string)[j], y.Data.([]string)[k]
			if err := c.take(textCost(a) + textCost(b)); err != nil {
				return err
			}
			out.Data.([]string)[i] = a + b
			return nil
		})
	}),
}
