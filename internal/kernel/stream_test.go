package kernel

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
	"testing"
)

// The known answers of Random123, file kat_vectors, for philox4x32 with 10
// rounds.
func TestPhiloxKnownAnswers(t *testing.T) {
	const f = 0xffffffff
	for _, c := range []struct {
		counter [4]uint32
		key     [2]uint32
		want    [4]uint32
	}{
		{[4]uint32{}, [2]uint32{}, [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{[4]uint32{f, f, f, f}, [2]uint32{f, f}, [4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{[4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, [2]uint32{0xa4093822, 0x299f31d0}, [4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	} {
		keys, high := roundKeys(c.key[0], c.key[1]), [2]uint32{c.counter[2], c.counter[3]}
		block := uint64(c.counter[1])<<32 | uint64(c.counter[0])
		if got := philox(&keys, high, block); got != c.want {
			t.Errorf("counter %#x, key %#x: %#x, want %#x", c.counter, c.key, got, c.want)
		}
		onPaths(t, func(t *testing.T) {
			var dst [groupWords]float32
			d := draws{dst: dst[:], keys: keys, high: high, block: block}
			d.do(0, 1, nil)
			for i, w := range c.want {
				if want := float32(w>>8) / (1 << 24); dst[i] != want {
					t.Errorf("counter %#x: number %d is %v, want %v", c.counter, i, dst[i], want)
				}
			}
		})
	}
}

// The offsets stand before carries of the counter's words.
var offsets = []uint64{0, 1, 2, 3, 5, 4*(1<<32) - 70, 4*(1<<33) - 65, 1 << 60}

func TestStreamsAreTheSameBitsOnBothPaths(t *testing.T) {
	s := NewStream(11, "bits")
	for _, draw := range []func(*Stream, []float32){(*Stream).Uniform, (*Stream).Normal} {
		for _, offset := range offsets {
			got, want := make([]float32, 20_000), make([]float32, 20_000)
			s.Seek(offset)
			draw(s, got)
			s.Seek(offset)
			portably(func() { draw(s, want) })
			mustMatch(t, fmt.Sprint("from ", offset), got, want)
		}
	}
}

func TestNumberDependsOnItsIndexAlone(t *testing.T) {
	onPaths(t, func(t *testing.T) {
		for _, draw := range []func(*Stream, []float32){(*Stream).Uniform, (*Stream).Normal} {
			for _, offset := range offsets {
				s := NewStream(3, "parts")
				s.Seek(offset)
				want, got := make([]float32, 500), make([]float32, 500)
				draw(s, want)
				if s.Offset() != offset+500 {
					t.Fatalf("500 numbers from %d end at %d", offset, s.Offset())
				}
				s.Seek(offset)
				for lo, n := 0, 0; lo < len(got); n++ {
					hi := min(lo+n%70, len(got))
					draw(s, got[lo:hi])
					lo = hi
				}
				mustMatch(t, fmt.Sprint("in parts from ", offset), got, want)
			}
		}
	})
}

func TestUint64ContinuesTheWords(t *testing.T) {
	s, r := NewStream(1, "words"), NewStream(1, "words")
	for range 9 {
		var pair [2]float32
		r.Uniform(pair[:])
		v := s.Uint64()
		if lo, hi := float32(uint32(v)>>8)*0x1p-24, float32(v>>40)*0x1p-24; lo != pair[0] || hi != pair[1] {
			t.Fatalf("at %d: %#x, want the words after %v", s.Offset(), v, pair)
		}
	}
}

func TestStreamsOfOtherSeedsAndNamesDiffer(t *testing.T) {
	seen := map[uint64]string{}
	for seed := range uint64(20) {
		for _, name := range []string{"", "a", "b", "ab", "generator.fc1.weight"} {
			id, v := fmt.Sprint(seed, name), NewStream(seed, name).Uint64()
			if was, ok := seen[v]; ok {
				t.Errorf("%s and %s begin alike", id, was)
			}
			seen[v] = id
		}
	}
}

// Box and Muller's formula in float64 on the same words. Of the radius, a
// logarithm's error of 4 units of 2^-24 is halved by the root; the root, the
// sine, which has 2, and the product add theirs.
func TestNormalIsItsFormula(t *testing.T) {
	worst := 0.0
	check := func(w0, w1 uint32) {
		u := (float64(float32(int32(w0>>1))) + 0.5) * 0x1p-31
		r := math.Sqrt(-2 * math.Log(float64(float32(u))))
		sin, cos := math.Sincos(2 * math.Pi * 0x1p-32 * float64(w1))
		got0, got1 := normalPair(w0, w1)
		if r == 0 {
			if got0 != 0 || got1 != 0 {
				t.Errorf("radius 0 gives %v and %v", got0, got1)
			}
			return
		}
		for _, e := range []float64{math.Abs(float64(got0)-r*cos) / r, math.Abs(float64(got1)-r*sin) / r} {
			if !(e <= worst) {
				worst = e
			}
		}
	}
	for i := range uint32(1_000_000) {
		check(i*0x9E3779B9, bits.Reverse32(i*0x85EBCA6B))
		check(math.MaxUint32-i, i*0x9E3779B9)
	}
	for _, w0 := range []uint32{0, 1, 2, 3, 4, 5, 1 << 31, 1<<31 + 1} {
		for _, w1 := range []uint32{0, 1, 1<<29 - 1, 1 << 29, 1 << 30, 1 << 31, 3 << 30, 7 << 29, 1<<32 - 1} {
			check(w0, w1)
		}
	}
	if limit := 6 * unit; !(worst <= limit) {
		t.Errorf("an error of %.2f units of 2^-24 of the radius, want at most %.2f", worst/unit, limit/unit)
	}
}

// kolmogorov is the statistic sqrt(n) D of a sample against a distribution.
func kolmogorov(x []float32, cdf func(float64) float64) float64 {
	x = slices.Sorted(slices.Values(x))
	n, d := float64(len(x)), 0.0
	for i, v := range x {
		p := cdf(float64(v))
		d = max(d, p-float64(i)/n, float64(i+1)/n-p)
	}
	return d * math.Sqrt(n)
}

// chiSquare is the statistic of counts against equal expectations, as a
// standard normal number (Wilson and Hilferty).
func chiSquare(counts []int) float64 {
	total := 0
	for _, c := range counts {
		total += c
	}
	want, sum := float64(total)/float64(len(counts)), 0.0
	for _, c := range counts {
		sum += (float64(c) - want) * (float64(c) - want) / want
	}
	k := float64(len(counts) - 1)
	return (math.Cbrt(sum/k) - (1 - 2/(9*k))) / math.Sqrt(2/(9*k))
}

// poissonTail is the probability that a Poisson number is as far on its side of
// the mean as k, or farther.
func poissonTail(k int, mean float64) (p float64) {
	step := 1
	if float64(k) < mean {
		step = -1
	}
	for ; k >= 0; k += step {
		lg, _ := math.Lgamma(float64(k) + 1)
		term := math.Exp(float64(k)*math.Log(mean) - mean - lg)
		p += term
		if term < 1e-20 {
			break
		}
	}
	return p
}

func normalCDF(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }

// The seeds are fixed, so these tests either pass for good or fail for good.
// The limits are those that a right generator exceeds once in a million times:
// 2.69 for Kolmogorov's statistic, 4.9 standard deviations elsewhere.
const (
	onceInAMillionKS = 2.69
	onceInAMillion   = 4.9
)

func TestDistributions(t *testing.T) {
	const n = 1 << 20
	x := make([]float32, n)

	t.Run("uniform", func(t *testing.T) {
		NewStream(1, "uniform").Uniform(x)
		if lo, hi := slices.Min(x), slices.Max(x); lo < 0 || hi >= 1 {
			t.Errorf("numbers from %v to %v, want [0, 1)", lo, hi)
		}
		if k := kolmogorov(x, func(x float64) float64 { return x }); k > onceInAMillionKS {
			t.Errorf("Kolmogorov's statistic is %.2f", k)
		}
	})

	t.Run("uniform pairs", func(t *testing.T) {
		counts := make([]int, 64*64)
		for i := 0; i < n; i += 2 {
			counts[int(x[i]*64)*64+int(x[i+1]*64)]++
		}
		if z := chiSquare(counts); math.Abs(z) > onceInAMillion {
			t.Errorf("chi-square over a grid of pairs is off by %.1f deviations", z)
		}
	})

	t.Run("normal", func(t *testing.T) {
		s := NewStream(2, "normal")
		s.Normal(x)
		if k := kolmogorov(x, normalCDF); k > onceInAMillionKS {
			t.Errorf("Kolmogorov's statistic is %.2f", k)
		}
		counts := make([]int, 32*32)
		for i := 0; i < n; i += 2 { // both of a pair, and their independence
			counts[int(normalCDF(float64(x[i]))*32)*32+int(normalCDF(float64(x[i+1]))*32)]++
		}
		if z := chiSquare(counts); math.Abs(z) > onceInAMillion {
			t.Errorf("chi-square over a grid of pairs is off by %.1f deviations", z)
		}
	})

	t.Run("normal moments", func(t *testing.T) {
		var m [5]float64
		for _, v := range x {
			p := 1.0
			for i := range m {
				m[i] += p / n
				p *= float64(v)
			}
		}
		// The variances of x^i are 1, 2, 15 and 96.
		for i, want := range []float64{1: 0, 2: 1, 3: 0, 4: 3} {
			if i == 0 {
				continue
			}
			if z := (m[i] - want) / math.Sqrt([]float64{0, 1, 2, 15, 96}[i]/n); math.Abs(z) > onceInAMillion {
				t.Errorf("moment %d is %.5f, want %v: %.1f deviations", i, m[i], want, z)
			}
		}
	})

	t.Run("normal tails", func(t *testing.T) {
		const draws = 32 << 20
		s := NewStream(3, "tails")
		limits := []float64{3, 4, 4.5, 5}
		upper, lower := make([]int, len(limits)), make([]int, len(limits))
		var extreme float32
		for range draws / n {
			s.Normal(x)
			for _, v := range x {
				if v < 3 && v > -3 {
					continue
				}
				extreme = max(extreme, v, -v)
				for i, l := range limits {
					if float64(v) > l {
						upper[i]++
					}
					if float64(v) < -l {
						lower[i]++
					}
				}
			}
		}
		for i, l := range limits {
			want := draws * normalCDF(-l)
			for _, got := range []int{upper[i], lower[i]} {
				if p := poissonTail(got, want); p < 1e-6 {
					t.Errorf("%v numbers beyond %v, want about %.1f: probability %.2g", got, l, want, p)
				}
			}
		}
		if extreme < 5 || extreme > 6.7 {
			t.Errorf("the largest of %d numbers is %v", draws, extreme)
		}
	})
}

func TestIntnIsUniform(t *testing.T) {
	s := NewStream(4, "intn")
	for _, n := range []int{1, 2, 3, 10, 1000} {
		counts := make([]int, n)
		for range 200_000 {
			v := s.Intn(n)
			if v < 0 || v >= n {
				t.Fatalf("Intn(%d) = %d", n, v)
			}
			counts[v]++
		}
		if n == 1 {
			continue
		}
		if z := chiSquare(counts); math.Abs(z) > onceInAMillion {
			t.Errorf("Intn(%d): chi-square is off by %.1f deviations", n, z)
		}
	}
	for _, n := range []int{0, -1} {
		if v := s.Intn(n); v != 0 {
			t.Errorf("Intn(%d) = %d, want 0", n, v)
		}
	}
	// Where n is three quarters of 2^63, a quarter of the words is rejected by
	// a right method, and a plain remainder favours the lower half.
	const big = math.MaxInt / 4 * 3
	below := 0
	for range 100_000 {
		if s.Intn(big) < big/2 {
			below++
		}
	}
	if z := (float64(below) - 50_000) / math.Sqrt(25_000); math.Abs(z) > onceInAMillion {
		t.Errorf("%d of 100000 in the lower half: %.1f deviations", below, z)
	}
}
