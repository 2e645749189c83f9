package reference

import (
	"fmt"
)

// opTrilu keeps the triangle above (or, with upper = 0, below) diagonal k of
// every matrix. ONNX Trilu, opset 14.
var opTrilu = operator{
	name: "Trilu", in: []port{moves},
	eval: single(func(c *call) *Value {
		x := c.in[0]
		if len(x.Dims) < 2 {
			fail(fmt.Errorf("input of shape %v, want matrices", x.Dims))
		}
		k := 0
		if c.given(1) {
			k = c.intScalar(1)
		}
		upper := c.int("upper") != 0
		rows, cols := x.Dims[len(x.Dims)-2], x.Dims[len(x.Dims)-1]
		return c.pick(x, x.Dims, func(i int) int {
			d := i%cols - i/cols%rows
			if upper && d >= k || !upper && d <= k {
				return i
			}
			return -1
		})
	}),
}
