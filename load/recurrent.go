package load

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/onnx"
)

// recurrence is what RNN, GRU and LSTM have in common. X is (steps, batch, input), W (directions, gates * hidden, input),
// R (directions, gates * hidden, hidden), B (directions, 2 * gates * hidden); layout 1 has the batch first.
type recurrence struct {
	b                                *builder
	steps, batch, in, hidden, ways   int
	gates                            int
	rows                             bool
	reverse                          []bool // by direction
	lengths                          []int64
	x, w, r, bias, first, cell, hole []float64
	acts                             []func(float64) float64
	clip                             float64
	y, last, lastCell                []float64
}

// recur carries out an RNN, GRU or LSTM.
func recur(b *builder, c call) {
	kind := map[string]struct {
		gates int
		acts  []string
	}{"RNN": {1, []string{"Tanh"}}, "GRU": {3, []string{"Sigmoid", "Tanh"}}, "LSTM": {4, []string{"Sigmoid", "Tanh", "Tanh"}}}[c.op.name]
	q := &recurrence{b: b, gates: kind.gates, rows: c.on("layout"), clip: math.Inf(1)}
	if c.op.attrs["clip"] != nil {
		q.clip = c.float("clip")
	}
	switch way := c.text("direction"); way {
	case "forward":
		q.reverse = []bool{false}
	case "reverse":
		q.reverse = []bool{true}
	case "bidirectional":
		q.reverse = []bool{false, true}
	default:
		fail(fmt.Errorf("%s: attribute direction is %q", c.name(), way))
	}
	q.ways = len(q.reverse)
	q.read(c)
	q.activate(c, kind.acts)
	forget, before := c.on("input_forget"), c.on("linear_before_reset")
	for d := range q.ways {
		for n := range q.batch {
			q.sequence(c, d, n, forget, before)
		}
	}
	q.give(c)
}

// read takes the inputs, and compares their shapes with each other.
func (q *recurrence) read(c call) {
	dims := func(k int) []int {
		if c.has(k) {
			return c.in[k].dims
		}
		return nil
	}
	x, w, r := dims(0), dims(1), dims(2)
	if len(x) != 3 || len(w) != 3 || len(r) != 3 {
		fail(fmt.Errorf("%s: X, W, R of dims %v, %v, %v, want three axes", c.name(), x, w, r))
	}
	q.steps, q.batch, q.in, q.hidden = x[0], x[1], x[2], r[2]
	if q.rows {
		q.steps, q.batch = q.batch, q.steps
	}
	state := []int{q.ways, q.batch, q.hidden}
	if q.rows {
		state = []int{q.batch, q.ways, q.hidden}
	}
	wide := q.gates * q.hidden
	for k, want := range map[int][]int{
		1: {q.ways, wide, q.in}, 2: {q.ways, wide, q.hidden}, 3: {q.ways, 2 * wide}, 4: {q.batch}, 5: state, 6: state, 7: {q.ways, 3 * q.hidden},
	} {
		if c.has(k) && !slices.Equal(dims(k), want) {
			fail(fmt.Errorf("%s: input %d has dims %v, want %v", c.name(), k, dims(k), want))
		}
	}
	if h := c.int("hidden_size", int64(q.hidden)); h != int64(q.hidden) {
		fail(fmt.Errorf("%s: hidden_size is %d, the weights have %d", c.name(), h, q.hidden))
	}
	for k, to := range []*[]float64{&q.x, &q.w, &q.r, &q.bias, nil, &q.first, &q.cell, &q.hole} {
		if to == nil {
			continue
		}
		*to = c.numbers(k)
	}
	q.b.account(c.name(), []int{q.steps, q.ways, q.batch, q.hidden}, 16)
	if q.bias == nil {
		q.bias = make([]float64, q.ways*2*wide)
	}
	n := q.ways * q.batch * q.hidden
	q.y, q.last, q.lastCell = make([]float64, q.steps*n), make([]float64, n), make([]float64, n)
	q.lengths = c.integers(4)
	for i, n := range q.lengths {
		if n < 0 || n > int64(q.steps) {
			fail(fault{fmt.Errorf("%s: sequence %d has %d of %d steps", c.name(), i, n, q.steps)})
		}
	}
}

