package reference

import (
	"github.com/petrify-ml/petrify/onnx/pb"
)

// opCumSum is the running sum along the axis in input 1. ONNX CumSum, opset 11,
// 14.
var opCumSum = operator{
	name: "CumSum",
	eval: single(func(c *call) (*Value, error) {
		return c.accumulate(func() accumulator {
			f := c.format(c.in[0])
			return &runningSum{f: f, t: c.in[0].Type, terms: f.dot()}
		})
	}),
}

// An accumulator takes elements of one line after the other, and stores what they
// make together.
type accumulator interface {
	add(x *Value, i int)
	store(out *Value, i int)
}

// accumulate goes along the axis in input 1, forwards or, by attribute reverse,
// backwards. By attribute exclusive an element itself is left out.
func (c *call) accumulate(begin func() accumulator) (*Value, error) {
	x := c.in[0]
	a, err := c.intScalar(1)
	if err != nil {
		return nil, err
	}
	axis, err := axisOf(a, len(x.Dims))
	if err != nil {
		return nil, err
	}
	out, err := c.zeros(x.Type, floats&setOf(x) != 0, x.Dims...)
	if err != nil {
		return nil, err
	}
	outer, n, inner := split(x.Dims, axis)
	exclusive, reverse := c.int("exclusive") != 0, c.int("reverse") != 0
	for o := range outer {
		for i := range inner {
			at := func(k int) int {
				if reverse {
					k = n - 1 - k
				}
				return (o*n+k)*inner + i
			}
			line := begin()
			for k := range n {
				if !exclusive {
					line.add(x, at(k))
				}
				line.store(out, at(k))
				if exclusive {
					line.add(x, at(k))
				}
			}
		}
	}
	return out, nil
}

// A runningSum is the sum of the elements added so far.
type runningSum struct {
	f     format
	t     pb.TensorProto_DataType
	terms dot
	s     int64
	u     uint64
}

func (r *runningSum) add(x *Value, i int) {
	switch d := x.Data.(type) {
	case []int64:
		r.s = wrapSigned(r.t, r.s+d[i])
	case []uint64:
		r.u = wrapUnsigned(r.t, r.u+d[i])
	default:
		r.terms.term(x.at(i))
	}
}

func (r *runningSum) store(out *Value, i int) {
	switch d := out.Data.(type) {
	case []int64:
		d[i] = r.s
	case []uint64:
		d[i] = r.u
	default:
		out.set(i, r.terms.sum(r.f, 0))
	}
}
