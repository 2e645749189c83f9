package reference

import (
	"fmt"
	"math"
	"slices"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// What the operators of com.microsoft on bytes have in common: a byte x stands for
// the number (x - zero point) scale, and a number q is stored as q/scale, rounded
// half to even, plus the zero point, cut to the range of its type. ONNX Runtime's
// kernels do that in float32, some of them with the zero point added before they
// round.

// whole is the format of integers: their sums and products do not round.
var whole = format{max: math.Inf(1)}

// A scaling is the scale and the zero point of a tensor.
type scaling struct {
	scale number
	zero  float64
}

// scaling reads a scale and a zero point, which is 0 where it is left out, of one
// element each.
func (c *call) scaling(scale, zero *Value) scaling {
	if scale.Len() != 1 || zero != nil && zero.Len() != 1 {
		fail(fmt.Errorf("scale of shape %v, want one element; so for its zero point", scale.Dims))
	}
	return scaling{scale.at(0), zeroPoint(zero, 0)}
}

// shifted is byte i of v less the zero point.
func (s scaling) shifted(v *Value, i int) number {
	n := v.at(i)
	n.v -= s.zero
	return n
}

// number is what byte i of v stands for.
func (s scaling) number(f format, v *Value, i int) number { return f.scale(s.shifted(v, i), s.scale) }

// scale is a b, without an error of its own where the product is a number of the
// format, as the one with a power of two is.
func (f format) scale(a, b number) number {
	whole := f.holds(a.v)
	if whole && a == exact(a.v) && b == exact(b.v) && f.holds(a.v*b.v) {
		return exact(a.v * b.v)
	}
	if !whole { // an integer that is converted first
		e := f.u * math.Abs(a.v)
		a.sound += e
		a.spread = hypot(a.spread, e*rootOfThird)
	}
	return f.mul(a, b)
}

// over is the quotient of two scales, which runtimes compute as a product with the
// reciprocal, too.
func (f format) over(a, b number) number {
	if q := f.div(a, b); q == exact(q.v) {
		return q
	}
	return f.ratio(a, b)
}

// exactly returns the sum of numbers without error where every order of adding them
// up in the format gives it: all are multiples of one unit, and their magnitudes
// together are no more than the format has digits for.
func (f format) exactly(terms []number) (number, bool) {
	most, sum := 0.0, 0.0
	for _, t := range terms {
		if t != exact(t.v) {
			return number{}, false
		}
		most += math.Abs(t.v)
		sum += t.v
	}
	if math.IsInf(most, 0) || math.IsNaN(most) {
		return number{}, false
	}
	_, exponent := math.Frexp(most)
	unit := math.Ldexp(2*f.u, exponent-1)
	for _, t := range terms {
		if q := t.v / unit; q != math.Trunc(q) {
			return number{}, false
		}
	}
	return exact(sum), true
}

// meanOfBytes is the mean of n numbers that bytes stand for.
func (f format) meanOfBytes(terms []number, n int) number {
	if sum, ok := f.exactly(terms); ok {
		return f.over(sum, exact(float64(n)))
	}
	return f.meanOf(terms, n)
}

// store quantizes the number q, in units of the scale, as element i of v.
func (c *call) store(v *Value, i int, f format, q number, zero float64) {
	c.storeSum(v, i, f.withZero(q, zero), zero)
}

// withZero is q with the figures that it has if a zero point is added to it in the
// format.
func (f format) withZero(q number, zero float64) number {
	if sum := q.v + zero; q != exact(q.v) || f.nearest(sum) != sum {
		a := f.u * max(math.Abs(q.v), math.Abs(sum))
		q.sound += a
		q.spread = hypot(q.spread, a*rootOfThird)
	}
	return q
}

// storeSum is store for a q whose figures know of the zero point. Half-way between
// two integers, the even one depends on whether the zero point was added before:
// where it is odd, either is right.
func (c *call) storeSum(v *Value, i int, q number, zero float64) {
	if _, fraction := math.Modf(q.v); q == exact(q.v) && math.Abs(fraction) == 0.5 && math.Mod(zero, 2) != 0 {
		q.sound, q.declared = 0.25, 0.25
	}
	c.quantize(v, i, q, zero)
}

// numbersOf returns the numbers that the bytes of v stand for, as float32.
func (c *call) numbersOf(v *Value, s scaling) *Value {
	out := c.numbers(pb.TensorProto_FLOAT, v.Dims...)
	f := c.format(out)
	for i := range out.Len() {
		out.set(i, s.number(f, v, i))
	}
	return out
}

// mapBytes is an operator on one tensor of bytes: X, its scale and zero point, those
// of the result. It is computed in float32.
func mapBytes(name string, fn func(c *call, f format) func(number) number) operator {
	return operator{
		name: name, domain: microsoft, in: []port{moves},
		eval: single(func(c *call) *Value {
			x := c.in[0]
			from, to := c.scalings(1, 3)
			out := c.zeros(x.Type, true, x.Dims...)
			f := c.format(c.in[1])
			rule := fn(c, f)
			for i := range out.Len() {
				c.store(out, i, f, f.over(rule(from.number(f, x, i)), to.scale), to.zero)
			}
			return out
		}),
	}
}

// scalings reads two scales, each followed by its zero point.
func (c *call) scalings(a, b int) (left, right scaling) {
	return c.scaling(c.in[a], c.in[a+1]), c.scaling(c.in[b], c.in[b+1])
}

// zipBytes is an operator on A and B of bytes, which broadcast, each followed by its scale
// and its zero point, as the result is. rule gives the result in units of
// its scale.
func zipBytes(name string, rule func(f format, a, b number, left, right, to scaling) number) operator {
	return operator{
		name: name, domain: microsoft, in: []port{moves, derived, derived, moves},
		eval: single(func(c *call) *Value {
			a, b := c.in[0], c.in[3]
			left, right := c.scalings(1, 4)
			to := c.scaling(c.in[6], c.in[7])
			f := c.format(c.in[1])
			return c.zip(a, b, a.Type, true, func(out *Value, i, j, k int) {
				c.storeSum(out, i, rule(f, a.at(j), b.at(k), left, right, to), to.zero)
			})
		}),
	}
}

// channelsFirst moves the last axis of an image to the place after the first one, channelsLast
// moves it back.
func (c *call) channelsFirst(x *Value) *Value {
	if len(x.Dims) < 2 {
		fail(fmt.Errorf("input of shape %v, want batch and channels", x.Dims))
	}
	perm := []int{0, len(x.Dims) - 1}
	for a := 1; a < len(x.Dims)-1; a++ {
		perm = append(perm, a)
	}
	return c.transpose(x, perm)
}

func (c *call) channelsLast(y *Value) *Value {
	perm := []int{0}
	for a := 2; a < len(y.Dims); a++ {
		perm = append(perm, a)
	}
	return c.transpose(y, append(perm, 1))
}

// withImages is the call of an operator for images whose channels are first, given
// inputs that have them last; it brings the result back.
func (c *call) withImages(inputs []int, eval func(c *call) *Value) *Value {
	inner := *c
	inner.in = slices.Clone(c.in)
	for _, i := range inputs {
		if !c.given(i) {
			continue
		}
		x := c.channelsFirst(c.in[i])
		inner.in[i] = x
	}
	y := eval(&inner)
	out := c.channelsLast(y)
	out.Terms, out.Unit = y.Terms, y.Unit
	return out
}

// first is the first result of an evaluation.
func first(eval func(c *call) []*Value) func(c *call) *Value {
	return func(c *call) *Value { return eval(c)[0] }
}
