package load

import (
	"fmt"
	"math"
	"slices"

	"github.com/petrify-ml/petrify/internal/gop"
)

// nonMaxSuppression picks, for every class, boxes by their scores that overlap no box picked before by more than a threshold.
func nonMaxSuppression(b *builder, c call) {
	centred := c.on("center_point_box")
	boxes := c.numbers(0)
	scores := c.numbers(1)
	bd, sd := c.in[0].dims, c.in[1].dims
	if len(bd) != 3 || bd[2] != 4 || len(sd) != 3 || sd[0] != bd[0] || sd[2] != bd[1] {
		fail(fmt.Errorf("%s: boxes of dims %v, scores of %v", c.name(), bd, sd))
	}
	var settings [3]float64
	given := [3]bool{}
	for i := range settings {
		v := c.numbers(2 + i)
		if len(v) > 0 {
			settings[i], given[i] = v[0], true
		}
	}
	most, overlap, least := settings[0], settings[1], settings[2]
	corners := func(n, i int) (lo, hi [2]float64) {
		v := boxes[(n*bd[1]+i)*4:][:4]
		for k := range 2 {
			p, q := v[k], v[k+2]
			if centred {
				p, q = v[k]-v[k+2]/2, v[k]+v[k+2]/2
			}
			lo[k], hi[k] = min(p, q), max(p, q)
		}
		return lo, hi
	}
	covers := func(n, i, j int) bool {
		lo, hi := corners(n, i)
		lo2, hi2 := corners(n, j)
		shared, one, other := 1.0, 1.0, 1.0
		for k := range 2 {
			shared *= max(0, min(hi[k], hi2[k])-max(lo[k], lo2[k]))
			one *= hi[k] - lo[k]
			other *= hi2[k] - lo2[k]
		}
		return shared > 0 && one > 0 && other > 0 && shared/(one+other-shared) > overlap
	}
	var all []int64
	for n := range sd[0] {
		for class := range sd[1] {
			line := scores[(n*sd[1]+class)*sd[2]:][:sd[2]]
			var order []int
			for i, s := range line {
				if !given[2] || s > least {
					order = append(order, i)
				}
			}
			slices.SortStableFunc(order, func(i, j int) int { return compare(line[j], line[i]) })
			var picked []int
			for _, i := range order {
				if float64(len(picked)) >= most {
					break
				}
				try(b.pace())
				if !slices.ContainsFunc(picked, func(j int) bool { return covers(n, i, j) }) {
					picked = append(picked, i)
					all = append(all, int64(n), int64(class), int64(i))
				}
			}
			b.account(c.name(), []int{3 * len(picked)}, 16)
		}
	}
	b.putInts(c, 0, all, len(all)/3, 3)
}

// roiAlign averages an image (N, C, H, W), or takes the largest weighed neighbour, at points in the bins of regions.
func roiAlign(b *builder, c call) {
	mode, scale := c.text("mode"), c.float("spatial_scale")
	high, across, ratio := int(c.int("output_height")), int(c.int("output_width")), int(c.int("sampling_ratio"))
	half := b.opset >= 16 && c.text("coordinate_transformation_mode") == "half_pixel"
	x := c.numbers(0)
	rois := c.numbers(1)
	batch := c.integers(2)
	d := c.in[0].dims
	n := len(batch)
	if len(d) != 4 || d[2] < 1 || d[3] < 1 || len(rois) != 4*n || high < 1 || across < 1 || ratio < 0 {
		fail(fmt.Errorf("%s: %d regions of %d numbers in %v", c.name(), n, len(rois), d))
	}
	dims := []int{n, d[1], high, across}
	b.account(c.name(), dims, 16)
	offset := 0.0
	if half {
		offset = 0.5
	}
	y := make([]float64, product(dims))
	var taps []pixel
	b.every([]int{n, high, across}, func(_ int, at []int) {
		r, ph, pw := at[0], at[1], at[2]
		from := c.within(batch[r], d[0])
		left, top := rois[4*r]*scale-offset, rois[4*r+1]*scale-offset
		width, height := rois[4*r+2]*scale-offset-left, rois[4*r+3]*scale-offset-top
		if !half {
			width, height = max(width, 1), max(height, 1)
		}
		binW, binH := width/float64(across), height/float64(high)
		nw, nh := float64(ratio), float64(ratio)
		if ratio == 0 {
			nw, nh = math.Ceil(binW), math.Ceil(binH)
		}
		if nw*nh > 1<<20 {
			fail(c.unsupported("%v points in a bin", nw*nh))
		}
		taps = taps[:0]
		for iy := range int(nh) {
			for ix := range int(nw) {
				taps = between(taps, top+binH*(float64(ph)+(float64(iy)+0.5)/nh), left+binW*(float64(pw)+(float64(ix)+0.5)/nw), d[2], d[3])
			}
		}
		count := max(nw*nh, 1)
		for ch := range d[1] {
			try(b.pace())
			img := x[(from*d[1]+ch)*d[2]*d[3]:][:d[2]*d[3]]
			sum, top := 0.0, math.Inf(-1)
			for _, t := range taps {
				sum += t.weight * img[t.at]
				top = max(top, t.weight*img[t.at])
			}
			to := ((r*d[1]+ch)*high+ph)*across + pw
			if y[to] = sum / count; mode == "max" {
				if y[to] = top; len(taps) == 0 {
					y[to] = 0
				}
			}
		}
	})
	b.putReals(c, 0, y, dims...)
}

