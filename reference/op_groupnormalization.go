package reference

import (
	"fmt"
)

// opGroupNormalization normalises groups of channels of every instance; scale
// and bias are per group in opset 18 and per channel from opset 21 on. ONNX
// GroupNormalization, opset 18, 21.
var opGroupNormalization = operator{
	name: "GroupNormalization",
	eval: single(func(c *call) *Value {
		x := c.in[0]
		groups := c.int("num_groups")
		if len(x.Dims) < 2 || groups < 1 || x.Dims[1]%groups != 0 {
			fail(fmt.Errorf("input of shape %v in %d groups of channels", x.Dims, groups))
		}
		channels := x.Dims[1]
		per := channels
		if c.opset < 21 {
			per = groups
		}
		for i := 1; i <= 2; i++ {
			if c.in[i].Len() != per {
				fail(fmt.Errorf("input %d of shape %v, want [%d]", i, c.in[i].Dims, per))
			}
		}
		area := size(x.Dims[2:])
		params := func(group, ch int) (number, number) {
			if c.opset < 21 {
				ch = group % groups
			}
			return c.in[1].at(ch), c.in[2].at(ch)
		}
		return c.normalizeGroups(c.stash(), c.affineFormat(x, x), x, x.Dims[0]*groups, params, func(group, k int) int {
			return group%groups*(channels/groups) + k/area
		})
	}),
}
