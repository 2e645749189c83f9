package reference

// opMicrosoftQLinearReduceMean is ReduceMean on bytes. ONNX Runtime's com.microsoft
// QLinearReduceMean.
var opMicrosoftQLinearReduceMean = operator{
	name: "QLinearReduceMean", domain: microsoft, in: []port{moves},
	eval: single(func(c *call) *Value {
		x := c.in[0]
		from, to := c.scalings(1, 3)
		axes := axesOf(c.intList("axes"), len(x.Dims))
		for a := range x.Dims {
			if len(c.intList("axes")) == 0 {
				axes = append(axes, a)
			}
		}
		numbers := c.numbersOf(x, from)
		means := c.reduce(numbers, axes, c.int("keepdims") == 1, reduction{
			number: func(f format, x []number) number { return f.meanOfBytes(x, len(x)) },
			empty:  noIdentity,
		})
		out := c.zeros(x.Type, true, means.Dims...)
		f := c.format(means)
		for i := range out.Len() {
			c.store(out, i, f, f.over(means.at(i), to.scale), to.zero)
		}
		return out
	}),
}
