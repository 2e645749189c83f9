package reference

import "fmt"

// opAffine is alpha x + beta. An experimental operator of ONNX's opset 1, which ONNX
// Runtime has up to opset 9.
var opAffine = operator{
	name: "Affine",
	eval: single(func(c *call) *Value {
		f, alpha, beta := c.format(c.in[0]), exact(c.float("alpha")), exact(c.float("beta"))
		return c.mapNumbers(c.in[0], func(x number) number { return f.add(f.mul(alpha, x), beta) })
	}),
}

// opScale is scale x. An experimental operator of ONNX's opset 1, which ONNX Runtime has
// up to opset 9.
var opScale = operator{
	name: "Scale",
	eval: single(func(c *call) *Value {
		f, scale := c.format(c.in[0]), exact(c.float("scale"))
		return c.mapNumbers(c.in[0], func(x number) number { return f.mul(scale, x) })
	}),
}

// opImageScaler is scale x + bias, the bias a number for each channel of an image
// (N, C, H, W). An experimental operator of ONNX's opset 1, which ONNX Runtime has up to
// opset 9.
var opImageScaler = operator{
	name: "ImageScaler",
	eval: single(func(c *call) *Value {
		x, bias := c.in[0], c.step.attrs["bias"].GetFloats()
		if len(x.Dims) != 4 || len(bias) != x.Dims[1] {
			fail(fmt.Errorf("input of shape %v and %d biases, want four axes and a bias for each channel, axis 1", x.Dims, len(bias)))
		}
		f, scale := c.format(x), exact(c.float("scale"))
		return c.mapIndexed(x, x.Dims, func(i int) number {
			return f.add(f.mul(scale, x.at(i)), exact(float64(bias[channelOf(x.Dims, i)])))
		})
	}),
}
