package reference

import (
	"fmt"
	"math"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
)

// opResize samples its input on a grid of another size, by neighbours along
// every axis. Input 1 is the region for tf_crop_and_resize, input 2 holds scales,
// input 3 sizes; opset 10 has the scales as input 1. ONNX Resize, opset 10, 11,
// 13, 18, 19.
var opResize = operator{
	name: "Resize",
	in:   []port{moves, sizing, sizing, sizing},
	eval: single(func(c *call) *Value {
		x := c.in[0]
		r := resizer{
			mode: c.text("mode"), place: c.text("coordinate_transformation_mode"),
			nearest: c.text("nearest_mode"), exclude: c.int("exclude_outside") != 0,
			antialias: c.int("antialias") != 0, cubic: c.float("cubic_coeff_a"), outside: c.float("extrapolation_value"),
		}
		roi, scales, sizes := c.in[1], c.in[2], c.in[3]
		if c.opset < 11 {
			roi, scales, sizes = nil, c.in[1], nil
			r.place, r.nearest = "asymmetric", "floor"
		}
		axes := c.intList("axes")
		if !c.has("axes") {
			for a := range x.Dims {
				axes = append(axes, a)
			}
		}
		axes = axesOf(axes, len(x.Dims))
		r.measure(c, x, axes, scales, sizes)
		if r.place == "tf_crop_and_resize" {
			r.crop(x, axes, roi)
		}
		return c.resize(x, &r)
	}),
}

// A resizer is the geometry of a Resize, axis by axis.
type resizer struct {
	mode, place, nearest string
	exclude, antialias   bool
	cubic, outside       float64
	out                  []int
	scale                []float64
	begin, end           []float64 // of the region, from 0 to 1; nil without one
}

// measure settles scales and lengths of the result.
func (r *resizer) measure(c *call, x *Value, axes []int, scales, sizes *Value) {
	r.out = slices.Clone(x.Dims)
	r.scale = slices.Repeat([]float64{1}, len(x.Dims))
	switch bySize := sizes != nil && sizes.Len() > 0; {
	case bySize:
		lengths, ok := sizes.ints()
		if !ok || len(lengths) != len(axes) {
			fail(fmt.Errorf("sizes are %v, want one for each of %d axes", sizes.Data, len(axes)))
		}
		for i, a := range axes {
			if lengths[i] < min(1, x.Dims[a]) || lengths[i] > math.MaxInt32 {
				fail(fmt.Errorf("sizes are %v, want numbers from 1 to 2^31", lengths))
			}
			r.out[a] = lengths[i]
			r.scale[a] = float64(lengths[i]) / float64(max(1, x.Dims[a]))
		}
		r.keepAspect(c.text("keep_aspect_ratio_policy"), x.Dims, axes)
		return
	case scales == nil || scales.Len() != len(axes):
		fail(fmt.Errorf("neither sizes nor scales for each of %d axes", len(axes)))
	}
	for i, a := range axes {
		s := scales.Float(i)
		// Runtimes multiply in float32.
		n := math.Floor(float64(float32(x.Dims[a]) * float32(s)))
		if r.crops() {
			continue // settled with the region
		}
		if !(s > 0) || n < float64(min(1, x.Dims[a])) || n > math.MaxInt32 {
			fail(fmt.Errorf("scale %v of axis %d, want a positive number that leaves from 1 to 2^31 elements of %d", s, a, x.Dims[a]))
		}
		r.out[a], r.scale[a] = int(n), s
	}
	if r.crops() {
		for i, a := range axes {
			r.scale[a], r.out[a] = scales.Float(i), 0
		}
	}
}

func (r *resizer) crops() bool { return r.place == "tf_crop_and_resize" }

// keepAspect makes all scales the smallest or the largest of them.
func (r *resizer) keepAspect(policy string, dims, axes []int) {
	if policy == "stretch" {
		return
	}
	scales := convert(axes, func(a int) float64 { return r.scale[a] })
	var s float64
	switch policy {
	case "not_larger":
		s = slices.Min(scales)
	case "not_smaller":
		s = slices.Max(scales)
	default:
		fail(fmt.Errorf("attribute keep_aspect_ratio_policy is %q", policy))
	}
	for _, a := range axes {
		r.scale[a], r.out[a] = s, max(1, int(math.Round(s*float64(dims[a]))))
	}
}

// crop takes the region into account: starts and ends of all axes in one list.
func (r *resizer) crop(x *Value, axes []int, roi *Value) {
	if roi == nil || roi.Len() != 2*len(axes) {
		fail(fmt.Errorf("tf_crop_and_resize wants a region of %d numbers", 2*len(axes)))
	}
	r.begin, r.end = make([]float64, len(x.Dims)), slices.Repeat([]float64{1}, len(x.Dims))
	for i, a := range axes {
		r.begin[a], r.end[a] = roi.Float(i), roi.Float(len(axes)+i)
		if r.out[a] > 0 {
			continue
		}
		n := math.Floor(float64(x.Dims[a]) * (r.end[a] - r.begin[a]) * r.scale[a])
		if !(n >= float64(min(1, x.Dims[a])) && n <= math.MaxInt32) {
			fail(fmt.Errorf("region from %v to %v of axis %d, scaled by %v, has %v elements", r.begin[a], r.end[a], a, r.scale[a], n))
		}
		r.out[a] = int(n)
	}
}

