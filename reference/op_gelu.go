package reference

import (
	"fmt"
	"math"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// opGelu is x/2 (1 + erf(x/sqrt 2)), or, with approximate = "tanh", x/2 (1 +
// tanh(sqrt(2/pi) (x + 0.044715 x³))). ONNX Gelu, opset 20.
var opGelu = operator{
	name: "Gelu",
	eval: single(func(c *call) *Value {
		how := c.text("approximate")
		switch how {
		case "none":
			return c.mapNumbers(c.in[0], c.gelu())
		case "tanh":
			return c.mapNumbers(c.in[0], c.geluByTanh())
		}
		panic(failure{fmt.Errorf("attribute approximate is %q, want none or tanh", how)})
	}),
}

// gelu is x/2 (1 + erf(x/sqrt 2)), of elements as input 0 has them.
func (c *call) gelu() func(x number) number {
	f, root := c.format(c.in[0]), c.held(math.Sqrt2/2)
	return func(x number) number {
		inner := erfFunction.at(f, f.mul(x, root))
		return f.mul(f.mul(exact(0.5), x), f.add(exact(1), inner))
	}
}

// geluByTanh is x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x³))), of elements as input 0 has them.
func (c *call) geluByTanh() func(x number) number { return c.geluBy(math.Sqrt(2/math.Pi), 0.044715) }

// geluBy is geluByTanh with constants in the place of sqrt(2/pi) and of that of the cube.
func (c *call) geluBy(slope, bend float64) func(x number) number {
	f, root, third := c.format(c.in[0]), c.held(slope), c.held(bend)
	return func(x number) number {
		cube := f.mul(third, f.mul(x, f.mul(x, x)))
		inner := tanhFunction.at(f, f.mul(root, f.add(x, cube)))
		return f.mul(f.mul(exact(0.5), x), f.add(exact(1), inner))
	}
}

// held is a constant of the function that defines an operator. A runtime without a kernel for the type of input 0 evaluates
// that function: there constants are attributes, which are float32, and are cast to the type.
func (c *call) held(v float64) number {
	t := c.in[0].Type
	f := c.formatOf(t)
	if stored := c.profile.stored(t); stored != nil {
		f = *stored
	} else if t == pb.TensorProto_DOUBLE {
		f = c.formatOf(pb.TensorProto_FLOAT)
	}
	if f.has(v) {
		return exact(v)
	}
	return f.constant(v)
}

// constant is a real number that the runtime holds rounded.
func (f format) constant(v float64) number { return f.rounded(exact(v), 1) }
