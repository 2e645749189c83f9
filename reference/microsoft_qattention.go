package reference

import "fmt"

// opMicrosoftQAttention is Attention of an input and weights of bytes; the scale and
// the zero point of the weights may be one for each column. ONNX Runtime's
// com.microsoft QAttention.
var opMicrosoftQAttention = operator{
	name: "QAttention", domain: microsoft,
	eval: func(c *call) []*Value {
		x, w := c.in[0], c.in[1]
		if len(x.Dims) != 3 || len(w.Dims) != 2 || w.Dims[1]%3 != 0 {
			fail(fmt.Errorf("input of shape %v, weights of %v", x.Dims, w.Dims))
		}
		from := c.scaling(c.in[3], c.in[6])
		p := c.shiftedProduct(x, c.in[6], w, c.in[7])
		projected := c.scaledProduct(p, w, from.scale, c.in[4], c.in[2])
		wide := w.Dims[1] / 3
		return c.selfAttention(projected, []int{wide, wide, wide}, attentionInputs{past: 8, mask: 5})
	},
}
