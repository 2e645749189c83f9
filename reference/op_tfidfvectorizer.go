package reference

import (
	"fmt"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// opTfIdfVectorizer counts n-grams of a pool in rows of words or integers: how
// often each occurs (TF), whether it does (IDF), times a weight (IDF, TFIDF).
// Between the members of an n-gram up to max_skip_count elements may be left out,
// always the same number. ONNX TfIdfVectorizer, opset 9.
var opTfIdfVectorizer = operator{
	name: "TfIdfVectorizer",
	eval: single(func(c *call) *Value {
		x := c.in[0]
		grams := c.ngrams()
		indexes := c.intList("ngram_indexes")
		weights := c.step.attrs["weights"].GetFloats()
		if len(x.Dims) < 1 || len(x.Dims) > 2 || len(indexes) != len(grams) || len(weights) != 0 && len(weights) != len(grams) {
			fail(fmt.Errorf("input of shape %v, %d n-grams, %d indexes, %d weights", x.Dims, len(grams), len(indexes), len(weights)))
		}
		width := 0
		for _, i := range indexes {
			if i < 0 || i > 1<<24 {
				fail(fmt.Errorf("index %d of an n-gram", i))
			}
			width = max(width, i+1)
		}
		rows, length := 1, x.Len()
		if len(x.Dims) == 2 {
			rows, length = x.Dims[0], x.Dims[1]
		}
		dims := slices.Concat(x.Dims[:len(x.Dims)-1], []int{width})
		out := c.zeros(pb.TensorProto_FLOAT, false, dims...)
		mode := c.text("mode")
		least, most := c.int("min_gram_length"), c.int("max_gram_length")
		skips := min(c.int("max_skip_count"), length)
		for r := range rows {
			for g, gram := range grams {
				if len(gram) < least || len(gram) > most {
					continue
				}
				c.spend(int64(length) * int64(skips+1))
				count := 0.0
				for skip := range skips + 1 {
					if len(gram) == 1 && skip > 0 {
						break // nothing lies between
					}
					for from := 0; from+(len(gram)-1)*(skip+1) < length; from++ {
						if !slices.ContainsFunc(ordinals(len(gram)), func(k int) bool { return wordOf(x, r*length+from+k*(skip+1)) != gram[k] }) {
							count++
						}
					}
				}
				weight := 1.0
				if len(weights) > 0 && mode != "TF" {
					weight = float64(weights[g])
				}
				switch mode {
				case "TF", "TFIDF":
				case "IDF":
					count = min(count, 1)
				default:
					fail(fmt.Errorf("attribute mode is %q", mode))
				}
				out.floats()[r*width+indexes[g]] = roundTo(count*weight, out.Type)
			}
		}
		return out
	}),
}

func ordinals(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}

// wordOf is element i as the pool has it.
func wordOf(x *Value, i int) string {
	if d, ok := x.Data.(onnx.Slice[string]); ok {
		return d[i]
	}
	return fmt.Sprint(elems[int64](x)[i])
}

// ngrams reads the pool: first all of length 1, then of length 2..., with their
// begins in ngram_counts.
func (c *call) ngrams() [][]string {
	pool := convert(c.step.attrs["pool_strings"].GetStrings(), func(b []byte) string { return string(b) })
	if len(pool) == 0 {
		pool = convert(c.step.attrs["pool_int64s"].GetInts(), func(i int64) string { return fmt.Sprint(i) })
	}
	begins := append(c.intList("ngram_counts"), len(pool))
	var grams [][]string
	for n := 1; n < len(begins); n++ {
		from, to := begins[n-1], begins[n]
		if from < 0 || to < from || to > len(pool) || (to-from)%n != 0 {
			fail(fmt.Errorf("n-grams of length %d are elements %d to %d of a pool of %d", n, from, to, len(pool)))
		}
		for ; from < to; from += n {
			grams = append(grams, pool[from:from+n])
		}
	}
	return grams
}
