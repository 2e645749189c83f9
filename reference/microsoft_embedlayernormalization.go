package reference

import (
	"fmt"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// opMicrosoftEmbedLayerNormalization is layer normalization, over the last axis, of the
// sum of a row of the table of words for each of input_ids (N, L), one of the table of
// positions, and, where segment_ids are given, one of the table of segments. Positions
// count from 0 where position_ids are not given. Output 1 is how many ones each row of
// the mask has, output 2 the sum. ONNX Runtime's com.microsoft EmbedLayerNormalization.
var opMicrosoftEmbedLayerNormalization = operator{
	name: "EmbedLayerNormalization", domain: microsoft,
	eval: func(c *call) []*Value {
		ids, _ := c.intInput(0)
		d := c.in[0].Dims
		if len(d) != 2 {
			fail(fmt.Errorf("ids of shape %v, want two axes", d))
		}
		// row returns where a row of a table begins.
		row := func(table *Value, id int) int {
			if len(table.Dims) != 2 || id < 0 || id >= table.Dims[0] || table.Dims[1] != c.in[2].Dims[1] {
				fail(fmt.Errorf("row %d of a table of shape %v beside one of %v", id, table.Dims, c.in[2].Dims))
			}
			return id * table.Dims[1]
		}
		words, places := c.in[2], c.in[3]
		if len(words.Dims) != 2 {
			fail(fmt.Errorf("words of shape %v, want two axes", words.Dims))
		}
		width := words.Dims[1]
		segments, parted := c.intInput(1)
		positions, placed := c.intInput(8)
		if parted && (len(segments) != len(ids) || c.in[4] == nil) || placed && len(positions) != len(ids) && len(positions) != d[1] {
			fail(fmt.Errorf("%d ids with %d segments and %d positions", len(ids), len(segments), len(positions)))
		}
		sum := c.numbers(words.Type, d[0], d[1], width)
		sum.stored = nil
		f := c.format(sum)
		for i, id := range ids {
			place := i % d[1]
			if placed {
				place = positions[i%len(positions)]
			}
			w := row(words, id)
			p := row(places, place)
			s := 0
			if parted {
				s = row(c.in[4], segments[i])
			}
			for k := range width {
				x := f.add(words.at(w+k), places.at(p+k))
				if parted {
					x = f.add(x, c.in[4].at(s+k))
				}
				sum.set(i*width+k, x)
			}
		}
		y, rounded := c.normalizedRows(sum, c.in[5], c.in[6], func(f format, terms []number) (mean, inverse number) {
			mean, variance := f.moments(terms)
			return mean, f.div(exact(1), sqrtFunction.at(f, f.add(variance, exact(c.float("epsilon")))))
		})
		counts := c.zeros(pb.TensorProto_INT32, false, d[0])
		if mask, ok := c.intInput(7); ok {
			if len(mask) != len(ids) {
				fail(fmt.Errorf("a mask of %d for %d ids", len(mask), len(ids)))
			}
			for i, m := range mask {
				if m == 1 {
					elems[int64](counts)[i/d[1]]++
				}
			}
		}
		return []*Value{y, counts, rounded}
	},
}
