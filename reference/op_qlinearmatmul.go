package reference

import "fmt"

// opQLinearMatMul is MatMulInteger, scaled and quantized. ONNX QLinearMatMul,
// opset 10, 21.
var opQLinearMatMul = operator{
	name: "QLinearMatMul",
	in:   []port{lacking(minifloats), derived, derived, lacking(minifloats), derived, derived, derived, lacking(minifloats)},
	eval: single(func(c *call) *Value {
		p := c.shiftedProduct(c.in[0], c.in[2], c.in[3], c.in[5])
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
func (c *call) requantize(p, scaleA, scaleB, scaleY, zeroY *Value, left, right func(i int) int) *Value {
	if scaleY.Len() != 1 || zeroY.Len() != 1 {
		fail(fmt.Errorf("scale of the result of shape %v, zero point of shape %v, want scalars", scaleY.Dims, zeroY.Dims))
	}
	out := c.zeros(zeroY.Type, true, p.Dims...)
	place := func(v *Value, k int) int {
		if v.Len() == 1 {
			return 0
		}
		if k >= v.Len() {
			fail(fmt.Errorf("%d scales, want one or one for each place", v.Len()))
		}
		return k
	}
	f := c.format(scaleY)
	zero := zeroY.Float(0)
	factor := func(k int) number {
		return f.over(f.scale(scaleA.at(k/scaleB.Len()), scaleB.at(k%scaleB.Len())), scaleY.at(0))
	}
	pairs := scaleA.Len() * scaleB.Len()
	for i := range out.Len() {
		place(scaleA, left(i))
		place(scaleB, right(i))
		if pairs == 1 {
			break
		}
	}
	if pairs < out.Len() { // one factor belongs to many elements
		table := make([]number, pairs)
		for k := range table {
			table[k] = factor(k)
		}
		factor = func(k int) number { return table[k] }
	}
	c.each(out.Len(), 1, func(i int) {
		k := place(scaleA, left(i))*scaleB.Len() + place(scaleB, right(i))
		c.store(out, i, f, f.scale(p.at(i), factor(k)), zero)
	})
	return out
}
