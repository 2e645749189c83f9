package random

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
	"testing"
)

// least is the p-value below which a test of noise fails. The seeds are fixed, so that a test that passes always does; of
// some 400 p-values, one in 25 faultless generators would show such a one.
const least = 1e-4

// What noise is does not change: pictures are told by their seeds.
func TestNoiseIsWhatItWas(t *testing.T) {
	for _, c := range []struct {
		noise       Noise
		image, axis int
		want        float32
	}{
		{Noise{}, 0, 0, 1.3770618},
		{Noise{Seed: 7}, 0, 0, 0.1684022},
		{Noise{Seed: 7}, 0, 1, 0.15512323},
		{Noise{Seed: 7}, 1, 0, -0.73478603},
		{Noise{Seed: -1}, 3, 99, -0.29632807},
		{Noise{Seed: math.MinInt64}, 1<<26 - 1, 1<<26 - 1, -0.75238657},
		{Noise{Seed: math.MaxInt64, Truncation: 0.5}, 12, 34, 0.024614811},
	} {
		if got := c.noise.At(c.image, c.axis); got != c.want {
			t.Errorf("%+v: axis %d of image %d is %v, want %v", c.noise, c.axis, c.image, got, c.want)
		}
	}
}

// An image's noise does not depend on what is made beside it, nor do the axes in front on how many there are.
func TestNoiseOfAnImageIsItsOwn(t *testing.T) {
	all := make([]float32, 50*7)
	Noise{Seed: 3}.Fill(all, 7, 0)
	one := make([]float32, 7)
	Noise{Seed: 3}.Fill(one, 7, 31)
	if !slices.Equal(one, all[31*7:32*7]) {
		t.Errorf("image 31 alone is %v, among others %v", one, all[31*7:32*7])
	}
	wide := make([]float32, 9)
	Noise{Seed: 3}.Fill(wide, 9, 31)
	if !slices.Equal(wide[:7], one) {
		t.Errorf("seven axes of nine are %v, want %v", wide[:7], one)
	}
}

// normalP is the two-sided p-value of a standard normal figure.
func normalP(z float64) float64 { return math.Erfc(math.Abs(z) / math.Sqrt2) }

// chiSquareP is the p-value of a chi-square figure, two-sided, by Wilson and Hilferty's cube root.
func chiSquareP(x2 float64, free int) float64 {
	f := 2 / (9 * float64(free))
	return normalP((math.Cbrt(x2/float64(free)) - (1 - f)) / math.Sqrt(f))
}

// kolmogorovP is the p-value of Kolmogorov and Smirnov's distance of n numbers (Stephens 1970).
func kolmogorovP(d float64, n int) float64 {
	root := math.Sqrt(float64(n))
	x := d * (root + 0.12 + 0.11/root)
	p := 0.0
	for k := 1; k < 100; k++ {
		p += 2 * math.Pow(-1, float64(k-1)) * math.Exp(-2*float64(k*k)*x*x)
	}
	return min(p, 1)
}

func normalCDF(z float64) float64 { return math.Erfc(-z/math.Sqrt2) / 2 }

// distance is Kolmogorov and Smirnov's, from a distribution.
func distance(x []float32, cdf func(float64) float64) (d float64) {
	sorted := slices.Sorted(slices.Values(x))
	n := float64(len(x))
	for i, z := range sorted {
		p := cdf(float64(z))
		d = max(d, p-float64(i)/n, float64(i+1)/n-p)
	}
	return d
}

