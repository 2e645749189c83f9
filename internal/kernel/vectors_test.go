package kernel

import (
	"fmt"
	"math"
	"testing"
)

// lengths lie around the ends of vectors and units.
var lengths = []int{0, 1, 2, 7, 8, 9, 15, 17, 31, 33, 100, 4095, 4097, 9001}

func TestVectorsAreTheSameBitsOnBothPaths(t *testing.T) {
	corners := awkward()
	c := AdamConfig{LR: 1e-3, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-7}
	for _, k := range []struct {
		name string
		f    func(w, g, m, v []float32)
	}{
		{"add", func(w, g, m, _ []float32) { Add(w, g, m) }},
		{"mul", func(w, g, m, _ []float32) { Mul(w, g, m) }},
		{"adam", func(w, g, m, v []float32) { Adam(c, 3, w, g, m, v) }},
	} {
		for _, n := range lengths {
			for _, special := range []bool{false, true} {
				got, want := state(n, corners, special), state(n, corners, special)
				// From an odd element on, so that nothing is aligned, and with one
				// beyond the end that must stay.
				k.f(got[0][1:n+1], got[1][1:], got[2][1:], got[3][1:])
				portably(func() { k.f(want[0][1:n+1], want[1][1:], want[2][1:], want[3][1:]) })
				for i := range got {
					mustMatch(t, fmt.Sprintf("%s of %d, slice %d", k.name, n, i), got[i], want[i])
				}
			}
		}
	}
}

// state is w, g, m, v of n+2 elements; v is not negative. With special, values
// from corners stand among them.
func state(n int, corners []float32, special bool) [4][]float32 {
	s := [4][]float32{numbers(1, n+2), numbers(2, n+2), numbers(3, n+2), numbers(4, n+2)}
	for i := range s[3] {
		if special {
			for j := range s {
				s[j][i] = corners[(i*(j+3)+j)%len(corners)]
			}
		}
		s[3][i] = max(s[3][i], -s[3][i])
	}
	return s
}

func TestAddMulInBothWidths(t *testing.T) {
	a, b := []float64{1, 2, 3}, []float64{10, 20, 30}
	y := make([]float64, 3)
	Add(y, a, b)
	Mul(a, a, b)
	for i, want := range [][2]float64{{11, 10}, {22, 40}, {33, 90}} {
		if got := [2]float64{y[i], a[i]}; got != want {
			t.Errorf("element %d: %v, want %v", i, got, want)
		}
	}
}

// Adam in float64 against its textbook form, step by step: the corrected moments, with the epsilon that the folded form implies.
func TestAdamFollowsItsFormula(t *testing.T) {
	const lr, b1, b2, eps = 0.01, 0.8, 0.95, 1e-3
	c := AdamConfig{LR: lr, Beta1: b1, Beta2: b2, Epsilon: eps}
	w, m, v := []float64{1}, []float64{0}, []float64{0}
	want, wm, wv := 1.0, 0.0, 0.0
	for step := 1; step <= 20; step++ {
		g := math.Sin(3*float64(step)) + 0.2
		Adam(c, step, w, []float64{g}, m, v)
		wm, wv = b1*wm+(1-b1)*g, b2*wv+(1-b2)*g*g
		c1, c2 := 1-math.Pow(b1, float64(step)), 1-math.Pow(b2, float64(step))
		want -= lr * (wm / c1) / (math.Sqrt(wv/c2) + eps/math.Sqrt(c2))
		near(t, step, w[0], want)
	}
}

// near allows twenty steps' worth of roundings of numbers around 1.
func near(t *testing.T, step int, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 20*16*0x1p-53) {
		t.Errorf("step %d: w = %v, want %v", step, got, want)
	}
}

func TestColSumAddsRowsInOrder(t *testing.T) {
	onPaths(t, func(t *testing.T) {
		for _, s := range [][2]int{{0, 3}, {1, 1}, {3, 0}, {5, 7}, {33, 64}, {70, 65}, {128, 784}, {2, 200}} {
			rows, cols := s[0], s[1]
			x, got, want := numbers(1, rows*cols), numbers(2, cols+1), make([]float32, cols+1)
			want[cols] = got[cols]
			for i := range rows {
				for j := range cols {
					want[j] += x[i*cols+j]
				}
			}
			ColSum(got[:cols], x, rows, cols)
			mustMatch(t, fmt.Sprint(s), got, want)
		}
	})
	sum := make([]float64, 2)
	ColSum(sum, []float64{1, 2, 3, 4, 5, 6}, 3, 2)
	if sum[0] != 9 || sum[1] != 12 {
		t.Errorf("float64: %v, want [9 12]", sum)
	}
}

