package reference

import (
	"fmt"
	"math"
)

// opRoiAlign averages X (N, C, H, W), or takes its maximum, at sampling points in
// the bins of regions (x1, y1, x2, y2), each of the batch entry in input 2.
// ONNX RoiAlign, opset 10, 16, 22.
var opRoiAlign = operator{
	name: "RoiAlign", since: 10,
	attrs: attrs{
		"coordinate_transformation_mode": aString, "mode": aString, "output_height": aInt, "output_width": aInt, "sampling_ratio": aInt,
		"spatial_scale": aFloat,
	},
	in: []port{need(floats), same(0).jumpy(), need(int64s)},
	eval: single(func(c *call) (*Value, error) {
		x, rois := c.in[0], c.in[1]
		entries, _, err := c.intInput(2)
		if err != nil {
			return nil, err
		}
		if len(x.Dims) != 4 || x.Len() == 0 || len(rois.Dims) != 2 || rois.Dims[1] != 4 || len(entries) != rois.Dims[0] {
			return nil, fmt.Errorf("input of shape %v, regions of shape %v, %d batch entries", x.Dims, rois.Dims, len(entries))
		}
		out := [2]int{c.int("output_height", 1), c.int("output_width", 1)}
		y, err := c.numbers(x.Type, rois.Dims[0], x.Dims[1], out[0], out[1])
		if err != nil {
			return nil, err
		}
		how := c.text("mode", "avg")
		if how != "avg" && how != "max" {
			return nil, fmt.Errorf("attribute mode is %q", how)
		}
		for r, n := range entries {
			if n < 0 || n >= x.Dims[0] {
				return nil, fmt.Errorf("region %d is of batch entry %d of %d", r, n, x.Dims[0])
			}
			var begin, bin [2]number
			var samples [2]int
			for a := range 2 { // height, width
				if begin[a], bin[a], samples[a], err = c.roiAxis(rois, r, a, out[a]); err != nil {
					return nil, err
				}
			}
			for i := range out[0] * out[1] {
				points := [2][][]tap{}
				for a, p := range [2]int{i / out[1], i % out[1]} {
					for s := range samples[a] {
						points[a] = append(points[a], c.roiTaps(x, a, begin[a], bin[a], p, s, samples[a]))
					}
				}
				if err := c.spend(4 * int64(samples[0]) * int64(samples[1]) * int64(x.Dims[1])); err != nil {
					return nil, err
				}
				for ch := range x.Dims[1] {
					base := (n*x.Dims[1] + ch) * x.Dims[2] * x.Dims[3]
					y.set((r*x.Dims[1]+ch)*out[0]*out[1]+i, c.format(x).roiBin(x, base, points, how == "max"))
				}
			}
		}
		return y, nil
	}),
}

// roiAxis returns where a region begins along an axis, the length of its bins, and
// the number of sampling points in one.
func (c *call) roiAxis(rois *Value, r, a, bins int) (begin, bin number, samples int, err error) {
	f := c.format(rois)
	scale := exact(c.float("spatial_scale", 1))
	first, last := f.mul(rois.at(r*4+1-a), scale), f.mul(rois.at(r*4+3-a), scale)
	half := c.opset >= 16 && c.text("coordinate_transformation_mode", "half_pixel") == "half_pixel"
	if half {
		first, last = f.sub(first, exact(0.5)), f.sub(last, exact(0.5))
	}
	size := f.sub(last, first)
	if !half {
		size = larger(size, exact(1))
	}
	bin = f.div(size, exact(float64(bins)))
	samples = c.int("sampling_ratio", 0)
	if samples <= 0 {
		samples = int(min(math.Ceil(size.v/float64(bins)), 1<<20))
	}
	if bins < 1 || samples < 1 || samples > 1<<16 {
		return begin, bin, 0, fmt.Errorf("region %d of length %v in %d bins with %d points each", r, size.v, bins, samples)
	}
	return first, bin, samples, nil
}

// roiTaps are the neighbours of point s of bin p along an axis; none where it is
// outside of the input by more than an element.
func (c *call) roiTaps(x *Value, a int, begin, bin number, p, s, samples int) []tap {
	f := c.format(x)
	place := f.add(begin, f.mul(bin, f.rounded(exact(float64(p)+(float64(s)+0.5)/float64(samples)), 2)))
	n := x.Dims[2+a]
	if place.v < -1 || place.v > float64(n) {
		return nil
	}
	place = smaller(larger(place, exact(0)), exact(float64(n-1)))
	indices, weights := linearKernel.around(f, place, 1)
	taps := make([]tap, len(indices))
	for k, i := range indices {
		i = min(max(i, 0), n-1)
		taps[k] = tap{i, i, weights[k]}
	}
	return taps
}

// roiBin is the mean over the points of a bin; the maximum is one over the weighed
// neighbours of all points, as the operator document has it.
func (f format) roiBin(v *Value, base int, points [2][][]tap, largest bool) number {
	var terms []number
	for _, rows := range points[0] {
		for _, cols := range points[1] {
			if rows == nil || cols == nil {
				terms = append(terms, exact(0))
				continue
			}
			if !largest {
				terms = append(terms, f.interpolate(v, base, v.Dims[2:], [][]tap{rows, cols}))
				continue
			}
			for _, r := range rows {
				for _, q := range cols {
					terms = append(terms, f.mul(f.mul(r.weight, q.weight), v.at(base+r.index*v.Dims[3]+q.index)))
				}
			}
		}
	}
	if largest {
		return maximum(terms)
	}
	return f.meanOf(terms, len(terms))
}
