package onnx

import (
	"math"
	"slices"
	"testing"
)

// minifloats are the types of 8 bits and fewer, as functions between bits and values.
var minifloats = map[string]struct {
	codes       int
	value       func(bits uint8) float32
	round       func(v float64) uint8
	largest     float64
	least       float64 // positive
	over        float64 // what 1e9 becomes, NaN for NaN
	halfOver    float64 // the largest number that is rounded to the largest
	negative    bool    // there is a sign
	notANumbers int     // how many codes are NaN
}{
	"e4m3fn":   {256, func(b uint8) float32 { return Float8E4M3FN(b).Float32() }, func(v float64) uint8 { return uint8(NewFloat8E4M3FN(v)) }, 448, 0x1p-9, math.NaN(), 464, true, 2},
	"e4m3fnuz": {256, func(b uint8) float32 { return Float8E4M3FNUZ(b).Float32() }, func(v float64) uint8 { return uint8(NewFloat8E4M3FNUZ(v)) }, 240, 0x1p-10, math.NaN(), math.Nextafter(248, 0), true, 1},
	"e5m2":     {256, func(b uint8) float32 { return Float8E5M2(b).Float32() }, func(v float64) uint8 { return uint8(NewFloat8E5M2(v)) }, 57344, 0x1p-16, math.Inf(1), math.Nextafter(61440, 0), true, 6},
	"e5m2fnuz": {256, func(b uint8) float32 { return Float8E5M2FNUZ(b).Float32() }, func(v float64) uint8 { return uint8(NewFloat8E5M2FNUZ(v)) }, 57344, 0x1p-17, math.NaN(), math.Nextafter(61440, 0), true, 1},
	"e8m0":     {256, func(b uint8) float32 { return Float8E8M0(b).Float32() }, func(v float64) uint8 { return uint8(NewFloat8E8M0(v)) }, 0x1p127, 0x1p-127, 0x1p30, math.Nextafter(0x1.8p127, 0), false, 1},
	"e2m1":     {16, func(b uint8) float32 { return Float4E2M1(b).Float32() }, func(v float64) uint8 { return uint8(NewFloat4E2M1(v)) }, 6, 0.5, 6, math.Inf(1), true, 0},
}

func TestMinifloatsHaveTheValuesOfTheirFormats(t *testing.T) {
	for name, m := range minifloats {
		var finite []float64
		notANumbers := 0
		for b := range m.codes {
			v := float64(m.value(uint8(b)))
			if math.IsNaN(v) {
				notANumbers++
				continue
			}
			if got := m.round(v); got != uint8(b) {
				t.Errorf("%s: %v of bits %#x is rounded to bits %#x", name, v, b, got)
			}
			if !math.IsInf(v, 0) {
				finite = append(finite, v)
			}
		}
		slices.Sort(finite)
		if notANumbers != m.notANumbers {
			t.Errorf("%s: %d codes are NaN, want %d", name, notANumbers, m.notANumbers)
		}
		if top := finite[len(finite)-1]; top != m.largest {
			t.Errorf("%s: the largest is %v, want %v", name, top, m.largest)
		}
		first := finite[slices.IndexFunc(finite, func(v float64) bool { return v > 0 })]
		if first != m.least {
			t.Errorf("%s: the least is %v, want %v", name, first, m.least)
		}
		if (finite[0] == -m.largest) != m.negative {
			t.Errorf("%s: begins at %v", name, finite[0])
		}
		for i, v := range finite[1:] {
			below := finite[i]
			if v == below {
				continue // two zeros
			}
			for _, step := range []float64{0.01, 0.49, 0.51, 0.99} {
				want := below
				if step > 0.5 {
					want = v
				}
				if got := float64(m.value(m.round(below + step*(v-below)))); got != want {
					t.Errorf("%s: %v of the way from %v to %v is rounded to %v", name, step, below, v, got)
				}
			}
			if half := m.round(below + (v-below)/2); name != "e8m0" && half&1 == 1 || name == "e8m0" && float64(m.value(half)) != v {
				t.Errorf("%s: the middle of %v and %v is rounded to bits %#x", name, below, v, half)
			}
		}
		if got := float64(m.value(m.round(1e9))); got != m.over && !(math.IsNaN(got) && math.IsNaN(m.over)) {
			t.Errorf("%s: 1e9 becomes %v, want %v", name, got, m.over)
		}
		if got := float64(m.value(m.round(m.halfOver))); got != m.largest {
			t.Errorf("%s: %v becomes %v, want the largest", name, m.halfOver, got)
		}
		if got := float64(m.value(m.round(math.Nextafter(m.halfOver, math.Inf(1))))); got == m.largest && !math.IsInf(m.halfOver, 0) {
			t.Errorf("%s: what is just beyond %v becomes %v", name, m.halfOver, got)
		}
		if got := float64(m.value(m.round(math.NaN()))); !math.IsNaN(got) && name != "e2m1" {
			t.Errorf("%s: NaN becomes %v", name, got)
		}
	}
	if NewFloat8E4M3FNUZ(math.Copysign(0, -1)) != 0 || NewFloat8E4M3FN(math.Copysign(0, -1)) != 0x80 || NewFloat8E8M0(0) != 0xff || NewFloat8E8M0(-1) != 0xff {
		t.Error("zeros: of UZ there is one, E8M0 has none")
	}
}
