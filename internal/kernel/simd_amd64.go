//go:build !noasm

package kernel

import "golang.org/x/sys/cpu"

// simd tells whether the assembly may run, wide whether that with registers of
// 16 elements may. Tests switch them off to compare; use sets both.
var (
	simd, wide bool
	panelWidth int
	tileRows   int
)

func init() {
	x := &cpu.X86
	avx2 := x.HasAVX2 && x.HasFMA
	use(avx2, avx2 && !narrow && x.HasAVX512F && x.HasAVX512DQ && x.HasAVX512BW && x.HasAVX512VL && x.HasBMI2)
}

// use chooses the path, while no kernel runs.
func use(withSimd, withWide bool) {
	simd, wide = withSimd, withWide
	panelWidth, tileRows = narrowPanel, narrowRows
	if wide {
		panelWidth, tileRows = widePanel, wideRows
	}
}

var zeros [widePanel]float32

// packPanel is packPanelPlain in assembly, into any panel.
func (t *product) packPanel(k0, depth, j0, j1 int, panel []float32) {
	if t.tB {
		t.packColumns(panel, k0, depth, j0, j1)
		return
	}
	_, _ = panel[depth*panelWidth-1], t.b[(k0+depth-1)*t.ldb+j1-1]
	b, to := &t.b[k0*t.ldb+j0], &panel[0]
	switch {
	case wide:
		packWide(depth, b, 4*t.ldb, to, j1-j0)
	case j1-j0 == panelWidth:
		packRows(depth, b, 4*t.ldb, to)
	default:
		packRowsEdge(depth, b, 4*t.ldb, to, j1-j0)
	}
}

// packColumns copies rows [j0, j1) of a B that is transposed, and its columns
// [k0, k0+depth), to the columns of a panel.
func (t *product) packColumns(panel []float32, k0, depth, j0, j1 int) {
	pack := packColumns16
	if wide {
		pack = packColumns32
	}
	_ = panel[(depth-1)*panelWidth+(j1-j0+7)/8*8-1]
	for j := j0; j < j1; j += 8 {
		pack(depth, min(8, j1-j), &t.b[j*t.ldb+k0], 4*t.ldb, &panel[j-j0])
	}
}

// packTiles copies columns [i0, i1) of A, which are rows of op(A), and its rows
// [k0, k0+depth) to the workspace, tile by tile.
func (t *product) packTiles(i0, i1, k0, depth int, ws *workspace) {
	size := tileRows * depth
	if need := (i1-i0+3)/4*size + 2; len(ws.tiles) < need {
		ws.tiles = aligned(need)
	}
	at := 0
	for _, h := range tileHeights(i1 - i0) {
		if h.rows == narrowRows && h.tiles > 0 {
			packSixes(depth, h.tiles, &t.a[k0*t.lda+i0], 4*t.lda, &ws.tiles[0], 4*size)
			at, i0 = h.tiles*size, i0+h.tiles*narrowRows
			continue
		}
		for range h.tiles {
			packTile(depth, &t.a[k0*t.lda+i0], 4*t.lda, &ws.tiles[at], h.rows)
			at += size
			i0 += h.rows
		}
	}
}

// multiplyPanel adds rows [i0, i1) of op(A) times columns [j0, j1) of op(B) to
// C. Those are in the panel, unless there are so few rows that packing them did
// not pay.
func (t *product) multiplyPanel(i0, i1, k0, depth, j0, j1 int, ws *workspace) {
	ars, acs := t.strides()
	s := strip{depth: depth, cols: j1 - j0, b: &ws.panel[0], brs: 4 * panelWidth, ldc: 4 * t.ldc, ars: 4 * ars, acs: 4 * acs}
	switch {
	case t.packed != nil:
		s.b = &t.packed[j0*t.k+k0*panelWidth]
	case t.direct(i1-i0, j1-j0):
		s.b, s.brs = &t.b[k0*t.ldb+j0], 4*t.ldb
	}
	if t.tiled {
		s.ars, s.acs = 4, 4*tileRows
	}
	s.bias = &zeros[0]
	if k0+depth == t.k {
		s.act, s.alpha = t.tileCode(), float32(t.act.Alpha)
		if t.bias != nil {
			s.bias = &t.bias[j0]
		}
	}
	i, at := i0, 0
	for _, h := range tileHeights(i1 - i0) {
		if h.tiles == 0 {
			continue
		}
		s.c = &t.c[i*t.ldc+j0]
		s.a, s.ats = &t.a[i*ars+k0*acs], h.rows*s.ars
		if t.tiled {
			s.a, s.ats = &ws.tiles[at], 4*tileRows*depth
		}
		s.start, s.ldi, s.its = &zeros[0], 0, 0
		if k0 > 0 || t.accumulate {
			s.start, s.ldi, s.its = s.c, s.ldc, h.rows*s.ldc
		}
		s.multiply(h.rows, h.tiles)
		at += h.tiles * tileRows * depth
		i += h.tiles * h.rows
	}
}

