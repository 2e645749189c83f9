package reference

import (
	"fmt"
	"math"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// opMultinomial draws classes, sample_size for each row of the input, which holds the logarithms of their probabilities up to
// a constant. ONNX Multinomial, opset 7, 22.
var opMultinomial = operator{
	name: "Multinomial", drawn: true,
	eval: single(func(c *call) *Value {
		x := c.in[0]
		if len(x.Dims) != 2 || x.Dims[1] == 0 {
			fail(fmt.Errorf("input 0 is %s, want [batch,classes], and at least one class", x))
		}
		classes, size := x.Dims[1], int(c.int("sample_size"))
		out := c.zeros(pb.TensorProto_DataType(c.int("dtype")), false, x.Dims[0], size)
		r := c.source()
		logits := x.floats()
		sums := make([]float64, classes)
		for row := range x.Dims[0] {
			l := logits[row*classes : (row+1)*classes]
			top, sum := math.Inf(-1), 0.0
			for _, v := range l {
				top = max(top, v)
			}
			for i, v := range l {
				sum += math.Exp(v - top)
				sums[i] = sum
			}
			for k := range size {
				at, class := r.Float64()*sum, 0
				for class < classes-1 && sums[class] <= at {
					class++
				}
				out.setFloat(row*size+k, float64(class))
			}
		}
		c.guess(out)
		return out
	}),
}
