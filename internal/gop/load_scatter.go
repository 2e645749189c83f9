package gop

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/petrify-ml/petrify/internal/kernel"
)

// ScatterTranspose is ConvTranspose without groups for few output channels, the last layer of a generator: one product for each image
// gives the share of every input pixel in every tap, and the shares are added where they belong. It serves inference and has no derivative.
func ScatterTranspose(name string, x, w, b *G.Node, win kernel.Window, act kernel.Activation) (*G.Node, error) {
	if x == nil || w == nil {
		return nil, fmt.Errorf("%s: an input of transposed convolution is missing", name)
	}
	xs, ws := x.Shape(), w.Shape()
	if len(xs) != 4 || len(ws) != 4 || xs[1] != ws[0] || win.Groups > 1 {
		return nil, fmt.Errorf("%s: transposed convolution of %v by %v in %d groups", name, xs, ws, win.Groups)
	}
	inputs := []*G.Node{x, w}
	if b != nil {
		if b.Shape().TotalSize() != ws[1] {
			return nil, fmt.Errorf("%s: bias has shape %v, want (%d)", name, b.Shape(), ws[1])
		}
		inputs = append(inputs, b)
	}
	h, wide, err := win.TransposedOutput(xs[2], xs[3])
	if err != nil {
		return nil, fmt.Errorf("%s: transposed convolution: %w", name, err)
	}
	shape := tensor.Shape{xs[0], ws[1], h, wide}
	o, err := byType(x,
		func() operator { return &scatter[float32]{in: xs.Clone(), win: win, act: act} },
		func() operator { return &scatter[float64]{in: xs.Clone(), win: win, act: act} })
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return apply(o, name, "scattered transposed convolution", shape, inputs...)
}

type scatter[T kernel.Float] struct {
	op
	in         tensor.Shape // (N, C, H, W)
	win        kernel.Window
	act        kernel.Activation
	y, x, w, b []T
	shares     []T // (N, Out, KH, KW, H, W)
	part       func(lo, hi int)
}

func (o *scatter[T]) Do(in ...G.Value) (G.Value, error) { return do(o, in) }

func (o *scatter[T]) bind(in []G.Value) (out G.Value, err error) {
	if o.x, err = elements[T](in[0], o.in.TotalSize()); err != nil {
		return nil, err
	}
	if o.w, err = elements[T](in[1], in[1].Shape().TotalSize()); err != nil {
		return nil, err
	}
	if len(in) > 2 {
		if o.b, err = elements[T](in[2], o.shape[1]); err != nil {
			return nil, err
		}
	}
	out, o.y = newOutput[T](o.shape)
	o.shares = make([]T, o.in[0]*len(o.w)/o.in[1]*o.in[2]*o.in[3])
	o.part = o.images
	return out, nil
}

func (o *scatter[T]) run() { kernel.Parallel(o.in[0], 1, o.part) }

func (o *scatter[T]) redirect(y []T) { o.y = y }

func (o *scatter[T]) images(lo, hi int) {
	channels, pixels := o.in[1], o.in[2]*o.in[3]
	rows, size := len(o.w)/channels, len(o.y)/o.in[0]
	for i := lo; i < hi; i++ {
		shares := o.shares[i*rows*pixels : (i+1)*rows*pixels]
		kernel.Gemm(true, false, rows, pixels, channels, o.w, rows, o.x[i*channels*pixels:(i+1)*channels*pixels], pixels, shares, pixels, false)
		y := o.y[i*size : (i+1)*size]
		o.add(y, shares)
		kernel.Activate(o.act, y, y)
	}
}

// add puts the shares of one image together.
func (o *scatter[T]) add(y, shares []T) {
	win, h, w := o.win, o.shape[2], o.shape[3]
	for c := range o.shape[1] {
		plane := y[c*h*w : (c+1)*h*w]
		clear(plane)
		for ky := range win.Kernel[0] {
			for kx := range win.Kernel[1] {
				left := kx*win.Dilation[1] - win.Pads[1]
				for row := range o.in[2] {
					from := shares[:o.in[3]]
					shares = shares[o.in[3]:]
					at := row*win.Stride[0] + ky*win.Dilation[0] - win.Pads[0]
					if at < 0 || at >= h {
						continue
					}
					to := plane[at*w : (at+1)*w]
					for j, x := left, 0; x < len(from); j, x = j+win.Stride[1], x+1 {
						if uint(j) < uint(len(to)) {
							to[j] += from[x]
						}
					}
				}
			}
		}
		if o.b != nil {
			for i := range plane {
				plane[i] += o.b[c]
			}
		}
	}
}
