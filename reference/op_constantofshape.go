package reference

import (
	"fmt"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// opConstantOfShape fills the shape in input 0 with attribute value, by default
// the float32 zero. ONNX ConstantOfShape, opset 9, 20, 21.
var opConstantOfShape = operator{
	name: "ConstantOfShape",
	in:   []port{sizing},
	eval: single(func(c *call) *Value {
		v := c.tensorAttr("value")
		if v == nil {
			v = &Value{Type: pb.TensorProto_FLOAT, Data: onnx.Slice[float64]{0}}
		}
		if v.Len() != 1 {
			fail(fmt.Errorf("attribute value has %d elements, want 1", v.Len()))
		}
		dims, _ := c.intInput(0)
		return c.pick(v, dims, func(int) int { return 0 })
	}),
}
