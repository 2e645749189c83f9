package reference

import "errors"

// opOptionalGetElement is the element of an optional; what is not an optional is
// handed on. ONNX OptionalGetElement, opset 15, 18.
var opOptionalGetElement = operator{
	name: "OptionalGetElement", in: []port{moves},
	eval: single(func(c *call) *Value {
		v := c.in[0]
		switch {
		case v.Kind != Optional:
			return v
		case len(v.Elems) == 0:
			fail(errors.New("the optional is empty"))
		}
		return v.Elems[0]
	}),
}
