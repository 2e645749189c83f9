package reference

import (
	"fmt"
	"slices"
)

// opCrop cuts the borders from images (N, C, H, W): left, top, right and bottom. Where
// there is a scale, a height and a width, these are what is left, from the left and top
// borders on. An experimental operator of ONNX's opset 1, which ONNX Runtime has up to
// opset 9.
var opCrop = operator{
	name: "Crop", in: []port{moves},
	eval: single(func(c *call) *Value {
		x, border, scale := c.in[0], c.intList("border"), c.intList("scale")
		if len(x.Dims) != 4 || len(border) != 4 || slices.Min(border) < 0 {
			fail(fmt.Errorf("input of shape %v and border %v, want four axes, and four lengths: left, top, right, bottom", x.Dims, border))
		}
		left, top := border[0], border[1]
		dims := []int{x.Dims[0], x.Dims[1], x.Dims[2] - top - border[3], x.Dims[3] - left - border[2]}
		if c.has("scale") {
			if len(scale) != 2 {
				fail(fmt.Errorf("scale %v, want a height and a width", scale))
			}
			copy(dims[2:], scale)
		}
		if top > x.Dims[2] || left > x.Dims[3] || dims[2] < 0 || dims[3] < 0 || dims[2] > x.Dims[2]-top || dims[3] > x.Dims[3]-left {
			fail(fmt.Errorf("a border of %v and scale %v of an image of %d x %d", border, scale, x.Dims[2], x.Dims[3]))
		}
		at, steps := make([]int, 4), strides(x.Dims)
		return c.pick(x, dims, func(i int) int {
			unravel(i, dims, at)
			at[2] += top
			at[3] += left
			return ravel(at, steps)
		})
	}),
}
