package load

import (
	"fmt"
	"math"
	"math/cmplx"
	"slices"
)

// cosineWindow is p - q cos t + r cos 2t over a whole turn.
func cosineWindow(p, q, r float64) func(*builder, call) {
	return func(b *builder, c call) {
		size := c.integers(0)
		if len(size) != 1 || size[0] < 0 || size[0] > math.MaxInt32 {
			fail(fmt.Errorf("%s: a window of %v", c.name(), size))
		}
		n := int(size[0])
		b.account(c.name(), []int{n}, 16)
		turn := float64(n)
		if c.int("periodic") == 0 {
			turn--
		}
		y := make([]float64, n)
		for i := range y {
			t := 2 * math.Pi * float64(i) / turn
			if i == 0 {
				t = 0
			}
			y[i] = p - q*math.Cos(t) + r*math.Cos(2*t)
		}
		b.putReals(c, 0, y, n)
	}
}

// fourier is the first bins of the discrete transform of x, backwards without the division.
func (b *builder) fourier(x []complex128, bins int, inverse bool) []complex128 {
	n, sign := len(x), -1.0
	if inverse {
		sign = 1
	}
	roots := make([]complex128, n)
	for i := range roots {
		roots[i] = cmplx.Rect(1, sign*2*math.Pi*float64(i)/float64(n))
	}
	y := make([]complex128, bins)
	for k := range y {
		try(b.pace())
		at := 0 // i*k modulo n
		for _, v := range x {
			y[k] += v * roots[at]
			if at += k; at >= n {
				at -= n
			}
		}
	}
	return y
}

// dft is the discrete Fourier transform along an axis of real or complex numbers, whose parts are the last axis.
func dft(b *builder, c call) {
	inverse, onesided := c.on("inverse"), c.on("onesided")
	x := c.numbers(0)
	d := c.in[0].dims
	rank := len(d)
	if rank < 2 || d[rank-1] < 1 || d[rank-1] > 2 {
		fail(fmt.Errorf("%s: a transform of dims %v", c.name(), d))
	}
	at := c.int("axis")
	if b.opset >= 20 {
		at = -2
		if list := c.integers(2); len(list) == 1 {
			at = list[0]
		}
	}
	axis := axisOf(c.name(), at, rank)
	parts := d[rank-1]
	length, back := d[axis], inverse && onesided // back to real numbers, from half of their spectrum
	if back {
		length = 2 * (length - 1)
	}
	if list := c.integers(1); len(list) == 1 {
		if list[0] < 1 || list[0] > math.MaxInt32 {
			fail(fmt.Errorf("%s: a length of %d", c.name(), list[0]))
		}
		length = int(list[0])
	}
	if axis == rank-1 || length < 1 || back && parts != 2 {
		fail(fmt.Errorf("%s: a transform of %d elements along axis %d of %v", c.name(), length, axis, d))
	}
	bins, into := length, 2
	if onesided && !inverse {
		bins = length/2 + 1
	}
	if back {
		into = 1
	}
	dims := slices.Clone(d)
	dims[axis], dims[rank-1] = bins, into
	b.account(c.name(), dims, 16)
	b.account(c.name(), []int{length}, 64)
	outer, n, inner := lines(d[:rank-1], axis)
	y := make([]float64, product(dims))
	line := make([]complex128, length)
	for o := range outer {
		for i := range inner {
			for k := range line {
				from := k
				if back {
					from = min(k, length-k)
				}
				if line[k] = 0; from < n {
					p := ((o*n+from)*inner + i) * parts
					if line[k] = complex(x[p], 0); parts == 2 {
						line[k] = complex(x[p], x[p+1])
					}
				}
				if from != k {
					line[k] = cmplx.Conj(line[k])
				}
			}
			spectrum := b.fourier(line, bins, inverse)
			for k, v := range spectrum {
				if inverse {
					v /= complex(float64(length), 0)
				}
				p := ((o*bins+k)*inner + i) * into
				if y[p] = real(v); into == 2 {
					y[p+1] = imag(v)
				}
			}
		}
	}
	b.putReals(c, 0, y, dims...)
}