func (c *call) resize(x *Value, r *resizer) *Value {
	isFloat := floats&setOf(x) != 0
	if !isFloat && r.mode != "nearest" {
		fail(&onnx.UnsupportedError{Op: c.step.op.name, Opset: c.opset, Why: fmt.Sprintf("mode %s of %s", r.mode, typeName(x.Type))})
	}
	// Every axis has its own taps, whatever the other coordinates are.
	taps := make([][][]tap, len(r.out))
	sides := make([][]side, len(r.out))
	doubts := x.Sound != nil
	if x.Len() == 0 && size(r.out) > 0 {
		fail(fmt.Errorf("nothing to sample in shape %v", x.Dims))
	}
	for a := range taps {
		if x.Len() == 0 {
			break // nothing to make of nothing
		}
		c.take(int64(r.out[a]))
		taps[a], sides[a] = make([][]tap, r.out[a]), make([]side, r.out[a])
		for i := range taps[a] {
			taps[a][i], sides[a][i] = r.taps(c.format(x), x, a, i)
			doubts = doubts || sides[a][i].doubt || slices.ContainsFunc(taps[a][i], func(t tap) bool { return t.other != t.index })
			c.spend(int64(1 + len(taps[a][i])))
		}
	}
	out := c.zeros(x.Type, isFloat || doubts, r.out...)
	along := make([]int, len(taps)) // taps of an axis, each of which meets those of all others
	for a := range taps {
		for i, t := range taps[a] {
			along[a] += len(t)
			if sides[a][i].outside && texts&setOf(x) != 0 {
				fail(&onnx.UnsupportedError{Op: c.step.op.name, Opset: c.opset, Why: "extrapolation of " + typeName(x.Type)})
			}
		}
	}
	c.afford(along...)
	c.spend(int64(size(along)))
	g := newResampling(taps, strides(x.Dims))
	last := max(1, lastOf(out))
	try(parallel(c.meter, out.Len()/last, g.place, func(p *place, row int) {
		for i := row * last; i < (row+1)*last; i++ {
			c.resample(out, i, x, r, g, sides, p)
		}
	}))
	return out
}

// A resampling is where each element of a result comes from.
type resampling struct {
	taps  [][][]tap // for each axis, and each place along it
	steps []int
	// Along the axes that are still, elements stay where they are, one for one; those of the others are chosen or weighed.
	still, weighed []int
	weighedSteps   []int
}

func newResampling(taps [][][]tap, steps []int) *resampling {
	g := &resampling{taps: taps, steps: steps}
	for a := range taps {
		kept := true
		for i, t := range taps[a] {
			kept = kept && len(t) == 1 && t[0] == tap{i, i, exact(1)}
		}
		if kept {
			g.still = append(g.still, a)
		} else {
			g.weighed = append(g.weighed, a)
			g.weighedSteps = append(g.weighedSteps, steps[a])
		}
	}
	return g
}

// A place is an element of the result: its coordinates, and the taps of the axes that are weighed.
type place struct {
	at   []int
	axes [][]tap
	pick []int // zeros
}

func (g *resampling) place() *place {
	return &place{make([]int, len(g.taps)), make([][]tap, len(g.weighed)), make([]int, len(g.weighed))}
}

// resample computes element i of the result.
func (c *call) resample(out *Value, i int, x *Value, r *resizer, g *resampling, sides [][]side, p *place) {
	unravel(i, r.out, p.at)
	base, where := 0, side{}
	for _, a := range g.still {
		base += p.at[a] * g.steps[a]
	}
	for k, a := range g.weighed {
		p.axes[k] = g.taps[a][p.at[a]]
		where.outside = where.outside || sides[a][p.at[a]].outside
		where.doubt = where.doubt || sides[a][p.at[a]].doubt
	}
	if floats&setOf(x) != 0 {
		f := c.format(x)
		out.set(i, where.choose(f.interpolate(x, base, g.weighedSteps, p.axes, len(g.taps)), exact(r.outside)))
		return
	}
	candidates := elementsAt(nil, p.axes, p.pick, g.weighedSteps)
	c.copyOne(out, i, x, base+candidates[0])
	if where.outside {
		out.setFloat(i, r.outside)
	}
	if where.doubt || len(candidates) > 1 {
		out.setFigures(i, unknown(0))
	}
}

// A side says whether a place is outside of the input, where the result is the
// extrapolation value, and whether rounding decides that.
type side struct{ outside, doubt bool }

