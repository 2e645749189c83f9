package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

// numbers are n values in [-1, 1) that depend on the seed alone.
func numbers(seed uint64, n int) []float32 {
	r := rand.New(rand.NewPCG(seed, 0))
	x := make([]float32, n)
	for i := range x {
		x[i] = 2*r.Float32() - 1
	}
	return x
}

// awkward are values at which float32 arithmetic has its corners.
func awkward() []float32 {
	inf := float32(math.Inf(1))
	x := []float32{0, 0x1p-149, 3 * 0x1p-149, 0x1p-127, 0x1p-126, 0x1.8p-100, 0x1p-24, 0x1p-12, 0.25, 0.34657, 0.34658, 0.5, 1, 1.5,
		2, 8.9, 9.1, 17, 18.5, 20, 50, 86.9, 87.1, 88.7, 88.8, 103.9, 104.1, 1000, 0x1p24, 0x1p100, math.MaxFloat32, inf}
	for _, v := range x {
		x = append(x, -v)
	}
	return append(x, float32(math.NaN()), float32(math.Copysign(math.NaN(), -1)))
}

// same tells whether two numbers have the same bits, all NaN taken as one.
func same(a, b float32) bool {
	return math.Float32bits(a) == math.Float32bits(b) || a != a && b != b
}

// mustMatch fails at the first element that differs in a bit.
func mustMatch(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d elements, want %d", what, len(got), len(want))
	}
	for i := range want {
		if !same(got[i], want[i]) {
			t.Fatalf("%s: element %d of %d is %v (%#08x), want %v (%#08x)", what, i, len(want),
				got[i], math.Float32bits(got[i]), want[i], math.Float32bits(want[i]))
		}
	}
}

// ulps is the error of got in units in the last place of want. NaN is right for
// NaN, and an infinity where want rounds to it.
func ulps(got float32, want float64) float64 {
	w := float32(want)
	if same(got, w) && (w != w || math.IsInf(float64(w), 0)) {
		return 0
	}
	if got != got || w != w || math.IsInf(float64(got), 0) || math.IsInf(float64(w), 0) {
		return math.Inf(1)
	}
	return math.Abs(float64(got)-want) / place(want)
}

// place is the unit in the last place of a float32 near x.
func place(x float64) float64 {
	if x == 0 || math.Abs(x) < 0x1p-126 {
		return smallest
	}
	return math.Ldexp(1, math.Ilogb(x)-23)
}

// unit is half the spacing of float32 at 1, smallest its least positive number.
const (
	unit     = 0x1p-24
	smallest = 0x1p-149
)

// gamma bounds the relative error that n roundings leave behind.
func gamma(n int) float64 { return float64(n) * unit / (1 - float64(n)*unit) }
