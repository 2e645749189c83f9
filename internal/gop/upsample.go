package gop

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/petrify-ml/petrify/internal/kernel"
)

// UpsampleNearest repeats every pixel fh times down and fw times across: x is (N, C, H, W), y is (N, C, H fh, W fw).
func UpsampleNearest(name string, x *G.Node, fh, fw int) (*G.Node, error) {
	if x == nil || x.Dims() != 4 || fh < 1 || fw < 1 {
		return nil, fmt.Errorf("%s: upsampling of %v by %dx%d, want (N, C, H, W) and factors from 1 on", name, shapeOf(x), fh, fw)
	}
	s := x.Shape()
	return build(name, "nearest upsampling", tensor.Shape{s[0], s[1], s[2] * fh, s[3] * fw},
		&upsample[float32]{fh: fh, fw: fw},
		&upsample[float64]{fh: fh, fw: fw}, x)
}

// upsample repeats pixels or, as its own gradient, adds up what they became.
type upsample[T kernel.Float] struct {
	op
	loop
	fh, fw int
	back   bool
	y, x   []T
}

func (o *upsample[T]) bind(b *binding) {
	take(b, &o.x)
	o.y = output[T](b)
	o.loop = loop{o.shape[0] * o.shape[1], 8192 / max(1, o.shape[2]*o.shape[3]), o.planes}
}

// planes does channels [lo, hi), counted over the samples.
func (o *upsample[T]) planes(lo, hi int) {
	h, w := o.shape[2], o.shape[3]
	if o.back {
		small, large := h*w, h*w*o.fh*o.fw
		kernel.UpsampleNearestGrad(o.y[lo*small:hi*small], o.x[lo*large:hi*large], hi-lo, h, w, o.fh, o.fw)
		return
	}
	h, w = h/o.fh, w/o.fw
	small, large := h*w, h*w*o.fh*o.fw
	kernel.UpsampleNearest(o.y[lo*large:hi*large], o.x[lo*small:hi*small], hi-lo, h, w, o.fh, o.fw)
}

func (o *upsample[T]) DiffWRT(int) []bool { return []bool{!o.back} }

func (o *upsample[T]) SymDiff(in G.Nodes, out, grad *G.Node) (G.Nodes, error) {
	d, err := apply(&upsample[T]{fh: o.fh, fw: o.fw, back: true}, out.Name()+".dx", "gradient of "+o.kind, in[0].Shape(), grad)
	return G.Nodes{d}, err
}