// activate finds the functions, all of them for each direction.
func (q *recurrence) activate(c call, otherwise []string) {
	names := c.texts("activations")
	if names == nil {
		names = slices.Repeat(otherwise, q.ways)
	}
	if len(names) != q.ways*len(otherwise) {
		fail(fmt.Errorf("%s: activations %q, want %d", c.name(), names, q.ways*len(otherwise)))
	}
	alphas, betas := c.floats("activation_alpha"), c.floats("activation_beta")
	next := func(list *[]float32, otherwise float64) float64 {
		if len(*list) == 0 {
			return otherwise
		}
		v := (*list)[0]
		*list = (*list)[1:]
		return float64(v)
	}
	known := map[string]struct {
		f           string
		alpha, beta float64 // NaN where there is none
	}{
		"tanh": {"Tanh", math.NaN(), math.NaN()}, "sigmoid": {"Sigmoid", math.NaN(), math.NaN()}, "relu": {"Relu", math.NaN(), math.NaN()},
		"softplus": {"Softplus", math.NaN(), math.NaN()}, "softsign": {"Softsign", math.NaN(), math.NaN()},
		"leakyrelu": {"LeakyRelu", float64(float32(0.01)), math.NaN()}, "elu": {"Elu", 1, math.NaN()}, "thresholdedrelu": {"ThresholdedRelu", 1, math.NaN()},
		"hardsigmoid": {"HardSigmoid", float64(float32(0.2)), 0.5}, "affine": {"", 1, 0}, "scaledtanh": {"", 1, 1},
	}
	for _, name := range names {
		lower := strings.ToLower(name)
		k, ok := known[lower]
		if !ok {
			fail(c.unsupported("activation %q", name))
		}
		alpha, beta := k.alpha, k.beta
		if alpha == alpha {
			alpha = next(&alphas, alpha)
		}
		if beta == beta {
			beta = next(&betas, beta)
		}
		switch lower {
		case "affine":
			q.acts = append(q.acts, func(x float64) float64 { return alpha*x + beta })
		case "scaledtanh":
			q.acts = append(q.acts, func(x float64) float64 { return alpha * math.Tanh(beta*x) })
		default:
			q.acts = append(q.acts, functions[k.f](func(name string) float64 {
				if name == "beta" {
					return beta
				}
				return alpha
			}))
		}
	}
}

// cellState is one step of one sequence: what the gates sum up, W x + its bias and R h + its bias, and the states.
type cellState struct {
	wx, rh, h, c []float64
	r            []float64 // (gates * hidden, hidden)
	rbias        []float64
	hole         []float64
	acts         []func(float64) float64
}

// sequence goes through entry n of the batch in direction d.
func (q *recurrence) sequence(c call, d, n int, forget, before bool) {
	h, wide := q.hidden, q.gates*q.hidden
	at := (d*q.batch + n) * h
	if q.rows {
		at = (n*q.ways + d) * h
	}
	s := cellState{wx: make([]float64, wide), rh: make([]float64, wide), h: make([]float64, h), c: make([]float64, h), acts: q.acts[len(q.acts)/q.ways*d:]}
	if q.first != nil {
		copy(s.h, q.first[at:at+h])
	}
	if q.cell != nil {
		copy(s.c, q.cell[at:at+h])
	}
	if q.hole != nil {
		s.hole = q.hole[d*3*h : (d+1)*3*h]
	}
	w := q.w[d*wide*q.in : (d+1)*wide*q.in]
	s.r = q.r[d*wide*h : (d+1)*wide*h]
	bias := q.bias[d*2*wide : (d+1)*2*wide]
	s.rbias = bias[wide:]
	length := q.steps
	if q.lengths != nil {
		length = int(q.lengths[n])
	}
	for i := range length {
		try(q.b.pace())
		t := i
		if q.reverse[d] {
			t = length - 1 - i
		}
		row := t*q.batch + n
		if q.rows {
			row = n*q.steps + t
		}
		affine(s.wx, w, q.x[row*q.in:(row+1)*q.in], bias[:wide])
		switch c.op.name {
		case "LSTM":
			affine(s.rh, s.r, s.h, s.rbias)
			q.lstm(s, forget)
		case "GRU":
			q.gru(s, before)
		default:
			affine(s.rh, s.r, s.h, s.rbias)
			q.plain(s)
		}
		to := ((t*q.ways+d)*q.batch + n) * h
		if q.rows {
			to = ((n*q.steps+t)*q.ways + d) * h
		}
		copy(q.y[to:to+h], s.h)
	}
	copy(q.last[at:at+h], s.h)
	copy(q.lastCell[at:at+h], s.c)
}

