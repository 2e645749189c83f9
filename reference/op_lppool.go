package reference

import (
	"fmt"
	"math"
)

// opLpPool is the p-norm under a sliding kernel. ONNX LpPool, opset 1, 2, 11, 18,
// 22.
var opLpPool = operator{
	name: "LpPool",
	eval: single(func(c *call) *Value {
		p := c.normPower()
		return c.poolNumbers(func(_ window, out *Value, at int, terms []number) {
			out.set(at, c.format(c.in[0]).norm(terms, p))
		})
	}),
}

// power reads p, which may be a fraction in opset 1.
func (c *call) power() float64 {
	if c.opset < 2 {
		return c.float("p")
	}
	return float64(c.int("p"))
}

// normPower is power for a norm.
func (c *call) normPower() float64 {
	p := c.power()
	if !(p >= 1) || math.IsInf(p, 1) {
		fail(fmt.Errorf("p is %v, want at least 1", p))
	}
	return p
}

// norm is the p-norm of the terms.
func (f format) norm(terms []number, p float64) number {
	powers := make([]number, len(terms))
	for i, t := range terms {
		t.v = math.Abs(t.v)
		switch p {
		case 1:
			powers[i] = t
		case 2:
			powers[i] = f.mul(t, t)
		default:
			powers[i] = f.pow(t, exact(p))
		}
	}
	sum := f.sumOf(powers, 0)
	switch p {
	case 1:
		return sum
	case 2:
		return sqrtFunction.at(f, sum)
	}
	return f.pow(sum, f.constant(1/p))
}
