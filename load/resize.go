package load

import (
	"fmt"
	"math"
	"slices"

	"github.com/petrify-ml/petrify/internal/gop"
)

// scaling is what a resize does along its axes.
type scaling struct {
	mode, place, nearest string
	exclude, antialias   bool
	cubic, filler        float64
	out                  []int
	scale                []float64
	begin, end           []float64 // of the part that tf_crop_and_resize takes, from 0 to 1
}

// resize samples a value in other places along each axis.
func resize(b *builder, c call) error {
	from := c.in[0].dims
	s := scaling{out: slices.Clone(from), scale: slices.Repeat([]float64{1}, len(from))}
	texts := []struct {
		to              *string
		name, otherwise string
	}{{&s.mode, "mode", "nearest"}, {&s.place, "coordinate_transformation_mode", "half_pixel"}, {&s.nearest, "nearest_mode", "round_prefer_floor"}}
	var err error
	for _, t := range texts {
		if *t.to, err = attribute(c.op, t.name, t.otherwise); err != nil {
			return err
		}
	}
	exclude, err := attribute[int64](c.op, "exclude_outside", 0)
	if err != nil {
		return err
	}
	antialias, err := attribute[int64](c.op, "antialias", 0)
	if err != nil {
		return err
	}
	cubic, err := attribute[float32](c.op, "cubic_coeff_a", -0.75)
	if err != nil {
		return err
	}
	filler, err := attribute[float32](c.op, "extrapolation_value", 0)
	if err != nil {
		return err
	}
	s.exclude, s.antialias, s.cubic, s.filler = exclude != 0, antialias != 0, float64(cubic), float64(filler)
	if b.opset < 11 { // and Upsample
		s.place, s.nearest = "asymmetric", "floor"
	}
	if err := s.measure(b, c); err != nil {
		return err
	}
	for i, n := range s.out {
		if from[i] == 0 || n == 0 {
			return c.unsupported("%v resized to %v", from, s.out)
		}
	}
	if err := b.account(c.name(), s.out, 8); err != nil {
		return err
	}
	places := make([][][]gop.Tap, len(from))
	for k := range from {
		if places[k], err = s.places(k, from[k]); err != nil {
			return fmt.Errorf("%s: %w", c.name(), err)
		}
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
		one, err := fromReals(c.in[0].elem, []float64{s.filler}, nil)
		if err != nil {
			return err
		}
		return b.take(c.name(), c.in[0], m, one, m.Shape)
	}
	if err := c.real(0); err != nil {
		return err
	}
	x, err := b.node(c, 0)
	if err != nil {
		return err
	}
	dims := slices.Clone(from)
	for k := range from {
		if s.same(k, from[k]) {
			continue
		}
		dims[k] = s.out[k]
		if err := b.account(c.name(), dims, 8); err != nil {
			return err
		}
		if x, err = gop.Interpolate(fmt.Sprintf("%s.%d", c.name(), k), x, k, places[k], s.filler); err != nil {
			return err
		}
	}
	b.values[c.name()] = value{dims: dims, elem: c.in[0].elem, node: x}
	return nil
}

// measure settles the scales and the lengths of the axes, from whichever input has them.
func (s *scaling) measure(b *builder, c call) error {
	from := c.in[0].dims
	axes := make([]int, len(from))
	for i := range axes {
		axes[i] = i
	}
	list, err := attribute[[]int64](c.op, "axes", nil)
	if err != nil {
		return err
	}
	if list != nil {
		axes = axes[:0]
		for _, a := range list {
			axis, err := axisOf(c.name(), a, len(from))
			if err != nil {
				return err
			}
			axes = append(axes, axis)
		}
	}
	scalesAt, sizesAt := 2, 3
	if b.opset < 11 {
		scalesAt, sizesAt = 1, -1
	}
	region, err := c.reals(1, b.opset >= 11)
	if err != nil {
		return err
	}
	if s.place == "tf_crop_and_resize" {
		if len(region) != 2*len(axes) {
			return fmt.Errorf("%s: tf_crop_and_resize with a region of %d numbers", c.name(), len(region))
		}
		s.begin, s.end = make([]float64, len(from)), slices.Repeat([]float64{1}, len(from))
		for i, a := range axes {
			s.begin[a], s.end[a] = region[i], region[len(axes)+i]
		}
	}
	scales, err := c.reals(scalesAt, true)
	if err != nil {
		return err
	}
	if c.op.name == "Upsample" && b.opset < 9 {
		list, err := attribute[[]float32](c.op, "scales", nil)
		if err != nil {
			return err
		}
		scales = convert[float64](list)
	}
	if len(scales) > 0 {
		if len(scales) != len(axes) {
			return fmt.Errorf("%s: %d scales for %d axes", c.name(), len(scales), len(axes))
		}
		for i, a := range axes {
			n := math.Floor(float64(float32(from[a]) * float32(scales[i])))
			if s.begin != nil {
				n = math.Floor(float64(from[a]) * (s.end[a] - s.begin[a]) * scales[i])
			}
			if !(scales[i] > 0 && n >= 1 && n <= math.MaxInt32) {
				return fmt.Errorf("%s: axis %d of %d scaled by %v", c.name(), a, from[a], scales[i])
			}
			s.out[a], s.scale[a] = int(n), scales[i]
		}
		return nil
	}
	if sizesAt < 0 || !c.has(sizesAt) {
		return fmt.Errorf("%s: resize with neither scales nor sizes", c.name())
	}
	sizes, err := c.ints(sizesAt)
	if err != nil {
		return err
	}
	if len(sizes) != len(axes) {
		return fmt.Errorf("%s: %d sizes for %d axes", c.name(), len(sizes), len(axes))
	}
	for i, a := range axes {
		if sizes[i] < 1 || sizes[i] > math.MaxInt32 || from[a] == 0 {
			return fmt.Errorf("%s: axis %d of %d resized to %d", c.name(), a, from[a], sizes[i])
		}
		s.out[a], s.scale[a] = int(sizes[i]), float64(sizes[i])/float64(from[a])
	}
	return s.keepAspect(c, axes)
}

