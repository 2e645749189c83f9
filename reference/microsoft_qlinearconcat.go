package reference

import (
	"fmt"
	"slices"
)

// opMicrosoftQLinearConcat joins bytes along an axis. Each part has a scale and a zero point
// after it; those of the result come first. ONNX Runtime's com.microsoft
// QLinearConcat.
var opMicrosoftQLinearConcat = operator{
	name: "QLinearConcat", domain: microsoft, in: []port{derived, derived, moves},
	eval: single(func(c *call) *Value {
		in := c.in[2:]
		if len(in)%3 != 0 || slices.Contains(in, nil) {
			fail(fmt.Errorf("%d inputs, want two and three for each part", len(c.in)))
		}
		to := c.scaling(c.in[0], c.in[1])
		var parts []*Value
		for i := 0; i < len(in); i += 3 {
			if in[i].Type != c.in[1].Type || in[i+1].Type != c.in[0].Type || in[i+2].Type != c.in[1].Type {
				fail(fmt.Errorf("part %d is %s, %s, %s, want %s with scale and zero point", i/3, in[i], in[i+1], in[i+2], typeName(c.in[1].Type)))
			}
			from := c.scaling(in[i+1], in[i+2])
			part := c.rescaled(in[i], c.format(c.in[0]), from, to)
			parts = append(parts, part)
		}
		return c.concat(parts, c.int("axis"))
	}),
}

// rescaled is x on another scale. On the same one bytes stay as they are.
func (c *call) rescaled(x *Value, f format, from, to scaling) *Value {
	if from == to {
		return x
	}
	out := c.zeros(x.Type, true, x.Dims...)
	for i := range out.Len() {
		c.store(out, i, f, f.over(from.number(f, x, i), to.scale), to.zero)
	}
	return out
}
