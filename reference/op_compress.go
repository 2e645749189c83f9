package reference

import (
	"fmt"
	"slices"
)

// opCompress keeps the slices along an axis, or the elements, where the
// condition holds. ONNX Compress, opset 9, 11.
var opCompress = operator{
	name: "Compress", in: []port{moves, sizing},
	eval: single(func(c *call) *Value {
		x, axis := c.slices()
		_, n, inner := split(x.Dims, axis)
		var kept []int
		for i, b := range elems[bool](c.in[1]) {
			if b && i >= n {
				fail(fmt.Errorf("the condition holds for element %d of %d", i, n))
			}
			if b {
				kept = append(kept, i)
			}
		}
		dims := slices.Clone(x.Dims)
		dims[axis] = len(kept)
		return c.pick(x, dims, func(i int) int {
			return (i/inner/len(kept)*n+kept[i/inner%len(kept)])*inner + i%inner
		})
	}),
}

// slices are input 0 and the axis whose slices are meant: without attribute axis, its elements in a row.
func (c *call) slices() (x *Value, axis int) {
	x = c.in[0]
	if !c.has("axis") {
		x = reshaped(x, []int{x.Len()})
	}
	axis = c.axis("axis", len(x.Dims))
	return x, axis
}
