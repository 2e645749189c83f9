package op

import (
	"slices"

	"github.com/petrify-ml/petrify/onnx"
)

func textual() map[string]Rule {
	return map[string]Rule{
		"RegexFullMatch":   ruleSame,
		"StringConcat":     ruleBroadcast,
		"StringNormalizer": ruleStringNormalizer,
		"TfIdfVectorizer":  ruleTfIdf,
	}
}

func ruleStringNormalizer(n *Node) {
	switch d := n.dims(0); {
	case d == nil:
	case len(d) == 1:
		n.shape(0, []onnx.Dim{onnx.Unknown()})
	case len(d) == 2:
		n.equal(d[0], onnx.Fixed(1), "the first of two axes")
		n.shape(0, []onnx.Dim{onnx.Fixed(1), onnx.Unknown()})
	default:
		n.rank(0, 1, 2)
	}
}

func ruleTfIdf(n *Node) {
	d := n.dims(0)
	indexes, ok := n.ints("ngram_indexes")
	if d == nil || !ok || len(indexes) == 0 || !n.rank(0, 1, 2) {
		return
	}
	most := slices.Max(indexes)
	if most < 0 || most >= 1<<40 {
		n.wrong("attribute-range", "attribute \"ngram_indexes\" goes up to %d", most)
		return
	}
	n.shape(0, append(slices.Clone(d[:len(d)-1]), onnx.Fixed(most+1)))
}
