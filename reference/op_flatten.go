package reference

// opFlatten makes a matrix of the axes before attribute axis and those from it
// on. ONNX Flatten, opset 1, 9, 11, 13, 21.
var opFlatten = operator{
	name: "Flatten", in: []port{moves},
	eval: single(func(c *call) *Value {
		x := c.in[0]
		rank := len(x.Dims)
		if c.int("axis") >= 0 {
			rank++ // after the last
		}
		axis := c.axis("axis", rank)
		return reshaped(x, []int{size(x.Dims[:axis]), size(x.Dims[axis:])})
	}),
}
