package reference

import (
	"fmt"
	"math"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// opMicrosoftGroupQueryAttention is attention of queries (N, L, heads E) to keys and
// values (N, L, fewer E) and those of the past, (N, fewer, P, E); without key and value
// the query holds all three. seqlens_k is how many keys each batch entry has, less one;
// the first run, of as many queries as total_sequence_length, has no past. With do_rotary
// queries and keys are rotated by their positions. Keys and values are output 1 and 2, as
// long as the past was where that has room, output 3 the scores (qk_output 1) or weights
// (2). With k_quant_type keys and values are kept as integers of 8 or 4 bits (two to a
// byte, plus 8), and used as these times their scales. With sliding_window_cache the past
// and the outputs hold the newest keys only: see heldOf. What is beyond the keys of an
// entry is undefined. ONNX Runtime's com.microsoft GroupQueryAttention.
var opMicrosoftGroupQueryAttention = operator{
	name: "GroupQueryAttention", domain: microsoft,
	in: []port{derived, derived, derived, {moved: true, lacks: minifloats}, {moved: true, lacks: minifloats}},
	eval: func(c *call) []*Value {
		g := c.newGroupQuery()
		return g.run()
	},
}

// A groupQuery is the operands with an axis for the heads.
type groupQuery struct {
	*headed
	rows, total, room int   // queries, the most keys, what the outputs have room for
	held              int   // where they have room for the newest keys only: how many
	first             bool  // there is no past
	ends              []int // keys of each batch entry, those that are new included
	gone              []int // keys of each batch entry that are no longer held, and not counted
	newK, newV        *Value
	kept              [2]*Value // keys and values as integers, where they are kept as such
}

func (c *call) newGroupQuery() *groupQuery {
	if c.given(14) || c.given(15) {
		fail(&onnx.UnsupportedError{Op: "GroupQueryAttention", Domain: microsoft, Opset: c.opset, Why: "q_norm_weight and k_norm_weight, which ONNX Runtime has on GPUs only"})
	}
	heads, fewer := c.int("num_heads"), c.int("kv_num_heads")
	q, k, v := c.in[0], c.in[1], c.in[2]
	if len(q.Dims) != 3 || heads < 1 || fewer < 1 || heads%fewer != 0 || (k == nil) != (v == nil) {
		fail(fmt.Errorf("queries of shape %v, %d heads for %d", q.Dims, fewer, heads))
	}
	if k == nil {
		width := q.Dims[2] / (heads + 2*fewer)
		for i, part := range []struct {
			to         **Value
			from, wide int
		}{{&k, heads * width, fewer * width}, {&v, (heads + fewer) * width, fewer * width}, {&q, 0, heads * width}} {
			if q.Dims[2] != (heads+2*fewer)*width {
				fail(fmt.Errorf("queries, keys and values of shape %v for %d and %d heads, at part %d", q.Dims, heads, fewer, i))
			}
			*part.to = c.columns(c.in[0], part.from, part.wide)
			if part.to == &q {
				break
			}
		}
	}
	g := &groupQuery{headed: &headed{c: c, softcap: c.float("softcap")}, rows: q.Dims[1]}
	g.q = c.headsOf(q, heads, nil, 0)
	g.newK = c.headsOf(k, fewer, nil, 0)
	g.newV = c.headsOf(v, fewer, nil, 0)
	if d := g.q.Dims; g.newK.Dims[0] != d[0] || g.newK.Dims[2] != d[2] || g.newK.Dims[3] != d[3] || g.newV.Dims[0] != d[0] || g.newV.Dims[2] != d[2] {
		fail(fmt.Errorf("queries of shape %v, keys of %v, values of %v", d, g.newK.Dims, g.newV.Dims))
	}
	if g.scale = c.float("scale"); g.scale == 0 {
		g.scale = 1 / math.Sqrt(float64(g.q.Dims[3]))
	}
	g.lay()
	return g
}

// lay appends the new keys and values to those of the past, after it has rotated
// queries and keys.
func (g *groupQuery) lay() {
	c, batch, d := g.c, g.q.Dims[0], g.newK.Dims
	less, _ := c.intInput(5)
	g.total = c.intScalar(6)
	if len(less) != batch || g.total < g.rows {
		fail(fmt.Errorf("%d lengths of keys, at most %d, for a batch of %d with %d queries", len(less), g.total, batch, g.rows))
	}
	if c.given(3) != c.given(4) {
		fail(fmt.Errorf("keys of the past without values, or the other way round"))
	}
	pastK, pastV, held := c.in[3], c.in[4], 0
	kept := g.cache()
	if kept != nil && pastK != nil {
		pastK = kept.unpacked(pastK, d[3])
		pastV = kept.unpacked(pastV, g.newV.Dims[3])
	}
	if pastK != nil {
		if len(pastK.Dims) != 4 || len(pastV.Dims) != 4 || pastK.Dims[0] != batch || pastV.Dims[0] != batch || pastK.Dims[1] != d[1] || pastV.Dims[1] != d[1] ||
			pastK.Dims[3] != d[3] || pastV.Dims[3] != g.newV.Dims[3] || pastK.Dims[2] != pastV.Dims[2] {
			fail(fmt.Errorf("the past has shapes %v and %v for keys of shape %v", pastK.Dims, pastV.Dims, d))
		}
		held = pastK.Dims[2]
	}
	g.room, g.first = max(held, g.total), g.rows == g.total
	sliding := c.int("sliding_window_cache") != 0
	if sliding {
		g.checkWindow(held)
	}
	for _, n := range less {
		past := n + 1 - g.rows
		switch {
		case g.first:
			if n < 0 || n >= g.total {
				fail(fmt.Errorf("%d keys of %d", n+1, g.total))
			}
			past = 0
		case past < 0 || past > held && !sliding || n >= g.total:
			fail(fmt.Errorf("%d keys, %d of them new, of at most %d, with %d of the past", n+1, g.rows, g.total, held))
		}
		gone := 0
		if sliding {
			gone = past - g.heldOf(past, held)
		}
		g.gone = append(g.gone, gone)
		g.ends = append(g.ends, past-gone+g.rows)
		g.lengths = append(g.lengths, n+1-gone)
	}
	if sliding {
		g.held, g.total = held, slices.Max(g.ends)
		g.room = max(held, g.total)
	}
	if c.int("do_rotary") != 0 {
		g.q = g.turned(g.q)
		g.newK = g.turned(g.newK)
	}
	for i, to := range []**Value{&g.k, &g.v} {
		past, fresh := []*Value{pastK, pastV}[i], []*Value{g.newK, g.newV}[i]
		if kept != nil {
			fresh = kept.quantized(fresh, kept.scales[i])
		}
		*to = g.append(past, fresh)
		if kept == nil {
			continue
		}
		g.kept[i] = kept.packed(*to)
		*to = kept.times(*to, g.newK.Type, kept.scales[i])
	}
}

// checkWindow sees that the keys that are held are enough for the window.
func (g *groupQuery) checkWindow(held int) {
	c, window := g.c, g.c.int("local_window_size")
	switch {
	case c.in[3] == nil || window < 1 || window > held:
		fail(fmt.Errorf("a window of %d, and room for %d keys, want a window that fits", window, held))
	case c.given(10) || len(c.step.out) > 3:
		fail(&onnx.UnsupportedError{Op: "GroupQueryAttention", Domain: microsoft, Opset: c.opset, Why: "sliding_window_cache with attention_bias or output_qk, which ONNX Runtime does not have"})
	}
}

// heldOf is how many of a number of keys are held where there is room for so many: all
// of them while they fit. When it is full ONNX Runtime keeps as many as the window has, and
// fills it up again.
func (g *groupQuery) heldOf(keys, room int) int {
	if keys <= room {
		return keys
	}
	window := g.c.int("local_window_size")
	return window + (keys-room-1)%(room-window+1)
}

// turned rotates queries or keys by the positions of their tokens.
func (g *groupQuery) turned(x *Value) *Value {
	c, cos, sin := g.c, g.c.in[7], g.c.in[8]
	d := x.Dims
	if cos == nil || sin == nil || len(cos.Dims) != 2 || len(sin.Dims) != 2 || cos.Dims[0] != sin.Dims[0] || cos.Dims[1] != sin.Dims[1] || 2*cos.Dims[1] > d[3] {
		fail(fmt.Errorf("no cosines and sines for the rotation of heads of %d", d[3]))
	}
	ids, ok := c.intInput(9)
	if ok && len(ids) != d[0]*g.rows {
		fail(fmt.Errorf("%d positions for %d sequences of %d", len(ids), d[0], g.rows))
	}
	position := func(n, t int) int {
		switch past := g.gone[n] + g.ends[n] - g.rows; {
		case ok:
			return ids[n*g.rows+t]
		case t >= g.lengths[n]: // beyond the keys of the entry, which is undefined
			return 0
		default:
			return past + t
		}
	}
	for n := range d[0] {
		for t := range g.rows {
			if p := position(n, t); p < 0 || p >= cos.Dims[0] {
				fail(fmt.Errorf("position %d of %d", p, cos.Dims[0]))
			}
		}
	}
	return c.rotated(x, d[3], 2*cos.Dims[1], c.int("rotary_interleaved") != 0, cos, sin, func(vector int) int {
		return position(vector/(d[1]*d[2]), vector%d[2]) * cos.Dims[1]
	})
}

// append appends what is new to what each batch entry has of the past.
func (g *groupQuery) append(past, fresh *Value) *Value {
	c, d := g.c, fresh.Dims
	out := c.numbers(fresh.Type, d[0], d[1], g.room, d[3])
	put := func(i int, n number) { out.set(i, n) }
	if integers&setOf(out) != 0 {
		put = func(i int, n number) {
			out.setFloat(i, n.v)
			out.setFigures(i, n)
		}
	}
	for i := range out.Len() {
		e, t, h := i%d[3], i/d[3]%g.room, i/d[3]/g.room
		switch from := g.ends[h/d[1]] - g.rows; {
		case t < from:
			put(i, past.at((h*past.Dims[2]+t)*d[3]+e))
		case t < g.ends[h/d[1]]:
			put(i, fresh.at((h*g.rows+t-from)*d[3]+e))
		case out.Type == pb.TensorProto_INT4:
			out.setFloat(i, -8) // which a byte of zeros holds
		}
	}
	return out
}

func (g *groupQuery) run() []*Value {
	c, d := g.c, g.q.Dims
	bias := c.attentionBias(10, d[0], d[1], g.rows, g.total)
	window, causal := c.int("local_window_size"), c.int("causal") != 0
	g.added = func(n, h, i, j int) []number {
		at := g.ends[n] - g.rows + i // where the query stands
		if causal && j > at || window > 0 && j <= at-window || j >= g.total {
			return []number{exact(math.Inf(-1))}
		}
		if bias != nil {
			return []number{bias(n, h, i, j)}
		}
		return nil
	}
	switch sinks := c.in[11]; {
	case sinks != nil && sinks.Len() != d[1]:
		fail(fmt.Errorf("%d sinks for %d heads", sinks.Len(), d[1]))
	case sinks != nil:
		g.sink = sinks.at
	case c.int("smooth_softmax") == 1:
		g.sink = func(int) number { return exact(0) }
	}
	y, scores, weights := g.headed.run()
	g.withoutLimit(y, func(i int) bool {
		width := d[1] * g.v.Dims[3]
		return i/width%g.rows >= g.lengths[i/width/g.rows]-(g.ends[i/width/g.rows]-g.rows)
	})
	outputs := []*Value{y, g.k, g.v, scores}
	if c.int("qk_output") == 2 {
		outputs[3] = weights
	}
	for k, v := range outputs[1:3] {
		if kept := g.kept[k]; kept != nil {
			v, outputs[1+k] = kept, kept
		} else {
			outputs[1+k] = c.roundedOutput(v)
		}
		g.withoutLimit(outputs[1+k], func(i int) bool {
			width := v.Dims[3]
			return i/width%g.room >= g.lengths[i/width/g.room/v.Dims[1]]
		})
		if g.held > 0 {
			outputs[1+k] = g.latest(outputs[1+k])
		}
	}
	if len(c.step.out) < 4 {
		return outputs
	}
	outputs[3] = c.columnsOfKeys(outputs[3], g.total)
	g.withoutLimit(outputs[3], func(i int) bool {
		n, t, j := i/g.total/g.rows/d[1], i/g.total%g.rows, i%g.total
		at := g.ends[n] - g.rows + t
		if math.IsInf(outputs[3].Float(i), -1) {
			outputs[3].set(i, exact(0)) // as ONNX Runtime has it
			return true
		}
		return j >= g.lengths[n] || at >= g.lengths[n] || causal && j > at
	})
	return outputs
}

// latest is what is held of keys or values: the newest, from the beginning on.
func (g *groupQuery) latest(v *Value) *Value {
	dims := slices.Clone(v.Dims)
	dims[2] = g.held
	heads, width := dims[1], dims[3]
	out := g.c.pick(v, dims, func(i int) int {
		e, t, h := i%width, i/width%g.held, i/width/g.held
		keys, present := g.lengths[h/heads], g.present(h/heads)
		if t >= present {
			return -1
		}
		return (h*g.room+keys-present+t)*width + e
	})
	g.withoutLimit(out, func(i int) bool { return i/width%g.held >= g.present(i/width/g.held/heads) })
	return out
}

// present is how many keys of a batch entry are held after this step.
func (g *groupQuery) present(n int) int { return g.heldOf(g.gone[n]+g.lengths[n], g.held) }

// columnsOfKeys is v, one row for each query, of so many keys alone, rounded.
func (c *call) columnsOfKeys(v *Value, keys int) *Value {
	cut := c.columns(v, 0, keys)
	return c.roundedOutput(cut)
}

// withoutLimit takes the limits of elements that nothing defines.
func (g *groupQuery) withoutLimit(v *Value, where func(i int) bool) {
	for i := range v.Len() {
		if where(i) {
			g.c.undefined(v, i, "what is beyond the keys of a sequence")
		}
	}
}
