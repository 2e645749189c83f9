package kernel

// The float32 product follows Goto and van de Geijn (Anatomy of
// high-performance matrix multiplication, 2008) with one change: A is read
// where it lies, through its strides, as a rule. B is packed, 16 columns at a
// time, into a panel that stays in the caches next to the core while tiles of 6
// rows pass by; 32 columns and up to 14 rows with AVX-512.
//
// An element is the chain of its k products, added one after the other to the
// old C or to zero, and it is the same chain in every tile, panel and block. That
// is why neither the blocking nor the threads show in a result. The bias comes
// last: a chain that began with it would round every sum at its size.
// Inner products along memory are apart: their sums run in several lanes.
const (
	// Panels are rows of panelWidth elements without gaps, the missing columns of
	// the last one too; tiles have tileRows rows at most.
	narrowRows, narrowPanel = 6, 16 // of the tiles and panels of AVX2 and of portable Go
	wideRows, widePanel     = 14, 32

	panelDepth = 400 // of a panel of 25 KB, or of 50 KB with AVX-512
	blockRows  = 384 // of C that one panel serves at most
	directRows = 24  // of C up to which B is not packed

	// awkwardStride is the number of elements between the rows of a transposed A
	// of which a multiple makes them meet in too few places of the caches. Such
	// an A is packed into tiles.
	awkwardStride = 1024

	// smallProduct is the number of multiplications from which threads pay: some
	// 2 microseconds of work.
	smallProduct = 1 << 17

	rowWidth = 96 // columns of a unit of byRows
	dotRows  = 64 // rows of a unit of byDots
)

// product is the task c = act(a b + bias), or c += a b.
type product struct {
	tA, tB     bool
	m, n, k    int
	a          []float32
	lda        int
	b          []float32
	ldb        int
	packed     []float32 // all panels of B, or nil
	c          []float32
	ldc        int
	accumulate bool
	bias       []float32 // nil, or n values
	act        Activation

	by method
	// Of byTiles: units are blocks of rows by panels, the panels of the first
	// block first, or whole blocks of rows where A is packed into tiles.
	rows   int
	panels int
	tiled  bool
}

// method is a way to compute a product.
type method uint8

const (
	byTiles method = iota // panels of B against tiles of A
	byRows                // one or two rows of A against B where it lies; the sums of byTiles
	byDots                // inner products of rows along memory with a vector; sums of their own
)

func multiply(t product) {
	var units int
	pays := smallProduct
	switch {
	case t.m == 0 || t.n == 0:
		return
	case t.k == 0:
		t.activateStart()
		return
	case t.n == 1 && !t.tA || t.m == 1 && t.tB:
		t.by = byDots
		units, pays = (max(t.m, t.n)+dotRows-1)/dotRows, smallProduct/2
	case simd && t.m <= 2 && !t.tB:
		t.by = byRows
		units, pays = (t.n+rowWidth-1)/rowWidth, smallProduct/2
	case simd && t.n == 1 && t.ldc == 1: // the same with A and B in exchanged places
		t.by = byRows
		t.tA, t.a, t.lda, t.b, t.ldb = !t.tB, t.b, t.ldb, t.a, t.lda
		t.m, t.n = 1, t.m
		units, pays = (t.n+rowWidth-1)/rowWidth, smallProduct/2
	default:
		units = t.divide()
	}
	if units > 1 && t.m*t.n*t.k >= pays && workers.lock() {
		workers.product = t
		workers.run(&workers.product, units)
		return
	}
	ws := takeWorkspace()
	t.do(0, units, ws)
	giveWorkspace(ws)
}

// divide settles the blocks of byTiles and returns the number of units.
func (t *product) divide() (units int) {
	t.panels = (t.n + panelWidth - 1) / panelWidth
	perBlock, most := t.panels, blockRows
	if t.tiled = simd && !wide && t.tA && t.lda%awkwardStride == 0 && t.m > tileRows && t.panels > 1; t.tiled {
		perBlock, most = 1, blockRows/2
	}
	blocks := (t.m + most - 1) / most
	if t.m*t.n*t.k >= smallProduct {
		for perBlock*blocks < Threads() && t.m/blocks > 8*tileRows {
			blocks++
		}
	}
	t.rows = ((t.m+blocks-1)/blocks + tileRows - 1) / tileRows * tileRows
	return (t.m + t.rows - 1) / t.rows * perBlock
}

