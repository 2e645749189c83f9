package reference

import (
	"fmt"
	"slices"
)

// opScatterND copies its input and replaces the slices that GatherND would
// take, or reduces the updates into them. ONNX ScatterND, opset 11, 13, 16, 18.
var opScatterND = operator{
	name: "ScatterND", in: []port{moves, derived, moves},
	eval: single(func(c *call) *Value {
		x, updates := c.in[0], c.in[2]
		at, slice := c.slicesAt(x, 1, 0)
		rank := len(c.in[1].Dims) - 1
		if want := slices.Concat(c.in[1].Dims[:rank], x.Dims[c.in[1].Dims[rank]:]); !slices.Equal(updates.Dims, want) {
			fail(fmt.Errorf("updates of shape %v, want %v", updates.Dims, want))
		}
		elements := make([]int, 0, updates.Len())
		for _, first := range at {
			for i := range slice {
				elements = append(elements, first+i)
			}
		}
		return c.scatter(x, updates, elements)
	}),
}
