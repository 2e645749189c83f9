package reference

// opGRU has gates z and r, and a candidate h: H = (1 - z) h + z H. The reset r is
// applied to the state, or, with linear_before_reset, to its product. ONNX GRU,
// opset 1, 3, 7, 14, 22.
var opGRU = operator{
	name: "GRU",
	eval: func(c *call) []*Value {
		q := c.newRecurrence(3, "Sigmoid", "Tanh")
		linear := c.int("linear_before_reset") != 0
		f := q.f
		return q.run([]int{5}, func(d int, s [][]number) [][]number {
			h, products := s[0], q.c.products(q.c.in[0])
			z := each(q.gate(d, 0, h, nil), q.activations[2*d])
			r := each(q.gate(d, 1, h, nil), q.activations[2*d])
			reset := make([]number, q.hidden)
			for u := range reset {
				reset[u] = f.mul(r[u], h[u])
			}
			if linear {
				reset = h
			}
			out := make([]number, q.hidden)
			for u, state := range q.fromState(d, 2, reset) {
				sum := q.fromInput(2, u)
				if linear {
					sum.term(f.mul(r[u], state.sum(products, 0)))
				} else {
					sum.merge(state)
				}
				candidate := q.activations[2*d+1](q.clipped(sum.sum(products, 0)))
				// Some runtimes compute h + z (H - h).
				out[u] = f.rounded(f.add(f.mul(f.sub(exact(1), z[u]), candidate), f.mul(z[u], h[u])), 1)
			}
			return [][]number{out}
		})
	},
}
