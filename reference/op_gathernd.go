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
	eval: single(func(c *call) (*Value, error) {
		x := c.in[0]
		batch := c.int("batch_dims")
		at, slice, err := c.slicesAt(x, 1, batch)
		if err != nil {
			return nil, err
		}
		index := c.in[1].Dims
		depth := batch + index[len(index)-1]
		dims := slices.Concat(index[:len(index)-1], x.Dims[depth:])
		return c.pick(x, dims, func(i int) int { return at[i/slice] + i%slice })
	}),
}

// slicesAt returns the first elements of the slices of x that the rows of the
// indices in input i name, and the number of elements of a slice.
func (c *call) slicesAt(x *Value, i, batch int) (at []int, slice int, err error) {
	index := c.in[i].Dims
	if len(index) == 0 || len(x.Dims) == 0 {
		return nil, 0, fmt.Errorf("indices of shape %v for shape %v, want no scalars", index, x.Dims)
	}
	depth := index[len(index)-1]
	if batch < 0 || batch >= len(index) || batch+depth > len(x.Dims) || !slices.Equal(index[:batch], x.Dims[:batch]) {
		return nil, 0, fmt.Errorf("indices of shape %v with %d batch axes do not fit shape %v", index, batch, x.Dims)
	}
	list, _, err := c.intInput(i)
	if err != nil {
		return nil, 0, err
	}
	own := strides(x.Dims)
	rows := size(index[:len(index)-1])
	if err := c.take(int64(rows)); err != nil {
		return nil, 0, err
	}
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
				return nil, 0, fmt.Errorf("row %d of the indices has %d for axis %d of shape %v", r, list[r*depth+k], a, x.Dims)
			}
			at[r] += j * own[a]
		}
	}
	return at, size(x.Dims[batch+depth:]), nil
}
