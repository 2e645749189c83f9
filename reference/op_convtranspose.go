package reference

import (
	"fmt"
	"math"
	"slices"
)

// opConvTranspose is the transposed convolution of X (N, C, D1...) with
// W (C, M/group, K1...), plus an optional bias B (M): what the gradient of Conv
// does to Conv's output. ONNX ConvTranspose, opset 1, 11, 22.
var opConvTranspose = operator{
	name: "ConvTranspose", asStored: []int{1},
	eval: single(func(c *call) *Value {
		x, w := c.in[0], c.in[1]
		rank := len(x.Dims) - 2
		if rank < 1 || len(w.Dims) != len(x.Dims) {
			fail(fmt.Errorf("input of shape %v and weights of shape %v, want equal ranks from 3 on", x.Dims, w.Dims))
		}
		group := c.int("group")
		if group < 1 || w.Dims[0] != x.Dims[1] || x.Dims[1]%group != 0 {
			fail(fmt.Errorf("%d channels in %d groups do not fit weights of shape %v", x.Dims[1], group, w.Dims))
		}
		if k := c.intList("kernel_shape"); c.has("kernel_shape") && !slices.Equal(k, w.Dims[2:]) {
			fail(fmt.Errorf("kernel_shape is %v, weights are of shape %v", k, w.Dims))
		}
		win := c.transposedWindow(x.Dims[2:], w.Dims[2:])
		g := convGeometry{batch: x.Dims[0], in: x.Dims[1], out: w.Dims[1] * group, group: group, window: win}
		checkBias(c.in[2], g.out)
		out := c.numbers(x.Type, slices.Concat([]int{g.batch, g.out}, win.in)...)
		c.convolveTransposed(g, x, w, out)
		return out
	}),
}

// transposedWindow is the window of the convolution that is transposed: its
// input is this operator's output.
func (c *call) transposedWindow(in, kernel []int) window {
	rank := len(in)
	win := window{out: in, kernel: kernel, in: make([]int, rank), begin: make([]int, rank)}
	win.stride = c.perAxis("strides", rank)
	win.dilation = c.perAxis("dilations", rank)
	extra := make([]int, rank)
	if c.has("output_padding") {
		if extra = c.intList("output_padding"); len(extra) != rank {
			fail(fmt.Errorf("output_padding is %v, want %d numbers", extra, rank))
		}
	}
	pads := make([]int, 2*rank)
	if c.has("pads") {
		if pads = c.intList("pads"); len(pads) != 2*rank {
			fail(fmt.Errorf("pads are %v, want %d numbers", pads, 2*rank))
		}
	}
	auto := c.text("auto_pad")
	shape := c.intList("output_shape")
	if len(shape) == rank+2 {
		shape = shape[2:] // some files count batch and channels
	}
	if len(shape) != 0 && len(shape) != rank {
		fail(fmt.Errorf("output_shape is %v, want %d numbers", shape, rank))
	}
	for i := range rank {
		if v := min(extra[i], pads[i], pads[rank+i]); v < 0 {
			fail(fmt.Errorf("output_padding or pads have %d along axis %d, want at least 0", v, i))
		}
		if v := max(extra[i], pads[i], pads[rank+i]); v > math.MaxInt32 {
			fail(fmt.Errorf("output_padding or pads have %d along axis %d, want less than 2^31", v, i))
		}
		if most := max(win.stride[i], win.dilation[i]); extra[i] > 0 && extra[i] >= most {
			fail(fmt.Errorf("output_padding is %d along axis %d, want less than %d, the stride or dilation", extra[i], i, most))
		}
		full := win.stride[i]*(in[i]-1) + extra[i] + (kernel[i]-1)*win.dilation[i] + 1
		switch {
		case len(shape) > 0, auto == "SAME_UPPER", auto == "SAME_LOWER":
			want := in[i] * win.stride[i]
			if len(shape) > 0 {
				want = shape[i]
			}
			total := max(0, full-want)
			win.begin[i] = total - total/2
			if auto == "SAME_UPPER" {
				win.begin[i] = total / 2
			}
			win.in[i] = want
		case auto == "NOTSET":
			win.begin[i] = pads[i]
			win.in[i] = full - pads[i] - pads[rank+i]
		case auto == "VALID":
			win.in[i] = full
		default:
			fail(fmt.Errorf("attribute auto_pad is %q", auto))
		}
		if win.in[i] < 0 {
			fail(fmt.Errorf("axis %d of the output would have %d elements", i, win.in[i]))
		}
	}
	return win
}

// convolveTransposed adds, to every output position, the inputs whose patch
// covers it.
func (c *call) convolveTransposed(g convGeometry, x, w, out *Value) {
	f := c.products(out)
	ci, co := g.in/g.group, g.out/g.group
	taps := g.window.taps()
	area, positions := size(g.window.out), size(g.window.in)
	out.sums(ci*taps, f)
	c.afford(g.batch, positions, taps, ci, co, g.group)
	products := make([]matrixProduct, g.group)
	for group := range products {
		sources := factor{
			of: x, lanes: g.batch * positions, terms: ci * taps, run: taps, runStep: area,
			window: func(lane int, from []int) int {
				g.window.sources(lane%positions, from)
				return (lane/positions*g.in + group*ci) * area
			},
		}
		kernel := factor{of: w, lanes: co, terms: ci * taps, base: group * ci * co * taps, laneStep: taps, run: taps, runStep: co * taps, step: 1}
		products[group] = matrixProduct{sources, kernel, g.storeChannels(f, group, positions, c.in[2], out)}
	}
	c.multiply(f, products, taps)
}
