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
		eval: single(func(c *call) (*Value, error) {
			x, updates := c.in[0], c.in[2]
			at, err := c.elementsAlong(x, 1)
			if err != nil {
				return nil, err
			}
			if !slices.Equal(updates.Dims, c.in[1].Dims) {
				return nil, fmt.Errorf("updates of shape %v for indices of shape %v", updates.Dims, c.in[1].Dims)
			}
			return c.scatter(x, updates, at)
		}),
	}
}

// scatter puts element i of updates at at[i] of a copy of x, or reduces it into
// what is there.
func (c *call) scatter(x, updates *Value, at []int) (*Value, error) {
	how := c.text("reduction", "none")
	out, err := c.zeros(x.Type, floats&setOf(x) != 0 || x.Sound != nil || updates.Sound != nil, x.Dims...)
	if err != nil {
		return nil, err
	}
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
		return nil, fmt.Errorf("attribute reduction is %q", how)
	}
	for i, j := range at {
		switch d := out.Data.(type) {
		case []float64:
			out.set(j, combine(c.format(out), out.at(j), updates.at(i)))
			continue
		case []int64:
			d[j] = wrapSigned(x.Type, reduceInto(how, d[j], updates.Data.([]int64)[i]))
		case []uint64:
			d[j] = wrapUnsigned(x.Type, reduceInto(how, d[j], updates.Data.([]uint64)[i]))
		case []bool:
			if how != "none" {
				return nil, fmt.Errorf("reduction %s of booleans", how)
			}
			d[j] = updates.Data.([]bool)[i]
		case []string:
			if how != "none" {
				return nil, fmt.Errorf("reduction %s of strings", how)
			}
			d[j] = updates.Data.([]string)[i]
		}
		if out.Sound != nil {
			if how != "none" && (out.figures(j) != number{} || updates.figures(i) != number{}) {
				out.setFigures(j, unknown(0))
			} else {
				out.setFigures(j, updates.figures(i))
			}
		}
	}
	return out, nil
}

func reduceInto[T int64 | uint64](how string, a, b T) T {
	switch how {
	case "add":
		return a + b
	case "mul":
		return a * b
	case "max":
		return max(a, b)
	case "min":
		return min(a, b)
	}
	return b
}
