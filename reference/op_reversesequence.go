package reference

import (
	"fmt"
)

// opReverseSequence reverses the first sequence_lens[b] steps of every batch
// entry b. ONNX ReverseSequence, opset 10.
var opReverseSequence = operator{
	name: "ReverseSequence", in: []port{moves},
	eval: single(func(c *call) *Value {
		x := c.in[0]
		if len(x.Dims) < 2 {
			fail(fmt.Errorf("input of shape %v, want time and batch", x.Dims))
		}
		batch, time := c.int("batch_axis"), c.int("time_axis")
		if batch < 0 || batch > 1 || time != 1-batch {
			fail(fmt.Errorf("batch_axis %d and time_axis %d, want 0 and 1 or 1 and 0", batch, time))
		}
		lens, _ := c.intInput(1)
		if len(lens) != x.Dims[batch] {
			fail(fmt.Errorf("%d lengths for a batch of %d", len(lens), x.Dims[batch]))
		}
		for b, l := range lens {
			if l < 0 || l > x.Dims[time] {
				fail(fmt.Errorf("length %d is %d of %d steps", b, l, x.Dims[time]))
			}
		}
		own, at := strides(x.Dims), make([]int, len(x.Dims))
		return c.pick(x, x.Dims, func(i int) int {
			unravel(i, x.Dims, at)
			if l := lens[at[batch]]; at[time] < l {
				at[time] = l - 1 - at[time]
			}
			return ravel(at, own)
		})
	}),
}
