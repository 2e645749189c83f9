package reference

import (
	"fmt"
	"math"
	"slices"
)

// opReshape gives its input another shape: an attribute until opset 4, input 1
// from opset 5 on. A 0 keeps the axis unless allowzero is set; one -1 takes what
// is left. ONNX Reshape, opset 1, 5, 13, 14, 19, 21.
var opReshape = operator{
	name: "Reshape",
	in:   []port{moves, sizing},
	eval: single(func(c *call) *Value {
		x := c.in[0]
		want, ok := c.intInput(1)
		if !ok {
			want = c.intList("shape")
		}
		dims := slices.Clone(want)
		known, open := 1, -1
		for i, d := range dims {
			switch {
			case d == 0 && c.int("allowzero") == 0:
				if i >= len(x.Dims) {
					fail(fmt.Errorf("shape %v keeps axis %d of %v, which does not exist", want, i, x.Dims))
				}
				dims[i] = x.Dims[i]
			case d == -1 && open < 0:
				open = i
				continue
			case d < 0:
				fail(fmt.Errorf("shape %v, want at most one -1 and nothing else negative", want))
			}
			if dims[i] > 0 && known > math.MaxInt/dims[i] {
				fail(fmt.Errorf("shape %v has more elements than any memory holds", want))
			}
			known *= dims[i]
		}
		if open >= 0 {
			if known == 0 || x.Len()%known != 0 {
				fail(fmt.Errorf("%d elements of %v do not divide into shape %v", x.Len(), x.Dims, want))
			}
			dims[open] = x.Len() / known
		}
		if n, err := product(dims); err != nil || n != x.Len() {
			fail(fmt.Errorf("shape %v wants %d elements, %v has %d", want, n, x.Dims, x.Len()))
		}
		return reshaped(x, dims)
	}),
}
