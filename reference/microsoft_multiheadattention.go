package reference

import (
	"fmt"
	"math"
)

// opMicrosoftMultiHeadAttention is attention of a query (N, L, heads E) to keys (N, S,
// heads E) with values (N, S, heads W), which may lie together: query, key and value
// in (N, L, heads, 3, E), key and value in (N, S, heads, 2, E). Key and value may also
// have an axis for the heads, (N, heads, S, E), as those of another sequence; they get
// no bias then. The bias is of query, key and value, one after the other. Keys and
// values of the past come first; all of them are output 1 and 2, the scores of the
// keys output 3. With past_sequence_length the past is a buffer, of which so many are
// valid, and output 1 and 2 are that buffer with the new ones after them; then
// cache_indirection (N / beams, beams, M) may say in which beam each of them is. ONNX
// Runtime's com.microsoft MultiHeadAttention.
var opMicrosoftMultiHeadAttention = operator{
	name: "MultiHeadAttention", domain: microsoft,
	eval: func(c *call) []*Value {
		return c.multiHead(headInputs{bias: 3, mask: 4, added: 5, past: 6, valid: 8, beams: 9})
	},
}

// opMicrosoftDecoderMaskedMultiHeadAttention is MultiHeadAttention of one query, with
// its inputs in another order, and how many beams there are in one of them. Its past is
// a buffer where past_present_share_buffer says so. ONNX Runtime's com.microsoft
// DecoderMaskedMultiHeadAttention.
var opMicrosoftDecoderMaskedMultiHeadAttention = operator{
	name: "DecoderMaskedMultiHeadAttention", domain: microsoft,
	eval: func(c *call) []*Value {
		if q := c.in[0]; len(q.Dims) != 3 || q.Dims[1] != 1 || c.in[1] == nil || c.in[2] == nil {
			fail(fmt.Errorf("%s, want one query for each sequence, and keys and values beside it", q))
		}
		in := headInputs{mask: 3, added: 4, past: 5, valid: 7, beams: 9, bias: 10}
		if c.int("past_present_share_buffer") == 0 {
			in.valid = 0
		}
		return c.multiHead(in)
	},
}

// headInputs says which inputs of an operator hold a bias, a mask, what is added to
// scores, keys and then values of the past, how many of them are valid, and in which
// beams they are; 0 where it has none.
type headInputs struct{ bias, mask, added, past, valid, beams int }

func (c *call) multiHead(in headInputs) []*Value {
	heads := c.int("num_heads")
	q, k, v := c.packed()
	bias := c.in[in.bias]
	a := &headed{c: c}
	a.q = c.headsOf(q, heads, bias, 0)
	width := q.Dims[2]
	for i, x := range []*Value{k, v} {
		to := []**Value{&a.k, &a.v}[i]
		if len(x.Dims) == 4 {
			*to = x
		} else {
			*to = c.headsOf(x, heads, bias, width*(i+1))
		}
	}
	pastK, pastV := c.in[in.past], c.in[in.past+1]
	if (pastK == nil) != (pastV == nil) {
		fail(fmt.Errorf("keys of the past without values, or the other way round"))
	}
	m := masks{causal: c.int("unidirectional") != 0, filter: c.float("mask_filter_value")}
	present := []*Value{a.k, a.v}
	if pastK != nil {
		if len(a.k.Dims) != 4 || len(pastK.Dims) != 4 || len(pastV.Dims) != 4 || pastK.Dims[2] != pastV.Dims[2] {
			fail(fmt.Errorf("the past has shapes %v and %v, want four axes of the same length", pastK.Dims, pastV.Dims))
		}
		held := c.heldKeys(in, pastK.Dims, a.k.Dims)
		m.past = held.valid
		a.k, present[0] = held.with(pastK, a.k)
		a.v, present[1] = held.with(pastV, a.v)
	}
	if len(a.q.Dims) != 4 || len(a.k.Dims) != 4 {
		fail(fmt.Errorf("queries of shape %v, keys of %v", a.q.Dims, a.k.Dims))
	}
	if a.scale = c.float("scale"); a.scale == 0 {
		a.scale = 1 / math.Sqrt(float64(a.q.Dims[3]))
	}
	batch, rows, keys := a.q.Dims[0], a.q.Dims[2], a.k.Dims[2]
	m.left = c.keyMask(in.mask, batch, rows, keys)
	m.bias = c.attentionBias(in.added, batch, heads, rows, keys)
	a.added = m.added
	y, scores, _ := a.run()
	outputs := []*Value{y, present[0], present[1], scores}
	for i := range outputs[1:] {
		outputs[1+i] = c.roundedOutput(outputs[1+i])
	}
	for i := range outputs[3].Len() {
		if math.IsInf(outputs[3].Float(i), -1) {
			c.undefined(outputs[3], i, "the scores of keys that are hidden")
		}
	}
	return outputs
}