// pixel is an element of an image with its share in a place between.
type pixel struct {
	at     int
	weight float64
}

// between adds the neighbours of a place in an image of height h and width w, which is nothing further than 1 outside.
func between(taps []pixel, y, x float64, h, w int) []pixel {
	if !(y >= -1 && y <= float64(h) && x >= -1 && x <= float64(w)) {
		return append(taps, pixel{0, 0})
	}
	y, x = max(y, 0), max(x, 0)
	y0, x0 := min(int(y), h-1), min(int(x), w-1)
	y1, x1 := min(y0+1, h-1), min(x0+1, w-1)
	ly, lx := min(y, float64(h-1))-float64(y0), min(x, float64(w-1))-float64(x0)
	return append(taps, pixel{y0*w + x0, (1 - ly) * (1 - lx)}, pixel{y0*w + x1, (1 - ly) * lx}, pixel{y1*w + x0, ly * (1 - lx)}, pixel{y1*w + x1, ly * lx})
}

// gridSample takes x (N, C, D1, ...) at the places of a grid (N, O1, ..., axes), from -1 to 1, the last axis of x first.
func gridSample(b *builder, c call) {
	mode, pad, corners := c.text("mode"), c.text("padding_mode"), c.on("align_corners")
	x := c.numbers(0)
	grid := c.numbers(1)
	d, g := c.in[0].dims, c.in[1].dims
	axes := len(d) - 2
	if axes < 1 || len(g) != len(d) || g[0] != d[0] || g[len(g)-1] != axes {
		fail(fmt.Errorf("%s: a grid of dims %v for %v", c.name(), g, d))
	}
	if axes > 3 {
		fail(c.unsupported("over %d axes, load has it over one to three", axes))
	}
	space := d[2:]
	steps := gop.Strides(space)
	places, size := product(g[1:len(g)-1]), product(space)
	y := make([]float64, d[0]*d[1]*places)
	dims := append([]int{d[0], d[1]}, g[1:len(g)-1]...)
	var taps, next []pixel
	b.every([]int{d[0], places}, func(i int, at []int) {
		taps = append(taps[:0], pixel{0, 1})
		for k, n := range space {
			line := sampled(grid[i*axes+axes-1-k], n, mode, pad, corners)
			next = next[:0]
			for _, t := range taps {
				for _, l := range line {
					next = append(next, pixel{t.at + l.at*steps[k], t.weight * l.weight})
				}
			}
			taps, next = next, taps
		}
		for ch := range d[1] {
			img := x[(at[0]*d[1]+ch)*size:][:size]
			sum := 0.0
			for _, t := range taps {
				sum += t.weight * img[t.at]
			}
			y[(at[0]*d[1]+ch)*places+at[1]] = sum
		}
	})
	b.putReals(c, 0, y, dims...)
}

// sampled is the neighbours of place u, from -1 to 1, on an axis of n; those outside that count as zero are left out.
func sampled(u float64, n int, mode, pad string, corners bool) []pixel {
	length := float64(n)
	lo, hi := -0.5, length-0.5
	p := ((u+1)*length - 1) / 2
	if corners {
		lo, hi = 0, length-1
		p = (u + 1) / 2 * (length - 1)
	}
	if n == 0 || p != p {
		return nil
	}
	fold := func(v float64) float64 {
		if hi <= lo {
			return 0
		}
		span := hi - lo
		v = math.Mod(math.Abs(v-lo), 2*span)
		if v > span {
			v = 2*span - v
		}
		return v + lo
	}
	cubic := mode == "cubic" || mode == "bicubic"
	if !cubic {
		switch pad {
		case "border":
			p = min(max(p, 0), length-1)
		case "reflection":
			p = min(max(fold(p), 0), length-1)
		}
	}
	var all []pixel
	add := func(i, weight float64) {
		switch {
		case i >= 0 && i < length:
		case pad == "border":
			i = min(max(i, 0), length-1)
		case pad == "reflection":
			i = min(max(math.Round(fold(i)), 0), length-1)
		default:
			return
		}
		if weight != 0 {
			all = append(all, pixel{int(i), weight})
		}
	}
	base := math.Floor(p)
	t := p - base
	switch {
	case mode == "nearest":
		add(math.RoundToEven(p), 1)
	case cubic:
		const a = -0.75
		near := func(d float64) float64 { return ((a+2)*d-(a+3))*d*d + 1 }
		far := func(d float64) float64 { return ((a*d-5*a)*d+8*a)*d - 4*a }
		add(base-1, far(1+t))
		add(base, near(t))
		add(base+1, near(1-t))
		add(base+2, far(2-t))
	default:
		add(base, 1-t)
		add(base+1, t)
	}
	return all
}

