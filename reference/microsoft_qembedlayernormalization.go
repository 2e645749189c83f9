package reference

import (
	"fmt"
	"slices"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// opMicrosoftQEmbedLayerNormalization is layer normalization, over the last axis, of
// the sum of rows of embeddings of bytes: of words by their ids, of positions, and of
// segments by theirs. Output 1 counts the ones of each row of the mask. ONNX Runtime's
// com.microsoft QEmbedLayerNormalization.
var opMicrosoftQEmbedLayerNormalization = operator{
	name: "QEmbedLayerNormalization", domain: microsoft,
	eval: func(c *call) []*Value {
		ids := c.in[0]
		if len(ids.Dims) != 2 || len(c.in[2].Dims) != 2 || c.in[1] != nil && (c.in[4] == nil || c.in[10] == nil) {
			fail(fmt.Errorf("ids of shape %v, embeddings of %v, segments without embeddings: %t", ids.Dims, c.in[2].Dims, c.in[4] == nil))
		}
		batch, length, n := ids.Dims[0], ids.Dims[1], c.in[2].Dims[1]
		var scalings [5]scaling // of words, positions, segments, gamma, beta
		for k := range scalings {
			if c.in[8+k] == nil {
				continue
			}
			scalings[k] = c.scaling(c.in[8+k], c.in[13+k])
		}
		for _, v := range []*Value{c.in[1], c.in[7]} {
			if v != nil && !slices.Equal(v.Dims, ids.Dims) {
				fail(fmt.Errorf("segments or mask of shape %v for ids of %v", v.Dims, ids.Dims))
			}
		}
		if !slices.Equal(c.in[5].Dims, []int{n}) || !slices.Equal(c.in[6].Dims, []int{n}) {
			fail(fmt.Errorf("gamma and beta of shapes %v and %v for rows of %d", c.in[5].Dims, c.in[6].Dims, n))
		}
		y := c.numbers(pb.TensorProto_FLOAT, batch, length, n)
		counts := c.zeros(pb.TensorProto_INT32, false, batch)
		f, epsilon := c.format(y), exact(c.float("epsilon"))
		terms := make([]number, n)
		for i := range ids.Len() {
			clear(terms)
			for k, row := range []int{int(elems[int64](ids)[i]), i % max(length, 1), 0} {
				table := c.in[2+k]
				if k == 2 {
					if c.in[1] == nil {
						continue
					}
					row = int(elems[int64](c.in[1])[i])
				}
				if len(table.Dims) != 2 || table.Dims[1] != n || row < 0 || row >= table.Dims[0] {
					fail(fmt.Errorf("row %d of embeddings of shape %v, want rows of %d", row, table.Dims, n))
				}
				for u := range terms {
					terms[u] = f.add(terms[u], scalings[k].number(f, table, row*n+u))
				}
			}
			if m := c.in[7]; m != nil && elems[int64](m)[i] == 1 {
				elems[int64](counts)[i/length]++
			}
			if n == 0 {
				continue
			}
			mean, variance := f.moments(terms)
			inverse := f.div(exact(1), sqrtFunction.at(f, f.add(variance, epsilon)))
			for u, t := range terms {
				gamma, beta := scalings[3].number(f, c.in[5], u), scalings[4].number(f, c.in[6], u)
				y.set(i*n+u, f.affine(t, mean, f.rounded(f.mul(inverse, gamma), 1), beta))
			}
		}
		return []*Value{y, counts}
	},
}
