package reference

import (
	"fmt"
	"math"
	"slices"
)

// opRoiAlign averages X (N, C, H, W), or takes its maximum, at sampling points in
// the bins of regions (x1, y1, x2, y2), each of the batch entry in input 2.
// ONNX RoiAlign, opset 10, 16, 22.
var opRoiAlign = operator{
	name: "RoiAlign",
	in:   []port{derived, blind},
	eval: single(func(c *call) *Value {
		x, rois := c.in[0], c.in[1]
		entries, _ := c.intInput(2)
		if len(x.Dims) != 4 || len(rois.Dims) != 2 || rois.Dims[1] != 4 || len(entries) != rois.Dims[0] {
			fail(fmt.Errorf("input of shape %v, regions of shape %v, %d batch entries", x.Dims, rois.Dims, len(entries)))
		}
		out := [2]int{c.int("output_height"), c.int("output_width")}
		y := c.numbers(x.Type, rois.Dims[0], x.Dims[1], out[0], out[1])
		how := c.text("mode")
		if how != "avg" && how != "max" {
			fail(fmt.Errorf("attribute mode is %q", how))
		}
		for r, n := range entries {
			if n < 0 || n >= x.Dims[0] {
				fail(fmt.Errorf("region %d is of batch entry %d of %d", r, n, x.Dims[0]))
			}
			if size(x.Dims[2:]) == 0 && y.Len() > 0 {
				fail(fmt.Errorf("nothing to sample in shape %v", x.Dims))
			}
			region := [2]roiAxis{}
			for a := range 2 { // height, width
				region[a] = c.roiAxis(rois, r, a, out[a])
			}
			for i := range out[0] * out[1] {
				bins := [2]int{i / out[1], i % out[1]}
				for ch := range x.Dims[1] {
					base := (n*x.Dims[1] + ch) * x.Dims[2] * x.Dims[3]
					v := c.roiBin(x, base, region, bins, how == "max")
					y.set((r*x.Dims[1]+ch)*out[0]*out[1]+i, v)
					if how == "max" && math.IsNaN(v.v) {
						c.undefined(y, (r*x.Dims[1]+ch)*out[0]*out[1]+i, orderOfNaN)
					}
				}
			}
		}
		return y
	}),
}

// A roiAxis is a region along one axis: where it begins, how long a bin is, and how
// many points are sampled in one. Rounding decides about the number of points where
// it follows from a length that is next to whole.
type roiAxis struct {
	begin, bin number
	samples    []int // the first one is the reference's
}

func (c *call) roiAxis(rois *Value, r, a, bins int) roiAxis {
	f := c.format(rois)
	scale := exact(c.float("spatial_scale"))
	first, last := f.mul(rois.at(r*4+1-a), scale), f.mul(rois.at(r*4+3-a), scale)
	half := c.opset >= 16 && c.text("coordinate_transformation_mode") == "half_pixel"
	if half {
		first, last = f.sub(first, exact(0.5)), f.sub(last, exact(0.5))
	}
	size := f.sub(last, first)
	if !half {
		size = larger(size, exact(1))
	}
	axis := roiAxis{begin: first, bin: f.div(size, exact(float64(bins)))}
	if n := c.int("sampling_ratio"); n > 0 {
		axis.samples = []int{n}
	} else {
		// A region without length has no points, and gives zero.
		for _, v := range []float64{axis.bin.v, axis.bin.v - axis.bin.sound, axis.bin.v + axis.bin.sound} {
			if n := int(min(max(math.Ceil(v), 0), 1<<20)); !slices.Contains(axis.samples, n) {
				axis.samples = append(axis.samples, n)
			}
		}
	}
	if bins < 1 || math.IsNaN(size.v) || slices.Max(axis.samples) > 1<<16 {
		fail(fmt.Errorf("region %d of length %v in %d bins with %d points each", r, size.v, bins, slices.Max(axis.samples)))
	}
	return axis
}

// roiTaps are the neighbours of point s of bin p along an axis, both of them even
// where one has no weight; none where the point is outside of the input by more
// than an element, and doubt where rounding decides about that.
func (c *call) roiTaps(x *Value, a int, axis roiAxis, p, s, samples int) (taps []tap, doubt bool) {
	f := c.format(x)
	place := f.add(axis.begin, f.mul(axis.bin, f.rounded(exact(float64(p)+(float64(s)+0.5)/float64(samples)), 2)))
	n := x.Dims[2+a]
	doubt = math.Abs(place.v+1) <= place.sound || math.Abs(place.v-float64(n)) <= place.sound
	if !doubt && (place.v < -1 || place.v > float64(n)) {
		return nil, false
	}
	place = smaller(larger(place, exact(0)), exact(float64(n-1)))
	low := min(max(int(math.Floor(place.v)), 0), n-1)
	indices, weights := linearKernel.around(f, place, 1)
	if len(indices) == 1 {
		indices, weights = append(indices, low+1), append(weights, exact(0))
	}
	for k, i := range indices {
		i = min(max(i, 0), n-1)
		taps = append(taps, tap{i, i, weights[k]})
	}
	return taps, doubt
}

// roiBin is the mean over the points of a bin; the maximum is one over the weighed
// neighbours of all points, as the operator document has it. Where rounding decides
// how many points there are, or whether one lies outside, the limits cover both.
func (c *call) roiBin(x *Value, base int, region [2]roiAxis, bins [2]int, largest bool) number {
	var y number
	for i, rows := range region[0].samples {
		for j, cols := range region[1].samples {
			c.spend(4 * int64(rows) * int64(cols))
			v := c.roiPoints(x, base, region, bins, [2]int{rows, cols}, largest)
			if i+j == 0 {
				y = v
				continue
			}
			gap := math.Abs(v.v - y.v)
			y.sound = max(y.sound, gap+v.sound)
			y.declared = max(y.declared, gap+v.screen())
		}
	}
	return y
}

// roiPoints is roiBin for so many points along each axis.
func (c *call) roiPoints(x *Value, base int, region [2]roiAxis, bins, samples [2]int, largest bool) number {
	f := c.format(x)
	var axes [2][][]tap
	var doubts [2][]bool
	for a := range axes {
		for s := range samples[a] {
			taps, doubt := c.roiTaps(x, a, region[a], bins[a], s, samples[a])
			axes[a], doubts[a] = append(axes[a], taps), append(doubts[a], doubt)
		}
	}
	var terms []number
	height := 0.0 // of what may be there or not
	for r, rows := range axes[0] {
		for q, cols := range axes[1] {
			if rows == nil || cols == nil {
				terms = append(terms, exact(0))
				continue
			}
			first := len(terms)
			if !largest {
				terms = append(terms, f.interpolate(x, base, []int{x.Dims[3], 1}, [][]tap{rows, cols}, 2))
			} else {
				for _, r := range rows {
					for _, q := range cols {
						terms = append(terms, f.mul(f.mul(r.weight, q.weight), x.at(base+r.index*x.Dims[3]+q.index)))
					}
				}
			}
			if doubts[0][r] || doubts[1][q] {
				for _, t := range terms[first:] {
					height += math.Abs(t.v) + t.sound
				}
			}
		}
	}
	var y number
	switch {
	case len(terms) == 0:
		return exact(0)
	case largest:
		y = maximum(terms)
	default:
		y = f.meanOf(terms, len(terms))
		height /= float64(len(terms))
	}
	y.sound += height
	y.declared += height
	return y
}
