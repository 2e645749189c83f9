package reference

import (
	"fmt"
	"math"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
)

// opDeformConv is a convolution of images (N, C, H, W) whose taps are moved by offsets
// (N, groups taps 2, OH, OW), and read between pixels, zero outside; a mask (N, groups
// taps, OH, OW) may weigh them. ONNX DeformConv, opset 19, 22.
var opDeformConv = operator{
	name: "DeformConv", in: []port{derived, derived, blind},
	eval: single(func(c *call) *Value {
		d := c.newDeformation()
		return d.run()
	}),
}

type deformation struct {
	c                        *call
	x, w, offset, bias, mask *Value
	window                   window
	batch, in, out           int
	group, parts, taps, area int // parts are the groups of offsets, area the pixels of the result
	f                        format
}

func (c *call) newDeformation() *deformation {
	d := &deformation{c: c, x: c.in[0], w: c.in[1], offset: c.in[2], bias: c.in[3], mask: c.in[4]}
	if len(d.x.Dims) != 4 || len(d.w.Dims) != 4 {
		if len(d.x.Dims) >= 3 && len(d.x.Dims) == len(d.w.Dims) {
			fail(&onnx.UnsupportedError{Op: "DeformConv", Opset: c.opset, Why: fmt.Sprintf("%d spatial axes", len(d.x.Dims)-2)})
		}
		fail(fmt.Errorf("input of shape %v, weights of shape %v", d.x.Dims, d.w.Dims))
	}
	kernel := d.w.Dims[2:]
	if c.has("kernel_shape") && !slices.Equal(c.intList("kernel_shape"), kernel) {
		fail(fmt.Errorf("kernel_shape %v for weights of shape %v", c.intList("kernel_shape"), d.w.Dims))
	}
	d.window = c.newWindow(d.x.Dims[2:], kernel, false)
	d.batch, d.in, d.out = d.x.Dims[0], d.x.Dims[1], d.w.Dims[0]
	d.group, d.parts = c.int("group"), c.int("offset_group")
	d.taps, d.area = d.window.taps(), size(d.window.out)
	if d.group < 1 || d.parts < 1 || d.in%d.group != 0 || d.out%d.group != 0 || d.in%d.parts != 0 || d.w.Dims[1] != d.in/d.group {
		fail(fmt.Errorf("%d channels, weights of shape %v, %d groups and %d of offsets", d.in, d.w.Dims, d.group, d.parts))
	}
	spatial := d.window.out
	if !slices.Equal(d.offset.Dims, []int{d.batch, d.parts * d.taps * 2, spatial[0], spatial[1]}) {
		fail(fmt.Errorf("offsets of shape %v for %d groups of %d taps and %v pixels", d.offset.Dims, d.parts, d.taps, spatial))
	}
	if d.mask != nil && !slices.Equal(d.mask.Dims, []int{d.batch, d.parts * d.taps, spatial[0], spatial[1]}) {
		fail(fmt.Errorf("mask of shape %v for %d groups of %d taps and %v pixels", d.mask.Dims, d.parts, d.taps, spatial))
	}
	if d.bias != nil && !slices.Equal(d.bias.Dims, []int{d.out}) {
		fail(fmt.Errorf("bias of shape %v for %d channels", d.bias.Dims, d.out))
	}
	d.f = c.products(d.x)
	c.afford(d.batch, d.area, d.taps, d.in+d.out, max(d.in/d.group, 1))
	return d
}

func (d *deformation) run() *Value {
	c, per := d.c, d.in/d.group
	out := c.numbers(d.x.Type, d.batch, d.out, d.window.out[0], d.window.out[1])
	c.take(4 * int64(d.in) * int64(d.taps))
	samples := make([]number, d.in*d.taps)
	for n := range d.batch {
		for p := range d.area {
			c.spend(int64(d.taps) * int64(d.in+d.out*per))
			d.sample(samples, n, p)
			for o := range d.out {
				s := d.f.dot()
				first := o / (d.out / d.group) * per
				for i := range per * d.taps {
					s.add(samples[first*d.taps+i], d.w.at(o*per*d.taps+i))
				}
				if d.bias != nil {
					s.term(d.bias.at(o))
				}
				out.set((n*d.out+o)*d.area+p, s.sum(d.f, 0))
			}
		}
	}
	return out
}

// sample reads every channel at every tap of pixel p.
func (d *deformation) sample(samples []number, n, p int) {
	w := d.window
	row, column := p/w.out[1]*w.stride[0]-w.begin[0], p%w.out[1]*w.stride[1]-w.begin[1]
	for part := range d.parts {
		for tap := range d.taps {
			at := ((n*d.parts+part)*d.taps + tap)
			y := d.place(row+tap/w.kernel[1]*w.dilation[0], d.offset.Float(2*at*d.area+p))
			x := d.place(column+tap%w.kernel[1]*w.dilation[1], d.offset.Float((2*at+1)*d.area+p))
			each := d.in / d.parts
			for ch := part * each; ch < (part+1)*each; ch++ {
				v := d.between((n*d.in+ch)*size(w.in), y, x)
				if d.mask != nil {
					v = d.f.mul(v, d.mask.at(at*d.area+p))
				}
				samples[ch*d.taps+tap] = v
			}
		}
	}
}

// A placeBetween is a position between two pixels: the first, and how far from it.
type placeBetween struct {
	first int
	part  number
	sure  bool // no rounding carries it past a pixel
}

// place is where an offset moves a pixel to. What is far outside stays there.
func (d *deformation) place(pixel int, offset float64) placeBetween {
	v := float64(pixel) + offset
	if math.IsNaN(v) {
		return placeBetween{part: unknown(v)} // of nothing but NaN
	}
	if math.Abs(v) > 1<<30 {
		return placeBetween{first: math.MinInt32, sure: true}
	}
	floor := math.Floor(v)
	n := number{v: v - floor}
	if d.f.nearest(v) != v {
		n.sound = 2 * d.f.u * (1 + math.Abs(v))
		n.spread = n.sound / math.Sqrt(3)
	}
	return placeBetween{int(floor), n, n.v-n.sound >= 0 && n.v+n.sound <= 1}
}

// between reads a channel, which begins at an element, between four pixels.
func (d *deformation) between(channel int, y, x placeBetween) number {
	in := d.window.in
	s := d.f.dot()
	for i := range 2 {
		for j := range 2 {
			r, q := y.first+i, x.first+j
			if r < 0 || r >= in[0] || q < 0 || q >= in[1] {
				continue
			}
			s.add(d.f.mul(neighbour(d.f, y.part, i), neighbour(d.f, x.part, j)), d.x.at(channel+r*in[1]+q))
		}
	}
	v := s.sum(d.f, 1)
	if y.sure && x.sure {
		return v
	}
	// A rounding may carry the position past a pixel, to the slope beyond it: no slope
	// is more than twice the greatest pixel around.
	most := 0.0
	for r := max(y.first-1, 0); r < min(y.first+3, in[0]); r++ {
		for q := max(x.first-1, 0); q < min(x.first+3, in[1]); q++ {
			pixel := d.x.at(channel + r*in[1] + q)
			most = max(most, math.Abs(pixel.v)+pixel.sound)
		}
	}
	v.sound += 2 * most * (y.part.sound + x.part.sound)
	v.spread += 2 * most * (y.part.spread + x.part.spread)
	return v
}

// neighbour is the weight of the first or the second of two neighbours.
func neighbour(f format, part number, i int) number {
	if i == 1 {
		return part
	}
	return f.sub(exact(1), part)
}
