package reference

import (
	"fmt"
	"slices"
)

// opPRelu is x for x >= 0 and slope x below; the slope broadcasts to x. Before
// opset 7 a slope of one dimension belongs to axis 1. ONNX PRelu, opset 1, 6, 7,
// 9, 16.
var opPRelu = operator{
	name: "PRelu",
	eval: single(func(c *call) *Value {
		x, slope := c.in[0], c.in[1]
		if c.opset < 7 && len(slope.Dims) == 1 && len(x.Dims) > 2 {
			slope = reshaped(slope, slices.Concat(slope.Dims, slices.Repeat([]int{1}, len(x.Dims)-2)))
		}
		if dims, err := broadcast(x.Dims, slope.Dims); err != nil || !slices.Equal(dims, x.Dims) {
			fail(fmt.Errorf("slope of shape %v does not stretch to %v", slope.Dims, x.Dims))
		}
		if floats&setOf(x) == 0 {
			return c.zipInts(x, slope, func(x, s int64) int64 {
				if x < 0 {
					return x * s
				}
				return x
			}, func(x, _ uint64) uint64 { return x })
		}
		f := c.format(x)
		return c.zipNumbers(x, slope, f.leaky)
	}),
}
