package reference

import "fmt"

// opMicrosoftRotaryEmbedding rotates pairs of elements of every head by the angles of
// their position, a row of the caches of cosines and sines. The input is (N, heads, L,
// E) or (N, L, heads E). Positions are given one by one, (N, L), or the first of all
// sequences is, (1). ONNX Runtime's com.microsoft RotaryEmbedding, whose attribute scale
// its kernels pass over.
var opMicrosoftRotaryEmbedding = operator{
	name: "RotaryEmbedding", domain: microsoft,
	eval: single(func(c *call) *Value {
		x, cos, sin := c.in[0], c.in[2], c.in[3]
		if len(cos.Dims) != 2 || len(sin.Dims) != 2 || cos.Dims[0] != sin.Dims[0] || cos.Dims[1] != sin.Dims[1] {
			fail(fmt.Errorf("cosines of shape %v and sines of shape %v", cos.Dims, sin.Dims))
		}
		length, turned := 2*cos.Dims[1], c.int("rotary_embedding_dim")
		var batch, steps, heads int
		switch len(x.Dims) {
		case 4:
			batch, heads, steps, length = x.Dims[0], x.Dims[1], x.Dims[2], x.Dims[3]
		case 3:
			if turned > 0 {
				if heads = c.int("num_heads"); heads < 1 || x.Dims[2]%heads != 0 {
					fail(fmt.Errorf("input of shape %v for %d heads", x.Dims, heads))
				}
				length = x.Dims[2] / heads
			}
			if length < 1 || x.Dims[2]%length != 0 {
				fail(fmt.Errorf("input of shape %v for heads of %d", x.Dims, length))
			}
			batch, steps, heads = x.Dims[0], x.Dims[1], x.Dims[2]/length
		default:
			fail(fmt.Errorf("input of shape %v, want three or four axes", x.Dims))
		}
		if turned == 0 {
			turned = length
		}
		if turned < 0 || turned > length || turned%2 != 0 || cos.Dims[1] != turned/2 {
			fail(fmt.Errorf("%d of %d elements are rotated by cosines of shape %v", turned, length, cos.Dims))
		}
		ids, _ := c.intInput(1)
		position := func(n, t int) int { return ids[0] + t }
		if d := c.in[1].Dims; len(d) == 2 && d[0] == batch && d[1] == steps {
			position = func(n, t int) int { return ids[n*steps+t] }
		} else if len(ids) != 1 || len(d) != 1 {
			fail(fmt.Errorf("positions of shape %v for %d sequences of %d", d, batch, steps))
		}
		for n := range batch {
			for t := range steps {
				if p := position(n, t); p < 0 || p >= cos.Dims[0] {
					fail(fmt.Errorf("position %d of %d", p, cos.Dims[0]))
				}
			}
		}
		return c.rotated(x, length, turned, c.int("interleaved") != 0, cos, sin, func(vector int) int {
			n, t := vector/heads/max(steps, 1), vector/heads%steps
			if len(x.Dims) == 4 {
				t = vector % steps
			}
			return position(n, t) * turned / 2
		})
	}),
}
