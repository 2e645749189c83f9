package reference

import (
	"fmt"
	"slices"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// opMicrosoftDynamicQuantizeLSTM is LSTM with weights of bytes, transposed, whose
// scale and zero point belong to a direction or to each column. What they are
// multiplied with is quantized to uint8 by its own range: the whole input at once,
// and the states of all sequences of a batch before each step. ONNX Runtime's
// com.microsoft DynamicQuantizeLSTM.
var opMicrosoftDynamicQuantizeLSTM = operator{
	name: "DynamicQuantizeLSTM", domain: microsoft,
	eval: func(c *call) []*Value {
		inner := *c
		inner.in = slices.Clone(c.in)
		for _, i := range []int{1, 2} { // as LSTM has them
			if len(c.in[i].Dims) != 3 {
				fail(fmt.Errorf("weights of shape %v, want three axes", c.in[i].Dims))
			}
			v := c.transpose(c.in[i], []int{0, 2, 1})
			inner.in[i] = v
		}
		q := inner.newRecurrence(4, "Sigmoid", "Tanh", "Tanh")
		if p := c.in[7]; p != nil && p.Len() != q.dir*3*q.hidden {
			fail(fmt.Errorf("peepholes of shape %v, want %d x %d", p.Dims, q.dir, 3*q.hidden))
		}
		l := dynamicLSTM{recurrence: q}
		for i, at := range []int{1, 2} {
			l.weights[i] = c.byDirection(c.in[at], c.in[8+2*i], c.in[9+2*i])
		}
		return l.run()
	},
}

// A directed is the weights of one direction, rows by 4 hidden, with a scale for each
// column and their zero point.
type directed struct {
	w, zero *Value
	scales  []number
}

// byDirection takes weights apart.
func (c *call) byDirection(w, scale, zero *Value) []directed {
	dirs, rows, cols := w.Dims[0], w.Dims[1], w.Dims[2]
	each := []int{dirs}
	if len(scale.Dims) == 2 {
		each = []int{dirs, cols}
	}
	if !slices.Equal(scale.Dims, each) || !slices.Equal(zero.Dims, []int{dirs}) && !slices.Equal(zero.Dims, []int{dirs, cols}) {
		fail(fmt.Errorf("scale of shape %v and zero point of shape %v for weights of shape %v", scale.Dims, zero.Dims, w.Dims))
	}
	out := make([]directed, dirs)
	for d := range out {
		part := c.pick(w, []int{rows, cols}, func(i int) int { return d*rows*cols + i })
		zeros := zero.Len() / dirs
		point := c.pick(zero, []int{zeros}, func(i int) int { return d*zeros + i })
		out[d] = directed{w: part, zero: point, scales: make([]number, cols)}
		for k := range cols {
			at := d
			if len(each) == 2 {
				at = d*cols + k
			}
			out[d].scales[k] = scale.at(at)
		}
	}
	return out
}

// A dynamicLSTM is one evaluation.
type dynamicLSTM struct {
	*recurrence
	weights [2][]directed // of the input, of the state
}

// product is the product of rows with weights, both as bytes, in numbers: rows by
// 4 hidden.
func (l *dynamicLSTM) product(rows *Value, w directed) []number {
	a, scale, zero := l.c.quantizedByRange(rows)
	p := l.c.shiftedProduct(a, zero, w.w, w.zero)
	out := make([]number, p.Len())
	for i := range out {
		out[i] = l.f.scale(p.at(i), l.f.scale(scale, w.scales[i%len(w.scales)]))
	}
	return out
}

func (l *dynamicLSTM) run() []*Value {
	c, x := l.c, l.c.in[0]
	y := c.numbers(x.Type, l.steps, l.dir, l.batch, l.hidden)
	lastH := c.numbers(x.Type, l.dir, l.batch, l.hidden)
	lastC := c.numbers(x.Type, l.dir, l.batch, l.hidden)
	out := []*Value{y, lastH, lastC}
	longest := 0
	for _, n := range l.lengths {
		longest = max(longest, n)
	}
	if longest == 0 || l.input == 0 || l.hidden == 0 {
		return out
	}
	rows := c.pick(x, []int{longest * l.batch, l.input}, func(i int) int { return i })
	for d := range l.dir {
		fromInput := l.product(rows, l.weights[0][d])
		h, cell := make([][]number, l.batch), make([][]number, l.batch)
		for b := range l.batch {
			h[b] = l.state(5, d, b)
			cell[b] = l.state(6, d, b)
		}
		l.direction(d, longest, fromInput, h, cell, out)
	}
	return out
}

// direction goes through the steps of all sequences together.
func (l *dynamicLSTM) direction(d, longest int, fromInput []number, h, cell [][]number, out []*Value) {
	c := l.c
	backward := d == 1 || c.text("direction") == "reverse"
	states := c.numbers(pb.TensorProto_FLOAT, l.batch, l.hidden)
	states.stored = nil
	before := c.live // what a step needs it gives back
	for step := range longest {
		c.live = before
		for b := range l.batch {
			for u := range l.hidden {
				n := h[b][u]
				if step > l.lengths[b] && len(c.step.out) > 0 && c.step.out[0] != "" {
					n = exact(0) // of a sequence that has ended: what Y holds there
				}
				states.set(b*l.hidden+u, n)
			}
		}
		fromState := l.product(states, l.weights[1][d])
		for b := range l.batch {
			if step >= l.lengths[b] {
				continue
			}
			t := step
			if backward {
				t = l.lengths[b] - 1 - step
			}
			gates := make([]number, 4*l.hidden)
			for k := range gates {
				gates[k] = l.f.add(fromInput[(t*l.batch+b)*4*l.hidden+k], fromState[b*4*l.hidden+k])
			}
			h[b], cell[b] = l.cell(d, gates, cell[b])
			for u := range l.hidden {
				out[0].set(((t*l.dir+d)*l.batch+b)*l.hidden+u, h[b][u])
			}
		}
	}
	for b := range l.batch {
		if l.lengths[b] == 0 {
			continue // which leaves zeros
		}
		for u := range l.hidden {
			out[1].set((d*l.batch+b)*l.hidden+u, h[b][u])
			out[2].set((d*l.batch+b)*l.hidden+u, cell[b][u])
		}
	}
}

// cell makes the next states of one sequence from its gates i, o, f and c, before
// bias and activation.
func (l *dynamicLSTM) cell(d int, gates, before []number) (h, cell []number) {
	f, bias, peepholes := l.f, l.c.in[3], l.c.in[7]
	n := l.hidden
	gate := func(k, u int, c number) number {
		x := gates[k*n+u]
		if peepholes != nil && k < 3 {
			x = f.add(x, f.mul(c, peepholes.at((3*d+k)*n+u)))
		}
		if bias != nil {
			x = f.add(x, f.add(bias.at((8*d+k)*n+u), bias.at((8*d+4+k)*n+u)))
		}
		return l.clipped(x)
	}
	act := l.activations[3*d:]
	h, cell = make([]number, n), make([]number, n)
	for u := range n {
		input := act[0](gate(0, u, before[u]))
		forget := f.sub(exact(1), input)
		if l.c.int("input_forget") == 0 {
			forget = act[0](gate(2, u, before[u]))
		}
		cell[u] = f.add(f.mul(forget, before[u]), f.mul(input, act[1](gate(3, u, exact(0)))))
		h[u] = f.mul(act[0](gate(1, u, cell[u])), act[2](cell[u]))
	}
	return h, cell
}
