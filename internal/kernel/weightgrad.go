package kernel

// weightGradient is the task of the gradient of a convolution's weights: for
// each group the product of the small image, whose rows are its channels, with a
// matrix whose rows are the positions of the small image and whose columns are
// the weights of one small channel, picked from the large image.
type weightGradient struct {
	n            int
	small, large Image
	groups       int
	columns      []int32 // steps from a position to the terms of each column
	places       []int32 // positions in the large image of those of the small one

	dw, s, l []float32
	joined   []float32 // the small images with the batch inside the channel, where they are too small to work on one by one
	join     func(lo, hi int)
	rows     int // small channels of a unit at most
	blocks   int // of those in a group
	panels   int // of columns in a group
}

// smallImage is the number of pixels below which the images of a batch are put
// side by side, since the sums over one of them would be too short.
const smallImage = 128

func newWeightGradient(n int, small, large Image, win Window) weightGradient {
	g := weightGradient{n: n, small: small, large: large, groups: win.Groups}
	for c := range large.Channels / win.Groups {
		for ky := range win.Kernel[0] {
			for kx := range win.Kernel[1] {
				row, col := ky*win.Dilation[0], kx*win.Dilation[1]
				g.columns = append(g.columns, int32((c*large.Height+row)*large.Width+col), int32(row), int32(col))
			}
		}
	}
	for a := range small.Height {
		for b := range small.Width {
			row, col := a*win.Stride[0]-win.Pads[0], b*win.Stride[1]-win.Pads[1]
			g.places = append(g.places, int32(row*large.Width+col), int32(row), int32(col))
		}
	}
	return g
}

func (g *weightGradient) run(dw, s, l []float32) {
	g.dw, g.s, g.l = dw, s, l
	pixels := g.small.pixels()
	if pixels < smallImage && g.n > 1 {
		if g.joined == nil {
			g.joined, g.join = make([]float32, g.n*g.small.Channels*pixels), g.joinRows
		}
		Parallel(g.small.Channels, max(1, 8192/(g.n*pixels)), g.join)
	}
	units, work := g.divide()
	if units > 1 && work >= smallProduct && workers.lock() {
		workers.gradient = g
		workers.run(workers.gradient, units)
		return
	}
	ws := takeWorkspace()
	g.do(0, units, ws)
	giveWorkspace(ws)
}

// joinRows puts channels [lo, hi) of all samples side by side.
func (g *weightGradient) joinRows(lo, hi int) {
	pixels := g.small.pixels()
	for c := lo; c < hi; c++ {
		for n := range g.n {
			copy(g.joined[(c*g.n+n)*pixels:][:pixels], g.s[(n*g.small.Channels+c)*pixels:])
		}
	}
}

// divide settles the units, a panel against a block of small channels each, and
// returns their number and that of multiplications.
func (g *weightGradient) divide() (units, work int) {
	channels, columns := g.small.Channels/g.groups, len(g.columns)/stepWords
	g.panels = (columns + panelWidth - 1) / panelWidth
	g.blocks = (channels + blockRows - 1) / blockRows
	for g.blocks*g.groups*g.panels < unitsPerThread*Threads() && channels/g.blocks >= 2*unitRows {
		g.blocks++
	}
	g.rows = (channels + g.blocks - 1) / g.blocks
	g.blocks = (channels + g.rows - 1) / g.rows
	return g.blocks * g.groups * g.panels, g.n * g.small.Channels * g.small.pixels() * columns
}

// do does units. Those of one block of channels go through the batch together,
// so that a part of the small images is read while it is in the cache.
func (g *weightGradient) do(lo, hi int, ws *workspace) {
	for lo < hi {
		block, panel := lo/g.panels, lo%g.panels
		end := min(g.panels, panel+hi-lo)
		g.block(block/g.blocks, block%g.blocks*g.rows, panel, end, ws)
		lo += end - panel
	}
}

// block computes the weights of small channels c0, c0+1, ... of a group that are
// in panels [p0, p1).
func (g *weightGradient) block(group, c0, p0, p1 int, ws *workspace) {
	perGroup, columns, pixels := g.small.Channels/g.groups, len(g.columns)/stepWords, g.small.pixels()
	rows := min(g.rows, perGroup-c0)
	channel := group*perGroup + c0
	t := product{m: rows, tB: true, ldc: columns}
	c := g.dw[channel*columns:][:rows*columns]
	first := true
	// multiply adds the terms of depth positions from one on, of samples that
	// follow each other.
	multiply := func(a []float32, lda, sample, position, depth int) {
		t.a, t.lda, t.k, t.accumulate = a, lda, depth, !first
		for p := p0; p < p1; p++ {
			j0 := p * panelWidth
			t.n = min(panelWidth, columns-j0)
			t.c = c[j0:]
			ws.lanes.set(g.columns[j0*stepWords : (j0+t.n)*stepWords])
			for done := 0; done < depth; {
				n, at := sample+(position+done)/pixels, (position+done)%pixels
				some := min(depth-done, pixels-at)
				x := g.l[(n*g.large.Channels+group*(g.large.Channels/g.groups))*g.large.pixels():]
				pick(ws.panel[done*panelWidth:], g.places[at*stepWords:(at+some)*stepWords], &ws.lanes, t.n, x, g.large.Height, g.large.Width)
				done += some
			}
			t.multiplyPacked(0, depth, ws)
		}
		first = false
	}
	if g.joined != nil {
		all := g.n * pixels
		for at := 0; at < all; at += panelDepth {
			depth := min(panelDepth, all-at)
			multiply(g.joined[channel*all+at:], all, 0, at, depth)
		}
	} else {
		for n := range g.n {
			for at := 0; at < pixels; at += panelDepth {
				depth := min(panelDepth, pixels-at)
				multiply(g.s[(n*g.small.Channels+channel)*pixels+at:], pixels, n, at, depth)
			}
		}
	}
	if first { // no samples
		for i := range rows {
			clear(c[i*columns+p0*panelWidth : i*columns+min(p1*panelWidth, columns)])
		}
	}
}

// set makes steps the lanes.
func (l *lanes) set(steps []int32) {
	n := len(steps) / stepWords
	for j := range n {
		l.offset[j], l.row[j], l.col[j] = steps[j*stepWords], steps[j*stepWords+1], steps[j*stepWords+2]
	}
	for j := n; j < widePanel; j++ {
		l.row[j] = outside
	}
}
