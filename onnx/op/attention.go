package op

import (
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/internal/sat"
)

func attentions() map[string]Rule {
	return map[string]Rule{
		"Attention":       ruleAttention,
		"RotaryEmbedding": ruleSame,
	}
}

// inferAttention takes Q, K and V with axes (batch, heads, length, width), or
// with three axes, heads and width in one.
func ruleAttention(n *Node) {
	q, k, v := n.dims(0), n.dims(1), n.dims(2)
	if q == nil || k == nil || v == nil || !n.rank(0, 3, 4) || !n.rank(1, len(q), len(q)) || !n.rank(2, len(q), len(q)) {
		return
	}
	n.equal(k[len(k)-2], v[len(v)-2], "the lengths of K and V differ")
	if len(q) == 4 {
		n.equal(q[3], k[3], "the widths of Q and K differ")
		n.shape(0, []onnx.Dim{q[0], q[1], q[2], v[3]})
		n.host.Spend(sat.Mul(LeastElements(q), LeastElements(k[2:3])))
		return
	}
	qHeads, kvHeads := n.int("q_num_heads", 0), n.int("kv_num_heads", 0)
	if qHeads < 1 || kvHeads < 1 {
		n.wrong("attribute-range", "attributes \"q_num_heads\" and \"kv_num_heads\" are %d and %d, inputs of three axes want 1 or more", qHeads, kvHeads)
		return
	}
	width := onnx.Unknown()
	if v[2].Known() {
		width = onnx.Fixed(sat.Mul(v[2].Size/kvHeads, qHeads))
	}
	n.shape(0, []onnx.Dim{q[0], q[1], width})
	n.host.Spend(sat.Mul(LeastElements(q), LeastElements(k[1:2])))
}
