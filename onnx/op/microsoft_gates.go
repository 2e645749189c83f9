package op

import (
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/internal/sat"
)

// The operators of com.microsoft that surround the recurrences of linear attention, and those of
// embeddings of n-grams, of the models of 2025 and 2026.
func microsoftGates() map[string]Rule {
	return map[string]Rule{
		"EngramGate":          ruleEngramGate,
		"GatedAdd":            ruleGatedAdd,
		"GatedRMSNorm":        ruleGatedNorm,
		"LinearAttentionGate": ruleDecayGate,
		"MRotaryEmbedding":    ruleRotaryOfStreams,
		"NGramHashMapping":    ruleNGramHashes,
	}
}

// ruleEngramGate has keys and queries (batch, length, streams, width), a value that the streams share, and a scale of each
// stream.
func ruleEngramGate(n *Node) {
	x := n.dims(1)
	n.shape(0, x)
	if len(x) != 4 {
		return
	}
	n.like(0, x...)
	n.like(2, x[0], x[1], x[3])
	n.like(3, x[2:]...)
	n.like(4, x[2:]...)
}

// ruleGatedAdd has two tensors of one shape, and one number for each row.
func ruleGatedAdd(n *Node) {
	x := n.dims(0)
	n.shape(0, x)
	if x == nil || !n.rank(0, 1, anyRank) {
		return
	}
	n.like(1, x...)
	n.like(2, append(slices.Clone(x[:len(x)-1]), onnx.Fixed(1))...)
}

// ruleGatedNorm has rows of one or several vectors, of the length of the scale.
func ruleGatedNorm(n *Node) {
	x, scale := n.dims(0), n.dims(1)
	n.shape(0, x)
	if x == nil || !n.rank(0, 1, anyRank) {
		return
	}
	n.like(2, x...)
	last := x[len(x)-1]
	if len(scale) != 1 || !scale[0].Known() || !last.Known() {
		return
	}
	if width := scale[0].Size; width < 1 || last.Size%width != 0 {
		n.wrong("shape-mismatch", "the last axis of %v is no multiple of the length of %v", n.arg(0), n.arg(1))
	}
}

// ruleDecayGate has numbers of a head each along the last axis.
func ruleDecayGate(n *Node) {
	a := n.dims(0)
	n.shape(0, a)
	n.shape(1, a)
	if a == nil || !n.rank(0, 1, anyRank) {
		return
	}
	n.like(1, a[len(a)-1])
	n.like(2, a[len(a)-1])
	n.like(3, a...)
}

// ruleRotaryOfStreams has three positions for each token, each of which counts for a section of the caches' columns.
func ruleRotaryOfStreams(n *Node) {
	x := n.dims(0)
	n.shape(0, x)
	sections, _ := n.ints("mrope_section")
	if len(sections) != 3 {
		n.wrong("attribute-range", "attribute \"mrope_section\" has %d elements, want 3", len(sections))
		return
	}
	if x == nil || !n.rank(0, 3, 4) {
		return
	}
	length := x[len(x)-2]
	n.like(1, onnx.Fixed(3), x[0], length)
	cos := n.dims(2)
	if len(cos) != 2 {
		return
	}
	n.like(3, cos...)
	n.equal(cos[1], onnx.Fixed(sat.Add(sat.Add(sections[0], sections[1]), sections[2])), "the columns of the cosines and the sections differ")
	if turned := n.int("rotary_embedding_dim"); turned > 0 {
		n.equal(cos[1], onnx.Fixed(turned/2), "the columns of the cosines and what is turned differ")
	}
}

// ruleNGramHashes gives numbers of n-grams of each size from 2 on, so many of each, for every token, and the last tokens.
func ruleNGramHashes(n *Node) {
	longest := n.int("max_ngram_size")
	heads := onnx.Fixed(sat.Mul(longest-1, n.int("n_head_per_ngram")))
	ids := n.dims(0)
	n.like(1, onnx.Fixed(longest))
	n.like(2, heads)
	if len(ids) != 2 {
		return
	}
	state := []onnx.Dim{ids[0], onnx.Fixed(longest - 1)}
	n.like(3, state...)
	n.shape(0, []onnx.Dim{ids[0], ids[1], heads})
	n.shape(1, state)
}
