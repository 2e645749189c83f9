package reference

// opExpand broadcasts its input with a shape. ONNX Expand, opset 8, 13.
var opExpand = operator{
	name: "Expand", in: []port{moves, sizing},
	eval: single(func(c *call) *Value {
		shape, _ := c.intInput(1)
		dims := must(broadcast(c.in[0].Dims, shape))
		s := newStretch(c.in[0].Dims, dims)
		return c.pick(c.in[0], dims, s.index)
	}),
}
