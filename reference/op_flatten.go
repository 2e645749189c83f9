package reference

// opFlatten makes a matrix of the axes before attribute axis and those from it
// on. ONNX Flatten, opset 1, 9, 11, 13, 21.
var opFlatten = operator{
	name: "Flatten", in: []port{moves},
	eval: single(func(c *call) (*Value, error) {
		x := c.in[0]
		axis, err := axisOf(c.int("axis", 1), len(x.Dims)+1)
		if c.int("axis", 1) < 0 {
			axis, err = c.axis("axis", 1, len(x.Dims))
		}
		if err != nil {
			return nil, err
		}
		return reshaped(x, []int{size(x.Dims[:axis]), size(x.Dims[axis:])}), nil
	}),
}
