package reference

import (
	"math"
	"slices"
)

// beats is, for every pair of classes, how probable the first is if it is one of the two: a sigmoid of the sum that they
// decide by (Platt, Probabilistic Outputs for Support Vector Machines, 1999), kept off 0 and 1. Runtimes compute it as what
// is missing to 1, and may do that twice.
func (f format) beats(sums []number, scale, shift []float32) []number {
	lowest, highest := f.rounded(exact(leastChance), 1), f.rounded(exact(1-leastChance), 1)
	out := make([]number, len(sums))
	for k, s := range sums {
		x := f.add(f.mul(s, exact(float64(scale[k]))), exact(float64(shift[k])))
		p := f.sub(exact(1), f.sub(exact(1), sigmoidFunction.at(f, neg(x))))
		out[k] = smaller(larger(p, lowest), highest)
	}
	return out
}

// leastChance is how near probabilities of pairs may come to 0 and 1.
const leastChance = 1e-7

// coupled is the probabilities of the classes that go best with those of all pairs, by the second method of Wu, Lin and Weng
// (Probability Estimates for Multi-class Classification by Pairwise Coupling, 2004) as LIBSVM ends it: it comes nearer step by
// step, until that is enough.
//
// Roundings of one step do not go on to the next, which begins with the probabilities alone, so that no rule leads from the
// first to the last. In place of that, the errors of the pairs are tried one by one, and those of the coefficients, which the
// arithmetic's are like; the limits are what they make of the result. Where they may decide which step is the last, those
// that may be are within the screen. What is proven is that a probability is from 0 to 1.
func (c *call) coupled(f format, pairs []number, classes int) []number {
	unlimited := func(n number) bool { return math.IsNaN(n.v) || math.IsInf(n.screen(), 0) }
	if slices.ContainsFunc(pairs, unlimited) {
		return slices.Repeat([]number{unknown(1 / float64(classes))}, classes)
	}
	tries := len(pairs) + classes*classes
	c.afford(tries, mostCouplings, classes, classes)
	q := newCoupling(convert(pairs, func(n number) float64 { return n.v }), classes)
	enough := couplingGap / float64(classes)
	steps := q.steps(func(done int, gap float64) bool { return gap < enough })
	last := len(steps) - 1
	steps = q.steps(func(done int, _ float64) bool { return done > last }) // and one more
	c.spend(int64(tries) * int64(len(steps)) * int64(classes*classes))
	out := convert(steps[last].p, exact)
	doubt := slices.Repeat([]float64{enough * f.u}, len(steps)) // how far errors may move the gap of each step
	try := func(q coupling, widen func(i int, change float64), share float64) {
		other := q.steps(func(done int, _ float64) bool { return done == len(steps)-1 })
		for i := range out {
			widen(i, math.Abs(other[last].p[i]-out[i].v))
		}
		for s := range doubt {
			doubt[s] += share * math.Abs(other[s].gap-steps[s].gap)
		}
	}
	for k, n := range pairs {
		moved := convert(pairs, func(n number) float64 { return n.v })
		if moved[k] += n.screen(); moved[k] > 1-leastChance {
			moved[k] = max(n.v-n.screen(), leastChance)
		}
		if by := math.Abs(moved[k] - n.v); by > 0 {
			try(newCoupling(moved, classes), func(i int, change float64) {
				out[i].spread += change / by * n.spread
				out[i].declared += change / by * n.declared
			}, n.screen()/by)
		}
	}
	for k := range q.q {
		turned := coupling{classes, slices.Clone(q.q)}
		turned.q[k] *= 1 + float64(classes+6)*f.u
		try(turned, func(i int, change float64) { out[i].spread = math.Hypot(out[i].spread, change) }, Screens)
	}
	for i, n := range out {
		for s := range steps {
			if math.Abs(steps[s].gap-enough) <= doubt[s] {
				ends := s
				if s >= last { // it may not be near enough
					ends = len(steps) - 1
				}
				out[i].declared = max(out[i].declared, n.declared+math.Abs(steps[ends].p[i]-n.v))
			}
		}
		out[i].sound = max(n.v, 1-n.v)
		out[i] = f.rounded(out[i], 2)
	}
	return out
}

// A coupling is the problem of finding p with the least p'qp whose elements add up to 1.
type coupling struct {
	classes int
	q       []float64 // (classes, classes)
}

// LIBSVM ends when the gap is below this by the number of classes, or after so many steps.
const (
	couplingGap   = 0.005
	mostCouplings = 100
)

// newCoupling is the problem for the probabilities that the first class of each pair beats the second.
func newCoupling(pairs []float64, classes int) coupling {
	q := coupling{classes, make([]float64, classes*classes)}
	k := 0
	for i := range classes {
		for j := i + 1; j < classes; j++ {
			r := pairs[k]
			q.q[i*classes+i] += (1 - r) * (1 - r)
			q.q[j*classes+j] += r * r
			q.q[i*classes+j], q.q[j*classes+i] = -r*(1-r), -r*(1-r)
			k++
		}
	}
	return q
}

// A couplingStep is the probabilities after a step, and how far they are from the best.
type couplingStep struct {
	p   []float64
	gap float64
}

// steps goes on until it is told, or has gone far enough.
func (q coupling) steps(ended func(done int, gap float64) bool) []couplingStep {
	n := q.classes
	p, qp := slices.Repeat([]float64{1 / float64(n)}, n), make([]float64, n)
	var all []couplingStep
	for {
		pqp, gap := 0.0, 0.0
		for i := range n {
			qp[i] = 0
			for j := range n {
				qp[i] += q.q[i*n+j] * p[j]
			}
			pqp += p[i] * qp[i]
		}
		for _, x := range qp {
			gap = max(gap, math.Abs(x-pqp))
		}
		all = append(all, couplingStep{slices.Clone(p), gap})
		if ended(len(all)-1, gap) || len(all) > mostCouplings {
			return all
		}
		for i := range n {
			d := (pqp - qp[i]) / q.q[i*n+i]
			p[i] += d
			pqp = (pqp + d*(d*q.q[i*n+i]+2*qp[i])) / (1 + d) / (1 + d)
			for j := range n {
				qp[j] = (qp[j] + d*q.q[i*n+j]) / (1 + d)
				p[j] /= 1 + d
			}
		}
	}
}
