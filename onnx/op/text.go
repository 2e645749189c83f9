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
		"StringSplit":      ruleStringSplit,
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

// ruleStringSplit has one more axis for the parts, and as many counts as strings.
func ruleStringSplit(n *Node) {
	d := n.dims(0)
	if d == nil {
		return
	}
	n.shape(0, append(slices.Clone(d), onnx.Unknown()))
	n.shape(1, d)
}

func ruleTfIdf(n *Node) {
	d := n.dims(0)
	indexes, ok := n.ints("ngram_indexes")
	if least, most := n.int("min_gram_length", 1), n.int("max_gram_length", 1); least > most {
		n.wrong("attribute-range", "attribute \"min_gram_length\" is %d, and \"max_gram_length\" %d", least, most)
		return
	}
	if counts, ok := n.ints("ngram_counts"); ok && !n.ngrams(counts) {
		return
	}
	if grams := n.grams(); ok && int64(len(indexes)) != grams {
		n.wrong("attribute-range", "attribute \"ngram_indexes\" has %d entries for %d n-grams", len(indexes), grams)
		return
	}
	if ok && (len(indexes) == 0 || slices.Min(indexes) < 0) {
		n.wrong("attribute-range", "attribute \"ngram_indexes\" is %s, want columns from 0 on", onnx.Few(indexes))
		return
	}
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

// ngrams sees that the places in the pool at which the n-grams of each length
// begin are in order, and that n divides what lies between.
func (n *Node) ngrams(counts []int64) bool {
	pool := int64(len(n.attr("pool_int64s").GetInts()) + len(n.attr("pool_strings").GetStrings()))
	if most := n.int("max_gram_length", 1); most > int64(len(counts)) {
		n.wrong("attribute-range", "attribute \"max_gram_length\" is %d, and \"ngram_counts\" has %d entries", most, len(counts))
		return false
	}
	for i, from := range counts {
		to := pool
		if i+1 < len(counts) {
			to = counts[i+1]
		}
		if from < 0 || to < from || to > pool || (to-from)%int64(i+1) != 0 {
			n.wrong("attribute-range", "attribute \"ngram_counts\" is %s in a pool of %d: %d to %d are not %d-grams", onnx.Few(counts), pool, from, to, i+1)
			return false
		}
	}
	return true
}

// grams counts the n-grams of the pool, whose lengths ngrams has seen to be right.
func (n *Node) grams() int64 {
	counts, _ := n.ints("ngram_counts")
	total, pool := int64(0), int64(len(n.attr("pool_int64s").GetInts())+len(n.attr("pool_strings").GetStrings()))
	for i, from := range counts {
		to := pool
		if i+1 < len(counts) {
			to = counts[i+1]
		}
		total += (to - from) / int64(i+1)
	}
	return total
}