// affineGrid is the places of an image under affine maps theta (N, 2, 3) or (N, 3, 4), for GridSample.
func affineGrid(b *builder, c call) {
	corners := c.on("align_corners")
	theta := c.numbers(0)
	dims := c.dims(0)
	axes := dims[len(dims)-1]
	if len(dims) != axes+2 || len(theta) != dims[0]*axes*(axes+1) {
		fail(fmt.Errorf("%s: maps of dims %v for %v", c.name(), c.in[0].dims, dims))
	}
	y := make([]float64, product(dims))
	b.every(dims[:len(dims)-1], func(i int, at []int) {
		for r := range axes {
			row := theta[(at[0]*axes+r)*(axes+1):][:axes+1]
			sum := row[axes]
			for k := range axes { // the last axis first
				n, p := float64(dims[axes-k]), float64(at[axes-k])
				v := (2*p+1)/n - 1
				if corners {
					if v = 2*p/(n-1) - 1; n == 1 {
						v = 0
					}
				}
				sum += row[k] * v
			}
			y[i*axes+r] = sum
		}
	})
	b.putReals(c, 0, y, dims...)
}

// centerCropPad cuts axes, or surrounds them with zeros, evenly at both ends.
func centerCropPad(b *builder, c call) {
	x := c.in[0].dims
	sizes := c.integers(1)
	axes := c.ints("axes")
	if axes == nil {
		for i := range x {
			axes = append(axes, int64(i))
		}
	}
	if len(axes) != len(sizes) {
		fail(fmt.Errorf("%s: %d sizes for %d axes", c.name(), len(sizes), len(axes)))
	}
	m := everything(x)
	for i, at := range axes {
		axis := axisOf(c.name(), at, len(x))
		if sizes[i] < 0 || sizes[i] > math.MaxInt32 {
			fail(fmt.Errorf("%s: a size of %d", c.name(), sizes[i]))
		}
		n, to := x[axis], int(sizes[i])
		if m.Shape[axis] = to; int64(to) > b.limit/16 {
			fail(b.tooLarge(c.name(), m.Shape))
		}
		table := make([]int, to)
		for k := range table {
			p := k + (n-to)/2
			if to > n {
				p = k - (to-n)/2
			}
			if table[k] = gop.Outside; p >= 0 && p < n {
				table[k] = m.Offsets[axis][p]
			}
		}
		m.Offsets[axis] = table
	}
	b.account(c.name(), m.Shape, 16)
	b.setFixed(c.name(), must(moveTensor(c.tensor(0), m, nil, m.Shape)))
}

// fold puts blocks (N, C * block, blocks) back into an image, adding where they overlap.
func fold(b *builder, c call) {
	x := c.numbers(0)
	dims := c.dims(0)
	image, n := dims[2:], len(dims)-2
	var kernel []int
	for _, k := range c.integers(2) {
		kernel = append(kernel, int(k))
	}
	if n < 1 || len(kernel) != n || slices.Min(kernel) < 1 {
		fail(fmt.Errorf("%s: blocks of %v for an image of %v", c.name(), kernel, image))
	}
	blocks := make([]int, n)
	windows := c.op.schema.Windows(c.op.node, image, kernel)
	for k, w := range windows {
		blocks[k] = (w.In+w.Before+w.After-w.Reach())/w.Stride + 1
	}
	if len(x) != dims[0]*dims[1]*product(kernel)*product(blocks) || slices.Min(blocks) < 1 {
		fail(fmt.Errorf("%s: blocks of dims %v for an image of %v", c.name(), c.in[0].dims, dims))
	}
	steps := gop.Strides(image)
	y := make([]float64, product(dims))
	size := product(image)
	b.every(slices.Concat([]int{dims[0] * dims[1]}, kernel, blocks), func(i int, p []int) {
		to := p[0] * size
		for k, w := range windows {
			v := p[1+n+k]*w.Stride + p[1+k]*w.Dilation - w.Before
			if v < 0 || v >= w.In {
				return
			}
			to += v * steps[k]
		}
		y[to] += x[i]
	})
	b.putReals(c, 0, y, dims...)
}
