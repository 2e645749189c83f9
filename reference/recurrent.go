package reference

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// A recurrence is what RNN, GRU and LSTM have in common: X, W, R, B, the lengths
// of the sequences and the first states, by direction.
type recurrence struct {
	c                                *call
	f                                format
	steps, batch, input, hidden, dir int // dir is the number of directions
	gates                            int
	rows                             bool // layout 1: the batch is the first axis
	lengths                          []int
	activations                      []func(number) number // for each direction
	clip                             float64

	now, loaded int                 // steps, in the order of evaluation: the one that is evaluated, and the first that fromInputs is of
	fromInputs  []dot               // by step, gate and unit
	kernels     map[[2]int][]matrix // R transposed, by direction and gate, in some units each
}

// newRecurrence checks the shapes; the defaults are the activations of one
// direction.
func (c *call) newRecurrence(gates int, defaults ...string) *recurrence {
	x, w, r, b := c.in[0], c.in[1], c.in[2], c.in[3]
	if len(x.Dims) != 3 || len(w.Dims) != 3 || len(r.Dims) != 3 {
		fail(fmt.Errorf("inputs X, W, R of shapes %v, %v, %v, want three axes", x.Dims, w.Dims, r.Dims))
	}
	q := &recurrence{c: c, f: c.format(x), gates: gates, rows: c.int("layout") != 0, input: x.Dims[2], hidden: r.Dims[2], dir: 1, clip: c.float("clip", math.Inf(1)), kernels: map[[2]int][]matrix{}}
	q.steps, q.batch = x.Dims[0], x.Dims[1]
	if q.rows {
		q.steps, q.batch = q.batch, q.steps
	}
	direction := c.text("direction")
	if direction == "bidirectional" {
		q.dir = 2
	}
	if !slices.Contains([]string{"forward", "reverse", "bidirectional"}, direction) {
		fail(fmt.Errorf("attribute direction is %q", direction))
	}
	if h := c.int("hidden_size", q.hidden); h != q.hidden || !slices.Equal(w.Dims, []int{q.dir, gates * h, q.input}) || !slices.Equal(r.Dims, []int{q.dir, gates * h, h}) ||
		b != nil && !slices.Equal(b.Dims, []int{q.dir, 2 * gates * h}) {
		fail(fmt.Errorf("inputs X, W, R of shapes %v, %v, %v for hidden_size %d and direction %s", x.Dims, w.Dims, r.Dims, h, direction))
	}
	lengths, ok := c.intInput(4)
	if !ok {
		lengths = slices.Repeat([]int{q.steps}, q.batch)
	}
	if len(lengths) != q.batch || len(lengths) > 0 && (slices.Min(lengths) < 0 || slices.Max(lengths) > q.steps) {
		fail(fmt.Errorf("lengths %v for a batch of %d with %d steps", lengths, q.batch, q.steps))
	}
	q.lengths = lengths
	q.activate(defaults)
	return q
}

