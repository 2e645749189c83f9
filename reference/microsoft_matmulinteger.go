package reference

import (
	"fmt"
	"slices"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// opMicrosoftMatMulInteger16 is the product of integers of 16 bits, as one of 32:
// unsigned where both are. ONNX Runtime's com.microsoft MatMulInteger16.
var opMicrosoftMatMulInteger16 = operator{
	name: "MatMulInteger16", domain: microsoft,
	eval: single(func(c *call) *Value {
		p := c.shiftedProduct(c.in[0], nil, c.in[1], nil)
		to := pb.TensorProto_INT32
		if c.in[0].Type == pb.TensorProto_UINT16 && c.in[1].Type == pb.TensorProto_UINT16 {
			to = pb.TensorProto_UINT32
		}
		return c.cast(p, to)
	}),
}

// opMicrosoftMatMulIntegerToFloat is MatMulInteger times both scales, plus a bias;
// the scale and the zero point of B may be one for each column. ONNX Runtime's
// com.microsoft MatMulIntegerToFloat.
var opMicrosoftMatMulIntegerToFloat = operator{
	name: "MatMulIntegerToFloat", domain: microsoft,
	eval: single(func(c *call) *Value {
		scale := c.scaling(c.in[2], c.in[4])
		p := c.shiftedProduct(c.in[0], c.in[4], c.in[1], c.in[5])
		return c.scaledProduct(p, c.in[1], scale.scale, c.in[3], c.in[6])
	}),
}

// opMicrosoftDynamicQuantizeMatMul is MatMulIntegerToFloat of A, quantized to uint8
// by its own range as DynamicQuantizeLinear does. ONNX Runtime's com.microsoft
// DynamicQuantizeMatMul.
var opMicrosoftDynamicQuantizeMatMul = operator{
	name: "DynamicQuantizeMatMul", domain: microsoft,
	eval: single(func(c *call) *Value {
		a, scale, zero := c.quantizedByRange(c.in[0])
		p := c.shiftedProduct(a, zero, c.in[1], c.in[3])
		return c.scaledProduct(p, c.in[1], scale, c.in[2], c.in[4])
	}),
}

// quantizedByRange is x as uint8, with the scale and the zero point that its range
// gives. The figures of an element say how far it may be from its zero point, which
// moves with it.
func (c *call) quantizedByRange(x *Value) (q *Value, scale number, zero *Value) {
	f := c.format(x)
	lo, hi := exact(0), exact(0)
	for i := range x.Len() {
		lo, hi = smaller(lo, x.at(i)), larger(hi, x.at(i))
	}
	q = c.zeros(pb.TensorProto_UINT8, true, x.Dims...)
	zero = c.zeros(pb.TensorProto_UINT8, true)
	scale = f.div(f.sub(hi, lo), exact(255))
	if lo == exact(0) && hi == lo { // there are zeros only
		zero.trim()
		q.trim()
		return q, exact(1), zero
	}
	c.quantize(zero, 0, f.div(neg(lo), scale), 0)
	firm := zero.figures(0) == number{}
	c.each(q.Len(), 1, func(i int) {
		n := f.div(x.at(i), scale)
		if c.quantize(q, i, n, zero.Float(0)); !firm { // the range may be another's
			q.setFigures(i, roundFunction.at(whole, n))
		}
	})
	zero.Sound, zero.Spread, zero.Declared = nil, nil, nil
	q.trim()
	return q, scale, zero
}

// scaledProduct is the product p of integers with matrices b, times the scales a and
// scaleB, which may be one for each column, plus a bias for each column.
func (c *call) scaledProduct(p, b *Value, a number, scaleB, bias *Value) *Value {
	cols := 1
	if len(b.Dims) > 1 {
		cols = b.Dims[len(b.Dims)-1]
	}
	if bias != nil && !slices.Equal(bias.Dims, []int{cols}) {
		fail(fmt.Errorf("bias of shape %v, want [%d]", bias.Dims, cols))
	}
	column := perColumn(scaleB, b)
	out := c.numbers(scaleB.Type, p.Dims...)
	f := c.format(out)
	rows := 1
	if n := len(p.Dims); len(b.Dims) > 1 && n > 1 {
		rows = p.Dims[n-2]
	}
	c.each(out.Len(), 1, func(i int) {
		y := f.scale(p.at(i), f.scale(a, scaleB.at(column(i, rows, cols))))
		if bias != nil {
			y = f.add(y, bias.at(i%cols))
		}
		out.set(i, y)
	})
	return out
}

// perColumn says which of the scales v of the matrices b belongs to element i of a
// product with rows and columns: one for all, one for each column, or one for each
// column of each matrix.
func perColumn(v, b *Value) func(i, rows, cols int) int {
	n := len(b.Dims)
	switch {
	case v.Len() == 1:
		return func(int, int, int) int { return 0 }
	case n > 1 && len(v.Dims) == 1 && v.Dims[0] == b.Dims[n-1]:
		return func(i, _, cols int) int { return i % cols }
	case n > 2 && slices.Equal(v.Dims, slices.Concat(b.Dims[:n-2], []int{1}, b.Dims[n-1:])):
		matrices := size(b.Dims[:n-2])
		return func(i, rows, cols int) int { return i/(rows*cols)%matrices*cols + i%cols }
	}
	panic(failure{fmt.Errorf("scale or zero point of shape %v for matrices of shape %v", v.Dims, b.Dims)})
}
