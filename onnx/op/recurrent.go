package op

import (
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/internal/sat"
)

func recurrent() map[string]Rule {
	return map[string]Rule{
		"GRU":  ruleRecurrent,
		"LSTM": ruleRecurrent,
		"RNN":  ruleRecurrent,
	}
}

func ruleRecurrent(n *Node) {
	x, w, r := n.dims(0), n.dims(1), n.dims(2)
	if x == nil || !n.rank(0, 3, 3) {
		return
	}
	directions := onnx.Fixed(1)
	if n.string("direction") == "bidirectional" {
		directions = onnx.Fixed(2)
	}
	if a := n.attr("activations"); a != nil {
		each := map[string]int64{"RNN": 1, "GRU": 2, "LSTM": 3}[n.Name]
		if want := each * directions.Size; int64(len(a.Strings)) != want {
			n.wrong("attribute-range", "attribute \"activations\" has %d entries, want %d", len(a.Strings), want)
			return
		}
	}
	hidden := onnx.Unknown()
	if h := n.int("hidden_size"); h > 0 {
		hidden = onnx.Fixed(h)
	}
	if r != nil && n.rank(2, 3, 3) {
		directions = n.equal(directions, r[0], "the directions and those of R differ")
		hidden = n.equal(hidden, r[2], "hidden_size and R differ")
	}
	if w != nil && n.rank(1, 3, 3) {
		n.equal(directions, w[0], "the directions and those of W differ")
		n.equal(x[2], w[2], "the input's last axis and W's differ")
	}
	seq, batch := x[0], x[1]
	state := []onnx.Dim{directions, batch, hidden}
	all := []onnx.Dim{seq, directions, batch, hidden}
	if n.flag("layout") {
		seq, batch = batch, seq
		state = []onnx.Dim{batch, directions, hidden}
		all = []onnx.Dim{batch, seq, directions, hidden}
	}
	gates := map[string]int64{"RNN": 1, "GRU": 3, "LSTM": 4}[n.Name]
	n.like(1, directions, scaled(hidden, gates, 1), x[2])
	n.like(2, directions, scaled(hidden, gates, 1), hidden)
	n.like(3, directions, scaled(hidden, 2*gates, 1))
	n.like(4, batch)
	n.like(5, state...)
	n.like(6, state...)
	n.like(7, directions, scaled(hidden, 3, 1)) // the peepholes of LSTM
	if n.failed {
		return
	}
	n.shape(0, all)
	n.shape(1, state)
	n.shape(2, state)
	n.host.Spend(sat.Mul(LeastElements(all), LeastElements([]onnx.Dim{x[2], hidden})))
}
