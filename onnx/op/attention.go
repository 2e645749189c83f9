package op

import (
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/internal/sat"
	"github.com/petrify-ml/petrify/onnx/pb"
)

func attentions() map[string]Rule {
	return map[string]Rule{
		"Attention":       ruleAttention,
		"FlexAttention":   ruleFlexAttention,
		"LinearAttention": ruleLinearAttention,
		"RotaryEmbedding": ruleRotary,
	}
}

// attend compares Q, K and V of axes (batch, heads, length, width), and returns their batch and the length of K and V.
func (n *Node) attend(q, k, v []onnx.Dim) (batch, length onnx.Dim) {
	batch = n.equal(q[0], k[0], "the batches of Q and K differ")
	batch = n.equal(batch, v[0], "the batches of Q and V differ")
	n.equal(k[1], v[1], "the heads of K and V differ")
	length = n.equal(k[2], v[2], "the lengths of K and V differ")
	n.equal(q[3], k[3], "the widths of Q and K differ")
	if q[1].Known() && k[1].Known() && (k[1].Size == 0 || q[1].Size%k[1].Size != 0) {
		n.wrong("shape-mismatch", "%v heads of K do not divide the %v of Q", k[1], q[1])
	}
	return batch, length
}

// ruleAttention takes Q, K and V with axes (batch, heads, length, width), or with
// three axes, heads and width in one.
func ruleAttention(n *Node) {
	q, k, v := n.dims(0), n.dims(1), n.dims(2)
	if q == nil || k == nil || v == nil || !n.rank(0, 3, 4) || !n.rank(1, len(q), len(q)) || !n.rank(2, len(q), len(q)) {
		return
	}
	flat := len(q) == 3
	if flat {
		qHeads, kvHeads := n.int("q_num_heads"), n.int("kv_num_heads")
		if qHeads < 1 || kvHeads < 1 {
			n.wrong("attribute-range", "attributes \"q_num_heads\" and \"kv_num_heads\" are %d and %d, inputs of three axes want 1 or more", qHeads, kvHeads)
			return
		}
		heads := func(i int, d []onnx.Dim, heads int64) []onnx.Dim {
			if d[2].Known() && d[2].Size%heads != 0 {
				n.wrong("shape-mismatch", "%d heads do not divide the last axis of input %d, %v", heads, i, n.arg(i))
			}
			return []onnx.Dim{d[0], onnx.Fixed(heads), d[1], scaled(d[2], 1, heads)}
		}
		q, k, v = heads(0, q, qHeads), heads(1, k, kvHeads), heads(2, v, kvHeads)
	}
	batch, length := n.attend(q, k, v)
	total := length
	if n.given(4) {
		n.like(4, batch, k[1], onnx.Unknown(), k[3])
		n.like(5, batch, k[1], onnx.Unknown(), v[3])
		total = onnx.Unknown()
		if past := n.dims(4); len(past) == 4 {
			total = sum(past[2], length)
			n.like(5, batch, k[1], past[2], v[3])
		}
	}
	if mask := n.dims(3); mask != nil && n.given(3) {
		reach := total
		if last := len(mask) - 1; n.Since >= 24 && last >= 0 && mask[last].Known() && total.Known() && mask[last].Size <= total.Size {
			reach = mask[last] // what is missing at the end is masked
		}
		n.fits(3, []onnx.Dim{batch, q[1], q[2], reach})
	}
	n.like(6, batch)
	if n.failed {
		return
	}
	if flat {
		width := onnx.Unknown()
		if v[3].Known() {
			width = onnx.Fixed(sat.Mul(v[3].Size, q[1].Size))
		}
		n.shape(0, []onnx.Dim{batch, q[2], width})
	} else {
		n.shape(0, []onnx.Dim{batch, q[1], q[2], v[3]})
	}
	n.shape(1, []onnx.Dim{batch, k[1], total, k[3]})
	n.shape(2, []onnx.Dim{batch, k[1], total, v[3]})
	n.shape(3, []onnx.Dim{batch, q[1], q[2], total})
	n.host.Spend(sat.Mul(LeastElements(q), LeastElements([]onnx.Dim{total})))
}

