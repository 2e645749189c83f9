package reference

import "fmt"

// opLSTM has gates i, o, f and a candidate c, with peepholes P from the cell:
// C = f C + i c, H = o h(C). ONNX LSTM, opset 1, 7, 14, 22.
var opLSTM = operator{
	name: "LSTM",
	eval: func(c *call) []*Value {
		q := c.newRecurrence(4, "Sigmoid", "Tanh", "Tanh")
		if p := c.in[7]; p != nil && p.Len() != q.dir*3*q.hidden {
			fail(fmt.Errorf("peepholes of shape %v, want %d x %d", p.Dims, q.dir, 3*q.hidden))
		}
		f := q.f
		// peephole k of the cell, for gates i, o, f.
		peep := func(d, k int, cell []number) func(s *dot, u int) {
			if c.in[7] == nil {
				return nil
			}
			return func(s *dot, u int) { s.add(cell[u], c.in[7].at((3*d+k)*q.hidden+u)) }
		}
		return q.run([]int{5, 6}, func(d int, s [][]number) [][]number {
			h, cell := s[0], s[1]
			act := q.activations[3*d:]
			input := each(q.gate(d, 0, h, peep(d, 0, cell)), act[0])
			forget := each(q.gate(d, 2, h, peep(d, 2, cell)), act[0])
			if c.int("input_forget") != 0 {
				forget = each(input, func(x number) number { return f.sub(exact(1), x) })
			}
			candidate := each(q.gate(d, 3, h, nil), act[1])
			newCell, out := make([]number, q.hidden), make([]number, q.hidden)
			for u := range newCell {
				newCell[u] = f.add(f.mul(forget[u], cell[u]), f.mul(input[u], candidate[u]))
			}
			output := each(q.gate(d, 1, h, peep(d, 1, newCell)), act[0])
			for u := range out {
				out[u] = f.mul(output[u], act[2](newCell[u]))
			}
			return [][]number{out, newCell}
		})
	},
}
