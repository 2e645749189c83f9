package reference

import (
	"fmt"
	"slices"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// opMatMulInteger is the product of A - a and B - b for zero points a, of A or its
// rows, and b, of B or its columns. ONNX MatMulInteger, opset 10.
var opMatMulInteger = operator{
	name: "MatMulInteger",
	eval: single(func(c *call) *Value {
		p := c.shiftedProduct(c.in[0], c.in[2], c.in[1], c.in[3])
		return c.cast(p, pb.TensorProto_INT32)
	}),
}

// shiftedProduct is the product of integers less their zero points, exactly, as
// int64.
func (c *call) shiftedProduct(a, zeroA, b, zeroB *Value) *Value {
	left := c.shifted(a, zeroA, len(a.Dims)-2)
	right := c.shifted(b, zeroB, len(b.Dims)-1)
	p := c.matMul(left, right)
	c.addLost(p, a, b)
	c.addErrors(p, left, right)
	return p
}

// addErrors adds to the figures of the product p what errors of the integers in a
// and b make of it.
func (c *call) addErrors(p, a, b *Value) {
	if a.Sound == nil && b.Sound == nil {
		return
	}
	if p.Sound == nil {
		c.makeRoom(p)
	}
	da, db := matrices(a, b)
	m, k, n := da[len(da)-2], da[len(da)-1], db[len(db)-1]
	batch := must(broadcast(da[:len(da)-2], db[:len(db)-2]))
	left, right := newStretch(da[:len(da)-2], batch), newStretch(db[:len(db)-2], batch)
	c.spend(int64(p.Len()) * int64(k))
	c.each(p.Len(), k, func(i int) {
		e := p.figures(i)
		o, row, col := i/(m*n), i/n%m, i%n
		for x := range k {
			u, v := a.at((left.index(o)*m+row)*k+x), b.at((right.index(o)*k+x)*n+col)
			product := whole.mul(u, v)
			e.sound += product.sound
			e.spread += product.spread
			e.declared += product.declared
		}
		p.setFigures(i, e)
	})
	p.trim()
}

// shifted is x less a zero point, which is one for all, one for each place along an
// axis, or of a shape that stretches to that of x, as int64.
func (c *call) shifted(x, zero *Value, axis int) *Value {
	out := c.cast(x, pb.TensorProto_INT64)
	if zero == nil {
		return out
	}
	d := elems[int64](out)
	less := func(from func(i int) int) {
		c.each(len(d), 1, func(i int) { d[i] -= int64(zero.Float(from(i))) })
	}
	if got, err := broadcast(zero.Dims, x.Dims); len(zero.Dims) > 1 && err == nil && slices.Equal(got, x.Dims) {
		less(newStretch(zero.Dims, x.Dims).index)
		return out
	}
	n, inner := 1, 1
	if zero.Len() != 1 {
		if axis < 0 || axis >= len(x.Dims) || zero.Len() != x.Dims[axis] {
			fail(fmt.Errorf("zero point of shape %v for shape %v", zero.Dims, x.Dims))
		}
		_, n, inner = split(x.Dims, axis)
	}
	less(func(i int) int { return i / inner % n })
	return out
}
