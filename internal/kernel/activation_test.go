package kernel

import (
	"fmt"
	"math"
	"testing"
)

// truth is each function in float64, from definitions that differ from those
// of the package.
func truth(f Func, alpha, x float64) float64 {
	switch f {
	case ReLU:
		return max(x, 0)
	case LeakyReLU:
		if x < 0 {
			return alpha * x
		}
	case Tanh:
		return math.Tanh(x)
	case Sigmoid:
		if x < -30 {
			return math.Exp(x) // 1 + e^x is 1 in float64 from -37 on, and e^x its error
		}
		return 1 / (1 + math.Exp(-x))
	case Softplus:
		if x > 40 {
			return x
		}
		return math.Log1p(math.Exp(x))
	case ELU:
		if x < 0 {
			return alpha * math.Expm1(x)
		}
	}
	return x
}

// The largest errors in units in the last place that the documentation states.
// A scan of every float32 of magnitudes from 2^-16 to 110, and of one in 47
// beyond, found at most 0.991 for exp, 2.419 for tanh, 2.402 for the sigmoid,
// 2.236 for softplus and 0.891 for the rest. The test takes one in 2003.
func TestFunctionsAreAsAccurateAsStated(t *testing.T) {
	onPaths(t, func(t *testing.T) {
		for _, c := range []struct {
			name  string
			limit float64
			f     func(y, x []float32)
			truth func(x float64) float64
		}{
			{"exp", 1, Exp[float32], math.Exp},
			{"tanh", 2.5, activation(Tanh, 0), func(x float64) float64 { return truth(Tanh, 0, x) }},
			{"sigmoid", 2.5, activation(Sigmoid, 0), func(x float64) float64 { return truth(Sigmoid, 0, x) }},
			{"softplus", 2.5, activation(Softplus, 0), func(x float64) float64 { return truth(Softplus, 0, x) }},
			{"elu", 1, activation(ELU, 1), func(x float64) float64 { return truth(ELU, 1, x) }},
			{"softplus gradient", 1, softplusSlope1, func(y float64) float64 { return -math.Expm1(-max(y, 0)) }},
		} {
			worst, at := 0.0, float32(0)
			x, y := make([]float32, 0, 4096), make([]float32, 4096)
			flush := func() {
				c.f(y[:len(x)], x)
				for i, v := range x {
					if e := ulps(y[i], c.truth(float64(v))); !(e <= worst) {
						worst, at = e, v
					}
				}
				x = x[:0]
			}
			step := uint64(2003)
			if testing.Short() {
				step = 10007
			}
			for b := uint64(0); b < 1<<32; b += step {
				if x = append(x, math.Float32frombits(uint32(b))); len(x) == cap(x) {
					flush()
				}
			}
			flush()
			x = append(x, awkward()...)
			flush()
			if !(worst <= c.limit) {
				t.Errorf("%s: %.3f units in the last place at %v, want at most %v", c.name, worst, at, c.limit)
			}
		}
	})
}

func activation(f Func, alpha float64) func(y, x []float32) {
	return func(y, x []float32) { Activate(Activation{f, alpha}, y, x) }
}

// softplusSlope1 is the derivative of softplus at outputs y, which are never
// negative.
func softplusSlope1(dx, y []float32) {
	one := make([]float32, len(y))
	for i := range one {
		one[i] = 1
	}
	clipped := make([]float32, len(y))
	for i, v := range y {
		clipped[i] = max(v, 0)
	}
	ActivateGrad(Activation{Func: Softplus}, dx, clipped, one)
}

func TestRectifiersAreExact(t *testing.T) {
	onPaths(t, func(t *testing.T) {
		x := awkward()
		y, want := make([]float32, len(x)), make([]float32, len(x))
		for i, v := range x {
			if want[i] = v; v < 0 {
				want[i] = 0
			}
		}
		Activate(Activation{Func: ReLU}, y, x)
		mustMatch(t, "relu", y, want)
		for i, v := range x {
			if v < 0 {
				want[i] = v * 0.2
			}
		}
		Activate(Activation{LeakyReLU, 0.2}, y, x)
		mustMatch(t, "leaky relu", y, want)
		Activate(Activation{}, y, x)
		mustMatch(t, "identity", y, x)
	})
}