func (t *product) do(lo, hi int, ws *workspace) {
	switch t.by {
	case byDots:
		for u := lo; u < hi; u++ {
			t.dots(u*dotRows, min((u+1)*dotRows, max(t.m, t.n)), ws)
		}
	case byRows:
		t.multiplyRows(lo*rowWidth, min(hi*rowWidth, t.n), ws)
	default:
		if t.tiled {
			lo, hi = lo*t.panels, hi*t.panels
		}
		for lo < hi {
			block, panel := lo/t.panels, lo%t.panels
			end := min(t.panels, panel+hi-lo)
			t.block(block*t.rows, min((block+1)*t.rows, t.m), panel, end, ws)
			lo += end - panel
		}
	}
}

// block computes rows [i0, i1) of panels [p0, p1).
func (t *product) block(i0, i1, p0, p1 int, ws *workspace) {
	for k0 := 0; k0 < t.k; {
		// Even parts, so that none is too short to pay for its packing.
		parts := (t.k - k0 + panelDepth - 1) / panelDepth
		depth := min(((t.k-k0)/parts+7)/8*8, panelDepth, t.k-k0)
		last := k0+depth == t.k
		if t.tiled {
			t.packTiles(i0, i1, k0, depth, ws)
		}
		for p := p0; p < p1; p++ {
			j0, j1 := p*panelWidth, min((p+1)*panelWidth, t.n)
			if simd {
				if t.packed == nil && !t.direct(i1-i0, j1-j0) {
					t.packPanel(k0, depth, j0, j1, ws.panel)
				}
				t.multiplyPanel(i0, i1, k0, depth, j0, j1, ws)
			} else {
				t.packPanelPlain(k0, depth, j0, j1, ws)
				t.multiplyPanelPlain(i0, i1, k0, depth, j0, j1, ws)
			}
			if last {
				t.activate(i0, i1, j0, j1)
			}
		}
		k0 += depth
	}
}

// activate applies what the tiles have not to rows [i0, i1) and columns
// [j0, j1), which have just been written.
func (t *product) activate(i0, i1, j0, j1 int) {
	if t.act.Func == Identity || simd && t.tileCode() != 0 {
		return
	}
	if simd {
		activateRows(t.act, i1-i0, j1-j0, t.ldc, t.c[i0*t.ldc+j0:])
		return
	}
	for i := i0; i < i1; i++ {
		row := t.c[i*t.ldc+j0 : i*t.ldc+j1]
		activate(t.act, row, row)
	}
}

// tileCode is the activation in the terms of the tiles, which apply the
// rectifiers before they store; 0 leaves it to activate.
func (t *product) tileCode() int {
	switch t.act.Func {
	case LeakyReLU:
		return 1
	case ReLU:
		return 2
	}
	return 0
}

// direct tells whether a block of so many rows reads columns of B where they
// lie: the few tiles that would meet them again do not pay for packing them.
func (t *product) direct(rows, cols int) bool {
	return rows <= directRows && cols == panelWidth && !t.tB
}

// strides are the steps in elements from row to row and from column to column
// of op(A).
func (t *product) strides() (row, col int) {
	if t.tA {
		return 1, t.lda
	}
	return t.lda, 1
}

// packPanelPlain copies op(B), rows [k0, k0+depth) and columns [j0, j1), to the
// workspace.
func (t *product) packPanelPlain(k0, depth, j0, j1 int, ws *workspace) {
	for p := range depth {
		dst := ws.panel[p*panelWidth:][:panelWidth]
		if t.tB {
			for j := j0; j < j1; j++ {
				dst[j-j0] = t.b[j*t.ldb+k0+p]
			}
		} else {
			copy(dst, t.b[(k0+p)*t.ldb+j0:(k0+p)*t.ldb+j1])
		}
		clear(dst[j1-j0:])
	}
}

