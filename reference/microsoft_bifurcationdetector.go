package reference

import (
	"fmt"
	"slices"
)

// opMicrosoftBifurcationDetector is a step of aggressive decoding. The predicted tokens count up to the first that
// differs from the source's, from place prev_suffix_match_idx on, and with it; they are appended to the current
// ones. The second output is where in the source the last n-gram of these ends, n from min_ngram_size to max_ngram_size,
// -1 where it occurs more than once or never. ONNX Runtime's com.microsoft BifurcationDetector.
var opMicrosoftBifurcationDetector = operator{
	name: "BifurcationDetector", domain: microsoft, in: []port{sizing, sizing, sizing, sizing},
	eval: func(c *call) []*Value {
		for i, v := range c.in[:4] {
			if v != nil && i != 2 && len(v.Dims) != 1 {
				fail(fmt.Errorf("input %d of shape %v, want a list", i, v.Dims))
			}
		}
		source, tokens := elems[int64](c.in[0]), elems[int64](c.in[1])
		if c.in[3] != nil {
			tokens = appendPredicted(source, tokens, elems[int64](c.in[3]), c.intScalar(2))
		}
		least, most := c.int("min_ngram_size"), c.int("max_ngram_size")
		if least < 1 || most < least {
			fail(fmt.Errorf("n-grams from %d to %d", least, most))
		}
		c.take(int64(len(tokens)))
		most = min(most, len(tokens))
		c.afford(max(most-least+1, 0), len(source)+1, most)
		c.spend(int64(max(most-least+1, 0)) * int64(len(source)+1) * int64(most))
		place := c.zeros(c.in[2].Type, false, c.in[2].Dims...)
		for i := range elems[int64](place) {
			elems[int64](place)[i] = int64(suffixPlace(source, tokens, least, most))
		}
		return []*Value{vector(c.in[1].Type, slices.Clone(tokens)), place}
	},
}

// appendPredicted is the tokens with those of the predicted ones that count.
func appendPredicted(source, tokens, predicted []int64, from int) []int64 {
	if from < 0 || from > len(source) || len(predicted) != len(source)+1-from {
		fail(fmt.Errorf("%d predicted tokens from place %d of %d", len(predicted), from, len(source)))
	}
	n := 0
	for n < len(source)-from && predicted[n] == source[from+n] {
		n++
	}
	return slices.Concat(tokens, predicted[:n+1])
}

// suffixPlace is where the end of the tokens occurs in the source, and ends.
func suffixPlace(source, tokens []int64, least, most int) int {
	place := -1
	for n := least; n <= most; n++ {
		suffix := tokens[len(tokens)-n:]
		at := indexOf(source, suffix)
		if at < 0 {
			break
		}
		if place = at + n; place >= len(source) {
			break
		}
		if indexOf(source[at+1:], suffix) >= 0 {
			place = -1
		}
	}
	return place
}

// indexOf is where a list first occurs in another, -1 where it does not.
func indexOf(in, list []int64) int {
	for i := 0; i+len(list) <= len(in); i++ {
		if slices.Equal(in[i:i+len(list)], list) {
			return i
		}
	}
	return -1
}
