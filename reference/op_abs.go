package reference

import (
	"math"
)

// opAbs is |x|. ONNX Abs, opset 1, 6, 13.
var opAbs = operator{
	name: "Abs",
	eval: single(func(c *call) *Value {
		x := c.in[0]
		if floats&setOf(x) == 0 {
			return c.mapInts(x, func(v int64) int64 { return max(v, -v) }, func(v uint64) uint64 { return v })
		}
		return c.mapNumbers(x, func(n number) number { n.v = math.Abs(n.v); return n })
	}),
}
