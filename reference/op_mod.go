package reference

import (
	"errors"
	"math"
)

// opMod is the remainder: with the sign of the divisor, or, with fmod = 1, of
// the dividend. ONNX Mod, opset 10, 13.
var opMod = operator{
	name: "Mod",
	eval: single(func(c *call) *Value {
		a, b := c.in[0], c.in[1]
		fmod := c.int("fmod") != 0
		if floats&setOf(a) != 0 {
			if !fmod {
				fail(errors.New("floating point wants fmod = 1"))
			}
			return c.zipNumbers(a, b, remainder)
		}
		out := c.zipInts(a, b, func(x, y int64) int64 {
			if y == 0 {
				return 0
			}
			r := x % y
			if !fmod && r != 0 && (r < 0) != (y < 0) {
				r += y
			}
			return r
		}, func(x, y uint64) uint64 {
			if y == 0 {
				return 0
			}
			return x % y
		})
		c.undefinedWhere(out, a, b, undefinedQuotient(a, b))
		return out
	}),
}

// remainder is exact in floating point; errors pass with slope 1 for the
// dividend and the quotient for the divisor, and where they can reach the next
// multiple of the divisor the remainder may be any.
func remainder(x, y number) number {
	n := number{v: math.Mod(x.v, y.v)}
	if math.IsNaN(n.v) {
		return notANumber(x, y)
	}
	q := math.Abs(math.Trunc(x.v / y.v))
	d := math.Abs(y.v)
	a := math.Abs(n.v)
	gap := min(a, d-a)
	n.sound = x.sound + times(q, y.sound)
	n.spread = x.spread + times(q, y.spread)
	n.declared = x.declared + times(q, y.declared)
	if gap <= n.sound+y.sound && x.sound+y.sound > 0 {
		n.sound = 2 * (d + y.sound)
	}
	if r := y.screen(); gap <= n.screen()+r && x.screen()+r > 0 {
		n.declared = 2 * (d + y.screen())
	}
	return n
}
