package reference

import (
	"math"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// opDynamicQuantizeLinear is QuantizeLinear to bytes by the range of its input,
// which contains zero; scale and zero point are outputs 1 and 2. ONNX
// DynamicQuantizeLinear, opset 11.
var opDynamicQuantizeLinear = operator{
	name: "DynamicQuantizeLinear",
	eval: func(c *call) []*Value {
		x := c.in[0]
		f := c.format(x)
		lo, hi := exact(0), exact(0)
		for i := range x.Len() {
			lo, hi = smaller(lo, x.at(i)), larger(hi, x.at(i))
		}
		step := f.div(f.sub(hi, lo), exact(255))
		y := c.zeros(pb.TensorProto_UINT8, true, x.Dims...)
		zero := c.zeros(pb.TensorProto_UINT8, true)
		scale := c.numbers(x.Type)
		scale.set(0, step)
		switch {
		case step.v == 0:
			c.undefined(scale, 0, zeroScale)
		case math.IsNaN(step.v):
			c.undefined(scale, 0, quantizedNaN)
		}
		c.quantize(zero, 0, f.div(neg(lo), step), 0)
		c.each(y.Len(), 1, func(i int) {
			c.quantize(y, i, f.div(x.at(i), step), zero.Float(0))
			n := y.figures(i) // and the zero point may be off
			n.sound += zero.Sound[0]
			n.declared += zero.Declared[0]
			y.setFigures(i, n)
		})
		return []*Value{y, scale, zero}
	},
}
