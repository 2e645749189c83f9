package reference

import "fmt"

// opQLinearConv is ConvInteger plus a bias, scaled and quantized; the weights may
// have a scale and a zero point for each channel of the result. ONNX QLinearConv,
// opset 10.
var opQLinearConv = operator{
	name: "QLinearConv",
	eval: single(func(c *call) *Value {
		y := c.shiftedConvolution(c.in[0], c.in[2], c.in[3], c.in[5])
		channels := y.Dims[1]
		if bias := c.in[8]; bias != nil {
			if bias.Len() != channels {
				fail(fmt.Errorf("bias of shape %v for %d channels", bias.Dims, channels))
			}
			for i := range y.floats() {
				y.floats()[i] += bias.Float(channelOf(y.Dims, i))
			}
		}
		return c.requantize(y, c.in[1], c.in[4], c.in[6], c.in[7], func(int) int { return 0 }, func(i int) int { return channelOf(y.Dims, i) })
	}),
}
