package reference

import (
	"fmt"
	"math"
	"slices"
)

// opTile repeats its input along every axis; in opset 1, where all inputs are
// floating-point numbers, along the one in input 2. ONNX Tile, opset 1, 6, 13.
var opTile = operator{
	name: "Tile", in: []port{moves, sizing},
	eval: single(func(c *call) *Value {
		x := c.in[0]
		var repeats []int
		if c.opset < 6 {
			repeats = c.repeatsAlong(len(x.Dims))
		} else {
			repeats, _ = c.intInput(1)
		}
		if len(repeats) != len(x.Dims) {
			fail(fmt.Errorf("repeats are %v, want one for each of %d axes", repeats, len(x.Dims)))
		}
		dims := make([]int, len(repeats))
		for i, r := range repeats {
			if r < 0 || x.Dims[i] > 0 && r > math.MaxInt/x.Dims[i] {
				fail(fmt.Errorf("repeats %v of shape %v", repeats, x.Dims))
			}
			dims[i] = r * x.Dims[i]
		}
		own, at := strides(x.Dims), make([]int, len(dims))
		return c.pick(x, dims, func(i int) int {
			unravel(i, dims, at)
			for a := range at {
				at[a] %= x.Dims[a]
			}
			return ravel(at, own)
		})
	}),
}

// repeatsAlong reads the scalars in input 1 and 2: how often, and along which axis.
func (c *call) repeatsAlong(rank int) []int {
	var v [2]int
	for i := range v {
		in := c.in[1+i]
		if in.Len() != 1 || in.Float(0) != math.Trunc(in.Float(0)) || math.Abs(in.Float(0)) > math.MaxInt32 {
			fail(fmt.Errorf("input %d is %s, want a whole number", 1+i, in))
		}
		v[i] = int(in.Float(0))
	}
	axis := axisOf(v[1], rank)
	repeats := slices.Repeat([]int{1}, rank)
	repeats[axis] = v[0]
	return repeats
}
