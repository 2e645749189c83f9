package kernel

import (
	"fmt"
	"math"
	"testing"
)

// unit is u, half the spacing of float32 at 1; smallest the least positive one.
const (
	unit     = 0x1p-24
	smallest = 0x1p-149
)

// gamma bounds the relative error that n roundings leave behind.
func gamma(n int) float64 { return float64(n) * unit / (1 - float64(n)*unit) }

type matrix struct {
	at       func(i, j int) int
	stored   []float32
	ld       int
	sentinel float32
}

// stored makes a (rows, cols) matrix, or its transpose, with a gap behind every
// row, at an odd offset of its array.
func newMatrix(seed uint64, transposed bool, rows, cols, gap, offset int) matrix {
	r, c := rows, cols
	if transposed {
		r, c = cols, rows
	}
	ld := c + gap
	x := numbers(seed, offset+r*ld)[offset:]
	at := func(i, j int) int { return i*ld + j }
	if transposed {
		at = func(i, j int) int { return j*ld + i }
	}
	return matrix{at: at, stored: x[:max(0, (r-1)*ld+c)], ld: ld}
}

func TestGemmIsWithinTheBoundOfItsTerms(t *testing.T) {
	for _, s := range [][3]int{{1, 1, 1}, {6, 16, 8}, {7, 17, 9}, {128, 128, 100}, {784, 128, 128}, {128, 1, 128}, {1, 128, 128}, {128, 128, 1}, {5, 33, 700}, {300, 50, 801}, {64, 64, 512}, {13, 15, 1}, {2, 100, 30}, {3, 7, 1700}} {
		m, n, k := s[0], s[1], s[2]
		for f := range 8 {
			tA, tB, acc := f&1 != 0, f&2 != 0, f&4 != 0
			t.Run(fmt.Sprintf("%dx%dx%d/%v/%v/%v", m, n, k, tA, tB, acc), func(t *testing.T) {
				a, b, c := newMatrix(1, tA, m, k, 3, 1), newMatrix(2, tB, k, n, 5, 3), newMatrix(3, false, m, n, 7, 1)
				before := append([]float32{}, c.stored...)
				Gemm(tA, tB, m, n, k, a.stored, a.ld, b.stored, b.ld, c.stored, c.ld, acc)
				for i := range m {
					for j := range c.ld {
						if at := c.at(i, j); j >= n {
							if at < len(before) && c.stored[at] != before[at] {
								t.Fatalf("c[%d,%d] lies in the gap and became %v", i, j, c.stored[at])
							}
							continue
						}
						var want, size float64
						terms := k
						if acc {
							want = float64(before[c.at(i, j)])
							size = math.Abs(want)
							terms++
						}
						for p := range k {
							v := float64(a.stored[a.at(i, p)]) * float64(b.stored[b.at(p, j)])
							want += v
							size += math.Abs(v)
						}
						got := float64(c.stored[c.at(i, j)])
						if limit := gamma(terms)*size + float64(k)*smallest; !(math.Abs(got-want) <= limit) {
							t.Fatalf("c[%d,%d] = %v, want %v within %.3g", i, j, got, want, limit)
						}
					}
				}
			})
		}
	}
}
