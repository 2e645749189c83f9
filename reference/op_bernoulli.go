package reference

import (
	"github.com/petrify-ml/petrify/onnx/pb"
)

// opBernoulli draws ones with the probabilities that its input holds, zeros
// else. ONNX Bernoulli, opset 15, 22.
var opBernoulli = operator{
	name: "Bernoulli", drawn: true,
	eval: single(func(c *call) *Value {
		x := c.in[0]
		out := c.zeros(pb.TensorProto_DataType(c.int("dtype", int(x.Type))), false, x.Dims...)
		r := c.source()
		for i, p := range x.floats() {
			if r.Float64() < p {
				out.setFloat(i, 1)
			}
		}
		c.guess(out)
		return out
	}),
}