// activate reads the activations.
func (q *recurrence) activate(defaults []string) {
	names := slices.Repeat(defaults, q.dir)
	if q.c.has("activations") {
		names = convert(q.c.step.attrs["activations"].GetStrings(), func(b []byte) string { return string(b) })
	}
	if len(names) != q.dir*len(defaults) {
		fail(fmt.Errorf("activations %q, want %d", names, q.dir*len(defaults)))
	}
	alphas, betas := q.c.step.attrs["activation_alpha"].GetFloats(), q.c.step.attrs["activation_beta"].GetFloats()
	next := func(list *[]float32, otherwise float64) number {
		if len(*list) == 0 {
			return exact(otherwise)
		}
		v := (*list)[0]
		*list = (*list)[1:]
		return exact(float64(v))
	}
	f := q.f
	for _, name := range names {
		var g func(number) number
		switch strings.ToLower(name) {
		case "tanh":
			g = func(x number) number { return recurrentTanh.at(f, x) }
		case "sigmoid":
			g = func(x number) number { return sigmoidFunction.at(f, x) }
		case "relu":
			g = relu
		case "softplus":
			g = func(x number) number { return recurrentSoftplus.at(f, x) }
		case "softsign":
			g = func(x number) number { return f.ratio(x, f.add(exact(1), absolute([]number{x})[0])) }
		case "affine":
			a, b := next(&alphas, 1), next(&betas, 0)
			g = func(x number) number { return f.add(f.mul(a, x), b) }
		case "leakyrelu":
			a := next(&alphas, float64(float32(0.01)))
			g = func(x number) number { return f.leaky(x, a) }
		case "elu":
			a := next(&alphas, 1)
			g = func(x number) number { return f.expLinear(x, a, x) }
		case "hardsigmoid":
			a, b := next(&alphas, float64(float32(0.2))), next(&betas, 0.5)
			g = func(x number) number { return f.hardSigmoid(x, a, b) }
		case "scaledtanh":
			a, b := next(&alphas, 1), next(&betas, 1)
			g = func(x number) number { return f.mul(a, recurrentTanh.at(f, f.mul(b, x))) }
		case "thresholdedrelu":
			a := next(&alphas, 1)
			g = func(x number) number {
				y := x
				if !(x.v > a.v) {
					y = exact(0)
				}
				return jump(y, x, math.Abs(x.v-a.v), math.Abs(a.v))
			}
		default:
			fail(fmt.Errorf("activation %q", name))
		}
		q.activations = append(q.activations, g)
	}
}

// The activations whose error in recurrent operators is another than outside.
var (
	recurrentTanh     = function{f: math.Tanh, change: tanhFunction.change, declared: declared("RecurrentTanh")}
	recurrentSoftplus = function{f: softplus, change: softplusFunction.change, declared: declared("RecurrentSoftplus")}
)

// clipped limits what goes into an activation.
func (q *recurrence) clipped(x number) number {
	if math.IsInf(q.clip, 1) {
		return x
	}
	return smaller(larger(x, exact(-q.clip)), exact(q.clip))
}

// stepsAtOnce is for how many steps of a sequence the products with the inputs are computed together.
const stepsAtOnce = 64

// load computes, for a batch entry and steps from the i-th to be evaluated on, what comes from the inputs: x W + Wb.
func (q *recurrence) load(d, b, i int, backward bool) {
	n := min(stepsAtOnce, q.lengths[b]-i)
	t, step := i, q.batch*q.input
	if backward {
		t = q.lengths[b] - 1 - i
	}
	at := (t*q.batch + b) * q.input
	if q.rows {
		at, step = (b*q.steps+t)*q.input, q.input
	}
	if backward {
		step = -step
	}
	units := q.gates * q.hidden
	x := factor{of: q.c.in[0], lanes: n, terms: q.input, base: at, laneStep: step, run: max(1, q.input), step: 1}
	q.loaded, q.fromInputs = i, resized(q.fromInputs, n*units)
	q.c.multiply(q.c.products(q.c.in[0]), []matrixProduct{{x, rowsOf(q.c.in[1], d*units*q.input, units, q.input), func(i, u int, s dot) {
		if bias := q.c.in[3]; bias != nil {
			s.term(bias.at(2*d*units + u))
		}
		q.fromInputs[i*units+u] = s
	}}})
}

// fromInput is unit u of a gate before its activation, as far as it comes from the input of the step that is evaluated.
func (q *recurrence) fromInput(gate, u int) dot {
	return q.fromInputs[((q.now-q.loaded)*q.gates+gate)*q.hidden+u]
}

// unitsAtOnce is how many units a goroutine adds up.
const unitsAtOnce = 64

