package kernel

import (
	"fmt"
	"math"
	"testing"

	"github.com/petrify-ml/petrify/internal/race"
)

// losses are the sums of terms over two slices, with their gradients by the
// first of them, or by the second where the first has none of interest.
var losses = []struct {
	name string
	sum  func(a, b []float32) float64
	grad func(d, a, b []float32, scale float64)
	term func(a, b float64) float64
	// slope is the derivative, error what float32 may add to it.
	slope func(a, b float64) (slope, error float64)
	sumBy float64 // error of a term
}{
	{"absolute error", AbsoluteError[float32], AbsoluteErrorGrad[float32],
		func(a, b float64) float64 { return math.Abs(a - b) },
		func(a, b float64) (float64, float64) { return sign(a - b), 0 }, 0},
	// Softplus has 2.5 units in the last place of a number below log 2, the
	// sigmoid 2.5 of one below 1, the difference half of one below 1.
	{"cross-entropy", CrossEntropy[float32], CrossEntropyGrad[float32],
		func(a, b float64) float64 { return truth(Softplus, 0, a) - a*b },
		func(a, b float64) (float64, float64) { return truth(Sigmoid, 0, a) - b, 3 * 0x1p-24 }, 2.5 * 0x1p-24},
	{"divergence", Divergence[float32], func(d, _, b []float32, scale float64) { DivergenceGrad(d, b, scale) },
		func(a, b float64) float64 { return (a*a + math.Exp(b) - 1 - b) / 2 },
		func(_, b float64) (float64, float64) { return math.Expm1(b) / 2, 0 }, 0},
}

func sign(x float64) float64 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return x
}

func TestLossesAreTheSumsOfTheirTerms(t *testing.T) {
	onPaths(t, func(t *testing.T) {
		for _, l := range losses {
			for _, n := range []int{0, 1, 7, 2048, 2049, 30_000} {
				a, b := numbers(1, n), numbers(2, n)
				for i := range min(n, 5) {
					a[i], b[i] = []float32{0, 20, -20, 80, -80}[i], 0.5
				}
				var want float64
				for i := range a {
					want += l.term(float64(a[i]), float64(b[i]))
				}
				if got := l.sum(a, b); !(math.Abs(got-want) <= float64(n)*l.sumBy+1e-12*math.Abs(want)) {
					t.Errorf("%s of %d terms is %v, want %v", l.name, n, got, want)
				}
				const scale = 0.3
				d := make([]float32, n)
				l.grad(d, a, b, scale)
				for i, got := range d {
					slope, err := l.slope(float64(a[i]), float64(b[i]))
					if !(math.Abs(float64(got)-scale*slope) <= scale*err+place(scale*slope)) {
						t.Fatalf("slope of %s at %v, %v is %v, want %v", l.name, a[i], b[i], got, scale*slope)
					}
				}
			}
		}
	})
}

func TestLossesCarryNaN(t *testing.T) {
	onPaths(t, func(t *testing.T) {
		for _, l := range losses {
			a, b, d := numbers(1, 5000), numbers(2, 5000), make([]float32, 5000)
			b[4321] = float32(math.NaN())
			if sum := l.sum(a, b); sum == sum {
				t.Errorf("%s with a NaN is %v", l.name, sum)
			}
			l.grad(d, a, b, 1)
			for i, v := range d {
				if (v != v) != (i == 4321) {
					t.Fatalf("%s: slope %d is %v, the NaN is at 4321", l.name, i, v)
				}
			}
		}
	})
}

func TestReparameterizeMovesAndStretchesTheNoise(t *testing.T) {
	onPaths(t, func(t *testing.T) {
		const n = 3001
		mean, logvar, noise, dz := numbers(1, n), numbers(2, n), numbers(3, n), numbers(4, n)
		z, d := make([]float32, n), make([]float32, n)
		Reparameterize(z, mean, logvar, noise)
		ReparameterizeGrad(d, dz, logvar, noise)
		for i := range z {
			stretched := math.Exp(float64(logvar[i])/2) * float64(noise[i])
			// One unit of the exponential, half of the product, half of the sum.
			want := float64(mean[i]) + stretched
			if limit := 2*place(stretched) + place(want); !(math.Abs(float64(z[i])-want) <= limit) {
				t.Fatalf("z[%d] is %v, want %v", i, z[i], want)
			}
			slope := float64(dz[i]) * stretched / 2
			if limit := 4 * place(slope); !(math.Abs(float64(d[i])-slope) <= limit) {
				t.Fatalf("slope %d is %v, want %v", i, d[i], slope)
			}
		}
	})
}

func TestLossesAllocateNothing(t *testing.T) {
	a, b, d := numbers(1, 50_000), numbers(2, 50_000), make([]float32, 50_000)
	for _, l := range losses {
		for _, threads := range []int{1, 2} {
			old := SetThreads(threads)
			if n := race.AllocsPerRun(20, func() { l.sum(a, b); l.grad(d, a, b, 1) }); n != 0 {
				t.Errorf("%s", fmt.Sprint(l.name, " with ", threads, " threads: ", n, " allocations"))
			}
			SetThreads(old)
		}
	}
}
