package reference

import (
	"fmt"
	"slices"
)

// opMicrosoftMRotaryEmbedding rotates pairs of elements of every head as RotaryEmbedding does, but each token has three
// positions (3, N, L): when, how high, how far to the right. Attribute mrope_section says for how many columns
// of the caches each counts: one after the other, or, if mrope_layout is 1, in turn, as long as the section of
// the second or the third lasts, and then the first. ONNX Runtime's com.microsoft MRotaryEmbedding.
var opMicrosoftMRotaryEmbedding = operator{
	name: "MRotaryEmbedding", domain: microsoft, in: []port{derived, blind},
	eval: single(func(c *call) *Value {
		x, cos, sin := c.in[0], c.in[2], c.in[3]
		batch, heads, steps, length, turned := c.headsToRotate(x)
		if turned < 2 || turned > length || turned%2 != 0 || len(cos.Dims) != 2 || cos.Dims[1] != turned/2 || !slices.Equal(cos.Dims, sin.Dims) {
			fail(fmt.Errorf("%d of %d elements are rotated by cosines of shape %v and sines of shape %v", turned, length, cos.Dims, sin.Dims))
		}
		places := c.placesOfStreams(batch*steps, turned/2, cos.Dims[0])
		own := func(v *Value) *Value { // the angles of each token
			angles := c.pick(v, []int{batch * steps, turned / 2}, func(i int) int { return places[i] })
			if scale := c.float("scale"); scale != 1 {
				f := c.format(v)
				angles = c.mapNumbers(angles, func(a number) number { return f.mul(a, exact(scale)) })
			}
			return angles
		}
		return c.rotated(x, length, turned, c.int("interleaved") != 0, own(cos), own(sin), func(vector int) int {
			n, t := vector/heads/max(steps, 1), vector/heads%steps
			if len(x.Dims) == 4 {
				t = vector % steps
			}
			return (n*steps + t) * turned / 2
		})
	}),
}

// placesOfStreams is where in the caches, which have so many rows, the angles of each pair of each token are.
func (c *call) placesOfStreams(tokens, pairs, rows int) []int {
	sections, layout := c.intList("mrope_section"), c.int("mrope_layout")
	if len(sections) != 3 || slices.Min(sections) < 0 || sections[0] > pairs || sections[1] > pairs || sections[2] > pairs || sections[0]+sections[1]+sections[2] != pairs {
		fail(fmt.Errorf("attribute mrope_section is %v, want three that add up to %d", sections, pairs))
	}
	ids, _ := c.intInput(1)
	if len(ids) != 3*tokens {
		fail(fmt.Errorf("positions of shape %v for %d tokens", c.in[1].Dims, tokens))
	}
	for _, p := range ids {
		if p < 0 || p >= rows {
			fail(fmt.Errorf("position %d of %d", p, rows))
		}
	}
	c.take(int64(tokens) * int64(pairs))
	places := make([]int, tokens*pairs)
	for i := range places {
		pair, stream := i%pairs, 0
		switch {
		case layout == 1:
			if pair/3 < sections[pair%3] {
				stream = pair % 3
			}
		case pair >= sections[0]+sections[1]:
			stream = 2
		case pair >= sections[0]:
			stream = 1
		}
		places[i] = ids[stream*tokens+i/pairs]*pairs + pair
	}
	return places
}
