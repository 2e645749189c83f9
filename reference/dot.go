package reference

import (
	"math"
	"math/bits"
	"math/rand/v2"
)

// A dot collects a sum of products, sum a_k b_k, in the figures that its
// rounding depends on.
type dot struct {
	terms int
	y     float64 // sum a b
	abs   float64 // sum |a b|
	sq    float64 // sum (a b)²
	e     float64 // what the operands' sound limits make of the sum
	ind   float64 // variance from the operands' spreads if they are independent
	one   float64 // standard deviation from them if they are one and the same
	d     float64 // what the operands' declared errors make of the sum
	own   float64 // the part of the operands' variance that is each one's own: see origin

	// Over orders of summation, where they were tried: the largest sum of squares
	// of partial sums, and the largest error.
	squares, drift float64
	orders         *orders // to be tried still
	adder          *adder  // that adds up in place of y
}

// dot returns a sum without terms.
func (f format) dot() dot {
	s := dot{adder: f.adder.begin(1)}
	if f.reordered {
		s.orders = newOrders(f, 1)
	}
	return s
}

// add adds the product a b.
func (s *dot) add(a, b number) {
	p := a.v * b.v
	s.terms++
	s.y += p
	if math.IsNaN(p) {
		s.e += notANumber(a, b).sound
		return
	}
	s.abs += math.Abs(p)
	s.sq += p * p
	if s.orders != nil {
		s.orders.add(1, []float64{p})
	}
	if s.adder != nil {
		s.adder.add(a.v, []float64{b.v})
	}
	x, y := math.Abs(a.v), math.Abs(b.v)
	s.e += times(x, b.sound) + times(y, a.sound) + times(a.sound, b.sound)
	if a.spread > 0 || b.spread > 0 {
		l, r, both := times(b.v, a.spread), times(a.v, b.spread), Screens*times(a.spread, b.spread)
		s.ind += l*l + r*r + both*both
		s.one += l + r
	}
	s.d += times(x, b.declared) + times(y, a.declared) + times(a.declared, b.declared) +
		Screens*(times(a.spread, b.declared)+times(b.spread, a.declared))
}

// merge adds the terms of another sum, which a runtime has added on their own.
func (s *dot) merge(o dot) {
	s.terms += o.terms
	s.y += o.y
	s.abs += o.abs
	s.sq += o.sq
	s.e += o.e
	s.ind += o.ind
	s.one += o.one
	s.d += o.d
	s.squares += o.squares
	s.drift += o.drift
}

// term adds a without a product, such as a bias.
func (s *dot) term(a number) {
	adder := s.adder
	s.adder = nil
	s.add(a, exact(1))
	if s.adder = adder; adder != nil {
		adder.term(a.v)
	}
}

// sum is the sum in the format f, with so many roundings more in every term
// (the scaling by Gemm's alpha, say).
func (s *dot) sum(f format, more int) number {
	a := s.terms - 1 // additions
	roundings := float64(a)
	// By Cauchy-Schwarz n sum t² = (sum t)² only if all terms are equal. Then
	// additions err alike, and their errors add up like a sum, not like a walk.
	if n := float64(s.terms); n*s.sq <= s.y*s.y*(1+1e-6) {
		roundings *= roundings
	}
	return s.rounded(f, roundings, more)
}

// rounded is sum for a known number of independent roundings.
func (s *dot) rounded(f format, roundings float64, more int) number {
	if s.adder != nil && !math.IsNaN(s.y) {
		s.y = s.adder.sum(0)
	}
	switch {
	case s.terms == 0:
		return exact(0)
	case math.IsNaN(s.y) && (math.IsInf(s.e, 0) || math.IsNaN(s.e)):
		return unknown(s.y)
	case math.IsNaN(s.y), math.IsInf(s.y, 0) && !math.IsInf(s.e, 0) && !math.IsNaN(s.e):
		return exact(s.y) // whatever the errors of the terms that are finite
	}
	n := number{v: s.y}
	underflow := 0.0
	if s.abs+s.e > 0 {
		underflow = float64(s.terms) * f.tiny
	}
	n.sound = s.e + f.gamma(s.terms+1+more)*(s.abs+s.e) + underflow
	if f.operand > 0 {
		n.sound += (2*f.operand + f.operand*f.operand) * (s.abs + s.e)
	}
	if s.abs+n.sound > f.max {
		n.sound = math.Inf(1) // a partial sum may overflow
	}
	if s.orders != nil {
		s.squares, s.drift = s.orders.worst(0, s.y)
	}
	// Blocks that are added on their own have partial sums that are differences
	// of two others: hence the factor 2.
	round := f.u * f.u / 3 * (max(roundings*max(s.sq, s.y*s.y), 2*s.squares) + float64(1+more)*s.sq)
	// Operands that are cut, not rounded, all err towards zero.
	round += f.operand * f.operand * (2*s.sq/3 + s.y*s.y)
	inherited := s.ind
	if same := s.one * s.one; same > s.ind {
		inherited = s.own*s.ind + (1-s.own)*same
	}
	if math.IsInf(s.one, 0) || math.IsInf(s.ind, 0) {
		inherited = math.Inf(1)
	}
	n.spread = max(math.Sqrt(inherited+round), s.drift)
	n.declared = s.d + underflow
	return f.settle(n).merged()
}

// sumOf is the sum of numbers, with so many roundings of every term more. The
// spreads are added as if all errors were one, but for what is each term's own.
func (f format) sumOf(terms []number, more int) number {
	f.operand = 0 // there is no product
	s := f.dot()
	s.own = f.own
	values := make([]float64, 0, len(terms))
	n := float64(len(terms))
	scatter := Screens*Screens*(f.own/n+1-f.own) < 3 // where that makes the screen smaller
	for _, t := range terms {
		if scatter {
			t = t.scattered()
		}
		s.term(t)
		if t.v != 0 {
			values = append(values, t.v)
		}
	}
	return s.rounded(f, equalPairs(values), more)
}

// multiplier makes the bits of a number a place in a table. It is drawn again in every process, so that no model can be made
// to crowd the table.
var multiplier = rand.Uint64() | 1

// equalPairs is the sum of n² over groups of n equal values.
func equalPairs(values []float64) float64 {
	// Groups stand in a table, each at the next place that is free: that is quicker than sorting.
	type group struct {
		value float64
		n     float64
	}
	size := bits.Len(uint(2 * len(values)))
	groups, shift := make([]group, 1<<size), 64-size
	pairs := 0.0
	for _, v := range values {
		if math.IsNaN(v) {
			pairs++ // is equal to none
			continue
		}
		place := math.Float64bits(v) * multiplier >> shift
		for groups[place].n > 0 && groups[place].value != v {
			place = (place + 1) % uint64(len(groups))
		}
		g := &groups[place]
		pairs += 2*g.n + 1 // (n+1)² - n²
		g.value, g.n = v, g.n+1
	}
	return pairs
}

// meanOf is the mean of numbers: their sum over n, or the sum of n-ths.
func (f format) meanOf(terms []number, n int) number {
	return scaled(f.sumOf(terms, 2), 1/float64(n))
}