// ruleRotary turns X, with axes (batch, heads, length, width) or, heads and width
// in one, (batch, length, width), by the cosines and sines of its caches.
func ruleRotary(n *Node) {
	x := n.dims(0)
	n.shape(0, x)
	if x == nil || !n.rank(0, 3, 4) {
		return
	}
	batch, length, width := x[0], x[len(x)-2], x[len(x)-1]
	if len(x) == 3 {
		heads := n.int("num_heads")
		if heads < 1 {
			n.wrong("attribute-range", "attribute \"num_heads\" is %d, an input of three axes wants 1 or more", heads)
			return
		}
		length, width = x[1], scaled(x[2], 1, heads)
		if x[2].Known() && x[2].Size%heads != 0 {
			n.wrong("shape-mismatch", "%d heads do not divide the last axis of %v", heads, n.arg(0))
			return
		}
	}
	part := width
	if turned := n.int("rotary_embedding_dim"); turned > 0 {
		if width.Known() && turned > width.Size {
			n.wrong("attribute-range", "attribute \"rotary_embedding_dim\" is %d for a width of %v", turned, width)
			return
		}
		part = onnx.Fixed(turned)
	}
	if part.Known() && part.Size%2 != 0 {
		n.wrong("attribute-range", "a width of %v, which is odd, is turned", part)
		return
	}
	half := scaled(part, 1, 2)
	if n.given(3) {
		n.like(1, onnx.Unknown(), half)
		n.like(2, onnx.Unknown(), half)
		n.like(3, batch, length)
		return
	}
	n.like(1, batch, length, half)
	n.like(2, batch, length, half)
}

// ruleFlexAttention takes Q, K and V with axes (batch, heads, length, width), and graphs over the scores of all queries and keys.
func ruleFlexAttention(n *Node) {
	q, k, v := n.dims(0), n.dims(1), n.dims(2)
	scores := []onnx.Dim{onnx.Unknown(), onnx.Unknown(), onnx.Unknown(), onnx.Unknown()}
	if q != nil && k != nil && v != nil && n.rank(0, 4, 4) && n.rank(1, 4, 4) && n.rank(2, 4, 4) {
		batch, length := n.attend(q, k, v)
		scores = []onnx.Dim{batch, q[1], q[2], length}
		n.shape(0, []onnx.Dim{batch, q[1], q[2], v[3]})
		n.host.Spend(sat.Mul(LeastElements(q), LeastElements([]onnx.Dim{length})))
	}
	elem := pb.TensorProto_FLOAT
	if n.arg(0).Elem == pb.TensorProto_DOUBLE {
		elem = pb.TensorProto_DOUBLE
	}
	inner := TensorOf(pb.TensorProto_DataType(n.int("softmax_precision", int64(elem))), scores)
	for _, name := range []string{"score_mod", "prob_mod"} {
		if n.attr(name) == nil || n.failed {
			continue
		}
		out, ok := n.body(name, []Fact{inner}, 1)
		if ok && (len(out) != 1 || contradict(out[0], inner)) {
			n.wrong("type-mismatch", "%s gives %v, want one %v", name, out, inner)
		}
	}
}

// ruleLinearAttention takes queries, keys and values with heads and width in one axis,
// and carries a matrix of (keys, values) for every head of theirs.
func ruleLinearAttention(n *Node) {
	q, k, v := n.dims(0), n.dims(1), n.dims(2)
	state := n.arg(0).Elem
	if n.given(3) {
		state = n.arg(3).Elem
	}
	n.set(1, state, nil)
	if q == nil || k == nil || v == nil || !n.rank(0, 3, 3) || !n.rank(1, 3, 3) || !n.rank(2, 3, 3) {
		return
	}
	queries, heads := n.int("q_num_heads"), n.int("kv_num_heads")
	fewer := n.Domain == "com.microsoft" && queries > 0 && heads%queries == 0 // queries than keys
	if queries < 1 || heads < 1 || queries%heads != 0 && !fewer {
		n.wrong("attribute-range", "attributes \"q_num_heads\" and \"kv_num_heads\" are %d and %d, want a multiple of one or more", queries, heads)
		return
	}
	for i, d := range []onnx.Dim{q[2], k[2], v[2]} {
		each := heads
		if i == 0 {
			each = queries
		}
		if d.Known() && d.Size%each != 0 {
			n.wrong("shape-mismatch", "%d heads do not divide the last axis of input %d, %v", each, i, n.arg(i))
			return
		}
	}
	batch := n.equal(n.equal(q[0], k[0], "the batches of queries and keys differ"), v[0], "the batches of queries and values differ")
	steps := n.equal(n.equal(q[1], k[1], "the steps of queries and keys differ"), v[1], "the steps of queries and values differ")
	keys := n.equal(scaled(q[2], 1, queries), scaled(k[2], 1, heads), "the widths of queries and keys differ")
	values := scaled(v[2], 1, heads)
	if n.int("state_window") != 0 {
		n.shape(0, []onnx.Dim{batch, steps, onnx.Unknown()})
		return
	}
	n.like(3, batch, onnx.Fixed(heads), keys, values)
	n.shape(0, []onnx.Dim{batch, steps, scaled(v[2], max(queries, heads), heads)})
	n.set(1, state, []onnx.Dim{batch, onnx.Fixed(heads), keys, values})
}
