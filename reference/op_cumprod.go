package reference

import "github.com/petrify-ml/petrify/onnx/pb"

// opCumProd is the running product along the axis in input 1. ONNX CumProd, opset 26.
var opCumProd = operator{
	name: "CumProd",
	eval: single(func(c *call) (*Value, error) {
		return c.accumulate(func() accumulator {
			return &runningProduct{f: c.format(c.in[0]), t: c.in[0].Type, product: exact(1), s: 1, u: 1}
		})
	}),
}

// A runningProduct is the product of the elements added so far.
type runningProduct struct {
	f       format
	t       pb.TensorProto_DataType
	product number
	s       int64
	u       uint64
}

func (r *runningProduct) add(x *Value, i int) {
	switch d := x.Data.(type) {
	case []int64:
		r.s = wrapSigned(r.t, r.s*d[i])
	case []uint64:
		r.u = wrapUnsigned(r.t, r.u*d[i])
	default:
		if r.product == exact(1) {
			r.product = x.at(i)
		} else {
			r.product = r.f.mul(r.product, x.at(i))
		}
	}
}

func (r *runningProduct) store(out *Value, i int) {
	switch d := out.Data.(type) {
	case []int64:
		d[i] = r.s
	case []uint64:
		d[i] = r.u
	default:
		out.set(i, r.product)
	}
}
