package reference

import (
	"fmt"
	"math"
	"slices"
)

// opConv is the convolution of X (N, C, D1...) with W (M, C/group, K1...), plus
// an optional bias B (M), in any number of spatial dimensions. ONNX Conv, opset
// 1, 11, 22.
//
// The sound limit is that of a sum of products. Algorithms that are no such sum,
// as Winograd's, are not covered.
var opConv = operator{
	name: "Conv", asStored: []int{1},
	eval: single(func(c *call) *Value {
		x, w := c.in[0], c.in[1]
		g := c.convGeometry(x, w)
		checkBias(c.in[2], g.out)
		out := c.numbers(x.Type, slices.Concat([]int{g.batch, g.out}, g.window.out)...)
		f := c.products(out)
		out.sums(g.in/g.group*g.window.taps(), f)
		c.convolve(f, g, x, w, c.in[2], out)
		return out
	}),
}

func checkBias(b *Value, n int) {
	if b != nil && !slices.Equal(b.Dims, []int{n}) {
		fail(fmt.Errorf("bias of shape %v, want [%d]", b.Dims, n))
	}
}

// A convGeometry is the shape of a convolution: group runs of in/group
// channels that make out/group channels each.
type convGeometry struct {
	batch, in, out, group int
	window                window
}

func (c *call) convGeometry(x, w *Value) convGeometry {
	rank := len(x.Dims) - 2
	if rank < 1 || len(w.Dims) != len(x.Dims) {
		fail(fmt.Errorf("input of shape %v and weights of shape %v, want equal ranks from 3 on", x.Dims, w.Dims))
	}
	g := convGeometry{batch: x.Dims[0], in: x.Dims[1], out: w.Dims[0], group: c.int("group")}
	if g.group < 1 || w.Dims[1]*g.group != g.in || g.out%g.group != 0 {
		fail(fmt.Errorf("%d channels in %d groups do not fit weights of shape %v", g.in, g.group, w.Dims))
	}
	if k := c.intList("kernel_shape"); c.has("kernel_shape") && !slices.Equal(k, w.Dims[2:]) {
		fail(fmt.Errorf("kernel_shape is %v, weights are of shape %v", k, w.Dims))
	}
	g.window = c.newWindow(x.Dims[2:], w.Dims[2:], false)
	return g
}

// convolve computes every output position from the patch of the input under
// the kernel; positions in the padding are not terms of the sum.
func (c *call) convolve(f format, g convGeometry, x, w, bias, out *Value) {
	ci, co := g.in/g.group, g.out/g.group
	taps := g.window.taps()
	positions, area := size(g.window.out), size(g.window.in)
	c.afford(g.batch, positions, taps, ci, co, g.group)
	products := make([]matrixProduct, g.group)
	for group := range products {
		patches := factor{
			of: x, lanes: g.batch * positions, terms: ci * taps, run: taps, runStep: area,
			window: func(lane int, from []int) int {
				g.window.patch(lane%positions, from)
				return (lane/positions*g.in + group*ci) * area
			},
		}
		products[group] = matrixProduct{patches, rowsOf(w, group*co*ci*taps, co, ci*taps), g.storeChannels(f, group, positions, bias, out)}
	}
	c.multiply(f, products, taps)
	out.origin = originOf(products)
	c.spoilPadding(g, w, out)
}

// storeChannels stores the sums for a position and a channel of a group, with the bias.
func (g convGeometry) storeChannels(f format, group, positions int, bias, out *Value) func(i, j int, s dot) {
	co := g.out / g.group
	return func(i, j int, s dot) {
		at := (i/positions*g.out+group*co+j)*positions + i%positions
		if f == wholeNumbers {
			out.floats()[at] = s.y
			return
		}
		if bias != nil {
			s.term(bias.at(group*co + j))
		}
		out.set(at, s.sum(f, 0))
	}
}

// spoilPadding leaves undefined what weights that are not finite make of the
// padding.
func (c *call) spoilPadding(g convGeometry, w, out *Value) {
	positions, taps := size(g.window.out), g.window.taps()
	patch := make([]int, taps)
	weights, _ := w.numbers()
	for i := range weights.len() {
		if v := weights.at(i); !math.IsNaN(v) && !math.IsInf(v, 0) {
			continue
		}
		o := i / (w.Dims[1] * taps)
		for p := range positions {
			if g.window.patch(p, patch); patch[i%taps] >= 0 {
				continue
			}
			for n := range g.batch {
				c.undefined(out, (n*g.out+o)*positions+p, spoiledPadding)
			}
		}
	}
}

func size(dims []int) int {
	n := 1
	for _, d := range dims {
		n *= d
	}
	return n
}
