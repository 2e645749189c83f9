package reference

import (
	"errors"
	"fmt"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// opConstant returns the tensor in one of its attributes. ONNX Constant, opset
// 1, 9, 11, 12, 13, 19, 21.
var opConstant = operator{
	name: "Constant",
	eval: single(func(c *call) *Value {
		if len(c.step.attrs) != 1 {
			fail(fmt.Errorf("%d attributes, want exactly one value", len(c.step.attrs)))
		}
		if v := c.tensorAttr("value"); v != nil {
			return v
		}
		for name, a := range c.step.attrs {
			v := constantOf(name, a)
			if v == nil {
				break
			}
			c.take(cost(v))
			return v
		}
		panic(failure{errors.New("no value")})
	}),
}

func constantOf(name string, a *pb.AttributeProto) *Value {
	toFloat := func(x float32) float64 { return float64(x) }
	toString := func(b []byte) string { return string(b) }
	switch name {
	case "value_float":
		return &Value{Type: pb.TensorProto_FLOAT, Dims: []int{}, Data: onnx.Slice[float64]{float64(a.GetF())}}
	case "value_int":
		return &Value{Type: pb.TensorProto_INT64, Dims: []int{}, Data: onnx.Slice[int64]{a.GetI()}}
	case "value_string":
		return &Value{Type: pb.TensorProto_STRING, Dims: []int{}, Data: onnx.Slice[string]{string(a.GetS())}}
	case "value_floats":
		return vector(pb.TensorProto_FLOAT, convert(a.GetFloats(), toFloat))
	case "value_ints":
		return vector(pb.TensorProto_INT64, slices.Clone(a.GetInts()))
	case "value_strings":
		return vector(pb.TensorProto_STRING, convert(a.GetStrings(), toString))
	}
	return nil
}