// A heldPast is the past of keys or values: all of a tensor, or the first of a buffer.
type heldPast struct {
	c      *call
	valid  int
	buffer bool
	beam   func(n, j int) int // the batch entry of the past that has key j of entry n
}

// heldKeys reads what is said of a past of shape past, for keys of shape fresh.
func (c *call) heldKeys(in headInputs, past, fresh []int) *heldPast {
	h := &heldPast{c: c, valid: past[2], beam: func(n, _ int) int { return n }}
	if in.valid == 0 || !c.given(in.valid) {
		return h
	}
	h.buffer = true
	h.valid = c.intScalar(in.valid)
	batch, room := fresh[0], past[2]
	if h.valid < 0 || h.valid > room-fresh[2] || past[0] != batch {
		fail(fmt.Errorf("%d keys of the past and %d that are new, in a batch of %d, for a past of shape %v", h.valid, fresh[2], batch, past))
	}
	if in.beams == 0 || !c.given(in.beams) {
		return h
	}
	list, _ := c.intInput(in.beams)
	d := c.in[in.beams].Dims
	if len(d) != 3 || d[1] < 1 || d[0]*d[1] != batch || d[2] != room {
		fail(fmt.Errorf("beams of shape %v for a past of shape %v", d, past))
	}
	for i, b := range list {
		if i%room < h.valid && (b < 0 || b >= d[1]) {
			fail(fmt.Errorf("beam %d of %d", b, d[1]))
		}
	}
	h.beam = func(n, j int) int { return n/d[1]*d[1] + list[n*room+j] }
	return h
}

// with returns the keys (or values) that queries attend to, and those that are passed
// on: the past, and then those that are new.
func (h *heldPast) with(past, fresh *Value) (all, present *Value) {
	c, d, room := h.c, fresh.Dims, past.Dims[2]
	both := c.concat([]*Value{past, fresh}, 2)
	if !h.buffer {
		return both, both
	}
	pick := func(keys int, entry func(n, j int) int) *Value {
		return c.pick(both, []int{d[0], d[1], keys, d[3]}, func(at int) int {
			e, j, head, n := at%d[3], at/d[3]%keys, at/d[3]/keys%d[1], at/d[3]/keys/d[1]
			if j >= h.valid && j < h.valid+d[2] {
				j += room - h.valid
			} else {
				n = entry(n, j)
			}
			return ((n*d[1]+head)*(room+d[2])+j)*d[3] + e
		})
	}
	return pick(h.valid+d[2], h.beam), pick(room, func(n, _ int) int { return n })
}

// packed returns query, key and value, taken apart where they lie together.
func (c *call) packed() (q, k, v *Value) {
	q, k, v = c.in[0], c.in[1], c.in[2]
	part := func(x *Value, i, of int) *Value {
		d := x.Dims
		if len(d) != 5 || d[3] != of {
			fail(fmt.Errorf("%s, want %d parts of each head", x, of))
		}
		width := d[4]
		return c.pick(x, []int{d[0], d[1], d[2] * width}, func(at int) int { return (at/width*of+i)*width + at%width })
	}
	parts, of := []**Value{&q, &k, &v}, 3
	from := q
	switch {
	case k == nil && v == nil:
	case k != nil && v == nil:
		parts, of, from = parts[1:], 2, k
	case k != nil && v != nil:
		return q, k, v
	default:
		fail(fmt.Errorf("values without keys"))
	}
	for i, to := range parts {
		*to = part(from, i, of)
	}
	return q, k, v
}
