package load

import (
	"fmt"
	"math"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/op"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// tap is an element of the kernel and the element of the input that it lies on, both by their numbers within a channel.
type tap struct{ kernel, at int }

// tapsOf lists what windows at a place of the output lie on. taps is used again.
func tapsOf(ws []op.Window, at []int, taps []tap) []tap {
	taps = append(taps[:0], tap{})
	for k, w := range ws {
		n := len(taps)
		for t := range w.Kernel {
			i := at[k]*w.Stride - w.Before + t*w.Dilation
			if i < 0 || i >= w.In {
				continue
			}
			for _, p := range taps[:n] {
				taps = append(taps, tap{p.kernel*w.Kernel + t, p.at*w.In + i})
			}
		}
		taps = append(taps[:0], taps[n:]...)
	}
	return taps
}

// correlation is a Conv or a ConvTranspose over any number of axes.
func correlation(b *builder, c call) {
	var in [3][]float64
	for k := range in {
		in[k] = c.numbers(k)
	}
	dims := c.dims(0)
	var y []float64
	if c.op.name == "ConvTranspose" {
		y = spreadOut(b, c, in[0], in[1], dims)
	} else {
		y = correlate(b, c, in[0], c.in[0].dims, in[1], c.in[1].dims, dims)
	}
	if in[2] != nil {
		rows, inner := dims[1], product(dims[2:])
		for i := range y {
			y[i] += in[2][i/inner%rows]
		}
	}
	b.putReals(c, 0, y, dims...)
}

// correlate is the sums of a convolution. x is (N, C, ...), w (M, C/group, ...), the result of dims (N, M, ...).
func correlate[T float64 | int64](b *builder, c call, x []T, xs []int, w []T, kernel, dims []int) []T {
	groups := int(c.int("group"))
	windows := c.op.schema.Windows(c.op.node, xs[2:], kernel[2:])
	y := make([]T, product(dims))
	places, in, k := product(dims[2:]), product(xs[2:]), product(kernel[2:])
	each, deep := dims[1]/groups, kernel[1]
	var taps []tap
	b.every(dims[2:], func(p int, at []int) {
		taps = tapsOf(windows, at, taps)
		for n := range dims[0] {
			try(b.pace())
			for m := range dims[1] {
				var sum T
				for d := range deep {
					row := x[(n*xs[1]+m/each*deep+d)*in:][:in]
					line := w[(m*deep+d)*k:][:k]
					for _, t := range taps {
						sum += row[t.at] * line[t.kernel]
					}
				}
				y[(n*dims[1]+m)*places+p] = sum
			}
		}
	})
	return y
}

// spreadOut is the sums of a transposed convolution. x is (N, C, ...), w (C, M/group, ...), the result of dims (N, M, ...).
func spreadOut(b *builder, c call, x, w []float64, dims []int) []float64 {
	groups := int(c.int("group"))
	xs, kernel := c.in[0].dims, c.in[1].dims
	windows := c.op.schema.Windows(c.op.node, xs[2:], kernel[2:])
	for i := range windows {
		spread(c, &windows[i], i, dims[2+i])
		windows[i].In = dims[2+i] // seen from the other end: the windows go over the output
	}
	y := make([]float64, product(dims))
	places, out, k := product(xs[2:]), product(dims[2:]), product(kernel[2:])
	each, deep := kernel[1], xs[1]/groups
	var taps []tap
	b.every(xs[2:], func(p int, at []int) {
		taps = tapsOf(windows, at, taps)
		for n := range xs[0] {
			try(b.pace())
			for d := range xs[1] {
				v := x[(n*xs[1]+d)*places+p]
				for m := range each {
					row := y[(n*dims[1]+d/deep*each+m)*out:][:out]
					line := w[(d*each+m)*k:][:k]
					for _, t := range taps {
						row[t.at] += v * line[t.kernel]
					}
				}
			}
		}
	})
	return y
}

// poolOf is the largest elements of windows, of any type, and where they are.
func poolOf(b *builder, c call) {
	columns := c.on("storage_order")
	xs := c.in[0].dims
	dims := c.dims(0)
	order := c.order()
	windows := c.op.schema.Windows(c.op.node, xs[2:], nil)
	places, in := product(dims[2:]), product(xs[2:])
	from, index := make([]int, product(dims)), make([]int64, product(dims))
	turned := make([]int, len(xs)-2) // steps with the first axis innermost
	for k, step := 0, 1; k < len(turned); k++ {
		turned[k] = step
		step *= xs[2+k]
	}
	steps := gop.Strides(xs[2:])
	var taps []tap
	b.every(dims[2:], func(p int, at []int) {
		try(b.pace())
		if taps = tapsOf(windows, at, taps); len(taps) == 0 {
			fail(c.unsupported("a window of nothing but padding"))
		}
		for ch := range dims[0] * dims[1] {
			best := ch*in + taps[0].at
			for _, t := range taps[1:] {
				if order(ch*in+t.at, best) > 0 {
					best = ch*in + t.at
				}
			}
			i := ch*places + p
			from[i], index[i] = best, int64(best)
			if columns {
				rest, n := best%in, 0
				for k, s := range steps {
					n += rest / s * turned[k]
					rest %= s
				}
				index[i] = int64(ch*in + n)
			}
		}
	})
	b.setFixed(c.name(), must(picked(c.tensor(0), from, dims)))
	b.putInts(c, 1, index, dims...)
}

// unpool puts elements where a pooling has found them.
func unpool(b *builder, c call) {
	dims := c.dims(0)
	index := c.integers(1)
	from := make([]int, product(dims))
	for i := range from {
		from[i] = -1
	}
	xs := c.in[0].dims
	windows := c.op.schema.Windows(c.op.node, xs[2:], nil)
	inferred, within := make([]int, len(windows)), 1 // the shape that the numbers are of, without output_shape
	for k, w := range windows {
		inferred[k] = w.Spread()
		within *= max(inferred[k], 0)
	}
	n := product(xs[2:])
	for i, at := range index {
		ch := i / max(n, 1)
		if at -= int64(ch * within); at < 0 || at >= int64(within) {
			fail(fault{fmt.Errorf("%s: index %d is %d", c.name(), i, index[i])})
		}
		rest, to := int(at), 0
		for k := range inferred {
			step := product(inferred[k+1:])
			if i := rest / step; i < dims[2+k] {
				to = to*dims[2+k] + i
			} else {
				fail(c.unsupported("an output_shape that is smaller than what the indices are of"))
			}
			rest %= step
		}
		from[ch*product(dims[2:])+to] = i
	}
	b.setFixed(c.name(), must(picked(c.tensor(0), from, dims)))
}

// pooledNorm is the p-norm of windows.
func pooledNorm(b *builder, c call) {
	p := float64(c.int("p"))
	x := c.numbers(0)
	dims := c.dims(0)
	xs := c.in[0].dims
	var windows []op.Window
	if c.op.name == "GlobalLpPool" {
		for _, d := range xs[2:] {
			windows = append(windows, op.Window{In: d, Kernel: d, Stride: 1, Dilation: 1})
		}
	} else {
		windows = c.op.schema.Windows(c.op.node, xs[2:], nil)
	}
	y := make([]float64, product(dims))
	places, in := product(dims[2:]), product(xs[2:])
	var taps []tap
	b.every(dims[2:], func(i int, at []int) {
		try(b.pace())
		taps = tapsOf(windows, at, taps)
		for ch := range dims[0] * dims[1] {
			sum := 0.0
			for _, t := range taps {
				sum += math.Pow(math.Abs(x[ch*in+t.at]), p)
			}
			y[ch*places+i] = math.Pow(sum, 1/p)
		}
	})
	b.putReals(c, 0, y, dims...)
}

// accumulated is the sums of a product or convolution of integers, in 64 bits.
func accumulated(b *builder, c call, y []int64, dims []int) {
	if c.elem(0) != pb.TensorProto_INT32 {
		fail(c.unsupported("sums of type %v", c.elem(0)))
	}
	b.put(c, 0, onnx.Slice[int64](y), dims...)
}
