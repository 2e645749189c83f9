package reference

// opMeanVarianceNormalization is (x - mean) / sqrt(var) over axes. ONNX
// MeanVarianceNormalization, opset 9, 13. The 1e-9 is the operator document's.
var opMeanVarianceNormalization = operator{
	name: "MeanVarianceNormalization",
	eval: single(func(c *call) *Value {
		x := c.in[0]
		axes := c.intList("axes")
		if !c.has("axes") {
			axes = []int{0, 2, 3}
		}
		axes = axesOf(axes, len(x.Dims))
		f := c.format(x)
		// Two reductions, and then every element against its own group's.
		means := c.reduce(x, axes, true, reduction{number: func(f format, t []number) number { m, _ := f.moments(t); return m }})
		deviations := c.reduce(x, axes, true, reduction{number: func(f format, t []number) number {
			_, v := f.moments(t)
			return f.add(sqrtFunction.at(f, v), f.constant(1e-9))
		}})
		out := c.numbers(x.Type, x.Dims...)
		group := newStretch(means.Dims, x.Dims)
		for i := range out.Len() {
			g := group.index(i)
			out.set(i, f.ratio(f.sub(x.at(i), means.at(g)), deviations.at(g)))
		}
		return out
	}),
}
