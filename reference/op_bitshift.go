package reference

import (
	"fmt"
	"math"
	"math/bits"
)

// opBitShift shifts bits LEFT or RIGHT. ONNX BitShift, opset 11, 28 (not of signed
// integers).
var opBitShift = operator{
	name: "BitShift", in: []port{lacking(signed)},
	eval: single(func(c *call) *Value {
		var shift func(x, y uint64) uint64
		switch d := c.text("direction"); d {
		case "LEFT":
			shift = func(x, y uint64) uint64 { return x << y }
		case "RIGHT":
			shift = func(x, y uint64) uint64 { return x >> y }
		default:
			fail(fmt.Errorf("attribute direction is %q, want LEFT or RIGHT", d))
		}
		a, b := c.in[0], c.in[1]
		out := c.zipInts(a, b, nil, shift)
		width := uint64(bits.Len64(wrap(a.Type, uint64(math.MaxUint64))))
		c.undefinedWhere(out, a, b, func(_, k int) string {
			if elems[uint64](b)[k] >= width {
				return wideShift
			}
			return ""
		})
		return out
	}),
}
