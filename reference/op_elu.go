package reference

import (
	"math"
)

// opElu is x for x >= 0 and alpha (exp(x) - 1) below. ONNX Elu, opset 1, 6, 22.
var opElu = operator{
	name: "Elu",
	eval: single(func(c *call) *Value {
		alpha, f := exact(c.float("alpha")), c.format(c.in[0])
		return c.mapNumbers(c.in[0], func(x number) number { return f.expLinear(x, alpha, x) })
	}),
}

// expLinear is x for x >= 0 and alpha (exp(t) - 1) below, where t has the sign
// of x. Runtimes subtract 1 after rounding the exponential, so that the error is
// of the size of alpha u however small the result.
func (f format) expLinear(x, alpha, t number) number {
	below := f.mul(alpha, f.add(expFunction.at(f, smaller(t, exact(0))), exact(-1)))
	if x.v > x.sound && x.v > x.screen() {
		return x
	}
	if x.v < -x.sound && x.v < -x.screen() {
		below.v = alpha.v * math.Expm1(t.v)
		return below
	}
	// Either branch may be taken: both are continuous and meet in zero.
	y := number{max(x.v, 0), max(x.sound, below.sound), max(x.spread, below.spread), max(x.declared, below.declared)}
	if x.v < 0 {
		y.v = alpha.v * math.Expm1(t.v)
	}
	if x.v == 0 && x.sound == 0 {
		return exact(0) // exp(0) is 1 everywhere
	}
	return y
}
