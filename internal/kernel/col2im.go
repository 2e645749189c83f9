package kernel

// col2im is the task of a transposed convolution to few channels, for which
// the tiles of im2col would be too low. A sample is the product of the
// transposed weights with the small image, whose rows are then added to where
// their taps lead: what the field calls col2im.
type col2im struct {
	n             int
	small, large  Image
	win           Window
	y, x, w, bias []float32
	act           Activation
}

const (
	fewChannels   = 8       // of a group of the large image
	col2imProduct = 1 << 18 // elements of the product of a sample at most
)

func newCol2im(n int, small, large Image, win Window) col2im {
	return col2im{n: n, small: small, large: large, win: win}
}

// terms is the number of rows of the product.
func (s *col2im) terms() int {
	return s.large.Channels / s.win.Groups * s.win.Kernel[0] * s.win.Kernel[1]
}

// pays tells whether this is the way to go.
func (s *col2im) pays() bool {
	return s.large.Channels/s.win.Groups <= fewChannels && s.terms()*s.small.pixels() <= col2imProduct
}

// run computes act(transposed w x + bias) into y.
func (s *col2im) run(y, x, w, bias []float32, act Activation) {
	s.y, s.x, s.w, s.bias, s.act = y, x, w, bias, act
	units := s.n * s.win.Groups
	if units > 1 && s.n*s.small.Channels*s.small.pixels()*s.terms() >= smallProduct && workers.lock() {
		workers.col2im = s
		workers.run(workers.col2im, units)
		return
	}
	ws := takeWorkspace()
	s.do(0, units, ws)
	giveWorkspace(ws)
}

// do does units, each a group of channels of a sample.
func (s *col2im) do(lo, hi int, ws *workspace) {
	m, k, n := s.terms(), s.small.Channels/s.win.Groups, s.small.pixels()
	perGroup := s.large.Channels / s.win.Groups
	taps := s.win.Kernel[0] * s.win.Kernel[1]
	for u := lo; u < hi; u++ {
		group := u % s.win.Groups
		c := ws.tile(m * n)
		multiply(product{tA: true, m: m, n: n, k: k, a: s.w[group*k*m:], lda: m, b: s.x[u*k*n:], ldb: n, c: c, ldc: n})
		for l := range perGroup {
			at := (u*perGroup + l) * s.large.pixels()
			y := s.y[at : at+s.large.pixels()]
			clear(y)
			for t := range taps {
				s.addTap(y, c[(l*taps+t)*n:][:n], t/s.win.Kernel[1], t%s.win.Kernel[1])
			}
			if s.bias != nil {
				for i, v := 0, s.bias[group*perGroup+l]; i < len(y); i++ {
					y[i] += v
				}
			}
			activateRun(s.act, y)
		}
	}
}

// addTap adds a small image to the pixels of y that a tap leads to.
func (s *col2im) addTap(y, x []float32, ky, kx int) {
	stride := s.win.Stride[1]
	left := kx*s.win.Dilation[1] - s.win.Pads[1]
	first := max(0, (-left+stride-1)/stride)
	last := min(s.small.Width, (s.large.Width-left+stride-1)/stride)
	for r := range s.small.Height {
		row := r*s.win.Stride[0] + ky*s.win.Dilation[0] - s.win.Pads[0]
		if row < 0 || row >= s.large.Height || first >= last {
			continue
		}
		from, to := x[r*s.small.Width+first:r*s.small.Width+last], y[row*s.large.Width+left+first*stride:]
		for i, v := range from {
			to[i*stride] += v
		}
	}
}
