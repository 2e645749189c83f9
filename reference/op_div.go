package reference

// opDiv is A / B; integers are truncated towards zero. ONNX Div, opset 1, 6, 7,
// 13, 14.
var opDiv = division()

func division() operator {
	op := arithmetic("Div", format.div, quotientOf, quotientOf)
	divide := op.eval
	op.eval = func(c *call) []*Value {
		outputs := divide(c)
		if floats&setOf(c.in[0]) != 0 {
			return outputs
		}
		b := c.legacy(c.in[0], c.in[1])
		c.undefinedWhere(outputs[0], c.in[0], b, undefinedQuotient(c.in[0], b))
		return outputs
	}
	return op
}

// quotientOf is 0 for a division by zero, which is undefined.
func quotientOf[T integer](x, y T) T {
	if y == 0 {
		return 0
	}
	return x / y
}