// multiplyPicked adds to all of C the columns of the panel, which are the rows of
// A, times panels of B, rows [k0, k0+depth) of each.
func (t *product) multiplyPicked(b []float32, k0, depth int, ws *workspace) {
	s := strip{depth: depth, a: &ws.panel[0], ars: 4, acs: 4 * panelWidth, brs: 4 * panelWidth, ldc: 4 * t.ldc, bias: &zeros[0]}
	last := k0+depth == t.k
	if last {
		s.act, s.alpha = t.tileCode(), float32(t.act.Alpha)
	}
	heights := tileHeights(t.m)
	for j0 := 0; j0 < t.n; j0 += panelWidth {
		s.cols = min(panelWidth, t.n-j0)
		if s.b = &zeros[0]; depth > 0 {
			s.b = &b[j0*t.k+k0*panelWidth]
		}
		if last && t.bias != nil {
			s.bias = &t.bias[j0]
		}
		i := 0
		for _, h := range heights {
			if h.tiles == 0 {
				continue
			}
			s.a, s.ats, s.c = &ws.panel[i], h.rows*s.ars, &t.c[i*t.ldc+j0]
			s.start, s.ldi, s.its = &zeros[0], 0, 0
			if k0 > 0 {
				s.start, s.ldi, s.its = s.c, s.ldc, h.rows*s.ldc
			}
			s.multiply(h.rows, h.tiles)
			i += h.tiles * h.rows
		}
	}
}

// strip holds the arguments of tiles one below the other.
type strip struct {
	depth, cols   int
	a             *float32
	ars, acs, ats int
	b             *float32
	brs           int
	c             *float32
	ldc           int
	start         *float32
	ldi, its      int
	bias          *float32
	act           int
	alpha         float32
}

// multiply computes n tiles of so many rows.
func (s *strip) multiply(rows, n int) {
	if wide {
		tile := wideTiles[rows-1][min(1, (s.cols-1)/16)]
		tile(n, s.depth, s.a, s.ars, s.acs, s.ats, s.b, s.brs, s.c, s.ldc, s.start, s.ldi, s.its, s.bias, s.act, s.alpha, s.cols)
		return
	}
	if s.cols == panelWidth {
		switch rows {
		case 6:
			tile6(n, s.depth, s.a, s.ars, s.acs, s.ats, s.b, s.brs, s.c, s.ldc, s.start, s.ldi, s.its, s.bias, s.act, s.alpha)
		case 5:
			tile5(n, s.depth, s.a, s.ars, s.acs, s.ats, s.b, s.brs, s.c, s.ldc, s.start, s.ldi, s.its, s.bias, s.act, s.alpha)
		case 4:
			tile4(n, s.depth, s.a, s.ars, s.acs, s.ats, s.b, s.brs, s.c, s.ldc, s.start, s.ldi, s.its, s.bias, s.act, s.alpha)
		case 3:
			tile3(n, s.depth, s.a, s.ars, s.acs, s.ats, s.b, s.brs, s.c, s.ldc, s.start, s.ldi, s.its, s.bias, s.act, s.alpha)
		case 2:
			tile2(n, s.depth, s.a, s.ars, s.acs, s.ats, s.b, s.brs, s.c, s.ldc, s.start, s.ldi, s.its, s.bias, s.act, s.alpha)
		case 1:
			tile1(n, s.depth, s.a, s.ars, s.acs, s.ats, s.b, s.brs, s.c, s.ldc, s.start, s.ldi, s.its, s.bias, s.act, s.alpha)
		}
		return
	}
	switch rows {
	case 6:
		tile6Edge(n, s.depth, s.a, s.ars, s.acs, s.ats, s.b, s.brs, s.c, s.ldc, s.start, s.ldi, s.its, s.bias, s.act, s.alpha, s.cols)
	case 5:
		tile5Edge(n, s.depth, s.a, s.ars, s.acs, s.ats, s.b, s.brs, s.c, s.ldc, s.start, s.ldi, s.its, s.bias, s.act, s.alpha, s.cols)
	case 4:
		tile4Edge(n, s.depth, s.a, s.ars, s.acs, s.ats, s.b, s.brs, s.c, s.ldc, s.start, s.ldi, s.its, s.bias, s.act, s.alpha, s.cols)
	case 3:
		tile3Edge(n, s.depth, s.a, s.ars, s.acs, s.ats, s.b, s.brs, s.c, s.ldc, s.start, s.ldi, s.its, s.bias, s.act, s.alpha, s.cols)
	case 2:
		tile2Edge(n, s.depth, s.a, s.ars, s.acs, s.ats, s.b, s.brs, s.c, s.ldc, s.start, s.ldi, s.its, s.bias, s.act, s.alpha, s.cols)
	case 1:
		tile1Edge(n, s.depth, s.a, s.ars, s.acs, s.ats, s.b, s.brs, s.c, s.ldc, s.start, s.ldi, s.its, s.bias, s.act, s.alpha, s.cols)
	}
}