// fromState is a gate's units as far as they come from a state: h R + Rb.
func (q *recurrence) fromState(d, gate int, h []number) []dot {
	kernels := q.kernels[[2]int{d, gate}]
	if kernels == nil {
		for u := 0; u < q.hidden; u += unitsAtOnce {
			r := rowsOf(q.c.in[2], ((d*q.gates+gate)*q.hidden+u)*q.hidden, min(unitsAtOnce, q.hidden-u), q.hidden)
			kernels = append(kernels, r.matrix(0, r.lanes))
		}
		q.kernels[[2]int{d, gate}] = kernels
	}
	sums := make([]dot, q.hidden)
	add := func(_ struct{}, i int) {
		row := newRowSum(q.f, kernels[i].cols)
		for k, x := range h {
			row.add(x, kernels[i], k)
		}
		for j := range kernels[i].cols {
			u := i*unitsAtOnce + j
			sums[u] = row.dot(j)
			if bias := q.c.in[3]; bias != nil {
				sums[u].term(bias.at(((2*d+1)*q.gates+gate)*q.hidden + u))
			}
		}
	}
	// A context that is done shows before the next step.
	_ = parallel(q.c.meter, len(kernels), func() struct{} { return struct{}{} }, add)
	return sums
}

// gate is a whole gate from input and state, before its activation; more, unless
// nil, adds terms of its own.
func (q *recurrence) gate(d, gate int, h []number, more func(s *dot, u int)) []number {
	out := make([]number, q.hidden)
	products := q.c.products(q.c.in[0])
	for u, state := range q.fromState(d, gate, h) {
		s := q.fromInput(gate, u)
		s.merge(state)
		if more != nil {
			more(&s, u)
		}
		out[u] = q.clipped(s.sum(products, 0))
	}
	return out
}

func each(x []number, f func(number) number) []number { return convert(x, f) }

// at is the place of a state of one direction and batch entry.
func (q *recurrence) at(d, b int) int {
	if q.rows {
		return (b*q.dir + d) * q.hidden
	}
	return (d*q.batch + b) * q.hidden
}

// state reads the first state from input i, zeros where it is absent.
func (q *recurrence) state(i, d, b int) []number {
	h := make([]number, q.hidden)
	if !q.c.given(i) {
		return h
	}
	v := q.c.in[i]
	if v.Len() != q.dir*q.batch*q.hidden {
		fail(fmt.Errorf("first state of shape %v, want %d x %d x %d", v.Dims, q.dir, q.batch, q.hidden))
	}
	for u := range h {
		h[u] = v.at(q.at(d, b) + u)
	}
	return h
}

// run walks every sequence: next makes the states of a step from those before it;
// the first of them is the result. It returns Y and the last states.
func (q *recurrence) run(states []int, next func(d int, s [][]number) [][]number) []*Value {
	t := q.c.in[0].Type
	dims, last := []int{q.steps, q.dir, q.batch, q.hidden}, []int{q.dir, q.batch, q.hidden}
	if q.rows {
		dims, last = []int{q.batch, q.steps, q.dir, q.hidden}, []int{q.batch, q.dir, q.hidden}
	}
	y := q.c.numbers(t, dims...)
	outputs := []*Value{y}
	for range states {
		v := q.c.numbers(t, last...)
		outputs = append(outputs, v)
	}
	for d := range q.dir {
		backward := d == 1 || q.c.text("direction") == "reverse"
		for b := range q.batch {
			s := make([][]number, len(states))
			for i, input := range states {
				s[i] = q.state(input, d, b)
			}
			for i := range q.lengths[b] {
				q.c.spend(int64(q.gates) * int64(q.hidden) * int64(q.hidden))
				if i%stepsAtOnce == 0 {
					q.load(d, b, i, backward)
				}
				q.now = i
				t := i
				if backward {
					t = q.lengths[b] - 1 - i
				}
				s = next(d, s)
				at := ((t*q.dir+d)*q.batch + b) * q.hidden
				if q.rows {
					at = ((b*q.steps+t)*q.dir + d) * q.hidden
				}
				for u, n := range s[0] {
					y.set(at+u, n)
				}
			}
			for i := range states {
				for u, n := range s[i] {
					outputs[1+i].set(q.at(d, b)+u, n)
				}
			}
		}
	}
	return outputs
}
