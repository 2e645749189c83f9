package reference

// opNeg is -x. ONNX Neg, opset 1, 6, 13.
var opNeg = operator{
	name: "Neg",
	eval: single(func(c *call) *Value {
		if floats&setOf(c.in[0]) == 0 {
			return c.mapInts(c.in[0], func(v int64) int64 { return -v }, nil)
		}
		return c.mapNumbers(c.in[0], neg)
	}),
}
