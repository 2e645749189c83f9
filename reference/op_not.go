package reference

import "github.com/petrify-ml/petrify/onnx"

// opNot is not x. ONNX Not, opset 1.
var opNot = operator{
	name: "Not", in: []port{moves},
	eval: single(func(c *call) *Value {
		v := *c.in[0]
		v.Data = onnx.Slice[bool](convert(elems[bool](&v), func(b bool) bool { return !b }))
		return &v
	}),
}
