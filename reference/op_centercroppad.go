package reference

import (
	"fmt"
	"slices"
)

// opCenterCropPad cuts axes, or fills them up with zeros, to the lengths in input 1,
// around their middle; of an odd number the greater half is at the end. ONNX
// CenterCropPad, opset 18.
var opCenterCropPad = operator{
	name: "CenterCropPad", in: []port{moves, sizing},
	eval: single(func(c *call) *Value {
		x := c.in[0]
		lengths, _ := c.intInput(1)
		axes := c.intList("axes")
		if !c.has("axes") {
			for a := range x.Dims {
				axes = append(axes, a)
			}
		}
		axes = axesOf(axes, len(x.Dims))
		if len(lengths) != len(axes) {
			fail(fmt.Errorf("lengths %v for the axes %v", lengths, axes))
		}
		dims, shift := slices.Clone(x.Dims), make([]int, len(x.Dims))
		for i, a := range axes {
			if dims[a] = lengths[i]; lengths[i] < 0 {
				fail(fmt.Errorf("lengths %v, want none negative", lengths))
			}
			if shift[a] = (x.Dims[a] - dims[a]) / 2; dims[a] > x.Dims[a] {
				shift[a] = -((dims[a] - x.Dims[a]) / 2)
			}
		}
		must(product(dims)) // within what can be addressed
		at, steps := make([]int, len(dims)), strides(x.Dims)
		return c.pick(x, dims, func(i int) int {
			unravel(i, dims, at)
			for a := range at {
				if at[a] += shift[a]; at[a] < 0 || at[a] >= x.Dims[a] {
					return -1
				}
			}
			return ravel(at, steps)
		})
	}),
}
