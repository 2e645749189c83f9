package kernel

import "math"

// Pooling is the plan of a pooling of images, which works on each of planes
// channels, those of all samples, apart. A plan holds what the gradients need:
// its methods must not run at the same time.
type Pooling[T Float] struct {
	planes  int
	in, out [2]int // height, width
	win     Window
	places  []int32 // of the maxima in their planes; -1 of a window without elements

	y, x  []T // small side, large side
	pass  poolPass
	inner func(lo, hi int)
}

// poolPass names what is done to every plane.
type poolPass uint8

const (
	poolMax poolPass = iota
	poolMaxGrad
	poolAverage
	poolAverageGrad
)

// NewPooling plans a pooling of planes of height by width. It returns an error
// where the window does not fit.
func NewPooling[T Float](planes, height, width int, win Window) (*Pooling[T], error) {
	oh, ow, err := win.Output(height, width)
	if err != nil {
		return nil, err
	}
	p := &Pooling[T]{planes: planes, in: [2]int{height, width}, out: [2]int{oh, ow}, win: win.filled()}
	p.places = make([]int32, planes*oh*ow)
	p.inner = p.some
	return p, nil
}

// Max writes the greatest element of each window into y, NaN where there is one
// and minus infinity where the window has none.
func (p *Pooling[T]) Max(y, x []T) { p.run("max pooling", poolMax, y, x) }

// MaxGrad writes the gradient with respect to the input of the last Max into dx:
// each element of dy goes to the first of the greatest of its window.
func (p *Pooling[T]) MaxGrad(dx, dy []T) {
	p.run("gradient of max pooling", poolMaxGrad, dy, dx)
}

// Average writes the mean of each window into y, of the elements that lie in the
// image; 0 where there are none.
func (p *Pooling[T]) Average(y, x []T) { p.run("average pooling", poolAverage, y, x) }

// AverageGrad writes the gradient of Average with respect to its input into dx.
func (p *Pooling[T]) AverageGrad(dx, dy []T) {
	p.run("gradient of average pooling", poolAverageGrad, dy, dx)
}

// run does a pass over every plane, between y on the small side and x on the
// large one.
func (p *Pooling[T]) run(fn string, pass poolPass, y, x []T) {
	need(fn, "the larger images", len(x), p.planes*p.in[0]*p.in[1])
	need(fn, "the smaller images", len(y), p.planes*p.out[0]*p.out[1])
	p.pass, p.y, p.x = pass, y, x
	Parallel(p.planes, max(1, smallSpan/(p.in[0]*p.in[1])), p.inner)
	p.y, p.x = nil, nil
}

func (p *Pooling[T]) some(lo, hi int) {
	in, out := p.in[0]*p.in[1], p.out[0]*p.out[1]
	for i := lo; i < hi; i++ {
		y, x, places := p.y[i*out:(i+1)*out], p.x[i*in:(i+1)*in], p.places[i*out:(i+1)*out]
		switch p.pass {
		case poolMax:
			p.maxPlane(y, x, places)
		case poolMaxGrad:
			clear(x)
			for i, at := range places {
				if at >= 0 {
					x[at] += y[i]
				}
			}
		case poolAverage:
			p.averagePlane(y, x)
		case poolAverageGrad:
			p.averageGradPlane(y, x)
		}
	}
}

// span are the taps of a window at position i of an axis that lie in the image,
// [lo, hi), and where tap 0 would be.
func (p *Pooling[T]) span(axis, i int) (first, lo, hi int) {
	w := &p.win
	first = i*w.Stride[axis] - w.Pads[axis]
	if first < 0 {
		lo = (-first + w.Dilation[axis] - 1) / w.Dilation[axis]
	}
	hi = min(w.Kernel[axis], (p.in[axis]-first+w.Dilation[axis]-1)/w.Dilation[axis])
	return first, lo, max(lo, hi)
}

// windows visits the elements of every window: position i of the small side,
// position at of the large one; begin comes before the first of each.
func (p *Pooling[T]) windows(begin func(i, elements int), element func(i, at int)) {
	for r := range p.out[0] {
		top, y0, y1 := p.span(0, r)
		for c := range p.out[1] {
			left, x0, x1 := p.span(1, c)
			i := r*p.out[1] + c
			begin(i, (y1-y0)*(x1-x0))
			for ky := y0; ky < y1; ky++ {
				row := (top + ky*p.win.Dilation[0]) * p.in[1]
				for kx := x0; kx < x1; kx++ {
					element(i, row+left+kx*p.win.Dilation[1])
				}
			}
		}
	}
}

func (p *Pooling[T]) maxPlane(y, x []T, places []int32) {
	p.windows(func(i, _ int) {
		y[i], places[i] = T(math.Inf(-1)), -1
	}, func(i, at int) {
		if v := x[at]; places[i] < 0 || v > y[i] || v != v && y[i] == y[i] {
			y[i], places[i] = v, int32(at)
		}
	})
}

func (p *Pooling[T]) averagePlane(y, x []T) {
	var part T
	p.windows(func(i, elements int) {
		y[i], part = 0, 1/T(max(elements, 1))
	}, func(i, at int) {
		y[i] += T(part * x[at])
	})
}

func (p *Pooling[T]) averageGradPlane(dy, dx []T) {
	clear(dx)
	var part T
	p.windows(func(i, elements int) {
		part = dy[i] / T(max(elements, 1))
	}, func(_, at int) {
		dx[at] += part
	})
}

// UpsampleNearest repeats every element of planes of height by width fh times
// down and fw times across: y is (planes, height fh, width fw).
func UpsampleNearest[T Float](y, x []T, planes, height, width, fh, fw int) {
	const fn = "nearest upsampling"
	need(fn, "x", len(x), planes*height*width)
	need(fn, "y", len(y), planes*height*width*fh*fw)
	for r := range planes * height {
		row := y[r*fh*width*fw:][:width*fw]
		for c, v := range x[r*width:][:width] {
			for j := range row[c*fw : (c+1)*fw] {
				row[c*fw+j] = v
			}
		}
		for k := 1; k < fh; k++ {
			copy(y[(r*fh+k)*width*fw:], row)
		}
	}
}

// UpsampleNearestGrad writes the gradient with respect to x into dx: the sum of
// dy over what each element became.
func UpsampleNearestGrad[T Float](dx, dy []T, planes, height, width, fh, fw int) {
	const fn = "gradient of nearest upsampling"
	need(fn, "dx", len(dx), planes*height*width)
	need(fn, "dy", len(dy), planes*height*width*fh*fw)
	for r := range planes * height {
		row := dx[r*width:][:width]
		clear(row)
		for k := range fh {
			from := dy[(r*fh+k)*width*fw:][:width*fw]
			for c := range row {
				for _, v := range from[c*fw : (c+1)*fw] {
					row[c] += v
				}
			}
		}
	}
}
