package reference

import (
	"fmt"
	"slices"
)

// opSplit cuts its input along an axis: into the lengths of attribute split
// until opset 12, of input 1 from opset 13 on, by default into equal parts of
// which, from opset 18 on, the last may be shorter. ONNX Split, opset 1, 2, 11, 13, 18.
var opSplit = operator{
	name: "Split",
	in:   []port{moves, sizing},
	eval: func(c *call) []*Value {
		x := c.in[0]
		axis := c.axis("axis", len(x.Dims))
		lengths, ok := c.intInput(1)
		if !ok && c.has("split") {
			lengths, ok = c.intList("split"), true
		}
		if !ok {
			if n, parts := x.Dims[axis], len(c.step.out); c.opset < 18 && n%parts != 0 {
				fail(fmt.Errorf("axis %d of shape %v does not split into %d equal parts", axis, x.Dims, parts))
			}
			lengths = equalParts(x.Dims[axis], len(c.step.out))
		}
		return c.cut(x, axis, lengths)
	},
}

// equalParts divides n into parts of equal length; the last ones may be shorter.
func equalParts(n, parts int) []int {
	each := (n + parts - 1) / parts
	lengths := make([]int, parts)
	for i := range lengths {
		lengths[i] = max(0, min(each, n-i*each))
	}
	return lengths
}

// cut divides x along an axis into parts of the lengths.
func (c *call) cut(x *Value, axis int, lengths []int) []*Value {
	total := 0
	for _, l := range lengths {
		if l < 0 || l > x.Dims[axis]-total {
			fail(fmt.Errorf("lengths %v do not divide %d", lengths, x.Dims[axis]))
		}
		total += l
	}
	if total != x.Dims[axis] {
		fail(fmt.Errorf("lengths %v do not divide %d", lengths, x.Dims[axis]))
	}
	_, n, inner := split(x.Dims, axis)
	var parts []*Value
	from := 0
	for _, l := range lengths {
		dims := slices.Clone(x.Dims)
		dims[axis] = l
		first := from
		part := c.pick(x, dims, func(i int) int {
			return (i/inner/l*n+first+i/inner%l)*inner + i%inner
		})
		parts = append(parts, part)
		from += l
	}
	return parts
}
