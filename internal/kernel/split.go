package kernel

// split takes images apart into the images of every s-th row and column, s by s
// of them for each channel. The pixels that a convolution of stride s looks at
// for one tap after another then lie side by side, as they do for stride 1: what
// the field calls space to depth.
type split struct {
	src      Image
	stride   [2]int
	parted   Image // the parts of a channel are channels, row by row
	used     []bool
	x, y     []float32
	channels func(lo, hi int)
}

// newSplit returns nil where it would not pay.
func newSplit(n int, small, large Image, win Window) *split {
	s := &split{src: large, stride: win.Stride}
	s.parted.Height = (large.Height + win.Stride[0] - 1) / win.Stride[0]
	s.parted.Width = (large.Width + win.Stride[1] - 1) / win.Stride[1]
	const most = 4 // of a stride
	if !wide || max(win.Stride[0], win.Stride[1]) > most || win.Stride == [2]int{1, 1} ||
		!fits(max(n, 1), large.Channels, win.Stride[0], win.Stride[1], s.parted.Height, s.parted.Width) {
		return nil
	}
	// Pixels of several rows are neighbours only if nothing lies between the rows.
	if small.Width != s.parted.Width && small.Width < widePanel/2 {
		return nil
	}
	s.parted.Channels = large.Channels * win.Stride[0] * win.Stride[1]
	s.used = make([]bool, win.Stride[0]*win.Stride[1])
	s.channels = s.do
	return s
}

// place is the part where a tap finds what it is multiplied with, and how many
// of the part's rows and columns away from the pixel.
func (s *split) place(row, col int) (part, down, across int) {
	at, to := [2]int{row, col}, [2]int{}
	for i, stride := range s.stride {
		to[i] = (at[i]%stride + stride) % stride
		at[i] = (at[i] - to[i]) / stride
	}
	part = to[0]*s.stride[1] + to[1]
	s.used[part] = true
	return part, at[0], at[1]
}

const splitElements = 1 << 18 // at once for each thread: a megabyte, which stays in its cache

// samples is the number of images to take apart at once, of n.
func (s *split) samples(n int) int {
	return min(n, max(1, Threads()*splitElements/(s.parted.Channels*s.parted.pixels())))
}

// run returns the parts of n images.
func (s *split) run(x []float32, n int) []float32 {
	if size := n * s.parted.Channels * s.parted.pixels(); len(s.y) < size {
		s.y = aligned(size)
	}
	s.x = x
	Parallel(n*s.src.Channels, max(1, 8192/s.src.pixels()), s.channels)
	s.x = nil
	return s.y
}

// do takes channels [lo, hi) apart, counted over the images.
func (s *split) do(lo, hi int) {
	height, width, size := s.src.Height, s.src.Width, s.parted.pixels()
	for ch := lo; ch < hi; ch++ {
		x, y := s.x[ch*s.src.pixels():][:s.src.pixels()], s.y[ch*len(s.used)*size:][:len(s.used)*size]
		for top := range s.stride[0] {
			rows := (height - top + s.stride[0] - 1) / s.stride[0]
			if rows < s.parted.Height { // the last row of these parts is outside of the image
				for left := range s.stride[1] {
					part := y[(top*s.stride[1]+left)*size:][:size]
					clear(part[max(rows, 0)*s.parted.Width:])
				}
			}
			if rows < 1 {
				continue
			}
			parts := y[top*s.stride[1]*size:][:s.stride[1]*size]
			if s.stride[1] == 2 {
				unzipRows(parts[:size], parts[size:], x[top*width:], rows, width, s.stride[0]*width, s.parted.Width)
				continue
			}
			for left := range s.stride[1] {
				if !s.used[top*s.stride[1]+left] {
					continue
				}
				part := parts[left*size:][:size]
				for r := range rows {
					from, to := x[(top+r*s.stride[0])*width:][:width], part[r*s.parted.Width:][:s.parted.Width]
					for i := range to {
						if at := left + i*s.stride[1]; at < width {
							to[i] = from[at]
						} else {
							to[i] = 0
						}
					}
				}
			}
		}
	}
}
