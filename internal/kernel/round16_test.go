package kernel

import (
	"math"
	"testing"
)

// TestRoundingTo16BitsIsToTheNearest compares with the definition: multiples of a power of two, in float64, where they are exact.
func TestRoundingTo16BitsIsToTheNearest(t *testing.T) {
	nearest := func(v float32, digits, lowest int, largest float64) float32 {
		x := float64(v)
		if x == 0 || math.IsNaN(x) || math.IsInf(x, 0) {
			return v
		}
		unit := math.Ldexp(1, max(math.Ilogb(x), lowest)-digits+1)
		if x = math.RoundToEven(x/unit) * unit; math.Abs(x) > largest {
			x = math.Inf(int(math.Copysign(1, x)))
		}
		return float32(math.Copysign(x, float64(v)))
	}
	var x []float32
	for bits := uint64(0); bits < 1<<32; bits += 40961 {
		x = append(x, math.Float32frombits(uint32(bits)))
	}
	for bits := uint64(0); bits < 1<<32; bits += 1 << 12 { // halves between neighbours, and next to them
		for d := range uint64(3) {
			x = append(x, math.Float32frombits(uint32(bits+d-1)))
		}
	}
	y := make([]float32, len(x))
	onPaths(t, func(t *testing.T) {
		RoundFloat16(y, x)
		for i, v := range x {
			if want := nearest(v, 11, -14, 65504); !same(y[i], want) {
				t.Fatalf("float16 of %v is %v, want %v", v, y[i], want)
			}
		}
		RoundBFloat16(y, x)
		for i, v := range x {
			if want := nearest(v, 8, -126, 0x1.fep127); !same(y[i], want) {
				t.Fatalf("bfloat16 of %v is %v, want %v", v, y[i], want)
			}
		}
		RoundFloat16(y[:3], []float32{float32(math.NaN()), math.Float32frombits(0xff800001), 1})
		if y[0] == y[0] || y[1] == y[1] || y[2] != 1 {
			t.Errorf("NaN, NaN with its last bit alone and 1 become %v", y[:3])
		}
	})
}
