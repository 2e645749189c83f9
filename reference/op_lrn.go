package reference

import (
	"fmt"
)

// opLRN is x / (bias + alpha/size sum x²)^beta, where the sum is over `size`
// neighbouring channels. ONNX LRN, opset 1, 13.
var opLRN = operator{
	name: "LRN",
	eval: single(func(c *call) *Value {
		x := c.in[0]
		n := c.int("size")
		if len(x.Dims) < 2 || n < 1 {
			fail(fmt.Errorf("size is %d for an input of shape %v", n, x.Dims))
		}
		out := c.numbers(x.Type, x.Dims...)
		f := c.format(x)
		alpha, beta, bias := exact(c.float("alpha")), exact(c.float("beta")), exact(c.float("bias"))
		area := size(x.Dims[2:])
		for i := range out.Len() {
			ch := channelOf(x.Dims, i)
			first, last := max(0, ch-(n-1)/2), min(x.Dims[1]-1, ch+(n-1)-(n-1)/2)
			c.spend(int64(max(0, last-first+1)))
			var squares []number
			for k := first; k <= last; k++ {
				y := x.at(i + (k-ch)*area)
				squares = append(squares, f.mul(y, y))
			}
			scale := f.div(alpha, exact(float64(n)))
			base := f.add(bias, f.mul(scale, f.sumOf(squares, 0)))
			out.set(i, f.ratio(x.at(i), f.pow(base, beta)))
		}
		return out
	}),
}
