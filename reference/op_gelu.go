package reference

import (
	"fmt"
	"math"
)

// opGelu is x/2 (1 + erf(x/sqrt 2)), or, with approximate = "tanh", x/2 (1 +
// tanh(sqrt(2/pi) (x + 0.044715 x³))). ONNX Gelu, opset 20.
var opGelu = operator{
	name: "Gelu",
	eval: single(func(c *call) *Value {
		f := c.format(c.in[0])
		how := c.text("approximate")
		switch how {
		case "none":
			return c.mapNumbers(c.in[0], f.gelu)
		case "tanh":
			return c.mapNumbers(c.in[0], f.geluByTanh)
		}
		panic(failure{fmt.Errorf("attribute approximate is %q, want none or tanh", how)})
	}),
}

// gelu is x/2 (1 + erf(x/sqrt 2)).
func (f format) gelu(x number) number {
	inner := erfFunction.at(f, f.mul(x, f.constant(math.Sqrt2/2)))
	return f.mul(f.mul(exact(0.5), x), f.add(exact(1), inner))
}

// geluByTanh is x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x³))).
func (f format) geluByTanh(x number) number {
	cube := f.mul(f.constant(0.044715), f.mul(x, f.mul(x, x)))
	inner := tanhFunction.at(f, f.mul(f.constant(math.Sqrt(2/math.Pi)), f.add(x, cube)))
	return f.mul(f.mul(exact(0.5), x), f.add(exact(1), inner))
}

// constant is a real number that the runtime holds rounded.
func (f format) constant(v float64) number { return f.rounded(exact(v), 1) }
