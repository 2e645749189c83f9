package reference

import (
	"fmt"
	"slices"
)

// opTensorScatter writes an update into a cache along an axis, for every entry of the
// batch from its index in input 2 on; circular, what runs over the end goes on at the
// beginning. ONNX TensorScatter, opset 24.
var opTensorScatter = operator{
	name: "TensorScatter", in: []port{moves, moves},
	eval: single(func(c *call) *Value {
		cache, update := c.in[0], c.in[1]
		axis := c.axis("axis", len(cache.Dims))
		want := slices.Clone(cache.Dims)
		if len(update.Dims) == len(want) {
			want[axis] = update.Dims[axis]
		}
		if axis == 0 || !slices.Equal(update.Dims, want) || want[axis] > cache.Dims[axis] {
			fail(fmt.Errorf("update of shape %v for a cache of shape %v along axis %d", update.Dims, cache.Dims, axis))
		}
		begin, ok := c.intInput(2)
		if ok && len(begin) != cache.Dims[0] {
			fail(fmt.Errorf("%d indices for a batch of %d", len(begin), cache.Dims[0]))
		}
		outer, n, inner := split(update.Dims, axis)
		length := cache.Dims[axis]
		at := make([]int, 0, update.Len())
		for o := range outer {
			from := 0
			if ok {
				from = begin[o/(outer/cache.Dims[0])]
			}
			switch circular := c.text("mode") == "circular"; {
			case circular && length > 0:
				from = (from%length + length) % length
			case from < 0 || from > length-n:
				fail(fmt.Errorf("%d elements from index %d on of an axis of %d", n, from, length))
			}
			for k := range n {
				for i := range inner {
					at = append(at, (o*length+(from+k)%length)*inner+i)
				}
			}
		}
		return c.scatter(cache, update, at)
	}),
}