// stft is the transform of frames of a signal (N, length, 1 or 2), each times a window.
func stft(b *builder, c call) {
	onesided := c.on("onesided")
	x := c.numbers(0)
	d := c.in[0].dims
	if len(d) == 2 {
		d = append(slices.Clone(d), 1)
	}
	step := c.integers(1)
	window := c.numbers(2)
	size := c.integers(3)
	length := len(window)
	if len(size) == 1 {
		length = int(size[0])
	}
	if len(d) != 3 || d[2] < 1 || d[2] > 2 || len(step) != 1 || step[0] < 1 || length < 1 || length > d[1] || window != nil && len(window) != length || onesided && d[2] == 2 {
		fail(c.unsupported("frames of %d by steps of %v in %v", length, step, d))
	}
	frames := int((int64(d[1]-length))/step[0]) + 1
	bins := length
	if onesided {
		bins = length/2 + 1
	}
	dims := []int{d[0], frames, bins, 2}
	b.account(c.name(), dims, 16)
	y := make([]float64, 0, product(dims))
	line := make([]complex128, length)
	for n := range d[0] {
		for f := range frames {
			for k := range line {
				p := (n*d[1] + f*int(step[0]) + k) * d[2]
				if line[k] = complex(x[p], 0); d[2] == 2 {
					line[k] = complex(x[p], x[p+1])
				}
				if window != nil {
					line[k] *= complex(window[k], 0)
				}
			}
			spectrum := b.fourier(line, bins, false)
			for _, v := range spectrum {
				y = append(y, real(v), imag(v))
			}
		}
	}
	b.putReals(c, 0, y, dims...)
}

// melWeights is the shares that the bins of a spectrum have in bands, triangles evenly spaced by mel(f) = 2595 log10(1 + f/700).
func melWeights(b *builder, c call) {
	v := [5]float64{c.number(0), c.number(1), c.number(2), c.number(3), c.number(4)}
	if !(v[0] >= 1 && v[0] <= math.MaxInt32 && v[1] >= 0 && v[1] <= math.MaxInt32 && v[2] > 0) {
		fail(fmt.Errorf("%s: %v bands of a transform of %v at a rate of %v", c.name(), v[0], v[1], v[2]))
	}
	bands, bins := int(v[0]), int(v[1])/2+1
	b.account(c.name(), []int{bins, bands}, 16)
	mel := func(hertz float64) float64 { return 2595 * math.Log10(1+hertz/700) }
	low, high := mel(v[3]), mel(v[4])
	at := make([]int, bands+2) // the bins of the corners
	for i := range at {
		hertz := 700 * (math.Pow(10, (low+float64(i)*(high-low)/float64(bands+2))/2595) - 1)
		k := math.Floor((v[1] + 1) * hertz / v[2])
		if !(k >= 0 && k <= math.MaxInt32) {
			fail(fmt.Errorf("%s: corner %d is at bin %v", c.name(), i, k))
		}
		at[i] = int(k)
	}
	y := make([]float64, bins*bands)
	for band := range bands {
		from, top, to := at[band], at[band+1], at[band+2]
		for k := from; k < min(top, bins); k++ {
			y[k*bands+band] = float64(k-from) / float64(top-from)
		}
		if top < bins {
			y[top*bands+band] = 1
		}
		for k := top + 1; k < min(to, bins); k++ {
			y[k*bands+band] = float64(to-k) / float64(to-top)
		}
	}
	b.putReals(c, 0, y, bins, bands)
}

// determinant is that of square matrices, by elimination with the largest pivot.
func determinant(b *builder, c call) {
	x := c.numbers(0)
	d := c.in[0].dims
	rank := len(d)
	if rank < 2 || d[rank-1] != d[rank-2] {
		fail(fmt.Errorf("%s: %v is not a square matrix", c.name(), d))
	}
	n := d[rank-1]
	y := make([]float64, product(d[:rank-2]))
	for i := range y {
		m := slices.Clone(x[i*n*n : (i+1)*n*n])
		det := 1.0
		for p := range n {
			try(b.pace())
			best := p
			for r := p + 1; r < n; r++ {
				if math.Abs(m[r*n+p]) > math.Abs(m[best*n+p]) {
					best = r
				}
			}
			if best != p {
				det = -det
				for k := range n {
					m[p*n+k], m[best*n+k] = m[best*n+k], m[p*n+k]
				}
			}
			pivot := m[p*n+p]
			if det *= pivot; pivot == 0 {
				break
			}
			for r := p + 1; r < n; r++ {
				f := m[r*n+p] / pivot
				for k := p; k < n; k++ {
					m[r*n+k] -= f * m[p*n+k]
				}
			}
		}
		y[i] = det
	}
	b.putReals(c, 0, y, d[:rank-2]...)
}
