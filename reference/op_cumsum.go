package reference

import (
	"github.com/petrify-ml/petrify/onnx/pb"
)

// opCumSum is the running sum along the axis in input 1. ONNX CumSum, opset 11,
// 14.
var opCumSum = operator{
	name: "CumSum",
	eval: single(func(c *call) (*Value, error) {
		x := c.in[0]
		a, err := c.intScalar(1)
		if err != nil {
			return nil, err
		}
		axis, err := axisOf(a, len(x.Dims))
		if err != nil {
			return nil, err
		}
		isFloat := floats&setOf(x) != 0
		out, err := c.zeros(x.Type, isFloat, x.Dims...)
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
				sum := runningSum{f: c.format(x), t: x.Type, terms: c.format(x).dot()}
				for k := range n {
					if !exclusive {
						sum.add(x, at(k))
					}
					sum.store(out, at(k))
					if exclusive {
						sum.add(x, at(k))
					}
				}
			}
		}
		return out, nil
	}),
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
