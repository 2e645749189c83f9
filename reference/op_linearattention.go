package reference

import (
	"fmt"
	"math"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
)

// opLinearAttention carries a matrix S (keys, values) for every head from step to step:
// it fades by exp(decay), forgets what the key stands for, takes in the outer product
// of key and value, and is read by the query. Queries are (N, T, heads keys), keys and
// values (N, T, heads keys) and (N, T, heads values) with as many heads or fewer that
// serve several queries. ONNX LinearAttention, opset 27; ONNX Runtime's com.microsoft
// LinearAttention, where keys may have more heads than queries, too.
var opLinearAttention = operator{
	name: "LinearAttention",
	eval: func(c *call) []*Value {
		a := c.newLinearAttention()
		return a.run()
	},
}

var opMicrosoftLinearAttention = operator{name: "LinearAttention", domain: microsoft, eval: opLinearAttention.eval}

type linearAttention struct {
	c                                 *call
	q, k, v, past, decay, beta        *Value
	batch, steps, heads, shared       int // heads of keys and values, and queries that each serves
	serves                            int // heads of keys that one query reads
	keys, values                      int // elements of a head
	gated, delta, everyKey, oneForAll bool
	scale                             float64
}

func (c *call) newLinearAttention() *linearAttention {
	a := &linearAttention{c: c, q: c.in[0], k: c.in[1], v: c.in[2], past: c.in[3], decay: c.in[4], beta: c.in[5]}
	queries := c.int("q_num_heads")
	a.heads = c.int("kv_num_heads")
	rule := c.text("update_rule")
	if !slices.Contains([]string{"linear", "gated", "delta", "gated_delta"}, rule) {
		fail(fmt.Errorf("attribute update_rule is %q", rule))
	}
	a.gated, a.delta = rule == "gated" || rule == "gated_delta", rule == "delta" || rule == "gated_delta"
	if a.gated != (a.decay != nil) || a.delta != (a.beta != nil) {
		fail(fmt.Errorf("update rule %s with decay %v, beta %v", rule, a.decay != nil, a.beta != nil))
	}
	if c.int("state_window") != 0 {
		fail(&onnx.UnsupportedError{Op: c.step.op.name, Domain: microsoft, Opset: c.opset, Why: "state_window, which ONNX Runtime has on GPUs only"})
	}
	fewer := c.step.op.domain == microsoft && queries > 0 && a.heads%queries == 0
	if len(a.q.Dims) != 3 || len(a.k.Dims) != 3 || len(a.v.Dims) != 3 || queries < 1 || a.heads < 1 || queries%a.heads != 0 && !fewer {
		fail(fmt.Errorf("queries of shape %v for %d heads, keys of %v and values of %v for %d", a.q.Dims, queries, a.k.Dims, a.v.Dims, a.heads))
	}
	a.batch, a.steps, a.shared, a.serves = a.q.Dims[0], a.q.Dims[1], max(1, queries/a.heads), max(1, a.heads/queries)
	a.keys, a.values = a.q.Dims[2]/queries, a.v.Dims[2]/a.heads
	for _, x := range []struct {
		v    *Value
		name string
		last []int
	}{
		{a.q, "queries", []int{queries * a.keys}}, {a.k, "keys", []int{a.heads * a.keys}}, {a.v, "values", []int{a.heads * a.values}},
		{a.decay, "decay", []int{a.heads, a.heads * a.keys}}, {a.beta, "beta", []int{a.heads, 1}},
	} {
		if x.v == nil {
			continue
		}
		if d := x.v.Dims; len(d) != 3 || d[0] != a.batch || d[1] != a.steps || !slices.Contains(x.last, d[2]) {
			fail(fmt.Errorf("%s of shape %v, want [%d,%d] and one of %v", x.name, d, a.batch, a.steps, x.last))
		}
	}
	a.everyKey = a.decay != nil && a.decay.Dims[2] != a.heads
	a.oneForAll = a.beta != nil && a.beta.Dims[2] != a.heads
	if a.past != nil && !slices.Equal(a.past.Dims, []int{a.batch, a.heads, a.keys, a.values}) {
		fail(fmt.Errorf("past state of shape %v, want %v", a.past.Dims, []int{a.batch, a.heads, a.keys, a.values}))
	}
	if a.scale = c.float("scale"); a.scale == 0 {
		a.scale = 1 / math.Sqrt(float64(a.keys))
	}
	return a
}

func (a *linearAttention) run() []*Value {
	c, area := a.c, a.keys*a.values
	out := c.numbers(a.q.Type, a.batch, a.steps, a.heads*a.shared*a.values)
	t := a.q.Type
	if a.past != nil {
		t = a.past.Type
	}
	present := c.numbers(t, a.batch, a.heads, a.keys, a.values)
	c.afford(a.batch*a.heads, a.steps, area+1, 4+a.shared)
	state := make([]number, area)
	for n := range a.batch {
		for h := range a.heads {
			clear(state)
			for i := range state {
				if a.past != nil {
					state[i] = a.past.at((n*a.heads+h)*area + i)
				}
			}
			for step := range a.steps {
				c.spend(int64(area+1) * int64(4+a.shared))
				a.update(state, n*a.steps+step, h)
				a.read(out, state, n*a.steps+step, h)
			}
			for i, s := range state {
				present.set((n*a.heads+h)*area+i, s)
			}
		}
	}
	return []*Value{out, present}
}

// update takes the key and the value of a step, counted over the batch, into the state
// of a head.
func (a *linearAttention) update(state []number, step, h int) {
	f := a.c.products(a.q)
	at := (step*a.heads + h)
	for k := range a.keys {
		if !a.gated {
			break
		}
		decay := at
		if a.everyKey {
			decay = at*a.keys + k
		}
		fade := expFunction.at(f, a.decay.at(decay))
		for m := range a.values {
			state[k*a.values+m] = f.mul(fade, state[k*a.values+m])
		}
	}
	for m := range a.values {
		value := a.v.at(at*a.values + m)
		if a.delta {
			known := f.dot()
			for k := range a.keys {
				known.add(state[k*a.values+m], a.k.at(at*a.keys+k))
			}
			rate := at
			if a.oneForAll {
				rate = step
			}
			value = f.mul(a.beta.at(rate), f.sub(value, known.sum(f, 0)))
		}
		for k := range a.keys {
			i := k*a.values + m
			state[i] = f.add(state[i], f.mul(a.k.at(at*a.keys+k), value))
		}
	}
}

// read stores what the queries of a head find in the state.
func (a *linearAttention) read(out *Value, state []number, step, h int) {
	f := a.c.products(a.q)
	for g := range a.shared {
		row := (step*a.heads+h)*a.shared + g
		query := row / a.serves
		for m := range a.values {
			s := f.dot()
			for k := range a.keys {
				s.add(a.q.at(query*a.keys+k), state[k*a.values+m])
			}
			out.set(row*a.values+m, f.rounded(scaled(s.sum(f, 1), a.scale), 1))
		}
	}
}
