package reference

import (
	"math"
)

// opShrink is x - bias for x > lambd, x + bias for x < -lambd, and 0 between.
// ONNX Shrink, opset 9.
var opShrink = operator{
	name: "Shrink",
	eval: single(func(c *call) *Value {
		bias, lambd := c.float("bias"), c.float("lambd")
		if floats&setOf(c.in[0]) == 0 {
			return c.mapInts(c.in[0], func(x int64) int64 {
				return int64(shrink(float64(x), bias, lambd))
			}, func(x uint64) uint64 {
				return uint64(max(0, shrink(float64(x), bias, lambd)))
			})
		}
		f := c.format(c.in[0])
		height := math.Abs(lambd) + 2*math.Abs(bias) // of the jump at lambd and -lambd
		return c.mapNumbers(c.in[0], func(x number) number {
			y := exact(0)
			if x.v > lambd || x.v < -lambd {
				y = f.rounded(number{shrink(x.v, bias, lambd), x.sound, x.spread, x.declared}, 1)
			}
			return jump(y, x, math.Abs(math.Abs(x.v)-math.Abs(lambd)), height)
		})
	}),
}

func shrink(x, bias, lambd float64) float64 {
	switch { // in this order: where lambd is negative, both may hold
	case x < -lambd:
		return x + bias
	case x > lambd:
		return x - bias
	}
	return 0
}
