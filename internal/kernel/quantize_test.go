package kernel

import (
	"fmt"
	"math"
	"testing"
)

// TestQuantizingFollowsONNX compares with the definition in float64, where all but the quotient is exact.
func TestQuantizingFollowsONNX(t *testing.T) {
	x := append(awkward(), numbers(1, 1000)...)
	for i := range 600 { // halves, which are rounded to even
		x = append(x, float32(i-300)/2*0.25)
	}
	onPaths(t, func(t *testing.T) {
		for _, c := range [][4]float32{{0.25, 0, -128, 127}, {0.25, 117, 0, 255}, {0x1p-9, -3, -128, 127}, {0.003, 200, 0, 255}, {1e-4, 1000, 0, 65535}} {
			y, back := make([]float32, len(x)), make([]float32, len(x))
			Quantize(y, x, c[0], c[1], c[2], c[3])
			Dequantize(back, y, c[0], c[1])
			for i, v := range x {
				want := float32(math.Min(math.Max(math.RoundToEven(float64(v/c[0]))+float64(c[1]), float64(c[2])), float64(c[3])))
				if v != v {
					want = c[2]
				}
				if y[i] != want {
					t.Fatalf("%v with %v is %v, want %v", v, c, y[i], want)
				}
				if want = (want - c[1]) * c[0]; !same(back[i], want) {
					t.Fatalf("%v with %v comes back as %v, want %v", v, c, back[i], want)
				}
			}
			over := append([]float32{}, x...)
			Quantize(over, over, c[0], c[1], c[2], c[3])
			mustMatch(t, fmt.Sprint("in place, ", c), over, y)
		}
	})
}
