package reference

import (
	"fmt"
)

// opGatherElements takes element [i, j, index[i, j, k]] for every [i, j, k] of
// the indices, here for axis 2. ONNX GatherElements, opset 11, 13.
var opGatherElements = operator{
	name: "GatherElements", in: []port{moves},
	eval: single(func(c *call) (*Value, error) {
		at, err := c.elementsAlong(c.in[0], 1)
		if err != nil {
			return nil, err
		}
		return c.pick(c.in[0], c.in[1].Dims, func(i int) int { return at[i] })
	}),
}

// elementsAlong returns, for every element of the indices in input i, the
// element of x that it names along attribute axis.
func (c *call) elementsAlong(x *Value, i int) ([]int, error) {
	index := c.in[i]
	axis, err := c.axis("axis", 0, len(x.Dims))
	if err != nil {
		return nil, err
	}
	if len(index.Dims) != len(x.Dims) {
		return nil, fmt.Errorf("indices of shape %v for shape %v, want equal ranks", index.Dims, x.Dims)
	}
	for a, d := range index.Dims {
		if a != axis && d > x.Dims[a] {
			return nil, fmt.Errorf("indices of shape %v are longer than shape %v along axis %d", index.Dims, x.Dims, a)
		}
	}
	list, err := c.indices(i, x.Dims[axis])
	if err != nil {
		return nil, err
	}
	own, at := strides(x.Dims), make([]int, len(x.Dims))
	for k, j := range list {
		unravel(k, index.Dims, at)
		at[axis] = j
		list[k] = ravel(at, own)
	}
	return list, nil
}
