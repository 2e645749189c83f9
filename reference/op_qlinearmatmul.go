package reference

import (
	"errors"
	"fmt"
)

// opQLinearMatMul is MatMulInteger, scaled and quantized. ONNX QLinearMatMul,
// opset 10, 21.
var opQLinearMatMul = operator{
	name: "QLinearMatMul",
	in:   []port{lacking(minifloats), derived, derived, lacking(minifloats), derived, derived, derived, lacking(minifloats)},
	eval: single(func(c *call) (*Value, error) {
		p, err := c.shiftedProduct(c.in[0], c.in[2], c.in[3], c.in[5])
		if err != nil {
			return nil, err
		}
		// A scale of A belongs to a row, one of B to a column.
		cols := 1
		if b := c.in[3]; len(b.Dims) > 1 {
			cols = b.Dims[len(b.Dims)-1]
		}
		rows := 1
		if a := c.in[0]; len(a.Dims) > 1 {
			rows = a.Dims[len(a.Dims)-2]
		}
		return c.requantize(p, c.in[1], c.in[4], c.in[6], c.in[7], func(i int) int { return i / cols % rows }, func(i int) int { return i % cols })
	}),
}

// requantize is p times both scales over the scale of the result, quantized. left
// and right say which of the scales belong to element i.
func (c *call) requantize(p, scaleA, scaleB, scaleY, zeroY *Value, left, right func(i int) int) (*Value, error) {
	if scaleY.Len() != 1 || zeroY.Len() != 1 {
		return nil, fmt.Errorf("scale of the result of shape %v, zero point of shape %v, want scalars", scaleY.Dims, zeroY.Dims)
	}
	out, err := c.zeros(zeroY.Type, true, p.Dims...)
	if err != nil {
		return nil, err
	}
	at := func(v *Value, k int) (number, error) {
		if v.Len() == 1 {
			return v.at(0), nil
		}
		if k >= v.Len() {
			return number{}, fmt.Errorf("%d scales, want one or one for each place", v.Len())
		}
		return v.at(k), nil
	}
	f := c.format(scaleY)
	zero := zeroY.Float(0)
	for i := range out.Len() {
		_, errA := at(scaleA, left(i))
		_, errB := at(scaleB, right(i))
		if err := errors.Join(errA, errB); err != nil {
			return nil, err
		}
		if scaleA.Len() == 1 && scaleB.Len() == 1 {
			break
		}
	}
	return out, c.each(out.Len(), 1, func(i int) {
		a, _ := at(scaleA, left(i))
		b, _ := at(scaleB, right(i))
		c.store(out, i, f, f.scale(p.at(i), f.over(f.scale(a, b), scaleY.at(0))), zero)
	})
}
