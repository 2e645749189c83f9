package gop

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/petrify-ml/petrify/internal/kernel"
)

// Conv is a convolution with its activation, y = act(w * x + b), as ONNX defines it: x is (N, C, H, W), w is
// (Out, C/groups, KH, KW), b is (Out) or nil, y is (N, Out, OH, OW). A zero kernel in win is that of w.
func Conv(name string, x, w, b *G.Node, win kernel.Window, act kernel.Activation, need Need) (*G.Node, error) {
	return convolve(name, "convolution", x, w, b, win, act, need, false)
}

// ConvTranspose is a transposed convolution with its activation, as ONNX defines it: x is (N, C, H, W), w is
// (C, Out/groups, KH, KW), b is (Out) or nil, y is (N, Out, OH, OW). A zero kernel in win is that of w.
func ConvTranspose(name string, x, w, b *G.Node, win kernel.Window, act kernel.Activation, need Need) (*G.Node, error) {
	return convolve(name, "transposed convolution", x, w, b, win, act, need, true)
}

func convolve(name, kind string, x, w, b *G.Node, win kernel.Window, act kernel.Activation, need Need, transposed bool) (*G.Node, error) {
	if err := present(name, kind, x, w); err != nil {
		return nil, err
	}
	xs, ws := x.Shape(), w.Shape()
	if xs.Dims() != 4 || ws.Dims() != 4 {
		return nil, fmt.Errorf("%s: %s of %v by %v: want (N, C, H, W) and weights of four axes", name, kind, xs, ws)
	}
	kernelShape := [2]int{ws[2], ws[3]}
	if win.Kernel == [2]int{} {
		win.Kernel = kernelShape
	}
	groups := max(win.Groups, 1)
	out, wantX, output := ws[0], ws[1]*groups, win.Output
	if transposed {
		out, wantX, output = ws[1]*groups, ws[0], win.TransposedOutput
	}
	if win.Kernel != kernelShape || xs[1] != wantX || out%groups != 0 {
		return nil, fmt.Errorf("%s: %s of %v by %v in %d groups with a kernel of %v", name, kind, xs, ws, groups, win.Kernel)
	}
	if b != nil && b.Shape().TotalSize() != out {
		return nil, fmt.Errorf("%s: bias has shape %v, want (%d)", name, b.Shape(), out)
	}
	oh, ow, err := output(xs[2], xs[3])
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", name, kind, err)
	}
	small, large := kernel.Image{Channels: out, Height: oh, Width: ow}, kernel.Image{Channels: xs[1], Height: xs[2], Width: xs[3]}
	if transposed {
		small, large = large, small
	}
	plan32, err := kernel.NewConvolution[float32](xs[0], small, large, win)
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", name, kind, err)
	}
	plan64, err := kernel.NewConvolution[float64](xs[0], small, large, win)
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", name, kind, err)
	}
	c := convolving{transposed: transposed, pixels: oh * ow, act: act, need: need}
	return build(name, kind, tensor.Shape{xs[0], out, oh, ow},
		&convolution[float32]{convolving: c, plan: plan32}, &convolution[float64]{convolving: c, plan: plan64}, optional(x, w, b)...)
}

// convolving says what a convolution is, whatever its elements are.
type convolving struct {
	transposed bool
	pixels     int // positions of y
	act        kernel.Activation
	need       Need
}

type convolution[T kernel.Float] struct {
	op
	convolving
	plan       *kernel.Convolution[T]
	y, x, w, b []T
}

func (o *convolution[T]) bind(b *binding) {
	take(b, &o.x, &o.w, &o.b)
	o.y = output[T](b)
}

func (o *convolution[T]) run() {
	if o.transposed {
		o.plan.Up(o.y, o.x, o.w, o.b, o.act)
		return
	}
	o.plan.Down(o.y, o.x, o.w, o.b, o.act)
}

// keepWeights tells that the weights never change.
func (o *convolution[T]) keepWeights() { o.plan.Keep() }

func (o *convolution[T]) DiffWRT(inputs int) []bool {
	return []bool{o.need.Input, o.need.Params, o.need.Params}[:inputs]
}

func (o *convolution[T]) SymDiff(in G.Nodes, out, grad *G.Node) (grads G.Nodes, err error) {
	name := out.Name()
	pre, err := beforeActivation[T](out, grad, o.act)
	if err != nil {
		return nil, err
	}
	grads = make(G.Nodes, len(in))
	if o.need.Input {
		d := &convolutionInputGrad[T]{plan: o.plan, transposed: o.transposed}
		if grads[0], err = apply(d, name+".dx", "input gradient of "+o.kind, in[0].Shape(), pre, in[1]); err != nil {
			return nil, err
		}
	}
	if o.need.Params {
		d := &convolutionWeightGrad[T]{plan: o.plan, transposed: o.transposed}
		if grads[1], err = apply(d, name+".dw", "weight gradient of "+o.kind, in[1].Shape(), in[0], pre); err != nil {
			return nil, err
		}
		if len(in) > 2 {
			c := &channelSum[T]{pixels: o.pixels}
			if grads[2], err = apply(c, name+".db", "channel sum", in[2].Shape(), pre); err != nil {
				return nil, err
			}
		}
	}
	return grads, nil
}

// convolutionInputGrad leads the gradient of the output back through the weights: a convolution by a transposed one and the other way
// round.
type convolutionInputGrad[T kernel.Float] struct {
	op
	plan       *kernel.Convolution[T]
	transposed bool
	dx, dy, w  []T
}

func (o *convolutionInputGrad[T]) bind(b *binding) {
	take(b, &o.dy, &o.w)
	o.dx = output[T](b)
}

func (o *convolutionInputGrad[T]) run() {
	if o.transposed {
		o.plan.Down(o.dx, o.dy, o.w, nil, kernel.Activation{})
		return
	}
	o.plan.Up(o.dx, o.dy, o.w, nil, kernel.Activation{})
}

type convolutionWeightGrad[T kernel.Float] struct {
	op
	plan         *kernel.Convolution[T]
	transposed   bool
	dw           []T
	small, large []T
}

func (o *convolutionWeightGrad[T]) bind(b *binding) {
	if o.transposed {
		take(b, &o.small, &o.large)
	} else {
		take(b, &o.large, &o.small)
	}
	o.dw = output[T](b)
}

func (o *convolutionWeightGrad[T]) run() { o.plan.Weights(o.dw, o.small, o.large) }

// channelSum adds up the pixels of each channel over the batch.
type channelSum[T kernel.Float] struct {
	op
	pixels int
	y, x   []T
}

func (o *channelSum[T]) bind(b *binding) {
	take(b, &o.x)
	o.y = output[T](b)
}

func (o *channelSum[T]) run() { kernel.ChannelSum(o.y, o.x, len(o.y), o.pixels) }
