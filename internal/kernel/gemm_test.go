package kernel

import (
	"fmt"
	"math"
	"math/big"
	"testing"
)

// matrix is a matrix in storage as a caller may have it: transposed or not, its
// rows apart, at any offset of an array.
type matrix struct {
	x          []float32
	ld         int
	transposed bool
}

func newMatrix(seed uint64, transposed bool, rows, cols, gap, offset int) matrix {
	if transposed {
		rows, cols = cols, rows
	}
	ld := cols + gap
	x := numbers(seed, offset+rows*ld)[offset:]
	return matrix{x[:max(0, (rows-1)*ld+cols)], ld, transposed}
}

func (m matrix) at(i, j int) int {
	if m.transposed {
		i, j = j, i
	}
	return i*m.ld + j
}

func (m matrix) get(i, j int) float64 { return float64(m.x[m.at(i, j)]) }

func (m matrix) clone() matrix {
	m.x = append([]float32{}, m.x...)
	return m
}

// transposes are the cases of tA, tB and accumulate.
var transposes = [8][3]bool{
	{false, false, false}, {true, false, false}, {false, true, false}, {true, true, false},
	{false, false, true}, {true, false, true}, {false, true, true}, {true, true, true},
}

// shapes are sizes m, n, k around every edge of tiles, panels, blocks and parts.
var shapes = [][3]int{
	{1, 1, 1}, {1, 5, 3}, {5, 1, 3}, {2, 3, 1}, {6, 16, 4}, {7, 17, 9}, {13, 15, 33}, {8, 31, 5}, {9, 8, 7}, {11, 24, 2},
	{128, 128, 100}, {784, 16, 20}, {128, 1, 128}, {1, 128, 130}, {128, 128, 1}, {5, 33, 700}, {400, 50, 401}, {2, 100, 30},
	{3, 7, 1700}, {1, 3, 6500}, {3, 1, 6500}, {70, 90, 85},
}

func TestGemmIsWithinTheBoundOfItsTerms(t *testing.T) {
	onPaths(t, func(t *testing.T) {
		for _, s := range shapes {
			m, n, k := s[0], s[1], s[2]
			for f, tr := range transposes {
				tA, tB, acc := tr[0], tr[1], tr[2]
				name := fmt.Sprintf("%dx%dx%d/%v", m, n, k, tr)
				a, b, c := newMatrix(1, tA, m, k, f, 1), newMatrix(2, tB, k, n, 5, 3), newMatrix(3, false, m, n, f%3, 1)
				before := c.clone()
				Gemm(tA, tB, m, n, k, a.x, a.ld, b.x, b.ld, c.x, c.ld, acc)
				for i := range m {
					for j := range min(c.ld, len(c.x)-i*c.ld) {
						at := c.at(i, j)
						if j >= n {
							if c.x[at] != before.x[at] {
								t.Fatalf("%s: c[%d,%d] lies beyond its row and was changed", name, i, j)
							}
							continue
						}
						var want, size float64
						terms := k
						if acc {
							want, size, terms = before.get(i, j), math.Abs(before.get(i, j)), k+1
						}
						for p := range k {
							v := a.get(i, p) * b.get(p, j)
							want += v
							size += math.Abs(v)
						}
						if limit := gamma(terms) * size; !(math.Abs(c.get(i, j)-want) <= limit) {
							t.Fatalf("%s: c[%d,%d] = %v, want %v within %.3g", name, i, j, c.get(i, j), want, limit)
						}
					}
				}
			}
		}
	})
}

// fusedChain is start + sum a[p] b[p], each step rounded once to float32.
func fusedChain(start float32, k int, a, b func(p int) float64) float32 {
	sum := new(big.Float).SetPrec(24).SetFloat64(float64(start))
	var product, x, y big.Float
	product.SetPrec(48)
	for p := range k {
		product.Mul(x.SetFloat64(a(p)), y.SetFloat64(b(p)))
		sum.Add(sum, &product)
	}
	f, _ := sum.Float32()
	return f
}

// The sums of the tiles are chains of fused multiply-adds in the order of k, in
// every tile, at every edge, in the rows without a panel.
func TestSumsAreOneChainWhereverTheyStand(t *testing.T) {
	if !simd {
		t.Skip("the portable path does not fuse")
	}
	for _, s := range [][3]int{{1, 35, 9}, {2, 35, 9}, {3, 16, 5}, {4, 15, 8}, {5, 17, 3}, {7, 33, 11}, {9, 1, 20}, {12, 20, 4}, {13, 100, 3}, {14, 9, 2}, {2, 3, 403}} {
		m, n, k := s[0], s[1], s[2]
		for _, tr := range transposes {
			tA, tB, acc := tr[0], tr[1], tr[2]
			if n == 1 && !tA || m == 1 && tB {
				continue // inner products
			}
			a, b, c := newMatrix(1, tA, m, k, 2, 1), newMatrix(2, tB, k, n, 1, 3), newMatrix(3, false, m, n, 0, 1)
			before := c.clone()
			Gemm(tA, tB, m, n, k, a.x, a.ld, b.x, b.ld, c.x, c.ld, acc)
			for i := range m {
				for j := range n {
					var start float32
					if acc {
						start = before.x[before.at(i, j)]
					}
					want := fusedChain(start, k, func(p int) float64 { return a.get(i, p) }, func(p int) float64 { return b.get(p, j) })
					if got := c.x[c.at(i, j)]; got != want {
						t.Fatalf("%dx%dx%d %v: c[%d,%d] = %v, want the chain's %v", m, n, k, tr, i, j, got, want)
					}
				}
			}
		}
	}
}

