package reference

// opMicrosoftQLinearWhere is X where the condition holds and Y elsewhere, on bytes. ONNX
// Runtime's com.microsoft QLinearWhere.
var opMicrosoftQLinearWhere = operator{
	name: "QLinearWhere", domain: microsoft, in: []port{moves, moves, derived, derived, moves},
	eval: single(func(c *call) *Value {
		f := c.format(c.in[2])
		to := c.scaling(c.in[7], c.in[8])
		inner := *c
		inner.in = []*Value{c.in[0]}
		for _, i := range []int{1, 4} {
			from := c.scaling(c.in[i+1], c.in[i+2])
			v := c.rescaled(c.in[i], f, from, to)
			inner.in = append(inner.in, v)
		}
		return first(opWhere.eval)(&inner)
	}),
}
