package kernel

// Gemm computes C = op(A) op(B), or C += op(A) op(B) when accumulate is set.
// op(A) is (m, k) and op(B) is (k, n), C is (m, n). With tA, A is stored as
// (k, m) and op transposes it; with tB, B is stored as (n, k). lda, ldb and
// ldc are the leading dimensions of the matrices as stored. C must not overlap
// A or B. With k = 0, C becomes zero or, accumulating, stays as it was.
//
// Every element is a sum of k products in some order, so that its error is at
// most gamma_k sum |a||b|, or gamma_(k+1) (sum |a||b| + |c|) accumulating, with
// gamma_n = n u / (1 - n u) and u half the spacing of the floats at 1 (Higham,
// Accuracy and Stability of Numerical Algorithms, section 3.1), plus k times
// the smallest positive number where products fall below the normal range.
func Gemm[T Float](tA, tB bool, m, n, k int, a []T, lda int, b []T, ldb int, c []T, ldc int, accumulate bool) {
	checkProduct("gemm", tA, tB, m, n, k, len(a), lda, len(b), ldb, len(c), ldc)
	if c32, ok := any(c).([]float32); ok {
		multiply(product{
			tA: tA, tB: tB, m: m, n: n, k: k,
			a: any(a).([]float32), lda: lda, b: any(b).([]float32), ldb: ldb, c: c32, ldc: ldc,
			accumulate: accumulate,
		})
		return
	}
	gemm(tA, tB, m, n, k, a, lda, b, ldb, c, ldc, accumulate)
}

// Dense computes a fully connected layer: y = act(x w + bias).
// x is (m, k), w is (k, n), bias is (n) or nil, y is (m, n), all of them
// without gaps between rows. y must not overlap the others.
//
// The error before the activation is at most that of Gemm with one term more.
func Dense[T Float](y, x, w, bias []T, m, n, k int, act Activation) {
	DenseKept(nil, y, x, w, bias, m, n, k, act)
}

// Panels are the weights of a dense layer in the order in which products of many
// rows read them.
type Panels struct {
	packed []float32
	width  int
}

// DenseKept is Dense for inference, where weights never change: it may read them
// at its first call with kept only, which holds a copy of them from then on.
func DenseKept[T Float](kept *Panels, y, x, w, bias []T, m, n, k int, act Activation) {
	act.check("dense")
	checkProduct("dense", false, false, m, n, k, len(x), k, len(w), n, len(y), n)
	if bias != nil {
		need("dense", "bias", len(bias), n)
		bias = bias[:n]
	}
	if y32, ok := any(y).([]float32); ok {
		t := product{
			m: m, n: n, k: k,
			a: any(x).([]float32), lda: k, b: any(w).([]float32), ldb: n, c: y32, ldc: n,
			bias: any(bias).([]float32), act: act,
		}
		if simd && kept != nil && m > directRows && k > 0 && n > 1 {
			t.packed = kept.of(&t)
		}
		multiply(t)
		return
	}
	dense(y, x, w, bias, m, n, k, act)
}

// of returns the panels of B, one after the other, each with all k rows.
func (p *Panels) of(t *product) []float32 {
	if p.width == panelWidth {
		return p.packed
	}
	p.packed, p.width = aligned((t.n+panelWidth-1)/panelWidth*panelWidth*t.k), panelWidth
	for j := 0; j < t.n; j += panelWidth {
		t.packPanel(0, t.k, j, min(j+panelWidth, t.n), p.packed[j*t.k:])
	}
	return p.packed
}

func checkProduct(fn string, tA, tB bool, m, n, k, lenA, lda, lenB, ldb, lenC, ldc int) {
	if tA {
		needMatrix(fn, "a", lenA, k, m, lda)
	} else {
		needMatrix(fn, "a", lenA, m, k, lda)
	}
	if tB {
		needMatrix(fn, "b", lenB, n, k, ldb)
	} else {
		needMatrix(fn, "b", lenB, k, n, ldb)
	}
	needMatrix(fn, "c", lenC, m, n, ldc)
}

// gemm is Gemm in plain Go, for float64.
func gemm[T Float](tA, tB bool, m, n, k int, a []T, lda int, b []T, ldb int, c []T, ldc int, accumulate bool) {
	for i := range m {
		row := c[i*ldc:][:n]
		if !accumulate {
			clear(row)
		}
		for p := range k {
			var v T
			if tA {
				v = a[p*lda+i]
			} else {
				v = a[i*lda+p]
			}
			if tB {
				for j := range row {
					row[j] += T(v * b[j*ldb+p])
				}
			} else {
				for j, w := range b[p*ldb:][:n] {
					row[j] += T(v * w)
				}
			}
		}
	}
}

// dense is Dense in plain Go, for float64.
func dense[T Float](y, x, w, bias []T, m, n, k int, act Activation) {
	gemm(false, false, m, n, k, x, k, w, n, y, n, false)
	for i := range m {
		row := y[i*n:][:n]
		if bias != nil {
			add(row, row, bias)
		}
		activate(act, row, row)
	}
}
