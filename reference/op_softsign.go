package reference

import (
	"math"
)

// opSoftsign is x / (1 + |x|). ONNX Softsign, opset 1, 22.
var opSoftsign = operator{
	name: "Softsign",
	eval: single(func(c *call) *Value {
		f := c.format(c.in[0])
		return c.mapNumbers(c.in[0], func(x number) number {
			size := x
			size.v = math.Abs(x.v)
			return f.ratio(x, f.add(exact(1), size))
		})
	}),
}
