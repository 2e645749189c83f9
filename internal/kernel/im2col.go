package kernel

// im2col is the task of a convolution in one direction: every pixel of a
// destination is a sum over the channels of a source and over taps, which are
// positions of the source relative to the pixel. It is a product of matrices,
// with the weights for A and for B a matrix that is never there as a whole: the
// columns of a panel are pixels of the destination, its rows are picked from the
// source when a panel is due: what the field calls an implicit im2col.
//
// Where there are channels enough to fill the columns of tiles, and AVX-512, the
// product is the transposed one: pixels are its rows, in tiles from a panel of
// picked pixels, and weights lie in panels of channels. No column is wasted on a
// small image then, and bias and rectifier are the tiles' own. The sums are the
// same.
//
// A transposed convolution of stride s falls into s by s phases of pixels with
// the same taps, so that nothing is multiplied that is not wanted and nothing is
// added up between threads.
type im2col struct {
	samples  int
	n        int // of them at once
	dst, src Image
	groups   int
	step     [2]int // from pixel to pixel of a phase, in the destination
	move     [2]int // and in the source
	phases   []phase

	order         weightOrder
	split         *split // what takes the source apart first, or nil
	y, x, w, bias []float32
	act           Activation
	transposed    bool
	rows          int // channels of a unit at most
	blocks        int // of such channels in a group
	panels        int // of all phases
}

// phase is a lattice of pixels of the destination.
type phase struct {
	top, left  int // its first pixel
	down, over int // its pixels down and across
	steps      []int32
	k          int // terms of each sum, len(steps) / stepWords
	weights    int // where its weights begin: a row of k for each channel
	width      int // pixels of a panel
	panels     int
}

// stepWords is the size of a step: the offset of a term in the source, then the
// row and column of its tap, all relative to the pixel.
const stepWords = 3

// lanes are the columns of a panel: the offset of each pixel in the source, its
// row and its column there.
type lanes struct{ offset, row, col [widePanel]int32 }

// outside is a row that no step leads back into the image.
const outside = -1 << 30

func newDown(n int, small, large Image, win Window) im2col {
	p := phase{down: small.Height, over: small.Width}
	s := im2col{samples: n, dst: small, src: large, groups: win.Groups, step: [2]int{1, 1}, move: win.Stride}
	s.split = newSplit(n, small, large, win)
	for c := range large.Channels / win.Groups {
		for ky := range win.Kernel[0] {
			for kx := range win.Kernel[1] {
				row, col := ky*win.Dilation[0]-win.Pads[0], kx*win.Dilation[1]-win.Pads[1]
				if s.split == nil {
					p.step(large, c, row, col)
					continue
				}
				part, row, col := s.split.place(row, col)
				p.step(s.split.parted, c*len(s.split.used)+part, row, col)
			}
		}
	}
	if s.split != nil {
		s.src, s.move = s.split.parted, [2]int{1, 1}
	}
	s.phases = []phase{p}
	s.order.terms = p.k
	return s
}

func newUp(n int, small, large Image, win Window) im2col {
	s := im2col{samples: n, dst: large, src: small, groups: win.Groups, step: win.Stride, move: [2]int{1, 1}}
	weights := 0
	for top := range min(win.Stride[0], large.Height) {
		rows := upTaps(win, 0, top)
		for left := range min(win.Stride[1], large.Width) {
			cols := upTaps(win, 1, left)
			p := phase{top: top, left: left, weights: weights}
			p.down = (large.Height - top + win.Stride[0] - 1) / win.Stride[0]
			p.over = (large.Width - left + win.Stride[1] - 1) / win.Stride[1]
			for c := range small.Channels / win.Groups {
				for _, r := range rows {
					for _, q := range cols {
						p.step(small, c, r.from, q.from)
					}
				}
			}
			weights += large.Channels * p.k
			s.phases = append(s.phases, p)
			var taps []int
			for _, r := range rows {
				for _, q := range cols {
					taps = append(taps, r.tap*win.Kernel[1]+q.tap)
				}
			}
			s.order.taps = append(s.order.taps, taps)
		}
	}
	s.order.kernel = win.Kernel[0] * win.Kernel[1]
	return s
}

// upTap is a row or a column of the kernel, and where the pixels of a phase
// find what it is multiplied with.
type upTap struct{ tap, from int }

// upTaps are the taps that meet the pixels first, first + stride, ... of the
// large image.
func upTaps(win Window, axis, first int) (taps []upTap) {
	for t := range win.Kernel[axis] {
		if at := first + win.Pads[axis] - t*win.Dilation[axis]; at%win.Stride[axis] == 0 {
			taps = append(taps, upTap{t, at / win.Stride[axis]})
		}
	}
	return taps
}

// step appends the term of a channel of the source at a tap.
func (p *phase) step(src Image, channel, row, col int) {
	p.steps = append(p.steps, int32((channel*src.Height+row)*src.Width+col), int32(row), int32(col))
	p.k++
}

