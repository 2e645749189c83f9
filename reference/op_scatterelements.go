package reference

import (
	"fmt"
	"slices"
)

// opScatterElements copies its input and replaces the elements that
// GatherElements would take, or reduces the update into them. ONNX
// ScatterElements, opset 11, 13, 16, 18.
var opScatterElements = scatterElements("ScatterElements")

// opScatter is the old name of ScatterElements. ONNX Scatter, opset 9, 11.
var opScatter = scatterElements("Scatter")

func scatterElements(name string) operator {
	return operator{
		name: name,
		in:   []port{moves, derived, moves},
		eval: single(func(c *call) *Value {
			x, updates := c.in[0], c.in[2]
			at := c.elementsAlong(x, 1)
			if !slices.Equal(updates.Dims, c.in[1].Dims) {
				fail(fmt.Errorf("updates of shape %v for indices of shape %v", updates.Dims, c.in[1].Dims))
			}
			return c.scatter(x, updates, at)
		}),
	}
}

// scatter puts element i of updates at at[i] of a copy of x, or reduces it into
// what is there.
func (c *call) scatter(x, updates *Value, at []int) *Value {
	how := c.text("reduction", "none")
	out := c.zeros(x.Type, floats&setOf(x) != 0 || x.Sound != nil || updates.Sound != nil, x.Dims...)
	all := make([]int, x.Len())
	for i := range all {
		all[i] = i
	}
	c.copyInto(out, x, all)
	combine, ok := map[string]func(f format, a, b number) number{
		"none": func(_ format, _, b number) number { return b },
		"add":  format.add,
		"mul":  format.mul,
		"max":  func(_ format, a, b number) number { return larger(a, b) },
		"min":  func(_ format, a, b number) number { return smaller(a, b) },
	}[how]
	if !ok {
		fail(fmt.Errorf("attribute reduction is %q", how))
	}
	isFloat := floats&setOf(x) != 0
	if len(at) > 0 && how != "none" && numeric&setOf(x) == 0 {
		fail(fmt.Errorf("reduction %s of %s", how, x))
	}
	for i, j := range at {
		switch {
		case isFloat:
			out.set(j, combine(c.format(out), out.at(j), updates.at(i)))
			continue
		case how == "none":
			out.Data.Copy(j, updates.Data, i, 1)
		case signed&setOf(x) != 0:
			reduceInto[int64](how, out, j, updates, i)
		default:
			reduceInto[uint64](how, out, j, updates, i)
		}
		if out.Sound != nil {
			if how != "none" && (out.figures(j) != number{} || updates.figures(i) != number{}) {
				out.setFigures(j, unknown(0))
			} else {
				out.setFigures(j, updates.figures(i))
			}
		}
	}
	return out
}

// reduceInto reduces element i of updates into element j of an integer tensor.
func reduceInto[T integer](how string, out *Value, j int, updates *Value, i int) {
	d, b := elems[T](out), elems[T](updates)[i]
	switch how {
	case "add":
		d[j] += b
	case "mul":
		d[j] *= b
	case "max":
		d[j] = max(d[j], b)
	case "min":
		d[j] = min(d[j], b)
	}
	d[j] = wrap(out.Type, d[j])
}