// choose is one of the two values, with limits that cover the other one if it may
// be taken.
func (s side) choose(in, out number) number {
	if s.outside {
		in, out = out, in
	}
	if s.doubt {
		gap := math.Abs(in.v - out.v)
		in.sound = max(in.sound, gap+out.sound)
		in.declared = max(in.declared, gap+out.screen())
	}
	return in
}

// taps returns the neighbours of element i of the result along axis a, with
// weights, and on which side of the border it lies.
func (r *resizer) taps(f format, x *Value, a, i int) ([]tap, side) {
	var where side
	if r.scale[a] == 1 && r.out[a] == x.Dims[a] && (!r.crops() || r.begin[a] == 0 && r.end[a] == 1) {
		return []tap{{i, i, exact(1)}}, where
	}
	n := x.Dims[a]
	place := r.source(a, i, n, f)
	if r.crops() {
		last := float64(n - 1)
		where.outside = place.v < 0 || place.v > last
		where.doubt = math.Abs(place.v) <= place.sound || math.Abs(place.v-last) <= place.sound
	}
	inside := func(k int) int { return min(max(k, 0), n-1) }
	if r.mode == "nearest" {
		round, ok := roundings[r.nearest]
		if !ok {
			fail(fmt.Errorf("attribute nearest_mode is %q", r.nearest))
		}
		t := tap{index: inside(int(round(place.v))), weight: exact(1)}
		t.other = t.index
		for _, v := range []float64{place.v - place.sound, place.v + place.sound} {
			if k := inside(int(round(v))); k != t.index {
				t.other = k
			}
		}
		return []tap{t}, where
	}
	var k kernel
	switch r.mode {
	case "linear":
		k = linearKernel
	case "cubic":
		k = cubicKernel(r.cubic)
	default:
		fail(fmt.Errorf("attribute mode is %q", r.mode))
	}
	stretch := 1.0
	if r.antialias {
		stretch = min(1, r.scale[a])
	}
	if float64(n) < float64(k.reach)/stretch/(1<<20) {
		fail(fmt.Errorf("scale %v of axis %d", r.scale[a], a))
	}
	indices, weights := k.around(f, place, stretch)
	if r.exclude {
		for j, index := range indices {
			if index != inside(index) {
				weights[j] = exact(0)
			}
		}
	}
	if r.exclude || stretch < 1 {
		sum := f.sumOf(weights, 0)
		for j := range weights {
			weights[j] = f.div(weights[j], sum)
		}
	}
	taps := make([]tap, len(indices))
	for j, index := range indices {
		taps[j] = tap{inside(index), inside(index), weights[j]}
	}
	return taps, where
}

// roundings choose one of the two neighbours.
var roundings = map[string]func(float64) float64{
	"round_prefer_floor": func(x float64) float64 { return math.Ceil(x - 0.5) },
	"round_prefer_ceil":  func(x float64) float64 { return math.Floor(x + 0.5) },
	"floor":              math.Floor,
	"ceil":               math.Ceil,
}

// source is where element i of the result lies in an axis of n elements. What
// runtimes compute it by in float32 costs some roundings, none where the scale is
// a power of two.
func (r *resizer) source(a, i, n int, f format) number {
	s, x, length := r.scale[a], float64(i), float64(n)
	resized := s * length // need not be whole
	if r.crops() {
		resized = float64(r.out[a])
	}
	var p number
	switch r.place {
	case "half_pixel":
		p.v = (x+0.5)/s - 0.5
	case "pytorch_half_pixel":
		if r.out[a] > 1 {
			p.v = (x+0.5)/s - 0.5
		}
	case "tf_half_pixel_for_nn":
		p.v = (x + 0.5) / s
	case "half_pixel_symmetric":
		p.v = length/2*(1-float64(r.out[a])/resized) + (x+0.5)/s - 0.5
	case "asymmetric":
		p.v = x / s
	case "align_corners":
		if resized != 1 {
			p.v = x * (length - 1) / (resized - 1)
		}
	case "tf_crop_and_resize":
		p.v = r.begin[a] * (length - 1)
		if r.out[a] > 1 {
			p.v += x * (r.end[a] - r.begin[a]) * (length - 1) / (resized - 1)
		} else {
			p.v += (r.end[a] - r.begin[a]) * (length - 1) / 2
		}
	default:
		fail(fmt.Errorf("attribute coordinate_transformation_mode is %q", r.place))
	}
	if fraction, _ := math.Frexp(s); fraction == 0.5 && (r.place == "half_pixel" || r.place == "pytorch_half_pixel" || r.place == "asymmetric") {
		return p
	}
	e := f.u * (math.Abs(p.v) + length)
	if r.crops() {
		e += f.u * length * (math.Abs(r.begin[a]) + math.Abs(r.end[a]))
	}
	p.sound, p.spread = 8*e, e
	return p
}
