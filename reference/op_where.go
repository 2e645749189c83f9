package reference

import (
	"math"
	"slices"
)

// opWhere is X where the condition holds and Y elsewhere. ONNX Where, opset 9,
// 16.
var opWhere = operator{
	name: "Where", in: []port{moves, moves, moves},
	eval: single(func(c *call) *Value {
		cond, x, y := c.in[0], c.in[1], c.in[2]
		dims := must(broadcast(x.Dims, y.Dims))
		dims = must(broadcast(cond.Dims, dims))
		out := c.zeros(x.Type, !cond.exact() || !x.exact() || !y.exact(), dims...)
		sc, sx, sy := newStretch(cond.Dims, dims), newStretch(x.Dims, dims), newStretch(y.Dims, dims)
		fromX, fromY := slices.Repeat([]int{-1}, out.Len()), slices.Repeat([]int{-1}, out.Len())
		for i := range out.Len() {
			if elems[bool](cond)[sc.index(i)] {
				fromX[i] = sx.index(i)
			} else {
				fromY[i] = sy.index(i)
			}
		}
		c.copyInto(out, x, fromX)
		c.copyInto(out, y, fromY)
		if !cond.exact() {
			for i := range out.Len() {
				taken, other := y.at(sy.index(i)), x.at(sx.index(i))
				if fromX[i] >= 0 {
					taken, other = other, taken
				}
				out.setFigures(i, eitherOf(taken, other, cond.figures(sc.index(i))))
			}
		}
		return out
	}),
}

// eitherOf is taken, with the figures it has if by the figures of a choice the
// other might be taken instead.
func eitherOf(taken, other, choice number) number {
	gap := math.Abs(taken.v - other.v)
	if math.IsNaN(gap) {
		gap = math.Inf(1)
	}
	if taken.v == other.v {
		gap = 0
	}
	if choice.sound > 0 {
		taken.sound = max(taken.sound, other.sound) + gap
	}
	if choice.screen() > 0 {
		taken.spread, taken.declared = max(taken.spread, other.spread), max(taken.declared, other.declared)+gap
	}
	return taken
}
