package load

import (
	"fmt"
	"math"
	"slices"
)

// causalConv convolves each channel of x (N, C, L) with a kernel of its own, (C, 1, k), over what came before, and hands on the last
// k-1 elements.
func causalConv(b *builder, c call) {
	act := c.text("activation")
	var in [4][]float64
	for k := range in {
		in[k] = c.numbers(k)
	}
	d, w := c.in[0].dims, c.in[1].dims
	if len(d) != 3 || len(w) != 3 || w[0] != d[1] || w[1] != 1 || w[2] < 1 || in[2] != nil && len(in[2]) != d[1] {
		fail(fmt.Errorf("%s: a kernel of dims %v for %v", c.name(), w, d))
	}
	k, length := w[2], d[2]
	state := []int{d[0], d[1], k - 1}
	if in[3] != nil && !slices.Equal(c.in[3].dims, state) {
		fail(fmt.Errorf("%s: a state of dims %v, want %v", c.name(), c.in[3].dims, state))
	}
	if act != "none" && act != "silu" && act != "swish" {
		fail(c.unsupported("activation %q", act))
	}
	b.account(c.name(), state, 16)
	y, last := make([]float64, len(in[0])), make([]float64, product(state))
	line := make([]float64, k-1+length)
	for row := range d[0] * d[1] {
		try(b.pace())
		ch := row % d[1]
		clear(line[:k-1])
		if in[3] != nil {
			copy(line, in[3][row*(k-1):(row+1)*(k-1)])
		}
		copy(line[k-1:], in[0][row*length:(row+1)*length])
		for i := range length {
			sum := 0.0
			if in[2] != nil {
				sum = in[2][ch]
			}
			for j, v := range in[1][ch*k : (ch+1)*k] {
				sum += v * line[i+j]
			}
			if act != "none" {
				sum /= 1 + math.Exp(-sum)
			}
			y[row*length+i] = sum
		}
		copy(last[row*(k-1):], line[length:])
	}
	b.putReals(c, 0, y, d...)
	b.putReals(c, 1, last, state...)
}

// linearAttention carries a matrix (d_k, d_v) for each head from step to step: it decays, takes in a key and a value, and answers a query.
func linearAttention(b *builder, c call) {
	rule, scale := c.text("update_rule"), c.float("scale")
	heads, pairs := int(c.int("q_num_heads")), int(c.int("kv_num_heads"))
	var in [6][]float64
	for k := range in {
		in[k] = c.numbers(k)
	}
	q, k, v := c.in[0].dims, c.in[1].dims, c.in[2].dims
	if heads < 1 || pairs < 1 || heads%pairs != 0 || len(q) != 3 || len(k) != 3 || len(v) != 3 || q[2]%heads != 0 || k[2]%pairs != 0 || v[2]%pairs != 0 ||
		!slices.Equal(q[:2], k[:2]) || !slices.Equal(q[:2], v[:2]) || q[2]/heads != k[2]/pairs {
		fail(fmt.Errorf("%s: queries of dims %v, keys of %v, values of %v for %d and %d heads", c.name(), q, k, v, heads, pairs))
	}
	gated, delta := rule == "gated" || rule == "gated_delta", rule == "delta" || rule == "gated_delta"
	if !gated && !delta && rule != "linear" {
		fail(c.unsupported("update_rule %q", rule))
	}
	if gated != c.has(4) || delta != c.has(5) {
		fail(c.unsupported("update_rule %s with decay %v and beta %v", rule, c.has(4), c.has(5)))
	}
	batch, steps, size, wide := q[0], q[1], q[2]/heads, v[2]/pairs
	if scale == 0 {
		scale = 1 / math.Sqrt(float64(size))
	}
	state := []int{batch, pairs, size, wide}
	b.account(c.name(), state, 32)
	s := make([]float64, product(state))
	if in[3] != nil {
		if !slices.Equal(c.in[3].dims, state) {
			fail(fmt.Errorf("%s: a state of dims %v, want %v", c.name(), c.in[3].dims, state))
		}
		copy(s, in[3])
	}
	rows := batch * steps
	decays, rates := 0, 0 // how many there are for each step
	if rows > 0 {
		decays, rates = len(in[4])/rows, len(in[5])/rows
	}
	if gated && decays != pairs && decays != pairs*size || delta && rates != pairs && rates != 1 {
		fail(fmt.Errorf("%s: %d decays and %d rates a step for %d heads of %d", c.name(), decays, rates, pairs, size))
	}
	out := []int{batch, steps, heads * wide}
	b.account(c.name(), out, 16)
	y, kept := make([]float64, product(out)), make([]float64, wide)
	for row := range rows {
		for h := range pairs {
			try(b.pace())
			m := memory{s[(row/steps*pairs+h)*size*wide:][:size*wide], wide}
			key, value := in[1][row*k[2]+h*size:][:size], in[2][row*v[2]+h*wide:][:wide]
			if gated {
				each := decays / pairs // one for the head, or one for each of its keys
				m.decay(in[4][row*decays+h*each:][:each])
			}
			rate := 1.0
			copy(kept, value)
			if delta { // what the memory answers already is not taken in again
				rate = in[5][row*rates+h%rates]
				m.answer(kept, key, -1)
			}
			m.take(key, kept, rate)
			for head := h * (heads / pairs); head < (h+1)*(heads/pairs); head++ {
				m.answer(y[row*out[2]+head*wide:][:wide], in[0][row*q[2]+head*size:][:size], scale)
			}
		}
	}
	b.putReals(c, 0, y, out...)
	b.putReals(c, 1, s, state...)
}

