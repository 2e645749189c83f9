package reference

import (
	"math"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// A number is one element: its value in float64 and the three figures of the
// package comment, all of them absolute and at least zero.
type number struct{ v, sound, spread, declared float64 }

// Screens is the number of spreads that the screen allows. docs/verification.md has the errors of
// correct runtimes, in spreads.
const Screens = 8

// negligible is a part of a spread that changes no verdict.
const negligible = 0x1p-16

// merged counts a declared error that is negligible beside the spread with it. Underflow costs 1e-38, but added up as if
// all errors agreed in sign it grows twentyfold in every layer, and at the end of fifty hides everything.
func (n number) merged() number {
	if n.declared > 0 && n.declared <= n.spread*negligible {
		n.spread, n.declared = n.spread+n.declared, 0
	}
	return n
}

// scattered counts a declared error as a part of the spread that may have either sign.
func (n number) scattered() number {
	if n.declared == 0 {
		return n
	}
	n.spread, n.declared = hypot(n.spread, n.declared*rootOfThird), 0
	return n
}

// exact returns v without error.
func exact(v float64) number { return number{v: v} }

// screen is the radius around n.v in which a correct runtime is expected.
func (n number) screen() float64 { return Screens*n.spread + n.declared }

// notANumber is the result of an operation on operands that gives none. It is NaN
// for certain if an operand is, or if no operand has an error: then every runtime
// that follows IEEE 754 has NaN, too, and the figures are zero.
func notANumber(operands ...number) number {
	certain := true
	for _, o := range operands {
		if math.IsNaN(o.v) && o.sound == 0 {
			return exact(math.NaN())
		}
		certain = certain && o.sound == 0
	}
	if certain {
		return exact(math.NaN())
	}
	return unknown(math.NaN())
}

// unknown returns v with figures that say nothing.
func unknown(v float64) number {
	return number{v, math.Inf(1), math.Inf(1), math.Inf(1)}
}

// A format is what rounding to a floating-point type costs.
type format struct {
	u    float64 // unit roundoff: the relative error of one rounding
	tiny float64 // the absolute error of one that underflows or is flushed to zero
	max  float64 // the largest finite value
	// normal is the least number with all digits, where those below are multiples of tiny; 0 where they are flushed or do not matter.
	normal float64

	operand   float64 // relative error of the operands of products, besides their figures
	unlike    float64 // how little the errors of the operands of a sum have to do with each other: see origin
	own       float64 // the part of the variance of a sum's terms that is each one's own: see origin
	reordered bool    // spreads hold for any usual order of summation: see orders
	adder     *adder  // adds up in the place of exact arithmetic, unless nil: see Imitation
}

// formatOf returns the format of a floating-point type. The reference is no
// more precise than a float64 runtime, so u is doubled there: half for each.
func formatOf(t pb.TensorProto_DataType) format {
	switch t {
	case pb.TensorProto_DOUBLE:
		return format{u: 0x1p-52, tiny: 0x1p-1022, max: math.MaxFloat64}
	case pb.TensorProto_FLOAT16:
		return format{u: 0x1p-11, tiny: 0x1p-24, max: 65504, normal: 0x1p-14}
	case pb.TensorProto_BFLOAT16:
		return format{u: 0x1p-8, tiny: 0x1p-126, max: 0x1.FEp127}
	case pb.TensorProto_FLOAT8E4M3FN:
		return format{u: 0x1p-4, tiny: 0x1p-9, max: 448, normal: 0x1p-6}
	case pb.TensorProto_FLOAT8E4M3FNUZ:
		return format{u: 0x1p-4, tiny: 0x1p-10, max: 240, normal: 0x1p-7}
	case pb.TensorProto_FLOAT8E5M2:
		return format{u: 0x1p-3, tiny: 0x1p-16, max: 57344, normal: 0x1p-14}
	case pb.TensorProto_FLOAT8E5M2FNUZ:
		return format{u: 0x1p-3, tiny: 0x1p-17, max: 57344, normal: 0x1p-15}
	case pb.TensorProto_FLOAT4E2M1:
		return format{u: 0x1p-2, tiny: 0.5, max: 6, normal: 1}
	case pb.TensorProto_FLOAT8E8M0:
		return format{u: 1, tiny: 0x1p-127, max: 0x1p127} // to the next power of two
	}
	return format{u: 0x1p-24, tiny: 0x1p-126, max: math.MaxFloat32}
}

// gamma bounds the relative error of n roundings in a row, infinite where no
// bound holds.
func (f format) gamma(n int) float64 {
	nu := float64(n) * f.u
	if nu >= 1 {
		return math.Inf(1)
	}
	return nu / (1 - nu)
}

// settle makes figures of what a rule computed: a figure that is not a number
// bounds nothing, and a value beyond the largest of the type is infinite. What is
// infinite except for a finite error is so for certain.
func (f format) settle(n number) number {
	if math.IsNaN(n.v) {
		return notANumber(n)
	}
	if math.IsNaN(n.sound + n.spread + n.declared) {
		n = number{n.v, known(n.sound), known(n.spread), known(n.declared)}
	}
	switch a := math.Abs(n.v); {
	case math.IsInf(n.v, 0):
		if !math.IsInf(n.sound, 1) {
			return exact(n.v)
		}
	case a-n.sound > f.max*(1+f.u):
		return exact(math.Copysign(math.Inf(1), n.v))
	case a+n.sound > f.max:
		n.sound = math.Inf(1)
		if a+n.screen() > f.max {
			n.declared = math.Inf(1)
		}
	}
	return n
}

// known is a figure, infinite where it is no number.
func known(figure float64) float64 {
	if math.IsNaN(figure) {
		return math.Inf(1)
	}
	return figure
}

// hypot is math.Hypot of two figures, without its scaling where no square overflows or underflows.
func hypot(a, b float64) float64 {
	if a == 0 {
		return b
	}
	if s := a*a + b*b; s > 0x1p-900 && s < 0x1p900 {
		return math.Sqrt(s)
	}
	return math.Hypot(a, b)
}

// rootOfThird is the standard deviation of one rounding, in units of its largest error.
var rootOfThird = math.Sqrt(1.0 / 3)

// rounded is n after its value was rounded `times` times, each of them
// relative to the value itself.
func (f format) rounded(n number, times int) number {
	if math.IsInf(n.v, 0) || math.IsNaN(n.v) {
		return f.settle(n) // neither is rounded
	}
	a, each := math.Abs(n.v), rootOfThird
	if times != 1 {
		each = math.Sqrt(float64(times) / 3)
	}
	r := number{
		v:        n.v,
		sound:    n.sound + f.gamma(times)*(a+n.sound) + float64(times)*f.tiny,
		spread:   hypot(n.spread, each*f.u*a),
		declared: n.declared + float64(times)*f.tiny,
	}
	// A result overflows from half a unit beyond the largest number on; below, it is rounded
	// to that. The unit of float64 is doubled.
	if times == 1 && f.u > 0x1p-52 && a+n.sound < f.max*(1+f.u/2) && !math.IsNaN(r.screen()) {
		return r.merged()
	}
	return f.settle(r).merged()
}

// absorbs reports whether adding b to a gives a, however b is off: it is less than half a
// unit in a's last place. So a mask of the lowest number leaves scores without a trace.
func (f format) absorbs(a, b number) bool {
	return a == exact(a.v) && a.v != 0 && f.holds(a.v) && math.Abs(b.v)+b.sound <= math.Abs(a.v)*f.u/4
}

func (f format) add(a, b number) number {
	switch {
	case math.IsNaN(a.v + b.v):
		return notANumber(a, b)
	case f.absorbs(a, b):
		return a
	case f.absorbs(b, a):
		return b
	}
	spread := a.spread + b.spread
	if f.unlike > 0 {
		spread = math.Sqrt(spread*spread - 2*f.unlike*a.spread*b.spread)
	}
	return f.rounded(number{a.v + b.v, a.sound + b.sound, spread, a.declared + b.declared}, 1)
}

func (f format) sub(a, b number) number { return f.add(a, neg(b)) }

func neg(a number) number { a.v = -a.v; return a }

func (f format) mul(a, b number) number {
	x, y := math.Abs(a.v), math.Abs(b.v)
	if math.IsNaN(a.v * b.v) {
		return notANumber(a, b)
	}
	return f.rounded(number{
		v:        a.v * b.v,
		sound:    times(x, b.sound) + times(y, a.sound) + times(a.sound, b.sound),
		spread:   times(x, b.spread) + times(y, a.spread) + Screens*times(a.spread, b.spread),
		declared: times(x, b.declared) + times(y, a.declared) + times(a.declared, b.declared) + Screens*(times(a.spread, b.declared)+times(b.spread, a.declared)),
	}, 1)
}

// times is slope*error where an error of zero stays zero whatever the slope.
func times(slope, e float64) float64 {
	if e == 0 {
		return 0
	}
	return slope * e
}

func (f format) div(a, b number) number {
	q := number{v: a.v / b.v}
	if math.IsNaN(q.v) {
		return notANumber(a, b)
	}
	if a == exact(a.v) && b == exact(b.v) && f.holds(q.v) {
		if half, _ := math.Frexp(b.v); math.Abs(half) == 0.5 {
			return q // exact, as a product with the reciprocal, too
		}
	}
	x, y := math.Abs(q.v), math.Abs(b.v)
	// a'/b' - a/b = (a'-a - q (b'-b)) / b', and |b'| is at least y - error.
	q.sound = quotient(a.sound+times(x, b.sound), y-b.sound)
	q.spread = quotient(a.spread+times(x, b.spread), y-b.screen())
	q.declared = quotient(a.declared+times(x, b.declared), y-b.screen())
	if math.IsInf(b.v, 0) && !math.IsInf(a.v, 0) {
		q = number{v: q.v} // finite over infinite is zero, whatever the error
	}
	return f.rounded(q, 1)
}

// holds reports whether x is a number of the format, and no subnormal one.
func (f format) holds(x float64) bool {
	a := math.Abs(x)
	return x == 0 || a >= f.tiny && a >= f.normal && a <= f.max && f.nearest(x) == x
}

// has reports whether x is a number of the format, subnormal ones included.
func (f format) has(x float64) bool {
	return f.nearest(x) == x && math.Abs(x) <= f.max && (math.Abs(x) >= f.normal || math.Mod(x, f.tiny) == 0)
}

// ratio is a quotient inside of an operator, which runtimes compute as a product
// with the reciprocal, too: one rounding more.
func (f format) ratio(a, b number) number { return f.rounded(f.div(a, b), 1) }

// quotient is e/least for an error e and the least magnitude of a divisor.
func quotient(e, least float64) float64 {
	switch {
	case e == 0:
		return 0
	case least <= 0:
		return math.Inf(1)
	}
	return e / least
}

// larger is the maximum, NaN if an operand is. Only operands that can be the
// maximum count.
func larger(a, b number) number {
	if math.IsNaN(a.v) || math.IsNaN(b.v) {
		return notANumber(a, b)
	}
	if a.v < b.v {
		a, b = b, a
	}
	gap := a.v - b.v
	if gap <= a.sound+b.sound {
		a.sound = max(a.sound, b.sound)
	}
	if gap <= a.screen()+b.screen() {
		a.spread, a.declared = max(a.spread, b.spread), max(a.declared, b.declared)
	}
	return a
}

func smaller(a, b number) number { return neg(larger(neg(a), neg(b))) }

// scaled is n times the factor c, without rounding.
func scaled(n number, c float64) number {
	a := math.Abs(c)
	return number{n.v * c, times(a, n.sound), times(a, n.spread), times(a, n.declared)}
}

// jump adds the height of a discontinuity at distance d from n's argument x. A
// distance that is not a number may be any.
func jump(n, x number, d, height float64) number {
	if !(d > x.sound) && x.sound > 0 {
		n.sound += height
	}
	if r := x.screen(); !(d > r) && r > 0 {
		n.declared += height
	}
	return n
}
