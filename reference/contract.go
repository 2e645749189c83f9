package reference

import "math"

// A matrix is a rows x cols view of numbers, row-major; the figures are nil
// where all are zero.
type matrix struct {
	rows, cols                 int
	v, sound, spread, declared []float64
}

func (m matrix) at(i int) number {
	if m.sound == nil {
		return number{v: m.v[i]}
	}
	return number{m.v[i], m.sound[i], m.spread[i], m.declared[i]}
}

// A rowSum collects one row of a product of matrices: dots for all columns of
// the right operand at once, because the inner loop over columns is what makes
// a convolution bearable in a plain interpreter.
type rowSum struct {
	terms                      int
	y, abs, sq, e, ind, one, d []float64
	orders                     *orders // nil unless they are tried
	adder                      *adder  // nil unless one is imitated
}

// newRowSum returns the sums for n columns in the format f. strides are orders to
// try besides the usual ones.
func newRowSum(f format, n int, strides ...int) *rowSum {
	all := make([]float64, 7*n)
	part := func(i int) []float64 { return all[i*n : (i+1)*n] }
	r := &rowSum{0, part(0), part(1), part(2), part(3), part(4), part(5), part(6), nil, f.adder.begin(n)}
	if f.reordered {
		r.orders = newOrders(f, n, strides...)
	}
	return r
}

func (r *rowSum) reset() {
	r.terms = 0
	for _, s := range [][]float64{r.y, r.abs, r.sq, r.e, r.ind, r.one, r.d} {
		clear(s)
	}
	if r.orders != nil {
		r.orders.reset()
	}
	if r.adder != nil {
		r.adder.reset()
	}
}

// add adds a times row k of b, term by term what dot.add does.
func (r *rowSum) add(a number, b matrix, k int) {
	n := b.cols
	r.terms++
	y, abs, sq := r.y[:n], r.abs[:n], r.sq[:n]
	for j, x := range b.v[k*n : (k+1)*n] {
		p := a.v * x
		y[j] += p
		abs[j] += math.Abs(p)
		sq[j] += p * p
	}
	if r.orders != nil {
		r.orders.add(a.v, b.v[k*n:(k+1)*n])
	}
	if r.adder != nil {
		r.adder.add(a.v, b.v[k*n:(k+1)*n])
	}
	if b.sound != nil {
		for j := range n {
			r.addErrors(a, b.at(k*n+j), j)
		}
		return
	}
	if a.sound == 0 && a.spread == 0 && a.declared == 0 {
		return
	}
	e, ind, one, d := r.e[:n], r.ind[:n], r.one[:n], r.d[:n]
	for j, x := range b.v[k*n : (k+1)*n] {
		if x != x {
			continue // NaN for certain, whatever the error of a
		}
		w := math.Abs(x)
		e[j] += w * a.sound
		s := x * a.spread
		ind[j] += s * s
		one[j] += s
		d[j] += w * a.declared
	}
}

// addErrors adds to column j what the errors of both operands make of a b.
func (r *rowSum) addErrors(a, b number, j int) {
	var s dot
	s.add(a, b) // which has no other figures for what is NaN
	r.e[j] += s.e
	r.ind[j] += s.ind
	r.one[j] += s.one
	r.d[j] += s.d
}

// dot returns the dot of column j.
func (r *rowSum) dot(j int) dot {
	s := dot{terms: r.terms, y: r.y[j], abs: r.abs[j], sq: r.sq[j], e: r.e[j], ind: r.ind[j], one: r.one[j], d: r.d[j]}
	if r.orders != nil {
		s.squares, s.drift = r.orders.worst(j, s.y)
	}
	if r.adder != nil {
		s.y = r.adder.sum(j)
	}
	return s
}