func TestNoiseIsNormal(t *testing.T) {
	const width = 100
	for _, seed := range []int64{0, 42, -1, math.MinInt64} {
		x := make([]float32, 2000*width)
		Noise{Seed: seed}.Fill(x, width, 0)
		n := float64(len(x))
		hold := func(what string, p float64) {
			t.Helper()
			if !(p >= least) {
				t.Errorf("seed %d: %s: p is %.2g", seed, what, p)
			}
		}
		var sum [5]float64
		var beyond [5]float64
		for _, z := range x {
			power := float64(z)
			for k := 1; k <= 4; k++ {
				sum[k] += power
				power *= float64(z)
			}
			for s := 1; s <= 4; s++ {
				if math.Abs(float64(z)) > float64(s) {
					beyond[s]++
				}
			}
		}
		// The variance of z^k is E z^2k - (E z^k)^2.
		hold("mean", normalP(sum[1]/math.Sqrt(n)))
		hold("variance", normalP((sum[2]-n)/math.Sqrt(2*n)))
		hold("third moment", normalP(sum[3]/math.Sqrt(15*n)))
		hold("fourth moment", normalP((sum[4]-3*n)/math.Sqrt(96*n)))
		for s := 1; s <= 4; s++ {
			p := math.Erfc(float64(s) / math.Sqrt2)
			hold(fmt.Sprintf("beyond %d", s), normalP((beyond[s]-n*p)/math.Sqrt(n*p*(1-p))))
		}
		hold("distribution", kolmogorovP(distance(x, normalCDF), len(x)))

		other := make([]float32, len(x))
		Noise{Seed: seed + 1}.Fill(other, width, 0) // of MinInt64's neighbour, too
		for _, c := range []struct {
			what string
			a, b []float32
		}{
			{"neighbouring axes", x[1:], x},
			{"neighbouring images", x[width:], x},
			{"neighbouring seeds", other, x},
			{"a seed's axes and the next one's neighbours", other[1:], x},
			{"a seed's images and the next one's neighbours", other[width:], x},
		} {
			var product, squares float64
			for i, a := range c.a {
				product += float64(a) * float64(c.b[i])
				squares += (float64(a)*float64(a) - 1) * (float64(c.b[i])*float64(c.b[i]) - 1)
			}
			m := float64(len(c.a))
			hold(c.what, normalP(product/math.Sqrt(m)))
			hold(c.what+", squared", normalP(squares/(2*math.Sqrt(m))))
		}
	}
}

// Every axis by itself, and every image.
func TestNoiseAlongAxesAndImages(t *testing.T) {
	const width, images = 64, 2048
	x := make([]float32, width*images)
	Noise{Seed: 5}.Fill(x, width, 0)
	var axes, rows float64
	for j := range width {
		sum := 0.0
		for i := range images {
			sum += float64(x[i*width+j])
		}
		axes += sum * sum / images
	}
	for i := range images {
		sum := 0.0
		for _, z := range x[i*width : (i+1)*width] {
			sum += float64(z)
		}
		rows += sum * sum / width
	}
	if p := chiSquareP(axes, width); !(p >= least) {
		t.Errorf("means of axes: p is %.2g", p)
	}
	if p := chiSquareP(rows, images); !(p >= least) {
		t.Errorf("means of images: p is %.2g", p)
	}
}

// Truncated noise is the normal distribution within its limit, and never beyond.
func TestTruncatedNoise(t *testing.T) {
	full := make([]float32, 200_000)
	Noise{Seed: 9}.Fill(full, 100, 0)
	for _, limit := range []float32{0.25, 0.5, 1, 2, 3.5} {
		x := make([]float32, len(full))
		Noise{Seed: 9, Truncation: limit}.Fill(x, 100, 0)
		for i, z := range x {
			if z > limit || z < -limit {
				t.Fatalf("limit %g: number %d is %g", limit, i, z)
			}
			if size := math.Abs(float64(full[i])); math.Abs(float64(z)) > size+1e-6 || float64(z)*float64(full[i]) < 0 {
				t.Fatalf("limit %g: number %d is %g, without limit %g", limit, i, z, full[i])
			}
		}
		low := normalCDF(-float64(limit))
		within := func(z float64) float64 { return (normalCDF(z) - low) / (1 - 2*low) }
		if p := kolmogorovP(distance(x, within), len(x)); !(p >= least) {
			t.Errorf("limit %g: p is %.2g", limit, p)
		}
	}
	for _, none := range []float32{0, -1, 6, 1e30, float32(math.NaN()), float32(math.Inf(1))} {
		x := make([]float32, 1000)
		Noise{Seed: 9, Truncation: none}.Fill(x, 100, 0)
		if !slices.Equal(x, full[:1000]) {
			t.Errorf("truncation %g limits", none)
		}
	}
	a, b := make([]float32, 100), make([]float32, 100)
	Noise{Truncation: 1.01}.Fill(a, 10, 0)
	Noise{Truncation: 1}.Fill(b, 10, 0)
	if !slices.Equal(a, b) {
		t.Error("1.01 is another limit than 1: steps are of 1/64")
	}
}

