package reference

import (
	"fmt"
	"math"
)

// opLpPool is the p-norm under a sliding kernel. ONNX LpPool, opset 1, 2, 11, 18,
// 22.
var opLpPool = operator{
	name: "LpPool",
	eval: single(func(c *call) (*Value, error) {
		p, err := c.normPower()
		if err != nil {
			return nil, err
		}
		return c.poolNumbers(func(_ window, out *Value, at int, terms []number) {
			out.set(at, c.format(c.in[0]).norm(terms, p))
		})
	}),
}

// normPower reads p, which may be a fraction in opset 1.
func (c *call) normPower() (float64, error) {
	p := float64(c.int("p"))
	if c.opset < 2 {
		p = c.float("p")
	}
	if !(p >= 1) || math.IsInf(p, 1) {
		return 0, fmt.Errorf("p is %v, want at least 1", p)
	}
	return p, nil
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
