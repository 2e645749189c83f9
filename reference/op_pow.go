package reference

import "math"

// opPow is X to the power of Y, of X's type. ONNX Pow, opset 1, 7, 12, 13, 15.
var opPow = operator{
	name: "Pow",
	eval: single(func(c *call) *Value {
		a := c.in[0]
		b := c.legacy(a, c.in[1])
		if floats&setOf(a) != 0 {
			f := c.format(a)
			return c.zipNumbers(a, b, f.pow)
		}
		return c.zip(a, b, a.Type, false, func(out *Value, i, j, k int) {
			if p := intPower(a, j, b, k); signed&setOf(out) != 0 {
				elems[int64](out)[i] = wrap(a.Type, int64(p))
			} else {
				elems[uint64](out)[i] = wrap(a.Type, p)
			}
			if !holds(a.Type, math.Pow(a.Float(j), b.Float(k))) {
				c.undefined(out, i, integerPower)
			}
		})
	}),
}

// pow is x to the power of y.
func (f format) pow(x, y number) number {
	n := number{v: math.Pow(x.v, y.v)}
	if math.IsNaN(n.v) {
		return notANumber(x, y)
	}
	change := func(ex, ey float64) float64 {
		if ex == 0 && ey == 0 {
			return 0
		}
		lo, hi := x.v-ex, x.v+ex
		if lo <= 0 {
			// Around zero only whole powers from 1 on have a bounded slope.
			if ey != 0 || y.v < 1 || y.v != math.Floor(y.v) && lo < 0 {
				return math.Inf(1)
			}
			return times(y.v*math.Pow(farthest(lo, hi), y.v-1), ex)
		}
		// x^y is monotone in each variable, so it is extreme in a corner.
		c := 0.0
		for _, bx := range []float64{lo, hi} {
			for _, by := range []float64{y.v - ey, y.v + ey} {
				c = max(c, math.Abs(math.Pow(bx, by)-n.v))
			}
		}
		return c + 4*0x1p-53*math.Abs(n.v)
	}
	own := declared("Pow")
	n.sound = change(x.sound, y.sound)
	n.sound += own.of(f, math.Abs(n.v)+n.sound)
	if rx, ry := x.screen(), y.screen(); rx > 0 || ry > 0 {
		total := change(rx, ry)
		n.spread = (change(Screens*x.spread, Screens*y.spread)) / Screens
		n.declared = max(0, total-Screens*n.spread)
	}
	n.declared += own.of(f, math.Abs(n.v))
	n.spread = hypot(n.spread, f.u*math.Abs(n.v)*rootOfThird)
	return f.settle(n)
}

// intPower is the power of an integer by squaring, in the low 64 bits, or by
// way of float64 for other exponents; 0 for what is not a number.
func intPower(a *Value, j int, b *Value, k int) uint64 {
	base := uint64(toInt64(a, j))
	negative := signed&setOf(a) != 0 && int64(base) < 0
	e := b.Float(k)
	if e < 0 || e != math.Floor(e) || e > math.MaxInt32 {
		x := a.Float(j)
		p := math.Pow(x, e)
		if math.IsNaN(p) || math.Abs(p) >= 0x1p63 {
			return 0
		}
		if negative || p < 0 {
			return uint64(int64(p))
		}
		return uint64(p)
	}
	p := uint64(1)
	for n := uint64(e); n > 0; n >>= 1 {
		if n&1 == 1 {
			p *= base
		}
		base *= base
	}
	return p
}
