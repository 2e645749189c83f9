package reference

import (
	"fmt"
	"slices"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// opMicrosoftNGramHashMapping numbers the n-grams that end at each token of input_ids (N, L), for n from 2 to
// max_ngram_size, by n_head_per_ngram hashes each: the token times the first multiplier, xor the one before it times the
// second, and so on, with wrap-around, modulo the size of that hash's vocabulary. Before the first token are those of
// past_ids (N, max_ngram_size - 1), or pad_id. The second output is the last tokens of both. ONNX Runtime's
// com.microsoft NGramHashMapping.
var opMicrosoftNGramHashMapping = operator{
	name: "NGramHashMapping", domain: microsoft, in: []port{blind},
	eval: func(c *call) []*Value {
		ids, past := c.in[0], c.in[3]
		longest, each := c.int("max_ngram_size"), c.int("n_head_per_ngram")
		if len(ids.Dims) != 2 || longest < 2 || each < 1 || longest > 1<<20 || each > 1<<20 {
			fail(fmt.Errorf("ids of shape %v, for n-grams up to %d and %d numbers of each", ids.Dims, longest, each))
		}
		batch, state, heads := ids.Dims[0], longest-1, (longest-1)*each
		if !slices.Equal(c.in[1].Dims, []int{longest}) || !slices.Equal(c.in[2].Dims, []int{heads}) || past != nil && !slices.Equal(past.Dims, []int{batch, state}) {
			fail(fmt.Errorf("multipliers of shape %v, vocabularies of shape %v and %s before, for %d sequences", c.in[1].Dims, c.in[2].Dims, past, batch))
		}
		c.afford(batch, ids.Dims[1], longest, longest+each)
		c.spend(int64(ids.Len()) * int64(longest) * int64(longest+each))
		hashes, present := c.zeros(ids.Type, false, batch, ids.Dims[1], heads), c.zeros(ids.Type, false, batch, state)
		if ids.Type == pb.TensorProto_INT32 {
			hashNGrams[int32](c.in, hashes, present, c.int("pad_id"))
		} else {
			hashNGrams[int64](c.in, hashes, present, c.int("pad_id"))
		}
		return []*Value{hashes, present}
	},
}

// hashNGrams fills in both outputs. Integers of 32 bits are kept in 64, so that products wrap around by way of T.
func hashNGrams[T int32 | int64](in []*Value, hashes, present *Value, pad int) {
	length, longest, heads := in[0].Dims[1], in[1].Len(), hashes.Dims[2]
	state, each := longest-1, heads/(longest-1)
	ids, multipliers, sizes := elems[int64](in[0]), elems[int64](in[1]), elems[int64](in[2])
	for h, size := range sizes {
		if size < 1 {
			fail(fmt.Errorf("vocabulary %d has %d words", h, size))
		}
	}
	token := func(n, t int) T {
		switch {
		case t >= 0:
			return T(ids[n*length+t])
		case in[3] != nil && t >= -state:
			return T(elems[int64](in[3])[n*state+state+t])
		}
		return T(pad)
	}
	out := elems[int64](hashes)
	for at := range in[0].Len() {
		n, t := at/length, at%length
		mix := token(n, t) * T(multipliers[0])
		for k := 1; k < longest; k++ {
			mix ^= token(n, t-k) * T(multipliers[k])
			for h := (k - 1) * each; h < k*each; h++ {
				rest := int64(mix) % sizes[h]
				if rest < 0 {
					rest += sizes[h]
				}
				out[at*heads+h] = rest
			}
		}
	}
	last := elems[int64](present)
	for i := range last {
		last[i] = int64(token(i/state, length-state+i%state))
	}
}