// run computes act(w x + bias) into y.
func (s *im2col) run(y, x, w, bias []float32, act Activation) {
	s.transposed = s.transposes()
	s.w, s.bias, s.act = s.arrange(w), bias, act
	if s.split == nil {
		s.n, s.y, s.x = s.samples, y, x
		s.multiply()
		return
	}
	whole := s.split.src.Channels * s.split.src.pixels()
	for first, most := 0, s.split.samples(s.samples); first < s.samples; first += s.n {
		s.n = min(most, s.samples-first)
		s.y, s.x = y[first*s.dst.Channels*s.dst.pixels():], s.split.run(x[first*whole:], s.n)
		s.multiply()
	}
}

// multiply computes n samples.
func (s *im2col) multiply() {
	units, work := s.divide()
	if units > 1 && work >= smallProduct && workers.lock() {
		workers.im2col = s
		workers.run(workers.im2col, units)
		return
	}
	ws := takeWorkspace()
	s.do(0, units, ws)
	giveWorkspace(ws)
}

const (
	// unitsPerThread leaves the pool something to even out.
	unitsPerThread = 4
	// unitRows is the number of channels below which a panel is not worth
	// packing again.
	unitRows = 28
	// transposedPixels is the number of pixels that a panel of the transposed
	// product holds at most: two full tiles.
	transposedPixels = 2 * wideRows
)

// divide settles the units, a panel against a block of channels each, and
// returns their number and that of multiplications.
func (s *im2col) divide() (units, work int) {
	s.panels = 0
	channels := s.dst.Channels / s.groups
	for i := range s.phases {
		p := &s.phases[i]
		pixels := s.n * p.down * p.over
		if p.width = panelWidth; s.transposed {
			panels := (pixels + transposedPixels - 1) / transposedPixels
			p.width = (pixels + panels - 1) / max(panels, 1)
		}
		p.panels = (pixels + p.width - 1) / max(p.width, 1)
		s.panels += p.panels
		work += pixels * p.k * s.dst.Channels
	}
	s.blocks = (channels + blockRows - 1) / blockRows
	for Threads() > 1 && s.blocks*s.groups*s.panels < unitsPerThread*Threads() && channels/s.blocks >= 2*unitRows {
		s.blocks++
	}
	s.rows = (channels + s.blocks - 1) / s.blocks
	if s.transposed {
		s.rows = (s.rows + widePanel - 1) / widePanel * widePanel
	}
	s.blocks = (channels + s.rows - 1) / s.rows
	return s.blocks * s.groups * s.panels, work
}

// transposes tells whether pixels are better off as rows: where fewer columns of
// tiles stay empty that way, and where the rows of weights would meet in too few
// places of the caches.
func (s *im2col) transposes() bool {
	if !wide {
		return false
	}
	const awkward = awkwardStride / 4 // they are four times as many at once as those of a transposed A
	p := &s.phases[0]
	pixels, channels := s.samples*p.down*p.over, s.dst.Channels/s.groups
	asColumns := (pixels + widePanel - 1) / widePanel * widePanel * channels
	asColumns += pixels * channels * 14 / max(p.k, 1) // bias and activation, which take about so many products apart from the tiles
	if p.k%awkward == 0 {
		asColumns += asColumns / 3
	}
	// A tile of half the width takes a little over half the time.
	asRows := channels / widePanel * widePanel
	switch rest := channels % widePanel; {
	case rest > widePanel/2:
		asRows += widePanel
	case rest > 0:
		asRows += widePanel/2 + 2
	}
	return pixels*asRows <= asColumns
}

// do does units in an order that keeps a thread at its block of weights.
func (s *im2col) do(lo, hi int, ws *workspace) {
	channels := s.dst.Channels / s.groups
	for u := lo; u < hi; u++ {
		block, panel := u/s.panels, u%s.panels
		f := 0
		for panel >= s.phases[f].panels {
			panel -= s.phases[f].panels
			f++
		}
		group, c0 := block/s.blocks, block%s.blocks*s.rows
		p := &s.phases[f]
		first := panel * p.width
		pixels := min(p.width, s.n*p.down*p.over-first)
		c1 := min(c0+s.rows, channels)
		s.aim(p, group, group*channels+c0, first, pixels, ws)
		if s.transposed {
			s.transposedPanel(p, group, c0, c1, pixels, ws)
		} else {
			s.panel(p, group*channels+c0, c1-c0, pixels, ws)
		}
	}
}

// panel computes rows channels, from channel on, at the pixels of a phase that
// the lanes are aimed at.
func (s *im2col) panel(p *phase, channel, rows, cols int, ws *workspace) {
	c := ws.tile(rows * panelWidth)
	t := product{m: rows, n: cols, k: p.k, tB: true, c: c, ldc: panelWidth}
	if p.k == 0 {
		clear(c)
	} else {
		t.a, t.lda = s.w[p.weights+channel*p.k:], p.k
	}
	for k0 := 0; k0 < p.k; k0 += panelDepth {
		depth := min(panelDepth, p.k-k0)
		pick(ws.panel, p.steps[k0*stepWords:(k0+depth)*stepWords], &ws.lanes, cols, s.x, s.src.Height, s.src.Width)
		t.multiplyPacked(k0, depth, ws)
	}
	for i := range rows {
		row := c[i*panelWidth:][:cols]
		if s.bias != nil {
			for j, v := 0, s.bias[channel+i]; j < len(row); j++ {
				row[j] += v
			}
		}
		activateRun(s.act, row)
	}
	s.store(rows, cols, c, ws)
}