func TestGatherRowsScalesExactly(t *testing.T) {
	pixels := make([]uint8, 256*3)
	for i := range pixels {
		pixels[i] = uint8(i)
	}
	onPaths(t, func(t *testing.T) {
		dst := numbers(1, 257)
		last := dst[256]
		GatherRows(dst[:256], pixels, []int{2}, 256, 1/127.5, -1)
		if dst[0] != -1 || dst[255] != 1 || dst[256] != last {
			t.Errorf("0, 255 and what lies beyond are %v, %v, %v, want -1, 1, %v", dst[0], dst[255], dst[256], last)
		}
		const third = float32(1 / 127.5)
		for i, v := range dst[:256] {
			product := float32(float64(i) * float64(third)) // exact in float64, rounded once
			if want := float32(float64(product) - 1); v != want {
				t.Errorf("pixel %d is %v, want %v", i, v, want)
			}
		}
		for _, rowLen := range []int{1, 3, 8, 13, 100} {
			rows := make([]int, 200)
			for i := range rows {
				rows[i] = i * 7 % (len(pixels) / rowLen)
			}
			got, want := numbers(2, len(rows)*rowLen), make([]float32, len(rows)*rowLen)
			for i, r := range rows {
				for j := range rowLen {
					want[i*rowLen+j] = float32(pixels[r*rowLen+j])/2 + 1
				}
			}
			GatherRows(got, pixels, rows, rowLen, 0.5, 1)
			mustMatch(t, fmt.Sprint("rows of ", rowLen), got, want)
		}
	})
}

func TestBCEWithLogits(t *testing.T) {
	onPaths(t, func(t *testing.T) {
		z := append([]float32{0, 1, -1, 5, -5, 20, -20, 88, -88, 1000, -1000, 1e-30}, numbers(1, 700)...)
		for _, target := range []float32{0, 1, 0.9} {
			n, want := float64(len(z)), 0.0
			for _, v := range z {
				want += truth(Softplus, 0, float64(v)) - float64(target)*float64(v)
			}
			want /= n
			grad := make([]float32, len(z))
			mean := BCEWithLogits(grad, z, target)
			// Each term has an error of 2.5 units in the last place of a number
			// below log(2), the sums in float64 none to speak of.
			if !(math.Abs(mean-want) <= 2.5*0x1p-24+1e-12*want) {
				t.Errorf("target %v: mean %v, want %v", target, mean, want)
			}
			for i, v := range z {
				s := truth(Sigmoid, 0, float64(v))
				slope := (s - float64(target)) / n
				// 2.5 units of the sigmoid, below 1, and a rounding.
				if limit := (2.5*place(s)+0)/n + 0.5*place(slope); !(math.Abs(float64(grad[i])-slope) <= limit*1.0000001) {
					t.Errorf("target %v: gradient at %v is %v, want %v", target, v, grad[i], slope)
				}
			}
			if alone := BCEWithLogits(nil, z, target); alone != mean {
				t.Errorf("target %v: mean %v without gradient, %v with", target, alone, mean)
			}
			over := append([]float32{}, z...)
			BCEWithLogits(over, over, target)
			mustMatch(t, "gradient over z", over, grad)
		}
		if mean := BCEWithLogits(nil, []float32{}, 1); mean != 0 {
			t.Errorf("mean of nothing is %v, want 0", mean)
		}
		if mean := BCEWithLogits(nil, []float32{1, float32(math.NaN())}, 1); mean == mean {
			t.Errorf("mean with a NaN is %v", mean)
		}
	})
}

func TestBCEWithLogitsInFloat64HasTheSlopeOfItsDifferences(t *testing.T) {
	z, grad := []float64{-3, -0.5, 0, 2}, make([]float64, 4)
	BCEWithLogits(grad, z, 0.9)
	for i := range z {
		const h = 1e-6
		up, down := append([]float64{}, z...), append([]float64{}, z...)
		up[i] += h
		down[i] -= h
		want := (BCEWithLogits(nil, up, 0.9) - BCEWithLogits(nil, down, 0.9)) / (2 * h)
		// h^2 from the third derivative, 2^-52/h from rounding.
		if math.Abs(grad[i]-want) > 1e-9 {
			t.Errorf("gradient %d is %v, want %v", i, grad[i], want)
		}
	}
}
