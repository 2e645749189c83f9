package reference

// opMeanVarianceNormalization is (x - mean) / sqrt(var) over axes. ONNX
// MeanVarianceNormalization, opset 9, 13. The 1e-9 is the operator document's. Before
// opset 9 it was an experimental operator on images, which ONNX Runtime has: x - mean
// alone where normalize_variance is 0, and no 1e-9.
var opMeanVarianceNormalization = operator{
	name: "MeanVarianceNormalization",
	eval: single(func(c *call) *Value {
		x := c.in[0]
		axes := c.intList("axes")
		if !c.has("axes") {
			axes = []int{0, 2, 3}
		}
		if c.int("across_channels") != 0 {
			axes = []int{0, 1, 2, 3}
		}
		axes = axesOf(axes, len(x.Dims))
		f, old := c.format(x), c.step.schema.Since < 9
		// Two reductions, and then every element against its own group's.
		means := c.reduce(x, axes, true, reduction{number: func(f format, t []number) number { m, _ := f.moments(t); return m }})
		deviations := c.reduce(x, axes, true, reduction{number: func(f format, t []number) number {
			_, v := f.moments(t)
			if old {
				return sqrtFunction.at(f, v)
			}
			return f.add(sqrtFunction.at(f, v), f.constant(1e-9))
		}})
		out := c.numbers(x.Type, x.Dims...)
		group := newStretch(means.Dims, x.Dims)
		for i := range out.Len() {
			g := group.index(i)
			y := f.sub(x.at(i), means.at(g))
			if !old || c.int("normalize_variance") != 0 {
				y = f.ratio(y, deviations.at(g))
			}
			out.set(i, y)
		}
		return out
	}),
}
