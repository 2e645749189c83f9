package reference

import (
	"fmt"
	"slices"
)

// opGatherND takes the slices whose leading coordinates are the rows of the
// indices; the first batch_dims axes are shared by both. ONNX GatherND, opset 11,
// 12, 13.
var opGatherND = operator{
	name: "GatherND", in: []port{moves},
	eval: single(func(c *call) *Value {
		x := c.in[0]
		batch := c.int("batch_dims")
		at, slice := c.slicesAt(x, 1, batch)
		index := c.in[1].Dims
		depth := batch + index[len(index)-1]
		dims := slices.Concat(index[:len(index)-1], x.Dims[depth:])
		return c.pick(x, dims, func(i int) int { return at[i/slice] + i%slice })
	}),
}

// slicesAt returns the first elements of the slices of x that the rows of the
// indices in input i name, and the number of elements of a slice.
func (c *call) slicesAt(x *Value, i, batch int) (at []int, slice int) {
	index := c.in[i].Dims
	if len(index) == 0 || len(x.Dims) == 0 {
		fail(fmt.Errorf("indices of shape %v for shape %v, want no scalars", index, x.Dims))
	}
	depth := index[len(index)-1]
	if batch < 0 || batch >= len(index) || batch+depth > len(x.Dims) || !slices.Equal(index[:batch], x.Dims[:batch]) {
		fail(fmt.Errorf("indices of shape %v with %d batch axes do not fit shape %v", index, batch, x.Dims))
	}
	list, _ := c.intInput(i)
	own := strides(x.Dims)
	rows := size(index[:len(index)-1])
	c.take(int64(rows))
	perBatch := max(size(index[batch:len(index)-1]), 1)
	at = make([]int, rows)
	coords := make([]int, batch)
	for r := range at {
		unravel(r/perBatch, x.Dims[:batch], coords)
		at[r] = ravel(coords, own[:batch])
		for k := range depth {
			a, j := batch+k, list[r*depth+k]
			if j < 0 {
				j += x.Dims[a]
			}
			if j < 0 || j >= x.Dims[a] {
				fail(fmt.Errorf("row %d of the indices has %d for axis %d of shape %v", r, list[r*depth+k], a, x.Dims))
			}
			at[r] += j * own[a]
		}
	}
	return at, size(x.Dims[batch+depth:])
}
