package load

import (
	"fmt"
	"math"
	"slices"

	"github.com/petrify-ml/petrify/internal/gop"
)

// scaling is what a resize does along its axes.
type scaling struct {
	name                 string // of the output
	mode, place, nearest string
	exclude, antialias   bool
	cubic, filler        float64
	out                  []int
	scale                []float64
	begin, end           []float64 // of the part that tf_crop_and_resize takes, from 0 to 1
}

// resize samples a value in other places along each axis.
func resize(b *builder, c call) {
	from := c.in[0].dims
	s := scaling{
		name: c.name(), out: slices.Clone(from), scale: slices.Repeat([]float64{1}, len(from)),
		mode: c.text("mode"), place: c.text("coordinate_transformation_mode"), nearest: c.text("nearest_mode"),
		exclude: c.on("exclude_outside"), antialias: c.on("antialias"), cubic: c.float("cubic_coeff_a"), filler: c.float("extrapolation_value"),
	}
	if b.opset < 11 { // and Upsample
		s.place, s.nearest = "asymmetric", "floor"
	}
	s.measure(b, c)
	for i, n := range s.out {
		if from[i] == 0 || n == 0 {
			fail(c.unsupported("%v resized to %v", from, s.out))
		}
	}
	b.account(c.name(), s.out, 8)
	places := make([][][]gop.Tap, len(from))
	for k := range from {
		places[k] = s.places(k, from[k])
	}
	if s.mode == "nearest" {
		m := everything(from)
		for k := range from {
			table := make([]int, s.out[k])
			for i, taps := range places[k] {
				table[i] = gop.Outside
				if len(taps) > 0 {
					table[i] = m.Offsets[k][taps[0].Index]
				}
			}
			m.Offsets[k], m.Shape[k] = table, len(table)
		}
		one := must(fromReals(c.in[0].elem, []float64{s.filler}, nil))
		b.take(c.name(), c.in[0], m, one, m.Shape)
		return
	}
	c.real(0)
	x := b.node(c, 0)
	dims := slices.Clone(from)
	for k := range from {
		if s.same(k, from[k]) {
			continue
		}
		dims[k] = s.out[k]
		b.account(c.name(), dims, 8)
		x = must(gop.Interpolate(fmt.Sprintf("%s.%d", c.name(), k), x, k, places[k], s.filler))
	}
	b.values[c.name()] = value{dims: dims, elem: c.in[0].elem, node: x}
}

// measure settles the scales and the lengths of the axes, from whichever input has them.
func (s *scaling) measure(b *builder, c call) {
	from := c.in[0].dims
	axes := make([]int, len(from))
	for i := range axes {
		axes[i] = i
	}
	list := c.ints("axes")
	if list != nil {
		axes = axes[:0]
		for _, a := range list {
			axis := axisOf(c.name(), a, len(from))
			axes = append(axes, axis)
		}
	}
	scalesAt, sizesAt := 2, 3
	if b.opset < 11 {
		scalesAt, sizesAt = 1, -1
	}
	region := c.reals(1, b.opset >= 11)
	if s.place == "tf_crop_and_resize" {
		if len(region) != 2*len(axes) {
			fail(fmt.Errorf("%s: tf_crop_and_resize with a region of %d numbers", c.name(), len(region)))
		}
		s.begin, s.end = make([]float64, len(from)), slices.Repeat([]float64{1}, len(from))
		for i, a := range axes {
			s.begin[a], s.end[a] = region[i], region[len(axes)+i]
		}
	}
	scales := c.reals(scalesAt, true)
	if c.op.name == "Upsample" && b.opset < 9 {
		scales = convert[float64](c.floats("scales"))
	}
	if len(scales) > 0 {
		if len(scales) != len(axes) {
			fail(fmt.Errorf("%s: %d scales for %d axes", c.name(), len(scales), len(axes)))
		}
		for i, a := range axes {
			n := math.Floor(float64(float32(from[a]) * float32(scales[i])))
			if s.begin != nil {
				n = math.Floor(float64(from[a]) * (s.end[a] - s.begin[a]) * scales[i])
			}
			if !(scales[i] > 0 && n >= 1 && n <= math.MaxInt32) {
				fail(fmt.Errorf("%s: axis %d of %d scaled by %v", c.name(), a, from[a], scales[i]))
			}
			s.out[a], s.scale[a] = int(n), scales[i]
		}
		return
	}
	if sizesAt < 0 || !c.has(sizesAt) {
		fail(fmt.Errorf("%s: resize with neither scales nor sizes", c.name()))
	}
	sizes := c.list(sizesAt)
	if len(sizes) != len(axes) {
		fail(fmt.Errorf("%s: %d sizes for %d axes", c.name(), len(sizes), len(axes)))
	}
	for i, a := range axes {
		if sizes[i] < 1 || sizes[i] > math.MaxInt32 || from[a] == 0 {
			fail(fmt.Errorf("%s: axis %d of %d resized to %d", c.name(), a, from[a], sizes[i]))
		}
		s.out[a], s.scale[a] = int(sizes[i]), float64(sizes[i])/float64(from[a])
	}
	s.keepAspect(c, axes)
}