// stack is a number of tiles of some height, one below the other.
type stack struct{ rows, tiles int }

// wideTiles are the tiles by rows, then by vectors, from one.
var wideTiles = [wideRows][2]func(tiles, k int, a *float32, ars, acs, ats int, b *float32, brs int, c *float32, ldc int, init *float32, ldi, its int, bias *float32, act int, alpha float32, cols int){
	{wide1x1, wide1x2}, {wide2x1, wide2x2}, {wide3x1, wide3x2}, {wide4x1, wide4x2}, {wide5x1, wide5x2}, {wide6x1, wide6x2}, {wide7x1, wide7x2},
	{wide8x1, wide8x2}, {wide9x1, wide9x2}, {wide10x1, wide10x2}, {wide11x1, wide11x2}, {wide12x1, wide12x2}, {wide13x1, wide13x2}, {wide14x1, wide14x2},
}

// tileHeights splits rows into tiles of 6, 5 and 4 rows, which keep the FMA
// units busy, and one lower tile where there is no other way. Wide tiles come in
// every height: as few of them as there can be, as even as they can be.
func tileHeights(rows int) [4]stack {
	if wide {
		tiles := (rows + wideRows - 1) / wideRows
		height, more := rows/tiles, rows%tiles
		return [4]stack{{height + 1, more}, {height, tiles - more}}
	}
	six, rest := rows/6, rows%6
	var five, four int
	switch {
	case rest == 5:
		five, rest = 1, 0
	case rest == 4:
		four, rest = 1, 0
	case rest == 3 && six >= 1: // 9 = 5+4
		six, five, four, rest = six-1, 1, 1, 0
	case rest == 2 && six >= 1: // 8 = 4+4
		six, four, rest = six-1, 2, 0
	case rest == 1 && six >= 2: // 13 = 5+4+4
		six, five, four, rest = six-2, 1, 2, 0
	case rest == 1 && six == 1: // 7 = 4+3
		six, four, rest = 0, 1, 3
	}
	return [4]stack{{6, six}, {5, five}, {4, four}, {rest, min(rest, 1)}}
}

// multiplyRows computes columns [lo, hi) of the rows of C from B as it lies.
func (t *product) multiplyRows(lo, hi int, _ *workspace) {
	ars, acs := t.strides()
	for i := range t.m {
		c := t.c[i*t.ldc+lo : i*t.ldc+hi]
		if !t.accumulate {
			clear(c)
		}
		row(t.k, hi-lo, &t.a[i*ars], 4*acs, &t.b[lo], 4*t.ldb, &c[0], &c[0])
		if t.bias != nil {
			add(c, c, t.bias[lo:hi])
		}
		Activate(t.act, c, c)
	}
}

