package reference

import (
	"fmt"
	"slices"
)

// opGlobalAveragePool is the mean over the spatial axes. ONNX GlobalAveragePool,
// opset 1, 22.
var opGlobalAveragePool = globalPool("GlobalAveragePool", noIdentity, func(_ *call, f format, terms []number) number {
	return f.meanOf(terms, len(terms))
})

// opGlobalMaxPool is the maximum over the spatial axes. ONNX GlobalMaxPool,
// opset 1, 22.
var opGlobalMaxPool = globalPool("GlobalMaxPool", lowest, func(_ *call, _ format, terms []number) number {
	return maximum(terms)
})

// opGlobalLpPool is the p-norm over the spatial axes. ONNX GlobalLpPool, opset 1,
// 2, 22.
var opGlobalLpPool = globalPool("GlobalLpPool", zero, func(c *call, f format, terms []number) number {
	return f.norm(terms, max(1, c.power()))
})

func globalPool(name string, empty identity, rule func(c *call, f format, terms []number) number) operator {
	return operator{
		name: name,
		eval: single(func(c *call) *Value {
			x := c.in[0]
			if len(x.Dims) < 2 {
				fail(fmt.Errorf("input of shape %v, want batch and channels", x.Dims))
			}
			dims := slices.Clone(x.Dims)
			for a := 2; a < len(dims); a++ {
				dims[a] = 1
			}
			out := c.numbers(x.Type, dims...)
			n := size(x.Dims[2:])
			if n == 0 {
				for i := range out.Len() {
					if !empty.store(out, i) {
						c.undefined(out, i, emptyMean)
					}
				}
				return out
			}
			terms := make([]number, n)
			for i := range out.Len() {
				for k := range terms {
					terms[k] = x.at(i*n + k)
				}
				out.set(i, rule(c, c.format(x), terms))
				if empty == lowest && hasNaN(terms) {
					c.undefined(out, i, orderOfNaN)
				}
			}
			return out
		}),
	}
}
