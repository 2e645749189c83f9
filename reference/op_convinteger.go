package reference

import (
	"slices"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// opConvInteger is Conv of x - x zero point and w - w zero point. ONNX
// ConvInteger, opset 10.
var opConvInteger = operator{
	name: "ConvInteger",
	eval: single(func(c *call) *Value {
		y := c.shiftedConvolution(c.in[0], c.in[2], c.in[1], c.in[3])
		return c.cast(y, pb.TensorProto_INT32)
	}),
}

// shiftedConvolution is the convolution of integers less their zero points. It is
// computed in float64, which is exact below 2^53, and has no limits.
func (c *call) shiftedConvolution(x, zeroX, w, zeroW *Value) *Value {
	operands := []*Value{x, w}
	for i, zero := range []*Value{zeroX, zeroW} {
		s := c.shifted(operands[i], zero, 0)
		operands[i] = c.cast(s, pb.TensorProto_DOUBLE)
	}
	g := c.convGeometry(operands[0], operands[1])
	out := c.zeros(pb.TensorProto_DOUBLE, false, slices.Concat([]int{g.batch, g.out}, g.window.out)...)
	c.convolve(wholeNumbers, g, operands[0], operands[1], nil, out)
	c.addLostByConvolution(g, out, x, w)
	return out
}
