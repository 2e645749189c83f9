package reference

// opMicrosoftQLinearReduceMean is ReduceMean on bytes. ONNX Runtime's com.microsoft
// QLinearReduceMean.
var opMicrosoftQLinearReduceMean = operator{
	name: "QLinearReduceMean", domain: microsoft, in: []port{moves},
	eval: single(func(c *call) (*Value, error) {
		x := c.in[0]
		from, to, err := c.scalings(1, 3)
		if err != nil {
			return nil, err
		}
		axes, err := axesOf(c.intList("axes"), len(x.Dims))
		if err != nil {
			return nil, err
		}
		for a := range x.Dims {
			if len(c.intList("axes")) == 0 {
				axes = append(axes, a)
			}
		}
		numbers, err := c.numbersOf(x, from)
		if err != nil {
			return nil, err
		}
		means, err := c.reduce(numbers, axes, c.int("keepdims") == 1, reduction{
			number: func(f format, x []number) number { return f.meanOfBytes(x, len(x)) },
			empty:  noIdentity,
		})
		if err != nil {
			return nil, err
		}
		out, err := c.zeros(x.Type, true, means.Dims...)
		if err != nil {
			return nil, err
		}
		f := c.format(means)
		for i := range out.Len() {
			c.store(out, i, f, f.over(means.at(i), to.scale), to.zero)
		}
		return out, nil
	}),
}