// Where A is packed, since its stride is awkward, the sums are what they are at
// any other stride.
func TestStrideDoesNotMatter(t *testing.T) {
	onPaths(t, func(t *testing.T) {
		defer SetThreads(SetThreads(1))
		for _, s := range [][3]int{{7, 17, 9}, {13, 33, 410}, {200, 40, 20}, {450, 20, 30}, {29, 100, 401}} {
			m, n, k := s[0], s[1], s[2]
			tight := newMatrix(1, true, m, k, 0, 0)
			b, want := numbers(2, k*n), make([]float32, m*n)
			Gemm(true, false, m, n, k, tight.x, tight.ld, b, n, want, n, false)
			wide := newMatrix(3, true, m, k, awkwardStride-m, 1)
			for p := range k {
				copy(wide.x[p*wide.ld:], tight.x[p*m:(p+1)*m])
			}
			for _, threads := range []int{1, 3} {
				SetThreads(threads)
				got := make([]float32, m*n)
				Gemm(true, false, m, n, k, wide.x, wide.ld, b, n, got, n, false)
				mustMatch(t, fmt.Sprint(s, " with ", threads, " threads"), got, want)
			}
		}
	})
}

func TestGemmWithoutTermsClearsOrKeepsC(t *testing.T) {
	onPaths(t, func(t *testing.T) {
		c := []float32{1, 2, 3, 4, 5, 6}
		Gemm(false, false, 2, 2, 0, nil, 0, nil, 2, c, 3, true)
		mustMatch(t, "accumulating", c, []float32{1, 2, 3, 4, 5, 6})
		Gemm(false, false, 2, 2, 0, nil, 0, nil, 2, c, 3, false)
		mustMatch(t, "not accumulating", c, []float32{0, 0, 3, 0, 0, 6})
		Gemm(false, false, 0, 2, 1, nil, 1, []float32{1, 1}, 2, c, 3, false)
		Gemm[float32](false, false, 2, 0, 1, []float32{1, 1}, 1, nil, 0, nil, 0, false)
		mustMatch(t, "without rows", c, []float32{0, 0, 3, 0, 0, 6})
	})
}

func TestGemmCarriesNaNAndInfinityIntoTheirRowsAndColumnsOnly(t *testing.T) {
	onPaths(t, func(t *testing.T) {
		const m, n, k = 13, 21, 10
		for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))} {
			a, b, c := newMatrix(1, false, m, k, 0, 0), newMatrix(2, false, k, n, 0, 0), make([]float32, m*n)
			a.x[a.at(12, 9)], b.x[b.at(0, 20)] = bad, bad
			Gemm(false, false, m, n, k, a.x, k, b.x, n, c, n, false)
			for i := range m {
				for j := range n {
					v := float64(c[i*n+j])
					if finite := !math.IsNaN(v) && !math.IsInf(v, 0); finite != (i != 12 && j != 20) {
						t.Fatalf("%v in row 12 and column 20: c[%d,%d] = %v", bad, i, j, v)
					}
				}
			}
		}
	})
}

func TestGemmKeepsSubnormals(t *testing.T) {
	onPaths(t, func(t *testing.T) {
		const n = 18
		a, b, c := []float32{0x1p-100}, make([]float32, n), make([]float32, n)
		for i := range b {
			b[i] = float32(i) * 0x1p-49
		}
		Gemm(false, false, 1, n, 1, a, 1, b, n, c, n, false)
		for i, v := range c {
			if want := float32(i) * smallest; v != want {
				t.Fatalf("2^-100 times %d 2^-49 is %v, want %v", i, v, want)
			}
		}
	})
}

func TestFloat64IsTheSumInOrder(t *testing.T) {
	const m, n, k = 5, 7, 11
	for _, tr := range transposes {
		a, b, c := newMatrix(1, tr[0], m, k, 1, 0), newMatrix(2, tr[1], k, n, 2, 0), newMatrix(3, false, m, n, 3, 0)
		wide := func(x []float32) (y []float64) {
			for _, v := range x {
				y = append(y, float64(v)/3)
			}
			return y
		}
		wa, wb, wc := wide(a.x), wide(b.x), wide(c.x)
		before := append([]float64{}, wc...)
		Gemm(tr[0], tr[1], m, n, k, wa, a.ld, wb, b.ld, wc, c.ld, tr[2])
		for i := range m {
			for j := range n {
				var want float64
				if tr[2] {
					want = before[c.at(i, j)]
				}
				for p := range k {
					want += float64(wa[a.at(i, p)] * wb[b.at(p, j)])
				}
				if got := wc[c.at(i, j)]; got != want {
					t.Fatalf("%v: c[%d,%d] = %v, want %v", tr, i, j, got, want)
				}
			}
		}
	}
}