// multiplyPanelPlain adds rows [i0, i1) of op(A) times the panel to columns
// [j0, j1) of C, in tiles of 2 by 4: as many sums as hide the latency of an
// addition without leaving the registers. The products are converted so that
// no compiler fuses them with the sum in one place and not in another.
func (t *product) multiplyPanelPlain(i0, i1, k0, depth, j0, j1 int, ws *workspace) {
	ars, acs := t.strides()
	for i := i0; i < i1; i += 2 {
		two := min(1, i1-1-i) // 0 does the last of an odd number of rows twice
		a0, a1 := t.a[i*ars+k0*acs:], t.a[(i+two)*ars+k0*acs:]
		for j := j0; j < j1; j += 4 {
			var s [2][4]float32
			if k0 > 0 || t.accumulate {
				copy(s[0][:], t.c[i*t.ldc+j:i*t.ldc+j1])
				copy(s[1][:], t.c[(i+two)*t.ldc+j:(i+two)*t.ldc+j1])
			}
			s00, s01, s02, s03 := s[0][0], s[0][1], s[0][2], s[0][3]
			s10, s11, s12, s13 := s[1][0], s[1][1], s[1][2], s[1][3]
			b := ws.panel[j-j0:]
			for p := range depth {
				x, y := a0[p*acs], a1[p*acs]
				v := b[p*panelWidth:][:4]
				s00 += float32(x * v[0])
				s01 += float32(x * v[1])
				s02 += float32(x * v[2])
				s03 += float32(x * v[3])
				s10 += float32(y * v[0])
				s11 += float32(y * v[1])
				s12 += float32(y * v[2])
				s13 += float32(y * v[3])
			}
			s = [2][4]float32{{s00, s01, s02, s03}, {s10, s11, s12, s13}}
			if t.bias != nil && k0+depth == t.k {
				for l, b := range t.bias[j:min(j+4, j1)] {
					s[0][l] += b
					s[1][l] += b
				}
			}
			copy(t.c[i*t.ldc+j:i*t.ldc+j1], s[0][:])
			copy(t.c[(i+two)*t.ldc+j:(i+two)*t.ldc+j1], s[1][:])
		}
	}
}

// activateStart is the product with k = 0.
func (t *product) activateStart() {
	for i := range t.m {
		row := t.c[i*t.ldc:][:t.n]
		switch {
		case t.accumulate:
			continue
		case t.bias != nil:
			copy(row, t.bias)
		default:
			clear(row)
		}
		Activate(t.act, row, row)
	}
}

// dots computes elements [lo, hi) of a C that is one row or one column, each an
// inner product of a row of A, or of B transposed, with the vector.
func (t *product) dots(lo, hi int, ws *workspace) {
	mat, ld, vec, step, out := t.a, t.lda, t.b, t.ldb, t.ldc
	if t.tB {
		step = 1
	}
	if t.n != 1 || t.tA { // a row
		mat, ld, vec, step, out = t.b, t.ldb, t.a, 1, 1
		if t.tA {
			step = t.lda
		}
	}
	sums := ws.sums[:hi-lo]
	for k0 := 0; k0 < t.k; k0 += len(ws.panel) {
		x := vec[k0*step:]
		depth := min(len(ws.panel), t.k-k0)
		if step != 1 {
			for p := range depth {
				ws.panel[p] = x[p*step]
			}
			x = ws.panel[:]
		}
		if part := ws.part[:hi-lo]; k0 > 0 {
			innerProducts(part, mat[lo*ld+k0:], ld, x[:depth])
			add(sums, sums, part)
		} else {
			innerProducts(sums, mat[lo*ld:], ld, x[:depth])
		}
	}
	for i := range sums {
		switch {
		case t.accumulate:
			sums[i] += t.c[(lo+i)*out]
		case t.bias != nil:
			sums[i] += t.bias[0]
		}
	}
	Activate(t.act, sums, sums)
	for i, v := range sums {
		t.c[(lo+i)*out] = v
	}
}

// dotPlain is an inner product in plain Go.
func dotPlain(a, b []float32) float32 {
	var s0, s1, s2, s3 float32
	b = b[:len(a)]
	i := 0
	for ; i+4 <= len(a); i += 4 {
		s0 += float32(a[i] * b[i])
		s1 += float32(a[i+1] * b[i+1])
		s2 += float32(a[i+2] * b[i+2])
		s3 += float32(a[i+3] * b[i+3])
	}
	for ; i < len(a); i++ {
		s0 += float32(a[i] * b[i])
	}
	return (s0 + s1) + (s2 + s3)
}

func innerProductsPlain(dst, mat []float32, ld int, x []float32) {
	for i := range dst {
		dst[i] = dotPlain(mat[i*ld:][:len(x)], x)
	}
}
