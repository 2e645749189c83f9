package reference

import (
	"fmt"
	"math"
)

// opMicrosoftQLinearSoftmax is Softmax on bytes; attribute opset says along what: an axis
// from 13 on, before it all axes from that one on. ONNX Runtime's com.microsoft
// QLinearSoftmax.
//
// ONNX Runtime takes the reciprocal of the scale of the result for its whole part:
// what that may do is in the figures.
var opMicrosoftQLinearSoftmax = operator{
	name: "QLinearSoftmax", domain: microsoft, in: []port{moves},
	eval: single(func(c *call) *Value {
		x := c.in[0]
		from, to := c.scalings(1, 3)
		if len(x.Dims) == 0 {
			fail(fmt.Errorf("input of shape %v, want an axis", x.Dims))
		}
		axis := c.axis("axis", len(x.Dims))
		outer, n, inner := split(x.Dims, axis)
		if c.int("opset") < 13 {
			n, inner = n*inner, 1
		}
		out := c.zeros(x.Type, true, x.Dims...)
		f := c.format(c.in[1])
		levels := math.Floor(f.nearest(1 / to.scale.v))
		floored := quotient(math.Abs(1/to.scale.v-levels), 1/to.scale.v) // relative
		terms := make([]number, n)
		for o := range outer {
			for i := range inner {
				for k := range terms {
					terms[k] = from.number(f, x, (o*n+k)*inner+i)
				}
				if n == 0 {
					continue
				}
				e, sum := f.exponentials(terms)
				for k := range terms {
					q := f.over(f.ratio(e[k], sum), to.scale)
					q.sound += floored * math.Abs(q.v)
					q.declared += floored * math.Abs(q.v)
					c.store(out, (o*n+k)*inner+i, f, q, to.zero)
				}
			}
		}
		return out
	}),
}