// innerProducts writes those of the rows of mat with x into dst.
func innerProducts(dst, mat []float32, ld int, x []float32) {
	if !simd {
		innerProductsPlain(dst, mat, ld, x)
		return
	}
	_ = mat[(len(dst)-1)*ld+len(x)-1]
	dots(len(dst), len(x), &mat[0], 4*ld, &x[0], &dst[0])
}

// activateRows is Activate in place over rows that lie ld apart.
func activateRows(act Activation, rows, cols, ld int, y []float32) {
	_ = y[(rows-1)*ld+cols-1]
	activateFast(act, rows, cols, ld, &y[0], &y[0])
}

// activateFast does every function but the identity.
func activateFast(act Activation, rows, cols, ld int, y, x *float32) {
	alpha := float32(act.Alpha)
	switch act.Func {
	case ReLU:
		reluEach(rows, cols, ld, y, x)
	case LeakyReLU:
		leakyEach(rows, cols, ld, y, x, alpha)
	case Tanh:
		tanhEach(rows, cols, ld, y, x)
	case Sigmoid:
		sigmoidEach(rows, cols, ld, y, x)
	case Softplus:
		softplusEach(rows, cols, ld, y, x)
	case ELU:
		eluEach(rows, cols, ld, y, x, alpha)
	}
}

// activateGradFast is ActivateGrad of one element or more.
func activateGradFast(act Activation, dx, y, dy []float32) {
	n := len(dx)
	_, _ = y[n-1], dy[n-1]
	alpha := float32(act.Alpha)
	switch act.Func {
	case Identity:
		copy(dx, dy)
	case ReLU:
		reluSlope(1, n, n, &dx[0], &y[0], &dy[0])
	case LeakyReLU:
		leakySlope(1, n, n, &dx[0], &y[0], &dy[0], alpha)
	case Tanh:
		tanhSlope(1, n, n, &dx[0], &y[0], &dy[0])
	case Sigmoid:
		sigmoidSlope(1, n, n, &dx[0], &y[0], &dy[0])
	case Softplus:
		softplusSlope(1, n, n, &dx[0], &y[0], &dy[0])
	case ELU:
		eluSlope(1, n, n, &dx[0], &y[0], &dy[0], alpha)
	}
}

// fast does elements [lo, hi), lo < hi, in assembly.
func (v *vectors) fast(lo, hi int) {
	n := hi - lo
	y, a := &v.y[lo], &v.a[lo]
	var b, c *float32
	if v.b != nil {
		b = &v.b[lo]
	}
	if v.c != nil {
		c = &v.c[lo]
	}
	s := &v.s
	switch v.op {
	case opActivate:
		if v.act.Func == Identity {
			copy(v.y[lo:hi], v.a[lo:hi])
			return
		}
		activateFast(v.act, 1, n, n, y, a)
	case opGrad:
		activateGradFast(v.act, v.y[lo:hi], v.a[lo:hi], v.b[lo:hi])
	case opExp:
		expEach(1, n, n, y, a)
	case opAdd:
		addEach(1, n, n, y, a, b)
	case opMul:
		mulEach(1, n, n, y, a, b)
	case opFloat16:
		if wide {
			float16Wide(n, y, a)
		} else {
			float16Each(1, n, n, y, a)
		}
	case opBFloat16:
		bfloat16Each(1, n, n, y, a)
	case opQuantize:
		quantizeEach(1, n, n, y, a, s[0], s[1], s[2], s[3])
	case opDequantize:
		dequantizeEach(1, n, n, y, a, s[0], s[1])
	case opAdam:
		adamEach(1, n, n, y, b, c, a, s[0], s[1], s[2], s[3])
	}
}

// addRowsFast is addRows in assembly.
func addRowsFast(dst, x []float32, rows, ld int) {
	_ = x[(rows-1)*ld+len(dst)-1]
	columnSums(rows, len(dst), &x[0], ld, &dst[0])
}

// gatherFast converts as many pixels as fill whole vectors and returns their
// number.
func gatherFast(dst []float32, src []uint8, scale, offset float32) int {
	n := len(src) / 8
	if n > 0 {
		_ = dst[8*n-1]
		pixelsEach(n, &dst[0], &src[0], scale, offset)
	}
	return 8 * n
}

// fast is plain in assembly.
func (d *draws) fast(dst []float32, block uint64) {
	if d.normal {
		normals(len(dst)/groupWords, &dst[0], block, &d.keys[0], d.high[0], d.high[1])
	} else {
		uniforms(len(dst)/groupWords, &dst[0], block, &d.keys[0], d.high[0], d.high[1])
	}
}