// A fused layer is the product, then the bias, then the activation, to the last
// bit: fusing is no excuse for other numbers. A sum that began with a large bias
// would round all its products at that size.
func TestDenseIsProductThenBiasThenActivation(t *testing.T) {
	onPaths(t, func(t *testing.T) {
		for _, s := range shapes {
			m, n, k := s[0], s[1], s[2]
			x, w, bias := numbers(1, m*k), numbers(2, k*n), numbers(3, n)
			for f := range Func(len(funcNames)) {
				for _, bias := range [][]float32{nil, bias} {
					act := Activation{Func: f, Alpha: 0.3}
					want := make([]float32, m*n)
					Gemm(false, false, m, n, k, x, k, w, n, want, n, false)
					if bias != nil {
						for i := range want {
							want[i] += bias[i%n]
						}
					}
					Activate(act, want, want)
					got := numbers(4, m*n+1)
					last := got[m*n]
					Dense(got[:m*n], x, w, bias, m, n, k, act)
					mustMatch(t, fmt.Sprintf("%dx%dx%d %v", m, n, k, f), got, append(want, last))
				}
			}
		}
	})
}

func TestDenseInFloat64(t *testing.T) {
	y := make([]float64, 4)
	Dense(y, []float64{1, 2, 3, 4, 5, 6}, []float64{1, -1, 0, 2, 1, 0}, []float64{0.5, -4}, 2, 2, 3, Activation{Func: LeakyReLU, Alpha: 0.5})
	// Rows of x times w: (4, 3) and (10, 6).
	for i, want := range []float64{4.5, -0.5, 10.5, 2} {
		if y[i] != want {
			t.Errorf("y[%d] = %v, want %v", i, y[i], want)
		}
	}
}

func TestDenseWithoutInputsIsTheActivationOfTheBias(t *testing.T) {
	onPaths(t, func(t *testing.T) {
		y := []float32{9, 9, 9, 9}
		Dense(y, nil, nil, []float32{-1, 2}, 2, 2, 0, Activation{Func: ReLU})
		mustMatch(t, "y", y, []float32{0, 2, 0, 2})
	})
}

func FuzzGemm(f *testing.F) {
	f.Add(uint8(7), uint8(17), uint16(9), uint8(3), uint8(2))
	f.Add(uint8(128), uint8(100), uint16(401), uint8(1), uint8(5))
	f.Fuzz(func(t *testing.T, m8, n8 uint8, k16 uint16, mode, threads uint8) {
		m, n, k := int(m8), int(n8), int(k16%1000)
		tr := transposes[mode%8]
		a, b, c := newMatrix(1, tr[0], m, k, int(mode)%5, 1), newMatrix(2, tr[1], k, n, int(mode)%3, 1), newMatrix(3, false, m, n, int(threads)%3, 1)
		one := c.clone()
		defer SetThreads(SetThreads(1))
		Gemm(tr[0], tr[1], m, n, k, a.x, a.ld, b.x, b.ld, one.x, one.ld, tr[2])
		SetThreads(1 + int(threads%8))
		many := c.clone()
		Gemm(tr[0], tr[1], m, n, k, a.x, a.ld, b.x, b.ld, many.x, many.ld, tr[2])
		mustMatch(t, "threads", many.x, one.x)
		for i := range m {
			for j := range n {
				want, size := 0.0, 0.0
				if tr[2] {
					want, size = c.get(i, j), math.Abs(c.get(i, j))
				}
				for p := range k {
					v := a.get(i, p) * b.get(p, j)
					want += v
					size += math.Abs(v)
				}
				if !(math.Abs(one.get(i, j)-want) <= gamma(k+1)*size) {
					t.Fatalf("c[%d,%d] = %v, want %v", i, j, one.get(i, j), want)
				}
			}
		}
	})
}

// Weights that are kept give the same bits, and are read at the first call only.
func TestKeptDenseWeights(t *testing.T) {
	onPaths(t, func(t *testing.T) {
		for _, s := range [][3]int{{1, 40, 30}, {2, 33, 500}, {25, 33, 500}, {64, 100, 401}, {60, 1, 9}, {400, 17, 3}, {30, 5, 0}} {
			m, n, k := s[0], s[1], s[2]
			x, w, bias := numbers(1, m*k), numbers(2, k*n), numbers(3, n)
			act := Activation{Func: LeakyReLU, Alpha: 0.2}
			want, got := make([]float32, m*n), make([]float32, m*n)
			Dense(want, x, w, bias, m, n, k, act)
			var kept Panels
			DenseKept(&kept, got, x, w, bias, m, n, k, act)
			mustMatch(t, fmt.Sprint("first of ", s), got, want)
			if kept.packed != nil {
				clear(w)
			}
			DenseKept(&kept, got, x, w, bias, m, n, k, act)
			mustMatch(t, fmt.Sprint("second of ", s), got, want)
		}
	})
}
