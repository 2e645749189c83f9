package reference

import "math"

// A function is a function of one real variable as an operator applies it to
// every element.
type function struct {
	f func(x float64) float64
	// change bounds |f(x')-f(x)| over |x'-x| <= e.
	change func(x, e float64) float64
	// steps says that f is constant except for its jumps, which change measures.
	steps bool
	// exact says that a float32 runtime has f's value without an error of its
	// own; otherwise declared says what error it may have.
	exact    bool
	declared declaredError
}

// at applies the function to a number whose results have the format f.
func (fn function) at(f format, x number) number {
	y := number{v: fn.f(x.v)}
	if math.IsNaN(y.v) {
		// The functions here are defined on intervals that contain or touch zero,
		// or begin at one: what lies outside on one side of zero stays there.
		lo, hi := x.v-x.sound, x.v+x.sound
		if math.IsNaN(fn.f(lo)) && math.IsNaN(fn.f(hi)) && (lo > 0 || hi < 0) {
			return exact(y.v)
		}
		return notANumber(x)
	}
	if fn.steps {
		if x.sound > 0 {
			y.sound = fn.change(x.v, x.sound)
		}
		if r := x.screen(); r > 0 {
			y.declared = fn.change(x.v, r)
		}
		return f.settle(y)
	}
	if x.sound > 0 {
		y.sound = fn.change(x.v, x.sound)
	}
	if r := x.screen(); r > 0 {
		// The secant over the whole screen is not less than the slope anywhere
		// in it, up to curvature over a distance of a few roundings.
		slope := fn.change(x.v, r) / r
		y.spread = times(slope, x.spread)
		y.declared = times(slope, x.declared)
	}
	if fn.exact {
		return f.settle(y)
	}
	if fn.declared == correctlyRounded {
		return f.rounded(y, 1)
	}
	a := math.Abs(y.v)
	if math.IsInf(y.v, 0) {
		a = 0
	}
	y.declared += fn.declared.of(f, a+y.declared+Screens*y.spread)
	y.sound += fn.declared.of(f, a+y.sound)
	y.spread = hypot(y.spread, f.u*a*rootOfThird)
	return f.settle(y)
}

// bySlope bounds the change of a function by its largest slope on an interval.
func bySlope(slope func(lo, hi float64) float64) func(x, e float64) float64 {
	return func(x, e float64) float64 { return times(slope(x-e, x+e), e) }
}

// monotone bounds the change of a monotone function by its values at the ends.
func monotone(f func(float64) float64) func(x, e float64) float64 {
	return func(x, e float64) float64 {
		y := f(x)
		return max(math.Abs(f(x+e)-y), math.Abs(y-f(x-e)))
	}
}

// nearest is the smallest magnitude, farthest the largest one, in [lo, hi].
func nearest(lo, hi float64) float64 {
	if lo <= 0 && hi >= 0 {
		return 0
	}
	return min(math.Abs(lo), math.Abs(hi))
}

func farthest(lo, hi float64) float64 { return max(math.Abs(lo), math.Abs(hi)) }

// A declaredError is the error that an implementation of a function is
// allowed: |computed - f(x)| <= (rel |f(x)| + abs) u.
type declaredError struct{ rel, abs float64 }

// correctlyRounded is the declared error of one rounding, which the spread speaks of.
var correctlyRounded = declaredError{rel: 1}

func (d declaredError) of(f format, y float64) float64 {
	return (d.rel*y+d.abs)*f.u + f.tiny
}

// A Function is a row of the table of declared errors.
type Function struct {
	Name string
	// |computed - true| <= (Rel |true| + Abs) u, where u is the unit roundoff:
	// an error of n ULP is at most 2n in Rel.
	Rel, Abs float64
	Source   string
}

const (
	measured = "largest error of ONNX Runtime 1.30 (CPU) and PyTorch 1.13 over 10^6 arguments, times 1.5, rounded up"
	// Kernels of RNN, GRU and LSTM have approximations of their own, which are
	// accurate in absolute terms only.
	recurrentlyMeasured = "largest error of ONNX Runtime 1.30 (CPU) in RNN, GRU and LSTM over 20,000 arguments, times 1.5, rounded up: not accurate in ULP where the result is small"
	ieee                = "IEEE 754-2019, section 5.4.1: correctly rounded"
)

// Functions returns the table of declared errors, by name.
func Functions() []Function {
	return []Function{
		{"Acos", 8, 0, measured},
		{"Acosh", 4, 0, measured},
		{"Asin", 12, 0, measured},
		{"Asinh", 4, 0, measured},
		{"Atan", 7, 0, measured},
		{"Atanh", 4, 0, measured},
		{"Cos", 5, 0, measured},
		{"Cosh", 3, 0, measured},
		{"Erf", 3, 0, measured},
		{"Exp", 3, 0, measured},
		{"Log", 6, 0, measured},
		{"Pow", 4, 0, "exponential of a product in extended precision: an error of 2 ULP, twice that of Exp and Log in the C libraries"},
		{"RecurrentSoftplus", 3, 13, recurrentlyMeasured},
		{"RecurrentTanh", 3, 13, recurrentlyMeasured},
		{"Sigmoid", 3, 4, measured + "; not accurate in ULP where the result is small"},
		{"Sin", 5, 0, measured},
		{"Sinh", 4, 0, measured},
		{"Softplus", 8, 0, measured},
		{"Sqrt", 1, 0, ieee},
		{"Tan", 3, 0, measured},
		{"Tanh", 8, 0, measured},
	}
}

// declared finds the declared error of a function.
func declared(name string) declaredError {
	for _, f := range Functions() {
		if f.Name == name {
			return declaredError{f.Rel, f.Abs}
		}
	}
	return declaredError{math.Inf(1), 0}
}
