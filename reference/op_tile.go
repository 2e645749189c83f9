package reference

import (
	"fmt"
	"math"
)

// opTile repeats its input along every axis. ONNX Tile, opset 6, 13.
var opTile = operator{
	name: "Tile", since: 6, in: []port{need(tensors).move(), need(int64s)},
	eval: single(func(c *call) (*Value, error) {
		x := c.in[0]
		repeats, _, err := c.intInput(1)
		if err != nil {
			return nil, err
		}
		if len(repeats) != len(x.Dims) {
			return nil, fmt.Errorf("repeats are %v, want one for each of %d axes", repeats, len(x.Dims))
		}
		dims := make([]int, len(repeats))
		for i, r := range repeats {
			if r < 0 || x.Dims[i] > 0 && r > math.MaxInt/x.Dims[i] {
				return nil, fmt.Errorf("repeats %v of shape %v", repeats, x.Dims)
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
