package reference

// opMicrosoftQLinearWhere is X where the condition holds and Y elsewhere, on bytes. ONNX
// Runtime's com.microsoft QLinearWhere.
var opMicrosoftQLinearWhere = operator{
	name: "QLinearWhere", domain: microsoft, in: []port{moves, moves, derived, derived, moves},
	eval: single(func(c *call) (*Value, error) {
		f := c.format(c.in[2])
		to, err := c.scaling(c.in[7], c.in[8])
		if err != nil {
			return nil, err
		}
		inner := *c
		inner.in = []*Value{c.in[0]}
		for _, i := range []int{1, 4} {
			from, err := c.scaling(c.in[i+1], c.in[i+2])
			if err != nil {
				return nil, err
			}
			v, err := c.rescaled(c.in[i], f, from, to)
			if err != nil {
				return nil, err
			}
			inner.in = append(inner.in, v)
		}
		return first(opWhere.eval)(&inner)
	}),
}
