package reference

import (
	"fmt"
	"math"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
)

// opMicrosoftAttention is attention of a sequence (N, L, D) to itself: query, key and
// value are the input times weights, plus bias, one after the other along the last
// axis, of widths qkv_hidden_sizes. Keys and values of the past, in one tensor (2, N,
// heads, P, E), come first; all of them are output 1. With past_present_share_buffer the
// past is a buffer of which past_sequence_length are valid, and output 1 is that buffer
// with the new ones after them. ONNX Runtime's com.microsoft Attention.
var opMicrosoftAttention = operator{
	name: "Attention", domain: microsoft,
	eval: func(c *call) []*Value {
		x, w := c.in[0], c.in[1]
		if len(x.Dims) != 3 || len(w.Dims) != 2 || x.Dims[2] != w.Dims[0] {
			fail(fmt.Errorf("input of shape %v, weights of %v", x.Dims, w.Dims))
		}
		widths := c.intList("qkv_hidden_sizes")
		if !c.has("qkv_hidden_sizes") {
			widths = slices.Repeat([]int{w.Dims[1] / 3}, 3)
		}
		if len(widths) != 3 || min(widths[0], widths[1], widths[2]) < 1 || widths[0] != widths[1] || max(widths[0], widths[2]) > w.Dims[1] || widths[0]+widths[1]+widths[2] != w.Dims[1] {
			fail(fmt.Errorf("queries, keys and values of widths %v out of %d columns", widths, w.Dims[1]))
		}
		projected := c.projected(x, w, c.in[2])
		return c.selfAttention(projected, widths, attentionInputs{past: 4, mask: 3, bias: 5, valid: 6})
	},
}

// attentionInputs says which inputs of an operator hold the past, a mask, what is added
// to scores, and how much of a past that is a buffer is valid; 0 where it has none.
type attentionInputs struct{ past, mask, bias, valid int }

// selfAttention is the attention of a sequence to itself and its past, given queries,
// keys and values (N, L, D) one after the other along the last axis, of some widths.
func (c *call) selfAttention(projected *Value, widths []int, in attentionInputs) []*Value {
	if c.int("do_rotary") != 0 {
		fail(&onnx.UnsupportedError{Op: c.step.op.name, Domain: microsoft, Opset: c.opset, Why: "do_rotary, which ONNX Runtime has on GPUs only"})
	}
	heads := c.int("num_heads")
	if heads < 1 {
		fail(fmt.Errorf("%d heads", heads))
	}
	a := &headed{c: c}
	at := 0
	for i, to := range []**Value{&a.q, &a.k, &a.v} {
		part := c.columns(projected, at, widths[i])
		*to = c.headsOf(part, heads, nil, 0)
		at += widths[i]
	}
	m := masks{causal: c.int("unidirectional") != 0, filter: c.float("mask_filter_value")}
	presents := []*Value{a.k, a.v}
	if past := c.in[in.past]; past != nil {
		if len(past.Dims) != 5 || past.Dims[0] != 2 {
			fail(fmt.Errorf("the past has shape %v, want keys and values, (2, batch, heads, length, width)", past.Dims))
		}
		buffer := headInputs{valid: in.valid}
		if c.int("past_present_share_buffer") == 0 {
			buffer.valid = 0
		} else if !c.given(in.valid) {
			fail(fmt.Errorf("the past is a buffer, and past_sequence_length is not given"))
		}
		held := c.heldKeys(buffer, past.Dims[1:], a.k.Dims)
		m.past = held.valid
		for i, to := range []**Value{&a.k, &a.v} {
			half := past.Len() / 2
			before := c.pick(past, past.Dims[1:], func(k int) int { return i*half + k })
			*to, presents[i] = held.with(before, *to)
		}
	}
	if a.scale = c.float("scale"); a.scale == 0 {
		a.scale = 1 / math.Sqrt(float64(a.q.Dims[3]))
	}
	batch, rows, keys := a.q.Dims[0], a.q.Dims[2], a.k.Dims[2]
	m.left = c.keyMask(in.mask, batch, rows, keys)
	if in.bias > 0 {
		m.bias = c.attentionBias(in.bias, batch, heads, rows, keys)
	}
	a.added = m.added
	y, _, _ := a.run()
	if len(c.step.out) < 2 {
		return []*Value{y}
	}
	k, v := presents[0], presents[1]
	if !slices.Equal(k.Dims, v.Dims) {
		fail(fmt.Errorf("keys of shape %v and values of shape %v, which make no output", k.Dims, v.Dims))
	}
	k, v = reshaped(k, append([]int{1}, k.Dims...)), reshaped(v, append([]int{1}, v.Dims...))
	return []*Value{y, c.roundedOutput(c.concat([]*Value{k, v}, 0))}
}

// projected is x W + bias, for the rows of x, not rounded to the type of the graph.
func (c *call) projected(x, w, bias *Value) *Value {
	k, n := w.Dims[0], w.Dims[1]
	if bias != nil && (len(bias.Dims) != 1 || bias.Dims[0] != n) {
		fail(fmt.Errorf("bias of shape %v for %d columns", bias.Dims, n))
	}
	out := c.numbers(x.Type, x.Dims[0], x.Dims[1], n)
	out.stored = nil
	rows := x.Dims[0] * x.Dims[1]
	c.afford(rows, k, n)
	f := c.products(out)
	c.multiply(f, []matrixProduct{{rowsOf(x, 0, rows, k), columnsOf(w, 0, k, n), func(i, j int, s dot) {
		if bias != nil {
			s.term(bias.at(j))
		}
		out.set(i*n+j, s.sum(f, 0))
	}}})
	return out
}
