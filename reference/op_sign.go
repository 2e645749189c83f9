package reference

// opSign is -1, 0 or 1. ONNX Sign, opset 9, 13.
var opSign = operator{
	name: "Sign",
	eval: single(func(c *call) *Value {
		if floats&setOf(c.in[0]) == 0 {
			return c.mapInts(c.in[0], func(x int64) int64 { return int64(sign(float64(x))) }, func(x uint64) uint64 { return min(x, 1) })
		}
		f := c.format(c.in[0])
		fn := function{f: sign, steps: true, change: monotone(sign)}
		return c.mapNumbers(c.in[0], func(x number) number { return fn.at(f, x) })
	}),
}

func sign(x float64) float64 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return x // zero, or NaN
}
