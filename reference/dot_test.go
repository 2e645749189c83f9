package reference

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestEqualPairs(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 2, 7, 64, 5000} {
		values := make([]float64, n)
		counts, want := map[float64]float64{}, 0.0
		for i := range values {
			values[i] = float64(r.IntN(n)) - float64(n/2)
			counts[values[i]]++
		}
		for _, c := range counts {
			want += c * c
		}
		values, want = append(values, math.NaN(), math.NaN(), math.Inf(1), math.Inf(1)), want+1+1+4
		if got := equalPairs(values); got != want {
			t.Errorf("%d values: %v equal pairs, want %v", n, got, want)
		}
	}
}

func TestHypot(t *testing.T) {
	for _, x := range [][2]float64{{0, 0}, {0, 3}, {3, 0}, {3, 4}, {1e-200, 1e-200}, {5e-324, 5e-324}, {1e200, 1e200}, {math.Inf(1), math.NaN()}, {1, math.NaN()}, {math.Inf(1), 1}} {
		got, want := hypot(x[0], x[1]), math.Hypot(x[0], x[1])
		if !(math.Abs(got-want) <= 0x1p-52*want) && !(math.IsNaN(got) && math.IsNaN(want)) && got != want {
			t.Errorf("the root of the squares of %v is %v, want %v", x, got, want)
		}
	}
}
