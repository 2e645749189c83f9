package reference

import (
	"fmt"
	"math"
	"slices"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// opOneHot puts on-values at the indices along a new axis, and off-values
// elsewhere; indices out of range are off everywhere. ONNX OneHot, opset 9, 11.
var opOneHot = operator{
	name: "OneHot", in: []port{blind, sizing, moves},
	eval: single(func(c *call) *Value {
		indices, values := c.in[0], c.in[2]
		if c.in[1].Len() != 1 || values.Len() != 2 {
			fail(fmt.Errorf("depth is %s and values are %s, want one number and two", c.in[1], values))
		}
		depth := int(max(-1, min(c.in[1].Float(0), math.MaxInt32)))
		if depth < 1 {
			fail(fmt.Errorf("depth is %v, want at least 1", c.in[1].Float(0)))
		}
		axis := axisOf(c.int("axis"), len(indices.Dims)+1)
		dims := slices.Concat(indices.Dims[:axis], []int{depth}, indices.Dims[axis:])
		inner := size(indices.Dims[axis:])
		y := c.pick(values, dims, func(i int) int {
			// Fractions are cut off, as a cast to int64 does.
			hot := math.Trunc(indices.Float(i/inner/depth*inner + i%inner))
			if hot < 0 {
				hot += float64(depth)
			}
			if hot == float64(i/inner%depth) {
				return 1
			}
			return 0
		})
		for i := range y.Len() {
			if !holds(pb.TensorProto_INT64, indices.Float(i/inner/depth*inner+i%inner)) {
				c.undefined(y, i, beyondInteger)
			}
		}
		return y
	}),
}
