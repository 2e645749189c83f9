package reference

import (
	"fmt"
	"slices"
)

// opRotaryEmbedding rotates pairs of elements of every head by the angles of their
// position: (x1, x2) becomes (x1 cos - x2 sin, x1 sin + x2 cos). Pairs are
// neighbours if attribute interleaved is set, else an element of each half. The
// input is (N, heads, L, E) or (N, L, heads E). ONNX RotaryEmbedding, opset 23.
var opRotaryEmbedding = operator{
	name: "RotaryEmbedding",
	eval: single(func(c *call) *Value {
		x, cos, sin := c.in[0], c.in[1], c.in[2]
		batch, heads, steps, length, turned := c.headsToRotate(x)
		half := turned / 2
		if turned < 0 || turned > length || turned%2 != 0 || len(cos.Dims) < 2 || cos.Dims[len(cos.Dims)-1] != half || cos.Len() != sin.Len() {
			fail(fmt.Errorf("%d of %d elements are rotated by cosines of shape %v and sines of shape %v", turned, length, cos.Dims, sin.Dims))
		}
		// position returns where the angles of a step begin.
		position := func(n, t int) int { return (n*steps + t) * half }
		ids, ok := c.intInput(3)
		axes := 3 // sequences, steps, angles
		if ok {
			axes = 2
		}
		if len(cos.Dims) != axes || !slices.Equal(cos.Dims, sin.Dims) || ok && len(c.in[3].Dims) != 2 {
			fail(fmt.Errorf("cosines of shape %v and sines of shape %v, want %d axes, and two for positions", cos.Dims, sin.Dims, axes))
		}
		if ok {
			if len(ids) != batch*steps {
				fail(fmt.Errorf("%d positions for %d sequences of %d", len(ids), batch, steps))
			}
			for _, id := range ids {
				if id < 0 || id >= cos.Dims[0] {
					fail(fmt.Errorf("position %d of %v", id, cos.Dims))
				}
			}
			position = func(n, t int) int { return ids[n*steps+t] * half }
		} else if cos.Len() != batch*steps*half {
			fail(fmt.Errorf("cosines of shape %v for %d sequences of %d", cos.Dims, batch, steps))
		}
		return c.rotated(x, length, turned, c.int("interleaved") != 0, cos, sin, func(vector int) int {
			n, t := vector/heads/max(steps, 1), vector/heads%steps
			if len(x.Dims) == 4 {
				t = vector % steps
			}
			return position(n, t)
		})
	}),
}

// rotated turns pairs of the first elements of each vector of a length: of neighbours
// where interleaved is set, else one of each half. angles is where the cosines and
// sines of a vector begin.
func (c *call) rotated(x *Value, length, turned int, interleaved bool, cos, sin *Value, angles func(vector int) int) *Value {
	out := c.numbers(x.Type, x.Dims...)
	f, half := c.format(x), turned/2
	for i := range out.Len() {
		e := i % length
		if e >= turned {
			out.set(i, x.at(i))
			continue
		}
		pair, partner, first := e%half, i+half, e < half
		if interleaved {
			pair, partner, first = e/2, i+1, e%2 == 0
		}
		at := angles(i/length) + pair
		var s dot
		if first {
			s.add(x.at(i), cos.at(at))
			s.add(neg(x.at(partner)), sin.at(at))
		} else {
			other := i - half
			if interleaved {
				other = i - 1
			}
			s.add(x.at(other), sin.at(at))
			s.add(x.at(i), cos.at(at))
		}
		out.set(i, s.sum(f, 0))
	}
	return out
}

// headsToRotate is how many sequences, heads and steps x has, the elements of a head, and how many of these are rotated. x is (N, heads, L, E) or
// (N, L, heads E).
func (c *call) headsToRotate(x *Value) (batch, heads, steps, length, turned int) {
	switch len(x.Dims) {
	case 4:
		batch, heads, steps, length = x.Dims[0], x.Dims[1], x.Dims[2], x.Dims[3]
	case 3:
		if heads = c.int("num_heads"); heads < 1 || x.Dims[2]%heads != 0 {
			fail(fmt.Errorf("input of shape %v for %d heads", x.Dims, heads))
		}
		batch, steps, length = x.Dims[0], x.Dims[1], x.Dims[2]/heads
	default:
		fail(fmt.Errorf("input of shape %v, want three or four axes", x.Dims))
	}
	if turned = c.int("rotary_embedding_dim"); turned == 0 {
		turned = length
	}
	return batch, heads, steps, length, turned
}
