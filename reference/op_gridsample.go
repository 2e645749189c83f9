package reference

import (
	"fmt"
	"math"
	"slices"
)

// opGridSample samples X (N, C, D1...) at the places of a grid (N, O1..., rank),
// whose coordinates run from -1 to 1, the last axis of X first. ONNX GridSample,
// opset 16, 20, 22.
var opGridSample = operator{
	name: "GridSample",
	in:   []port{lacking(integers | bools | texts)},
	eval: single(func(c *call) *Value {
		x, grid := c.in[0], c.in[1]
		rank := len(x.Dims) - 2
		if rank < 1 || len(grid.Dims) != rank+2 || grid.Dims[0] != x.Dims[0] || grid.Dims[rank+1] != rank {
			fail(fmt.Errorf("input of shape %v and grid of shape %v", x.Dims, grid.Dims))
		}
		g := gridSampler{
			in: x.Dims[2:], align: c.int("align_corners") != 0, mode: c.text("mode"), padding: c.text("padding_mode"),
		}
		if !slices.Contains([]string{"bilinear", "linear", "bicubic", "cubic", "nearest"}, g.mode) || !slices.Contains([]string{"zeros", "border", "reflection"}, g.padding) {
			fail(fmt.Errorf("attribute mode is %q, padding_mode %q", g.mode, g.padding))
		}
		places := size(grid.Dims[1 : rank+1])
		out := c.numbers(x.Type, slices.Concat(x.Dims[:2], grid.Dims[1:rank+1])...)
		channels, area, steps := x.Dims[1], size(g.in), strides(g.in)
		if out.Len() > 0 && area == 0 {
			fail(fmt.Errorf("nothing to sample in shape %v", x.Dims))
		}
		for n := range x.Dims[0] {
			for p := range places {
				c.spend(int64(channels) << (2 * rank))
				axes := make([][]tap, rank)
				for a := range rank {
					// The grid has the last axis first.
					axes[a] = g.taps(c.format(x), a, grid.at((n*places+p)*rank+rank-1-a))
				}
				for ch := range channels {
					base := (n*channels + ch) * area
					out.set((n*channels+ch)*places+p, c.format(x).interpolate(x, base, steps, axes, rank))
				}
			}
		}
		return out
	}),
}

// A gridSampler finds the neighbours of a place, axis by axis.
type gridSampler struct {
	in            []int
	align         bool
	mode, padding string
}

// taps returns the neighbours along axis a of grid coordinate u, with weights.
func (g gridSampler) taps(f format, a int, u number) []tap {
	n := exact(float64(g.in[a]))
	// align_corners: -1 and 1 are the centres of the outer pixels, else their
	// outer edges.
	x := f.mul(f.add(u, exact(1)), exact((n.v-1)/2))
	if !g.align {
		x = f.mul(f.sub(f.mul(f.add(u, exact(1)), n), exact(1)), exact(0.5))
	}
	cubic := g.mode == "cubic" || g.mode == "bicubic"
	switch { // for cubic weights only the neighbours are brought inside, not the place
	case cubic:
	case g.padding == "border":
		x = smaller(larger(x, exact(0)), exact(n.v-1))
	case g.padding == "reflection":
		x.v = g.reflect(a, x.v)
	}
	e := max(x.sound, x.screen())
	const reach = 4 // beyond it all neighbours lie outside, whatever the kernel
	switch {
	case math.IsNaN(x.v), g.mode == "nearest" && e > 1 && g.padding == "reflection":
		return []tap{{0, 0, unknown(0)}} // the place may be any
	case g.padding == "reflection":
	case x.v-e > n.v+reach:
		x = exact(n.v + reach)
	case x.v+e < -reach:
		x = exact(-reach)
	}
	if g.mode == "nearest" {
		t := tap{index: g.place(a, int(math.RoundToEven(x.v))), weight: exact(1)}
		t.other = t.index
		for _, y := range []float64{x.v - x.sound, x.v + x.sound} {
			if k := g.place(a, int(math.RoundToEven(y))); k != t.index {
				t.other = k
			}
		}
		return []tap{t}
	}
	k := linearKernel
	if cubic {
		k = cubicKernel(-0.75)
	}
	var taps []tap
	indices, weights := k.around(f, x, 1)
	for i, w := range weights {
		index := g.place(a, indices[i])
		taps = append(taps, tap{index: index, other: index, weight: w})
	}
	return taps
}

// reflect folds x back between the outer edges or centres.
func (g gridSampler) reflect(a int, x float64) float64 {
	lo, hi := -0.5, float64(g.in[a])-0.5
	if g.align {
		lo, hi = 0, float64(g.in[a])-1
	}
	width := hi - lo
	if width <= 0 {
		return 0
	}
	x = math.Mod(math.Abs(x-lo), 2*width)
	if x > width {
		x = 2*width - x
	}
	return x + lo
}

// place returns index k of axis a by the padding mode, -1 for a zero.
func (g gridSampler) place(a, k int) int {
	n := g.in[a]
	switch {
	case k >= 0 && k < n:
		return k
	case g.padding == "zeros":
		return -1
	case g.padding == "border":
		return min(max(k, 0), n-1)
	}
	return min(max(int(math.Round(g.reflect(a, float64(k)))), 0), n-1)
}
