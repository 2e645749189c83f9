package reference

import (
	"fmt"
	"math"

	"github.com/petrify-ml/petrify/onnx"
)

// opMicrosoftMultiHeadAttention is attention of a query (N, L, heads E) to keys (N, S,
// heads E) with values (N, S, heads W), which may lie together: query, key and value
// in (N, L, heads, 3, E), key and value in (N, S, heads, 2, E). Key and value may also
// have an axis for the heads, (N, heads, S, E), as those of another sequence; they get
// no bias then. The bias is of query, key and value, one after the other. Keys and
// values of the past come first; all of them are output 1 and 2, the weights of the
// keys output 3. ONNX Runtime's com.microsoft MultiHeadAttention.
var opMicrosoftMultiHeadAttention = operator{
	name: "MultiHeadAttention", domain: microsoft,
	eval: func(c *call) []*Value {
		heads := c.int("num_heads")
		for i, why := range map[int]string{8: "keys in a buffer that is shared with the past", 9: "beams"} {
			if c.given(i) {
				fail(&onnx.UnsupportedError{Op: "MultiHeadAttention", Domain: microsoft, Opset: c.opset, Why: why})
			}
		}
		q, k, v := c.packed()
		bias := c.in[3]
		a := &headed{c: c}
		width := q.Dims[len(q.Dims)-1]
		a.q = c.headsOf(q, heads, bias, 0)
		for i, x := range []*Value{k, v} {
			to := []**Value{&a.k, &a.v}[i]
			if len(x.Dims) == 4 {
				*to = x
			} else {
				*to = c.headsOf(x, heads, bias, width*(i+1))
			}
		}
		if c.given(6) != c.given(7) {
			fail(fmt.Errorf("keys of the past without values, or the other way round"))
		}
		m := masks{causal: c.int("unidirectional") != 0, filter: c.float("mask_filter_value")}
		if c.given(6) {
			if len(c.in[6].Dims) != 4 || len(c.in[7].Dims) != 4 {
				fail(fmt.Errorf("the past has shapes %v and %v, want four axes", c.in[6].Dims, c.in[7].Dims))
			}
			m.past = c.in[6].Dims[2]
			a.k = c.concat([]*Value{c.in[6], a.k}, 2)
			a.v = c.concat([]*Value{c.in[7], a.v}, 2)
		}
		if len(a.q.Dims) != 4 || len(a.k.Dims) != 4 {
			fail(fmt.Errorf("queries of shape %v, keys of %v", a.q.Dims, a.k.Dims))
		}
		if a.scale = c.float("scale"); a.scale == 0 {
			a.scale = 1 / math.Sqrt(float64(a.q.Dims[3]))
		}
		batch, rows, keys := a.q.Dims[0], a.q.Dims[2], a.k.Dims[2]
		m.left = c.keyMask(4, batch, rows, keys)
		m.bias = c.attentionBias(5, batch, heads, rows, keys)
		a.added = m.added
		y, _, weights := a.run()
		outputs := []*Value{y, a.k, a.v, weights}
		for i := range outputs[1:] {
			outputs[1+i] = c.roundedOutput(outputs[1+i])
		}
		return outputs
	},
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
