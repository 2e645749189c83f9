package reference

import (
	"fmt"
	"math"
)

// opDet is the determinant of the matrices in the last two axes, by elimination
// with the largest pivot of each column; the limits are those of this order of
// operations. ONNX Det, opset 11, 22.
var opDet = operator{
	name: "Det",
	eval: single(func(c *call) *Value {
		x := c.in[0]
		r := len(x.Dims)
		if r < 2 || x.Dims[r-1] != x.Dims[r-2] {
			fail(fmt.Errorf("input of shape %v, want square matrices", x.Dims))
		}
		n := x.Dims[r-1]
		out := c.numbers(x.Type, x.Dims[:r-2]...)
		for i := range out.Len() {
			c.spend(int64(n) * int64(n) * int64(n))
			m := make([]number, n*n)
			for k := range m {
				m[k] = x.at(i*n*n + k)
			}
			out.set(i, c.format(x).determinant(m, n))
		}
		return out
	}),
}

// determinant spoils m.
func (f format) determinant(m []number, n int) number {
	det := exact(1)
	for k := range n {
		best := k
		for i := k; i < n; i++ {
			if math.Abs(m[i*n+k].v) > math.Abs(m[best*n+k].v) {
				best = i
			}
		}
		if best != k {
			det = neg(det)
			for j := range n {
				m[k*n+j], m[best*n+j] = m[best*n+j], m[k*n+j]
			}
		}
		det = f.mul(det, m[k*n+k])
		if m[k*n+k].v == 0 {
			return det // the column is zero, or may be by its errors
		}
		for i := k + 1; i < n; i++ {
			factor := f.div(m[i*n+k], m[k*n+k])
			for j := k + 1; j < n; j++ {
				m[i*n+j] = f.sub(m[i*n+j], f.mul(factor, m[k*n+j]))
			}
		}
	}
	return det
}
