package reference

import (
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// opOptionalHasElement is true for what is there, and for an optional that is not
// empty. ONNX OptionalHasElement, opset 15, 18.
var opOptionalHasElement = operator{
	name: "OptionalHasElement", in: []port{moves},
	eval: single(func(c *call) *Value {
		v := c.in[0]
		has := v != nil && (v.Kind != Optional || len(v.Elems) > 0)
		return &Value{Type: pb.TensorProto_BOOL, Dims: []int{}, Data: onnx.Slice[bool]{has}}
	}),
}
