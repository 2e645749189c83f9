package random

import (
	"encoding/binary"
	"flag"
	"math"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write quantiles.bin")

// The table holds the quantiles of |z|, each rounded to the nearest multiple. They are a file because the last bits of a
// logarithm are not the same on every machine, and noise is.
func TestQuantilesAreThoseOfTheNormalDistribution(t *testing.T) {
	var exact []float64
	for level := range len(noiseLevels) + 1 {
		width := math.Pow(32, float64(level))
		end := float64(noiseHalf)
		if level < len(noiseLevels) {
			end = float64(noiseLevels[level])
		}
		for k := len(exact) - noiseStep*level; float64(k)*width < end; k++ {
			exact = append(exact, noiseScale*halfNormalQuantile((float64(k)*width+0.5)/noiseHalf))
		}
	}
	exact = append(exact, 0)
	if *update {
		var b []byte
		for _, q := range exact {
			b = binary.LittleEndian.AppendUint32(b, uint32(math.RoundToEven(q)))
		}
		if err := os.WriteFile("quantiles.bin", b, 0o666); err != nil {
			t.Fatal(err)
		}
		t.Skip("quantiles.bin is written: run the test again")
	}
	s := NoiseScheme()
	if len(s.Quantiles) != len(exact) {
		t.Fatalf("%d quantiles, want %d", len(s.Quantiles), len(exact))
	}
	for k, want := range exact {
		if d := math.Abs(float64(s.Quantiles[k]) - want); !(d <= 0.5001) {
			t.Errorf("quantile %d is %d, want %.3f", k, s.Quantiles[k], want)
		}
	}
}

// Between its entries the table errs by less than 2e-5.
func TestQuantilesBetweenEntries(t *testing.T) {
	s := NoiseScheme()
	for v := int64(0); v < noiseHalf; v += 1 + v/997 {
		want := halfNormalQuantile((float64(v) + 0.5) / noiseHalf)
		if d := math.Abs(float64(s.size(v))/noiseScale - want); !(d <= 2e-5) {
			t.Fatalf("at %d the number is %g, want %g", v, float64(s.size(v))/noiseScale, want)
		}
	}
}

// halfNormalQuantile is the z that |z| exceeds with probability p.
func halfNormalQuantile(p float64) float64 {
	z := math.Sqrt2 * math.Erfinv(1-p)
	for range 3 { // Newton: 1-p has lost bits
		z += (math.Erfc(z/math.Sqrt2) - p) / (math.Sqrt(2/math.Pi) * math.Exp(-z*z/2))
	}
	return z
}

// Growing limits: k/64 lets through what is at most that, and no less of it than can be.
func TestLimits(t *testing.T) {
	s := NoiseScheme()
	for k := 1; k < len(s.Limits); k++ {
		v, limit := s.Limits[k], int64(k)*noiseScale/limitSteps
		if s.size(v) > limit || v > 0 && s.size(v-1) <= limit {
			t.Errorf("limit %d is %d, whose number is %d, before it %d, want %d between", k, v, s.size(v), s.size(max(v, 1)-1), limit)
		}
	}
	if last := len(s.Limits) - 1; s.Limits[0] != 0 || s.Limits[last] != 0 || s.Limits[last-1] == 0 {
		t.Errorf("the first limit is %d, the last two %d", s.Limits[0], s.Limits[last-1:])
	}
}
