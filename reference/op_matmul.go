package reference

import (
	"fmt"
	"slices"
)

// opMatMul is the matrix product of the last two axes, broadcast over the
// others; an operand of one axis is a row on the left, a column on the right.
// ONNX MatMul, opset 1, 9, 13.
var opMatMul = operator{
	name: "MatMul", asStored: []int{0, 1},
	eval: single(func(c *call) *Value { return c.matMul(c.in[0], c.in[1]) }),
}

// matrices are the dims of two operands, a row and a column among them as matrices.
func matrices(a, b *Value) (da, db []int) {
	da, db = a.Dims, b.Dims
	if len(da) == 1 {
		da = []int{1, da[0]}
	}
	if len(db) == 1 {
		db = []int{db[0], 1}
	}
	return da, db
}

func (c *call) matMul(a, b *Value) *Value {
	if len(a.Dims) == 0 || len(b.Dims) == 0 {
		fail(fmt.Errorf("operands of shape %v and %v, want no scalars", a.Dims, b.Dims))
	}
	da, db := matrices(a, b)
	m, k, n := da[len(da)-2], da[len(da)-1], db[len(db)-1]
	if k != db[len(db)-2] {
		fail(fmt.Errorf("operands of shape %v and %v: %d columns against %d rows", a.Dims, b.Dims, k, db[len(db)-2]))
	}
	batchA, batchB := da[:len(da)-2], db[:len(db)-2]
	batch := must(broadcast(batchA, batchB))
	dims := slices.Clone(batch)
	if len(a.Dims) > 1 {
		dims = append(dims, m)
	}
	if len(b.Dims) > 1 {
		dims = append(dims, n)
	}
	isFloat := floats&setOf(a) != 0
	out := c.zeros(a.Type, isFloat, dims...)
	f := c.products(out)
	if isFloat {
		out.sums(k, c.format(out))
	}
	left, right := newStretch(batchA, batch), newStretch(batchB, batch)
	count, _ := product(batch)
	c.afford(count, m, k, n)
	if !isFloat {
		if signed&setOf(a) != 0 {
			multiplyInts[int64](c, out, a, b, left, right, count, m, k, n)
			return out
		}
		multiplyInts[uint64](c, out, a, b, left, right, count, m, k, n)
		return out
	}
	var products []matrixProduct
	for i := range count {
		oa, ob, oo := left.index(i)*m*k, right.index(i)*k*n, i*m*n
		products = append(products, matrixProduct{
			rowsOf(a, oa, m, k), columnsOf(b, ob, k, n),
			func(i, j int, s dot) { out.set(oo+i*n+j, s.sum(f, 0)) },
		})
	}
	c.multiply(f, products)
	out.origin = originOf(products)
	return out
}

// multiplyInts stores products of so many (m, k) and (k, n) matrices of integers, which wrap around.
func multiplyInts[T integer](c *call, out, a, b *Value, left, right stretch, count, m, k, n int) {
	c.spend(int64(count) * int64(m) * int64(k) * int64(n))
	c.each(count*m, k*n, func(row int) {
		i := row / m
		oa, ob, oo := (left.index(i)*m+row%m)*k, right.index(i)*k*n, row*n
		d := elems[T](out)[oo : oo+n]
		addRows(d, elems[T](a)[oa:oa+k], elems[T](b)[ob:ob+k*n])
		for j := range d {
			d[j] = wrap(out.Type, d[j])
		}
	})
}

// addRows adds to a row the rows of a matrix, times a factor each.
func addRows[T integer](sum, factors, matrix []T) {
	for i, x := range factors {
		row := matrix[i*len(sum) : (i+1)*len(sum)]
		for j, y := range row {
			sum[j] += x * y
		}
	}
}