// affine sets y to m x + bias, m a matrix of a row for each of y.
func affine(y, m, x, bias []float64) {
	for i := range y {
		sum := bias[i]
		for j, v := range x {
			sum += m[i*len(x)+j] * v
		}
		y[i] = sum
	}
}

func (q *recurrence) clipped(x float64) float64 { return min(max(x, -q.clip), q.clip) }

func (q *recurrence) plain(s cellState) {
	for i := range s.h {
		s.h[i] = s.acts[0](q.clipped(s.wx[i] + s.rh[i]))
	}
}

// lstm has the gates input, output, forget and cell in this order, and holes for the first three.
func (q *recurrence) lstm(s cellState, forget bool) {
	h := q.hidden
	hole := func(k, i int, c float64) float64 {
		if s.hole == nil {
			return 0
		}
		return s.hole[k*h+i] * c
	}
	for i := range h {
		in := s.acts[0](q.clipped(s.wx[i] + s.rh[i] + hole(0, i, s.c[i])))
		out := 1 - in
		if !forget {
			out = s.acts[0](q.clipped(s.wx[2*h+i] + s.rh[2*h+i] + hole(2, i, s.c[i])))
		}
		fresh := s.acts[1](q.clipped(s.wx[3*h+i] + s.rh[3*h+i]))
		s.c[i] = out*s.c[i] + in*fresh
		gate := s.acts[0](q.clipped(s.wx[h+i] + s.rh[h+i] + hole(1, i, s.c[i])))
		s.h[i] = gate * s.acts[2](s.c[i])
	}
}

// gru has the gates update, reset and hidden in this order.
func (q *recurrence) gru(s cellState, before bool) {
	h := q.hidden
	affine(s.rh[:2*h], s.r[:2*h*h], s.h, s.rbias[:2*h])
	update, reset := make([]float64, h), make([]float64, h)
	for i := range h {
		update[i] = s.acts[0](q.clipped(s.wx[i] + s.rh[i]))
		reset[i] = s.acts[0](q.clipped(s.wx[h+i] + s.rh[h+i]))
	}
	kept := s.h
	if !before {
		kept = make([]float64, h)
		for i := range kept {
			kept[i] = reset[i] * s.h[i]
		}
	}
	affine(s.rh[2*h:], s.r[2*h*h:], kept, s.rbias[2*h:])
	for i := range h {
		r := s.rh[2*h+i]
		if before {
			r *= reset[i]
		}
		s.h[i] = (1-update[i])*s.acts[1](q.clipped(s.wx[2*h+i]+r)) + update[i]*s.h[i]
	}
}

func (q *recurrence) give(c call) {
	all, state := []int{q.steps, q.ways, q.batch, q.hidden}, []int{q.ways, q.batch, q.hidden}
	if q.rows {
		all, state = []int{q.batch, q.steps, q.ways, q.hidden}, []int{q.batch, q.ways, q.hidden}
	}
	q.b.put(c, 0, onnx.Slice[float64](q.y), all...)
	q.b.putReals(c, 1, q.last, state...)
	if c.op.name != "LSTM" {
		return
	}
	q.b.putReals(c, 2, q.lastCell, state...)
}