// pickFast is pick in assembly.
func pickFast(panel []float32, steps []int32, l *lanes, cols int, x []float32, height, width int) {
	n := len(steps) / stepWords
	if n == 0 {
		return
	}
	_ = panel[n*panelWidth-1]
	if wide {
		for j := 0; j < panelWidth; j += 16 {
			pickWide(n, steps, l, j, x, height, width, panel[j:])
		}
		return
	}
	for j := 0; j < panelWidth; j += 8 {
		pick8(n, &steps[0], &l.offset[j], &x[0], height, width, &panel[j], 4*panelWidth)
	}
}

// sumsFast is sumsOf in assembly.
func sumsFast(a, x []float32, mean float32) (sum, dot float64) {
	if len(a) == 0 {
		return 0, 0
	}
	var s [2]float64
	runSums(len(a), &a[0], &x[:len(a)][0], mean, &s[0])
	return s[0], s[1]
}

// squaresFast is squaresOf in assembly.
func squaresFast(x []float32, mean float32) (sum float64) {
	if len(x) > 0 {
		runSquares(len(x), &x[0], mean, &sum)
	}
	return sum
}

// scaleAboutFast is scaleAbout in assembly.
func scaleAboutFast(y, x []float32, mean, scale, shift float32) {
	if n := len(x); n > 0 {
		aboutEach(1, n, n, &y[:n][0], &x[0], mean, scale, shift)
	}
}

// combineFast is combine in assembly.
func combineFast(y, x []float32, scale, slope, mean, shift float32) {
	if n := len(x); n > 0 {
		combineEach(1, n, n, &y[:n][0], &x[0], scale, slope, mean, shift)
	}
}

// pickWide packs columns j to j+15. Most are neighbours in x, or were if the
// batch had no end of an image between them.
func pickWide(n int, steps []int32, l *lanes, j int, x []float32, height, width int, panel []float32) {
	offset := (*[16]int32)(l.offset[j:])
	second := 16 // the lane where the second run begins
	for k := 1; k < 16; k++ {
		if offset[k] == offset[k-1]+1 || l.row[j+k] == outside {
			continue
		}
		if second < 16 {
			pick16(n, &steps[0], &l.offset[j], &x[0], height, width, &panel[0], 4*panelWidth)
			return
		}
		second = k
	}
	// A mask keeps the lanes of the other run, and those outside of the image,
	// from being read.
	first, other := int(offset[0]), 0
	if second < 16 {
		other = int(offset[second]) - second
	}
	pickRuns(n, &steps[0], &l.offset[j], &x[0], first, other, 0xffff<<second&0xffff, height, width, &panel[0], 4*panelWidth)
}

// transpose writes the columns of x, rows by cols elements, to rows of y, ldy
// apart. Both have room for cols to be a multiple of 16, and x for the rows, too.
func transpose(y []float32, ldy int, x []float32, rows, cols int) {
	for i := 0; i < rows; i += 16 {
		n, padded := min(16, rows-i), (cols+15)/16*16
		_, _ = y[(padded-1)*ldy+i+n-1], x[(i+15)*cols+padded-1]
		transpose16(cols, &x[i*cols], 4*cols, &y[i], 4*ldy, 1<<n-1)
	}
}

// unzipRows writes the elements of rows of x with even and odd numbers to rows of
// their own.
func unzipRows(even, odd, x []float32, rows, cols, ldx, ldy int) {
	n := (cols + 1) / 2
	_, _, _ = even[(rows-1)*ldy+n-1], odd[(rows-1)*ldy+n-1], x[(rows-1)*ldx+cols-1]
	unzip(rows, cols, &x[0], 4*ldx, &even[0], &odd[0], 4*ldy)
}

// scatterFast writes columns of c to their places, if there is an instruction
// for it.
func scatterFast(y []float32, ldy int, c []float32, ldc, rows int, to *[widePanel]int32, cols int) bool {
	if !wide {
		return false
	}
	for j := 0; j < cols; j += 16 {
		scatter16(rows, &c[j], 4*ldc, &y[0], 4*ldy, &to[j], 1<<min(16, cols-j)-1)
	}
	return true
}