func TestNaNComesOutWhereItGoesIn(t *testing.T) {
	onPaths(t, func(t *testing.T) {
		nan := float32(math.NaN())
		for f := range Func(len(funcNames)) {
			act := Activation{f, 0.2}
			x := []float32{1, nan, -1, -nan, 0}
			y, dx, one := make([]float32, 5), make([]float32, 5), []float32{1, 1, 1, 1, 1}
			Activate(act, y, x)
			ActivateGrad(act, dx, y, one)
			for i := range y {
				if isNaN := y[i] != y[i]; isNaN != (x[i] != x[i]) {
					t.Errorf("%v(%v) = %v", f, x[i], y[i])
				}
				if isNaN := dx[i] != dx[i]; isNaN != (x[i] != x[i] && f != Identity) {
					t.Errorf("%v'(%v) = %v", f, x[i], dx[i])
				}
			}
			ActivateGrad(act, dx, one, x)
			for i := range dx {
				if (dx[i] != dx[i]) != (x[i] != x[i]) {
					t.Errorf("%v: %v times the derivative is %v", f, x[i], dx[i])
				}
			}
		}
	})
}

// grads without a transcendental are operations rounded one by one.
func TestGradientsAreTheSameBitsOnBothPaths(t *testing.T) {
	values := append(awkward(), numbers(5, 300)...)
	var y, dy []float32
	for _, a := range values {
		for _, b := range awkward() {
			y, dy = append(y, a), append(dy, b)
		}
	}
	for f := range Func(len(funcNames)) {
		if f == Softplus {
			continue
		}
		act := Activation{f, 0.3}
		got, want := make([]float32, len(y)), make([]float32, len(y))
		ActivateGrad(act, got, y, dy)
		portably(func() { ActivateGrad(act, want, y, dy) })
		mustMatch(t, f.String(), got, want)
	}
}

func TestFloat64GradientsAreTheDifferences(t *testing.T) {
	for f := range Func(len(funcNames)) {
		act := Activation{f, 0.3}
		for x := -5.0; x < 5; x += 0.37 {
			const h = 1e-6
			in, out := []float64{x - h, x, x + h}, make([]float64, 3)
			Activate(act, out, in)
			for i, v := range in {
				if want := truth(f, 0.3, v); math.Abs(out[i]-want) > 4e-16*max(1, math.Abs(want)) {
					t.Errorf("%v(%v) = %v, want %v", f, v, out[i], want)
				}
			}
			slope := []float64{0}
			ActivateGrad(act, slope, out[1:2], []float64{2})
			// The second derivatives are below 1, so the central difference is
			// within h^2 of the truth, and its rounding within 2^-52 5/h.
			if want := (out[2] - out[0]) / h; math.Abs(slope[0]-want) > 2e-9 {
				t.Errorf("%v'(%v) = %v, want %v", f, x, slope[0]/2, want/2)
			}
		}
	}
}

// An element's result depends on its value alone: not on the length of the
// slice, its alignment, or the place within a row. Nothing is written beyond its end.
func TestPlaceDoesNotMatter(t *testing.T) {
	onPaths(t, func(t *testing.T) {
		x := append(awkward(), numbers(1, 60)...)
		for f := range Func(len(funcNames)) {
			act := Activation{f, 0.7}
			alone, slopes := make([]float32, len(x)), make([]float32, len(x))
			for i := range x {
				Activate(act, alone[i:i+1], x[i:i+1])
				ActivateGrad(act, slopes[i:i+1], x[i:i+1], x[len(x)-1-i:][:1])
			}
			backwards := make([]float32, len(x))
			for i := range x {
				backwards[i] = x[len(x)-1-i]
			}
			for n := range len(x) {
				for lo := range min(9, len(x)-n) {
					y := numbers(2, len(x)+9)
					was := append([]float32{}, y...)
					copy(was[3:], alone[lo:lo+n])
					Activate(act, y[3:3+n], x[lo:lo+n])
					mustMatch(t, fmt.Sprintf("%v of [%d:%d]", f, lo, lo+n), y, was)
					copy(was[3:], slopes[lo:lo+n])
					ActivateGrad(act, y[3:3+n], x[lo:lo+n], backwards[lo:lo+n])
					mustMatch(t, fmt.Sprintf("%v' of [%d:%d]", f, lo, lo+n), y, was)
				}
			}
		}
	})
}

func TestOutputMayBeTheInput(t *testing.T) {
	onPaths(t, func(t *testing.T) {
		for f := range Func(len(funcNames)) {
			act := Activation{f, 0.2}
			x, dy := numbers(1, 5000), numbers(2, 5000)
			want := make([]float32, len(x))
			Activate(act, want, x)
			Activate(act, x, x)
			mustMatch(t, f.String(), x, want)
			ActivateGrad(act, want, x, dy)
			y := append([]float32{}, x...)
			ActivateGrad(act, y, y, dy)
			mustMatch(t, f.String()+" gradient over y", y, want)
			ActivateGrad(act, dy, x, dy)
			mustMatch(t, f.String()+" gradient over dy", dy, want)
		}
	})
}

func TestFuncNames(t *testing.T) {
	if got := LeakyReLU.String(); got != "leaky-relu" {
		t.Errorf("got %q", got)
	}
	if got := Func(200).String(); got != "func(200)" {
		t.Errorf("got %q", got)
	}
}
