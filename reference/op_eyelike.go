package reference

import (
	"fmt"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// opEyeLike is a matrix of the shape of its input with ones on diagonal k. ONNX
// EyeLike, opset 9, 22.
var opEyeLike = operator{
	name: "EyeLike", in: []port{moves},
	eval: single(func(c *call) *Value {
		x := c.in[0]
		if len(x.Dims) != 2 {
			fail(fmt.Errorf("input of shape %v, want a matrix", x.Dims))
		}
		zeros := &Value{Type: pb.TensorProto_FLOAT, Dims: x.Dims, Data: make(onnx.Slice[float64], x.Len())}
		k := c.int("k")
		for i := range x.Dims[0] {
			if j := i + k; j >= 0 && j < x.Dims[1] {
				zeros.floats()[i*x.Dims[1]+j] = 1
			}
		}
		return c.cast(zeros, pb.TensorProto_DataType(c.int("dtype", int(x.Type))))
	}),
}
