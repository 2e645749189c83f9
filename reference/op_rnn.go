package reference

// opRNN is H = f(X W + H R + Wb + Rb), step by step. ONNX RNN, opset 1, 7, 14, 22.
var opRNN = operator{
	name: "RNN",
	eval: func(c *call) []*Value {
		q := c.newRecurrence(1, "Tanh")
		return q.run([]int{5}, func(d int, s [][]number) [][]number {
			return [][]number{each(q.gate(d, 0, s[0], nil), q.activations[d])}
		})
	},
}
