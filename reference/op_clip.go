package reference

import (
	"fmt"
	"math"
)

// opClip limits x to [min, max]: attributes until opset 6, inputs 1 and 2 from
// opset 11 on. ONNX Clip, opset 1, 6, 11, 12, 13.
var opClip = operator{
	name: "Clip",
	eval: single(func(c *call) *Value {
		x := c.in[0]
		for i := 1; i <= 2; i++ {
			if c.given(i) && c.in[i].Len() != 1 {
				fail(fmt.Errorf("input %d is %s, want a scalar", i, c.in[i]))
			}
		}
		if floats&setOf(x) == 0 {
			return c.mapInts(x, clipInts(c, int64(math.MinInt64), math.MaxInt64), clipInts(c, uint64(0), math.MaxUint64))
		}
		// The defaults are the limits of the type, so that infinity is clipped.
		most := formatOf(x.Type).max
		lo, hi := exact(c.float("min", -most)), exact(c.float("max", most))
		if c.given(1) {
			lo = c.in[1].at(0)
		}
		if c.given(2) {
			hi = c.in[2].at(0)
		}
		y := c.mapNumbers(x, func(n number) number { return smaller(larger(n, lo), hi) })
		if hasNaN([]number{lo, hi}) {
			c.undefinedAll(y, orderOfNaN)
		}
		return y
	}),
}

// clipInts limits integers to inputs 1 and 2, where they are given.
func clipInts[T integer](c *call, lo, hi T) func(T) T {
	return func(v T) T {
		if c.given(1) {
			lo = elems[T](c.in[1])[0]
		}
		if c.given(2) {
			hi = elems[T](c.in[2])[0]
		}
		return min(max(v, lo), hi)
	}
}
