package reference

import (
	"errors"
	"fmt"
	"slices"
)

// opConcat joins its inputs along an axis. ONNX Concat, opset 1, 4, 11, 13.
var opConcat = operator{
	name: "Concat", in: []port{moves, moves},
	eval: single(func(c *call) *Value {
		return c.concat(c.in, c.int("axis", 1)) // the default of opset 1, by its text
	}),
}

// concat joins tensors of equal shapes except for the axis.
func (c *call) concat(in []*Value, axis int) *Value {
	in = slices.DeleteFunc(slices.Clone(in), func(v *Value) bool { return v == nil })
	if len(in) == 0 {
		fail(errors.New("nothing to join"))
	}
	a := axisOf(axis, len(in[0].Dims))
	dims := slices.Clone(in[0].Dims)
	figures := in[0].Sound != nil
	for i, v := range in[1:] {
		if len(v.Dims) != len(dims) || v.Type != in[0].Type {
			fail(fmt.Errorf("input %d is %s, input 0 %s", i+1, v, in[0]))
		}
		for k, d := range v.Dims {
			if k != a && d != dims[k] {
				fail(fmt.Errorf("input %d of shape %v and input 0 of shape %v differ in axis %d", i+1, v.Dims, in[0].Dims, k))
			}
		}
		dims[a] += v.Dims[a]
		figures = figures || v.Sound != nil
	}
	out := c.zeros(in[0].Type, figures, dims...)
	_, total, inner := split(dims, a)
	from := 0
	for _, v := range in {
		copyRuns(out, from*inner, total*inner, v, v.Dims[a]*inner)
		from += v.Dims[a]
	}
	return out
}