// keepAspect makes all scales the smallest or the largest of them, if requested.
func (s *scaling) keepAspect(c call, axes []int) {
	policy := c.text("keep_aspect_ratio_policy")
	if policy == "stretch" || len(axes) == 0 {
		return
	}
	of := s.scale[axes[0]]
	for _, a := range axes {
		switch policy {
		case "not_larger":
			of = min(of, s.scale[a])
		case "not_smaller":
			of = max(of, s.scale[a])
		default:
			fail(fmt.Errorf("%s: attribute keep_aspect_ratio_policy is %q", c.name(), policy))
		}
	}
	for _, a := range axes {
		n := math.Round(of * float64(c.in[0].dims[a]))
		if !(n <= math.MaxInt32) {
			fail(fmt.Errorf("%s: axis %d resized to %v", c.name(), a, n))
		}
		s.scale[a], s.out[a] = of, max(1, int(n))
	}
}

// same reports whether axis k stays as it is.
func (s *scaling) same(k, n int) bool {
	return s.scale[k] == 1 && s.out[k] == n && (s.begin == nil || s.begin[k] == 0 && s.end[k] == 1)
}

// places says what each place of axis k, of n elements before, is made of.
func (s *scaling) places(k, n int) [][]gop.Tap {
	all := make([][]gop.Tap, s.out[k])
	for i := range all {
		if s.same(k, n) {
			all[i] = []gop.Tap{{Index: i, Weight: 1}}
			continue
		}
		at := s.source(k, i, n)
		if s.begin != nil && (at < 0 || at > float64(n-1)) {
			continue
		}
		all[i] = s.taps(k, at, n)
	}
	return all
}

// source is where place i of the output lies in the input.
func (s *scaling) source(k, i, n int) float64 {
	x, scale, length, out := float64(i), s.scale[k], float64(n), float64(s.out[k])
	switch s.place {
	case "half_pixel":
		return (x+0.5)/scale - 0.5
	case "pytorch_half_pixel":
		if s.out[k] == 1 {
			return 0
		}
		return (x+0.5)/scale - 0.5
	case "half_pixel_symmetric":
		return length/2*(1-out/(scale*length)) + (x+0.5)/scale - 0.5
	case "tf_half_pixel_for_nn":
		return (x + 0.5) / scale
	case "asymmetric":
		return x / scale
	case "align_corners":
		if scale*length == 1 {
			return 0
		}
		return x * (length - 1) / (scale*length - 1)
	case "tf_crop_and_resize":
		if s.out[k] == 1 {
			return (s.begin[k] + s.end[k]) / 2 * (length - 1)
		}
		return s.begin[k]*(length-1) + x*(s.end[k]-s.begin[k])*(length-1)/(out-1)
	}
	panic(failure{fmt.Errorf("%s: attribute coordinate_transformation_mode is %q", s.name, s.place)})
}

// taps are the neighbours of a place with their weights.
func (s *scaling) taps(k int, at float64, n int) []gop.Tap {
	inside := func(i int) int { return min(max(i, 0), n-1) }
	if s.mode == "nearest" {
		round := map[string]func(float64) float64{
			"round_prefer_floor": func(x float64) float64 { return math.Ceil(x - 0.5) },
			"round_prefer_ceil":  func(x float64) float64 { return math.Floor(x + 0.5) },
			"floor":              math.Floor,
			"ceil":               math.Ceil,
		}[s.nearest]
		if round == nil {
			fail(fmt.Errorf("%s: attribute nearest_mode is %q", s.name, s.nearest))
		}
		return []gop.Tap{{Index: inside(int(round(at))), Weight: 1}}
	}
	var weight func(distance float64) float64
	reach := 1.0
	switch s.mode {
	case "linear":
		weight = func(d float64) float64 { return max(0, 1-d) }
	case "cubic": // Keys, Cubic convolution interpolation for digital image processing, 1981
		reach = 2
		a := s.cubic
		weight = func(d float64) float64 {
			switch {
			case d < 1:
				return ((a+2)*d-(a+3))*d*d + 1
			case d < 2:
				return ((a*d-5*a)*d+8*a)*d - 4*a
			}
			return 0
		}
	default:
		fail(fmt.Errorf("%s: attribute mode is %q", s.name, s.mode))
	}
	stretch := 1.0 // of the kernel, where it must cover what is left out
	if s.antialias {
		stretch = min(1, s.scale[k])
	}
	if reach/stretch > 1<<20 {
		fail(fmt.Errorf("%s: a scale of %v", s.name, s.scale[k]))
	}
	var taps []gop.Tap
	sum := 0.0
	for i := int(math.Floor(at - reach/stretch)); i <= int(math.Ceil(at+reach/stretch)); i++ {
		w := weight(math.Abs(float64(i)-at) * stretch)
		if w == 0 || s.exclude && i != inside(i) {
			continue
		}
		sum += w
		if t := len(taps) - 1; t >= 0 && taps[t].Index == inside(i) {
			taps[t].Weight += w
		} else {
			taps = append(taps, gop.Tap{Index: inside(i), Weight: w})
		}
	}
	if s.exclude || stretch < 1 {
		for i := range taps {
			taps[i].Weight /= sum
		}
	}
	return taps
}
