package reference

import "math"

// An orders adds the terms of sums in the orders that runtimes add them in: one
// after the other, and in lanes of vector registers that are added at the end.
// The spread of a sum assumes partial sums that wander like its terms; where they
// climb and come back, as sums over half a period do, or where every addition
// rounds the same way, the errors are larger, and this finds out by how much.
type orders struct {
	f       format
	columns int
	strides []int
	terms   int
	lanes   [][]float64 // partial sums as the format has them, for each stride: lane by lane, each with all columns
	squares [][]float64 // of partial sums, added up, for each stride and column
}

// lanesOfRuntimes are the vector widths of float32 from NEON to AVX-512; 1 is
// the order of the terms.
var lanesOfRuntimes = []int{1, 4, 8, 16}

func newOrders(f format, columns int, strides ...int) *orders {
	o := &orders{f: f, columns: columns, strides: append(strides, lanesOfRuntimes...)}
	for _, stride := range o.strides {
		o.lanes = append(o.lanes, make([]float64, stride*columns))
		o.squares = append(o.squares, make([]float64, columns))
	}
	return o
}

func (o *orders) reset() {
	o.terms = 0
	for i := range o.strides {
		clear(o.lanes[i])
		clear(o.squares[i])
	}
}

// add adds the products of a with every column's element of row.
func (o *orders) add(a float64, row []float64) {
	for i, stride := range o.strides {
		at := o.terms % stride * o.columns
		lane, square := o.lanes[i][at:at+o.columns], o.squares[i]
		for j, x := range row {
			s := o.f.nearest(lane[j] + o.f.nearest(a*x))
			lane[j] = s
			square[j] += s * s
		}
	}
	o.terms++
}

// worst returns, over all orders, the largest sum of squares of partial sums of
// a column, and the largest error of its sum y.
func (o *orders) worst(column int, y float64) (squares, e float64) {
	for i, stride := range o.strides {
		sum, square := 0.0, o.squares[i][column]
		for l := range stride {
			sum = o.f.nearest(sum + o.lanes[i][l*o.columns+column])
			square += sum * sum
		}
		squares = max(squares, square)
		e = max(e, math.Abs(sum-y))
	}
	return squares, e
}

// nearest rounds x to the precision of the format (Dekker, A floating-point
// technique for extending the available precision, 1971).
func (f format) nearest(x float64) float64 {
	c := (0x1p53*f.u + 1) * x
	if math.IsInf(c, 0) || math.IsNaN(c) {
		return x
	}
	return c - (c - x)
}
