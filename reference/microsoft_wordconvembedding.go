package reference

import (
	"fmt"
	"slices"
)

// opMicrosoftWordConvEmbedding makes a vector of each word, a row of Sequence (L, characters): the vectors of its
// characters, rows of C (words, E), go through a convolution with W (M, 1, K, E) and the bias B (M), tanh, and the
// maximum over all places. A word is as long as it has characters above zero, and has none if the first is
// not; at least the kernel's width is read. ONNX Runtime's com.microsoft WordConvEmbedding.
var opMicrosoftWordConvEmbedding = operator{
	name: "WordConvEmbedding", domain: microsoft, in: []port{blind},
	eval: single(func(c *call) *Value {
		x, w, bias, table := c.in[0], c.in[1], c.in[2], c.in[3]
		if len(x.Dims) != 2 || len(w.Dims) != 4 || w.Dims[1] != 1 || len(table.Dims) != 2 || table.Dims[1] != w.Dims[3] || !slices.Equal(bias.Dims, w.Dims[:1]) {
			fail(fmt.Errorf("words of shape %v, weights of shape %v, a bias of shape %v and characters of shape %v", x.Dims, w.Dims, bias.Dims, table.Dims))
		}
		long, filters, width, each := x.Dims[1], w.Dims[0], w.Dims[2], w.Dims[3]
		if width < 1 || width > long {
			fail(fmt.Errorf("kernels of %d over words of %d", width, long))
		}
		ids, _ := c.intInput(0)
		out := c.numbers(w.Type, x.Dims[0], filters)
		f := c.products(out)
		c.afford(x.Dims[0], long, filters, width, each)
		for row := range x.Dims[0] {
			word := ids[row*long : (row+1)*long]
			used := charactersOf(word)
			if used == 0 {
				for k := range filters {
					c.undefined(out, row*filters+k, emptyWord)
				}
				continue
			}
			word = word[:max(used, width)]
			for _, id := range word {
				if id < 0 || id >= table.Dims[0] {
					fail(fmt.Errorf("character %d of %d", id, table.Dims[0]))
				}
			}
			c.spend(int64(len(word)) * int64(filters) * int64(width*each))
			for k := range filters {
				var best number
				for at := range len(word) - width + 1 {
					s := f.dot()
					for i := range width * each {
						s.add(w.at(k*width*each+i), table.at(word[at+i/each]*each+i%each))
					}
					y := tanhFunction.at(f, f.add(s.sum(f, 0), bias.at(k)))
					if at > 0 {
						y = larger(best, y)
					}
					best = y
				}
				out.set(row*filters+k, best)
			}
		}
		return out
	}),
}

// charactersOf is how many characters a word has.
func charactersOf(word []int) (n int) {
	if word[0] <= 0 {
		return 0
	}
	for _, id := range word {
		if id > 0 {
			n++
		}
	}
	return n
}