// transposedPanel computes channels [c0, c1) of a group, c0 a multiple of the
// width of a panel, at the pixels of a phase that the lanes are aimed at.
func (s *im2col) transposedPanel(p *phase, group, c0, c1, pixels int, ws *workspace) {
	cols := c1 - c0
	size := (cols + 15) / 16 * 16 * panelWidth
	c := ws.tile(size + panelWidth*cols + 16) // rows to spare for blocks that are transposed
	y, c := c[:size], c[size:]
	t := product{m: pixels, n: cols, k: p.k, c: c, ldc: cols, act: s.act}
	if s.bias != nil {
		t.bias = s.bias[group*(s.dst.Channels/s.groups)+c0:]
	}
	w := s.w[s.panelled(p, group)+c0*p.k:]
	for k0 := 0; k0 == 0 || k0 < p.k; k0 += panelDepth {
		depth := min(panelDepth, p.k-k0)
		pick(ws.panel, p.steps[k0*stepWords:(k0+depth)*stepWords], &ws.lanes, pixels, s.x, s.src.Height, s.src.Width)
		t.multiplyPicked(w, k0, depth, ws)
	}
	t.activate(0, pixels, 0, cols)
	if to := int(ws.to[0]); cols%16 == 0 && int(ws.to[pixels-1]) == to+pixels-1 { // side by side in each channel
		transpose(s.y[to:], s.dst.pixels(), c, pixels, cols)
		return
	}
	transpose(y, panelWidth, c, pixels, cols)
	s.store(cols, pixels, y, ws)
}

// aim sets the lanes to the pixels, and ws.to to where they lie in the
// destination.
func (s *im2col) aim(p *phase, group, channel, first, cols int, ws *workspace) {
	n, at := first/(p.down*p.over), first%(p.down*p.over)
	a, b := at/p.over, at%p.over
	l := &ws.lanes
	perSample := s.src.Channels * s.src.pixels()
	source := n*perSample + group*(s.src.Channels/s.groups)*s.src.pixels()
	target := (n*s.dst.Channels + channel) * s.dst.pixels()
	for j := range cols {
		row, col := a*s.move[0], b*s.move[1]
		l.row[j], l.col[j] = int32(row), int32(col)
		l.offset[j] = int32(source + row*s.src.Width + col)
		ws.to[j] = int32(target + (p.top+a*s.step[0])*s.dst.Width + p.left + b*s.step[1])
		if b++; b == p.over {
			b, a = 0, a+1
			if a == p.down {
				a = 0
				source += perSample
				target += s.dst.Channels * s.dst.pixels()
			}
		}
	}
	for j := cols; j < panelWidth; j++ {
		l.row[j] = outside
	}
}

// store writes the columns of c to where ws.to says.
func (s *im2col) store(rows, cols int, c []float32, ws *workspace) {
	pixels := s.dst.pixels()
	if s.step[1] != 1 {
		if scatterFast(s.y, pixels, c, panelWidth, rows, &ws.to, cols) {
			return
		}
		to := ws.to[:cols]
		for i := range rows {
			row, y := c[i*panelWidth:][:len(to)], s.y[i*pixels:]
			for j, at := range to {
				y[at] = row[j]
			}
		}
		return
	}
	for lo := 0; lo < cols; { // runs of neighbours
		hi := lo + 1
		for hi < cols && ws.to[hi] == ws.to[hi-1]+1 {
			hi++
		}
		for i := range rows {
			copy(s.y[i*pixels+int(ws.to[lo]):][:hi-lo], c[i*panelWidth+lo:])
		}
		lo = hi
	}
}

// multiplyPacked adds the product with rows [k0, k0+depth) of B, which are in
// the panel, to all of C, which is one panel wide. t.tB keeps the
// product from looking for B in memory.
func (t *product) multiplyPacked(k0, depth int, ws *workspace) {
	if simd {
		t.multiplyPanel(0, t.m, k0, depth, 0, t.n, ws)
	} else {
		t.multiplyPanelPlain(0, t.m, k0, depth, 0, t.n, ws)
	}
}

// pick packs a panel: row by row of steps, the elements of x at that step from
// the lanes, zero where that is outside of the image. Lanes from cols on are
// outside.
func pick(panel []float32, steps []int32, l *lanes, cols int, x []float32, height, width int) {
	if simd {
		pickFast(panel, steps, l, cols, x, height, width)
		return
	}
	for k := 0; k*stepWords < len(steps); k++ {
		offset, row, col := steps[k*stepWords], steps[k*stepWords+1], steps[k*stepWords+2]
		dst := panel[k*panelWidth:][:panelWidth]
		for j := range dst {
			dst[j] = 0
			if j < cols && uint32(l.row[j]+row) < uint32(height) && uint32(l.col[j]+col) < uint32(width) {
				dst[j] = x[l.offset[j]+offset]
			}
		}
	}
}
