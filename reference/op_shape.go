package reference

// opShape returns the lengths of the axes from start to end. ONNX Shape, opset
// 1, 13, 15, 19, 21.
var opShape = operator{
	name: "Shape", in: []port{moves},
	eval: single(func(c *call) *Value {
		dims := c.in[0].Dims
		bound := func(x int) int {
			if x < 0 {
				x += len(dims)
			}
			return min(max(x, 0), len(dims))
		}
		start, end := bound(c.int("start")), bound(c.int("end", len(dims)))
		return c.int64Value(dims[start:max(start, end)]...)
	}),
}
