package reference

import (
	"fmt"
	"math"
	"slices"
)

// opMicrosoftCropAndResize cuts regions (y1, x1, y2, x2), from 0 to 1, out of the images (N, C, H, W) that input 2
// names, and resizes them to crop_size: the first and the last sample lie on the region's edges, a single one in its
// middle, and what lies outside of the image is extrapolation_value. ONNX Runtime's com.microsoft CropAndResize.
var opMicrosoftCropAndResize = operator{
	name: "CropAndResize", domain: microsoft, in: []port{derived, derived, blind, sizing},
	eval: single(func(c *call) *Value {
		x, rois := c.in[0], c.in[1]
		entries, _ := c.intInput(2)
		size, _ := c.intInput(3)
		if len(x.Dims) != 4 || !slices.Equal(rois.Dims, []int{len(entries), 4}) || len(size) != 2 || slices.Min(size) < 1 {
			fail(fmt.Errorf("input of shape %v, regions of shape %v, %d batch entries and crops of %v", x.Dims, rois.Dims, len(entries), size))
		}
		mode := c.text("mode")
		if mode != "bilinear" && mode != "nearest" {
			fail(fmt.Errorf("attribute mode is %q", mode))
		}
		f, channels, area := c.format(x), x.Dims[1], x.Dims[2]*x.Dims[3]
		out := c.numbers(x.Type, len(entries), channels, size[0], size[1])
		c.afford(out.Len(), 8)
		c.spend(8 * int64(out.Len()))
		for r, n := range entries {
			if n < 0 || n >= x.Dims[0] {
				fail(fmt.Errorf("region %d is of batch entry %d of %d", r, n, x.Dims[0]))
			}
			c.take(16 * int64(size[0]+size[1])) // images may have no channels
			var axes [2][]cropPlace
			for a := range axes { // height, width
				for k := range size[a] {
					place := f.cropPlace(rois.at(r*4+a), rois.at(r*4+2+a), k, size[a], x.Dims[2+a])
					axes[a] = append(axes[a], f.cropTaps(place, x.Dims[2+a], mode == "nearest"))
				}
			}
			for ch := range channels {
				base := (n*channels + ch) * area
				for i := range size[0] * size[1] {
					v := f.cropped(x, base, axes[0][i/size[1]], axes[1][i%size[1]], exact(c.float("extrapolation_value")))
					out.set((r*channels+ch)*size[0]*size[1]+i, v)
				}
			}
		}
		return out
	}),
}

// A cropPlace is where a sample lies along an axis: none of its taps counts where it is outside for certain.
type cropPlace struct {
	taps           []tap
	outside, doubt bool // doubt: rounding decides whether it is outside
}

// cropPlace is the place of sample k of count between the ends of a region, in an axis of n.
func (f format) cropPlace(first, last number, k, count, n int) number {
	along := exact(float64(n - 1))
	switch {
	case count == 1:
		return f.mul(f.mul(exact(0.5), f.add(first, last)), along)
	case k == 0:
		return f.unrounded(f.mul(first, along), first.v*along.v, first)
	case k == count-1:
		return f.unrounded(f.mul(last, along), last.v*along.v, last)
	}
	step := f.div(f.mul(f.sub(last, first), along), exact(float64(count-1)))
	return f.add(f.mul(first, along), f.mul(exact(float64(k)), step))
}

// unrounded is y without an error where its value needs no rounding, and what it comes of has no error.
func (f format) unrounded(y number, v float64, of number) number {
	if of == exact(of.v) && f.holds(v) {
		return exact(v)
	}
	return y
}

func (f format) cropTaps(place number, n int, nearest bool) cropPlace {
	e := max(place.sound, place.screen())
	p := cropPlace{outside: !(place.v >= 0 && place.v <= float64(n-1))}
	p.doubt = e > 0 && (math.Abs(place.v) <= e || math.Abs(place.v-float64(n-1)) <= e || math.IsNaN(place.v))
	if n < 1 || p.outside && !p.doubt {
		return p
	}
	place = smaller(larger(place, exact(0)), exact(float64(n-1)))
	inside := func(i int) int { return min(max(i, 0), n-1) }
	if nearest {
		t := tap{index: inside(int(math.Round(place.v))), weight: exact(1)}
		t.other = t.index
		for _, v := range []float64{place.v - e, place.v + e} {
			if k := inside(int(math.Round(v))); k != t.index {
				t.other = k
			}
		}
		p.taps = []tap{t}
		return p
	}
	indices, weights := linearKernel.around(f, place, 1)
	for k, i := range indices {
		p.taps = append(p.taps, tap{inside(i), inside(i), weights[k]})
	}
	return p
}

// cropped is a sample. Where rounding decides whether it lies outside, its limits cover both.
func (f format) cropped(x *Value, base int, row, column cropPlace, otherwise number) number {
	if len(row.taps) == 0 || len(column.taps) == 0 {
		return otherwise
	}
	y := f.interpolate(x, base, []int{x.Dims[3], 1}, [][]tap{row.taps, column.taps}, 4)
	if !row.doubt && !column.doubt {
		return y
	}
	gap := math.Abs(y.v-otherwise.v) + y.sound
	if row.outside || column.outside {
		y = otherwise
	}
	y.sound += gap
	y.declared += gap
	return y
}