// blocks are the random halves of a grid of counters.
func blocks(seed int64, images, width int) (list []uint64) {
	keys := Noise{Seed: seed}.keys()
	for i := range images {
		for j := range width {
			l, r := mix(&keys, int64(i), int64(j))
			list = append(list, uint64(l)<<noiseBits|uint64(r))
		}
	}
	return list
}

// The bytes of blocks, and pairs of their neighbours, are evenly spread; no block comes twice.
func TestBlocksAreUniform(t *testing.T) {
	for _, seed := range []int64{0, 1, 1 << 52} {
		list := blocks(seed, 1000, 256)
		for shift := 0; shift+8 <= 2*noiseBits; shift += 4 {
			var counts [256]float64
			var pairs [1 << 12]float64
			for i, b := range list {
				counts[b>>shift&255]++
				if i%2 == 1 {
					pairs[b>>shift&63<<6|list[i-1]>>shift&63]++
				}
			}
			for what, p := range map[string]float64{"bytes": evenP(counts[:], len(list)), "pairs": evenP(pairs[:], len(list)/2)} {
				if !(p >= least) {
					t.Errorf("seed %d, bit %d: %s: p is %.2g", seed, shift, what, p)
				}
			}
		}
		slices.Sort(list)
		if n := len(slices.Compact(list)); n != 256_000 {
			t.Errorf("seed %d: %d blocks differ of 256000", seed, n)
		}
	}
}

func evenP(counts []float64, n int) float64 {
	want := float64(n) / float64(len(counts))
	x2 := 0.0
	for _, c := range counts {
		x2 += (c - want) * (c - want) / want
	}
	return chiSquareP(x2, len(counts)-1)
}

// A bit of the counter or of the seed that is another changes every bit of the block in half of all cases.
func TestAvalanche(t *testing.T) {
	const n = 4000
	base := Noise{Seed: 12345}.keys()
	flip := func(bit int) (changed [2 * noiseBits]float64) {
		keys, image, axis := base, int64(0), int64(0)
		switch {
		case bit < noiseBits:
			image = 1 << bit
		case bit < 2*noiseBits:
			axis = 1 << (bit - noiseBits)
		default:
			keys = Noise{Seed: 12345 ^ 1<<(bit-2*noiseBits)}.keys()
		}
		for i := range int64(n) {
			// Spread over the counters, so that no pair comes twice.
			at, beside := i*2654435%noiseHalf, i*40503%noiseHalf
			l, r := mix(&base, at, beside)
			l2, r2 := mix(&keys, at^image, beside^axis)
			for d := uint64(l^l2)<<noiseBits | uint64(r^r2); d != 0; d &= d - 1 {
				changed[bits.TrailingZeros64(d)]++
			}
		}
		return changed
	}
	x2 := 0.0
	for bit := range 2*noiseBits + 64 {
		for _, c := range flip(bit) {
			z := (c - n/2) / math.Sqrt(n/4)
			if math.Abs(z) > 6 {
				t.Errorf("bit %d: a bit of the block changes in %.0f of %d cases", bit, c, n)
			}
			x2 += z * z
		}
	}
	if p := chiSquareP(x2, (2*noiseBits+64)*2*noiseBits); !(p >= least) {
		t.Errorf("all bits: p is %.2g", p)
	}
}