// keepAspect makes all scales the smallest or the largest of them, where that is asked for.
func (s *scaling) keepAspect(c call, axes []int) error {
	policy, err := attribute(c.op, "keep_aspect_ratio_policy", "stretch")
	if err != nil || policy == "stretch" || len(axes) == 0 {
		return err
	}
	of := s.scale[axes[0]]
	for _, a := range axes {
		switch policy {
		case "not_larger":
			of = min(of, s.scale[a])
		case "not_smaller":
			of = max(of, s.scale[a])
		default:
			return fmt.Errorf("%s: attribute keep_aspect_ratio_policy is %q", c.name(), policy)
		}
	}
	for _, a := range axes {
		n := math.Round(of * float64(c.in[0].dims[a]))
		if !(n <= math.MaxInt32) {
			return fmt.Errorf("%s: axis %d resized to %v", c.name(), a, n)
		}
		s.scale[a], s.out[a] = of, max(1, int(n))
	}
	return nil
}

// same reports whether axis k stays as it is.
func (s *scaling) same(k, n int) bool {
	return s.scale[k] == 1 && s.out[k] == n && (s.begin == nil || s.begin[k] == 0 && s.end[k] == 1)
}

// places says what each place of axis k, of n elements before, is made of.
func (s *scaling) places(k, n int) ([][]gop.Tap, error) {
	all := make([][]gop.Tap, s.out[k])
	for i := range all {
		if s.same(k, n) {
			all[i] = []gop.Tap{{Index: i, Weight: 1}}
			continue
		}
		at, err := s.source(k, i, n)
		if err != nil {
			return nil, err
		}
		if s.begin != nil && (at < 0 || at > float64(n-1)) {
			continue
		}
		if all[i], err = s.taps(k, at, n); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// source is where place i of the output lies in the input.
func (s *scaling) source(k, i, n int) (float64, error) {
	x, scale, length, out := float64(i), s.scale[k], float64(n), float64(s.out[k])
	switch s.place {
	case "half_pixel":
		return (x+0.5)/scale - 0.5, nil
	case "pytorch_half_pixel":
		if s.out[k] == 1 {
			return 0, nil
		}
		return (x+0.5)/scale - 0.5, nil
	case "half_pixel_symmetric":
		return length/2*(1-out/(scale*length)) + (x+0.5)/scale - 0.5, nil
	case "tf_half_pixel_for_nn":
		return (x + 0.5) / scale, nil
	case "asymmetric":
		return x / scale, nil
	case "align_corners":
		if scale*length == 1 {
			return 0, nil
		}
		return x * (length - 1) / (scale*length - 1), nil
	case "tf_crop_and_resize":
		if s.out[k] == 1 {
			return (s.begin[k] + s.end[k]) / 2 * (length - 1), nil
		}
		return s.begin[k]*(length-1) + x*(s.end[k]-s.begin[k])*(length-1)/(out-1), nil
	}
	return 0, fmt.Errorf("attribute coordinate_transformation_mode is %q", s.place)
}

// taps are the neighbours of a place with their weights.
func (s *scaling) taps(k int, at float64, n int) ([]gop.Tap, error) {
	inside := func(i int) int { return min(max(i, 0), n-1) }
	if s.mode == "nearest" {
		round := map[string]func(float64) float64{
			"round_prefer_floor": func(x float64) float64 { return math.Ceil(x - 0.5) },
			"round_prefer_ceil":  func(x float64) float64 { return math.Floor(x + 0.5) },
			"floor":              math.Floor,
			"ceil":               math.Ceil,
		}[s.nearest]
		if round == nil {
			return nil, fmt.Errorf("attribute nearest_mode is %q", s.nearest)
		}
		return []gop.Tap{{Index: inside(int(round(at))), Weight: 1}}, nil
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
		return nil, fmt.Errorf("attribute mode is %q", s.mode)
	}
	stretch := 1.0 // of the kernel, where it must cover what is left out
	if s.antialias {
		stretch = min(1, s.scale[k])
	}
	if reach/stretch > 1<<20 {
		return nil, fmt.Errorf("a scale of %v", s.scale[k])
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
	return taps, nil
}
