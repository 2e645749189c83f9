package reference

import (
	"fmt"
	"slices"
)

// opLpNormalization is x over its p-norm along an axis. ONNX LpNormalization,
// opset 1, 22.
var opLpNormalization = operator{
	name: "LpNormalization",
	eval: single(func(c *call) *Value {
		x := c.in[0]
		axis := c.axis("axis", len(x.Dims))
		p := c.int("p")
		if p != 1 && p != 2 {
			fail(fmt.Errorf("p is %d, want 1 or 2", p))
		}
		out := c.numbers(x.Type, x.Dims...)
		outer, n, inner := split(x.Dims, axis)
		f := c.format(x)
		terms := make([]number, n)
		for o := range outer {
			for i := range inner {
				for k := range terms {
					terms[k] = x.at((o*n+k)*inner + i)
				}
				norm := f.norm(terms, float64(p))
				for k, t := range terms {
					y := exact(0) // the operator document asks for zeros over zero
					if slices.ContainsFunc(terms, func(t number) bool { return t != exact(0) }) {
						y = f.ratio(t, norm)
					}
					out.set((o*n+k)*inner+i, y)
				}
			}
		}
		return out
	}),
}