// A memory is the state of one head, a matrix (d_k, d_v).
type memory struct {
	m    []float64
	wide int // d_v
}

// decay multiplies row i by the exponential of gate i, of the gates in turn.
func (s memory) decay(gates []float64) {
	for i := 0; i*s.wide < len(s.m); i++ {
		by := math.Exp(gates[i%len(gates)])
		for j := range s.wide {
			s.m[i*s.wide+j] *= by
		}
	}
}

// answer adds the product of a query and the matrix, times a factor.
func (s memory) answer(to, query []float64, factor float64) {
	for i, x := range query {
		for j := range to {
			to[j] += factor * x * s.m[i*s.wide+j]
		}
	}
}

// take adds the outer product of a key and a value, times a rate.
func (s memory) take(key, value []float64, rate float64) {
	for i, x := range key {
		for j, v := range value {
			s.m[i*s.wide+j] += rate * x * v
		}
	}
}

// deformConv is a convolution over two axes, each element of whose kernel lies where an offset says, between pixels.
func deformConv(b *builder, c call) {
	groups, sets := int(c.int("group")), int(c.int("offset_group"))
	var in [5][]float64
	for k := range in {
		in[k] = c.numbers(k)
	}
	dims := c.dims(0)
	d, w := c.in[0].dims, c.in[1].dims
	if len(d) != 4 {
		fail(c.unsupported("over %d axes, load has it over two", len(d)-2))
	}
	taps, places := w[2]*w[3], dims[2]*dims[3]
	if sets < 1 || groups < 1 || d[1]%sets != 0 || w[1]*groups != d[1] || w[0]%groups != 0 || len(in[2]) != d[0]*sets*taps*2*places || in[4] != nil && len(in[4]) != d[0]*sets*taps*places {
		fail(fmt.Errorf("%s: weights of dims %v and offsets of %v for %v", c.name(), w, c.in[2].dims, d))
	}
	windows := c.op.schema.Windows(c.op.node, d[2:], w[2:])
	y := make([]float64, product(dims))
	sampled := make([]float64, d[1]*taps)
	size := d[2] * d[3]
	b.every([]int{d[0], dims[2], dims[3]}, func(_ int, at []int) {
		try(b.pace())
		n, p := at[0], at[1]*dims[3]+at[2]
		for ch := range d[1] {
			set := n*sets + ch/(d[1]/sets)
			for t := range taps {
				down := float64(at[1]*windows[0].Stride-windows[0].Before+t/w[3]*windows[0].Dilation) + in[2][((set*taps+t)*2)*places+p]
				right := float64(at[2]*windows[1].Stride-windows[1].Before+t%w[3]*windows[1].Dilation) + in[2][((set*taps+t)*2+1)*places+p]
				v := bilinear(in[0][(n*d[1]+ch)*size:][:size], d[2], d[3], down, right)
				if in[4] != nil {
					v *= in[4][(set*taps+t)*places+p]
				}
				sampled[ch*taps+t] = v
			}
		}
		for m := range w[0] {
			sum := 0.0
			if in[3] != nil {
				sum = in[3][m]
			}
			from := sampled[m/(w[0]/groups)*w[1]*taps:]
			for i, v := range in[1][m*w[1]*taps : (m+1)*w[1]*taps] {
				sum += v * from[i]
			}
			y[(n*dims[1]+m)*places+p] = sum
		}
	})
	b.putReals(c, 0, y, dims...)
}

// bilinear is an image of h by w at a place between pixels; outside it is zero.
func bilinear(img []float64, h, w int, y, x float64) float64 {
	if !(y > -1 && y < float64(h) && x > -1 && x < float64(w)) {
		return 0
	}
	y0, x0 := math.Floor(y), math.Floor(x)
	sum := 0.0
	for dy := range 2 {
		for dx := range 2 {
			i, j := int(y0)+dy, int(x0)+dx
			if i >= 0 && i < h && j >= 0 && j < w {
				sum += img[i*w+j] * (1 - math.Abs(y-float64(i))) * (1 - math.Abs(x-float64(j)))
			}
		}
	}
	return sum
}
