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
	name: "Conv",
	eval: single(func(c *call) (*Value, error) {
		x, w := c.in[0], c.in[1]
		g, err := c.convGeometry(x, w)
		if err != nil {
			return nil, err
		}
		if err := checkBias(c.in[2], g.out); err != nil {
			return nil, err
		}
		out, err := c.numbers(x.Type, slices.Concat([]int{g.batch, g.out}, g.window.out)...)
		if err != nil {
			return nil, err
		}
		return out, c.convolve(g, x, w, out)
	}),
}

func checkBias(b *Value, n int) error {
	if b != nil && !slices.Equal(b.Dims, []int{n}) {
		return fmt.Errorf("bias of shape %v, want [%d]", b.Dims, n)
	}
	return nil
}

// A convGeometry is the shape of a convolution: group runs of in/group
// channels that make out/group channels each.
type convGeometry struct {
	batch, in, out, group int
	window                window
}

func (c *call) convGeometry(x, w *Value) (convGeometry, error) {
	rank := len(x.Dims) - 2
	if rank < 1 || len(w.Dims) != len(x.Dims) {
		return convGeometry{}, fmt.Errorf("input of shape %v and weights of shape %v, want equal ranks from 3 on", x.Dims, w.Dims)
	}
	g := convGeometry{batch: x.Dims[0], in: x.Dims[1], out: w.Dims[0], group: c.int("group")}
	if g.group < 1 || w.Dims[1]*g.group != g.in || g.out%g.group != 0 {
		return g, fmt.Errorf("%d channels in %d groups do not fit weights of shape %v", g.in, g.group, w.Dims)
	}
	if k := c.intList("kernel_shape"); c.has("kernel_shape") && !slices.Equal(k, w.Dims[2:]) {
		return g, fmt.Errorf("kernel_shape is %v, weights are of shape %v", k, w.Dims)
	}
	var err error
	g.window, err = c.newWindow(x.Dims[2:], w.Dims[2:], false)
	return g, err
}

// convolve computes every output position from the patch of the input under
// the kernel; positions in the padding are no terms of the sum.
func (c *call) convolve(g convGeometry, x, w, out *Value) error {
	f := c.products(out)
	ci, co := g.in/g.group, g.out/g.group
	taps := g.window.taps()
	positions := size(g.window.out)
	area := size(g.window.in)
	out.sums(ci*taps, f)
	if err := c.afford(g.batch, positions, taps, ci, co, g.group); err != nil {
		return err
	}
	row := newRowSum(f, co, taps)
	patch := make([]int, taps)
	for group := range g.group {
		// (co, ci*taps) -> (ci*taps, co), so that a row holds the weights of
		// all output channels.
		kernel := matrixOf(w, group*co*ci*taps, co, ci*taps).transposed()
		var spoiled []int // elements of kernel that are not finite
		for i, v := range kernel.v {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				spoiled = append(spoiled, i)
			}
		}
		for n := range g.batch {
			for p := range positions {
				if err := c.spend(int64(taps) * int64(ci) * int64(co)); err != nil {
					return err
				}
				g.window.patch(p, patch)
				row.reset()
				for ch := range ci {
					base := (n*g.in + group*ci + ch) * area
					for k, at := range patch {
						if at >= 0 {
							row.add(x.at(base+at), kernel, ch*taps+k)
						}
					}
				}
				for o := range co {
					s := row.dot(o)
					if b := c.in[2]; b != nil {
						s.term(b.at(group*co + o))
					}
					out.set((n*g.out+group*co+o)*positions+p, s.sum(f, 0))
				}
				for _, i := range spoiled {
					if patch[i/co%taps] < 0 {
						c.undefined(out, (n*g.out+group*co+i%co)*positions+p, spoiledPadding)
					}
				}
			}
		}
	}
	return nil
}

func size(dims []int) int {
	n := 1
	for _, d := range dims {
		n *= d
	}
	return n
}
