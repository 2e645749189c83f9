package reference

import (
	"fmt"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// opDropout hands its input on in inference, with a mask of true (of ones
// before opset 12) as second output. In training mode it draws random numbers,
// which no reference can know. ONNX Dropout, opset 1, 6, 7, 10, 12, 13, 22.
var opDropout = operator{
	name: "Dropout",
	eval: func(c *call) []*Value {
		x := c.in[0]
		ratio := 0.5
		if c.given(1) {
			if c.in[1].Len() != 1 {
				fail(fmt.Errorf("ratio is %s, want a scalar", c.in[1]))
			}
			ratio = c.in[1].Float(0)
		}
		training := c.given(2) && c.in[2].Len() == 1 && elems[bool](c.in[2])[0]
		if c.opset < 7 {
			training = c.int("is_test") == 0
			ratio = c.float("ratio")
		}
		y := *x
		maskType := pb.TensorProto_BOOL
		if c.opset < 10 {
			maskType = x.Type
		}
		one := &Value{Type: maskType, Data: onnx.Slice[bool]{true}}
		if maskType != pb.TensorProto_BOOL {
			one.Data = onnx.Slice[float64]{1}
		}
		mask := c.pick(one, x.Dims, func(int) int { return 0 })
		if training && ratio != 0 {
			c.note("%s: Dropout in training draws random numbers, so nothing after it has limits", c.step.label)
			c.drew()
			makeUnknown(&y)
			makeUnknown(mask)
		}
		return []*Value{&y, mask}
	},
}
