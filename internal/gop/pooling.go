package gop

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/petrify-ml/petrify/internal/kernel"
)

// MaxPool takes the greatest element of every window: x is (N, C, H, W), y is (N, C, OH, OW). The gradient goes to the first of
// the greatest.
func MaxPool(name string, x *G.Node, win kernel.Window) (*G.Node, error) {
	return poolImages(name, "max pooling", x, win, true)
}

// AveragePool takes the mean of every window, of what lies in the image: x is (N, C, H, W), y is (N, C, OH, OW).
func AveragePool(name string, x *G.Node, win kernel.Window) (*G.Node, error) {
	return poolImages(name, "average pooling", x, win, false)
}

// GlobalAveragePool takes the mean of every channel: x is (N, C, H, W), y is (N, C, 1, 1).
func GlobalAveragePool(name string, x *G.Node) (*G.Node, error) {
	var win kernel.Window
	if x != nil && x.Dims() == 4 {
		win.Kernel = [2]int{x.Shape()[2], x.Shape()[3]}
	}
	return poolImages(name, "global average pooling", x, win, false)
}

func poolImages(name, kind string, x *G.Node, win kernel.Window, greatest bool) (*G.Node, error) {
	if x == nil || x.Dims() != 4 {
		return nil, fmt.Errorf("%s: %s takes (N, C, H, W), got %v", name, kind, shapeOf(x))
	}
	s := x.Shape()
	oh, ow, err := win.Output(s[2], s[3])
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", name, kind, err)
	}
	return build(name, kind, tensor.Shape{s[0], s[1], oh, ow}, newPooling[float32](s, win, greatest), newPooling[float64](s, win, greatest), x)
}

// shapeOf is the shape of a node for a message, which may be about none.
func shapeOf(x *G.Node) any {
	if x == nil {
		return "nothing"
	}
	return x.Shape()
}

// newPooling plans the pooling of images of shape s under a window that fits.
func newPooling[T kernel.Float](s tensor.Shape, win kernel.Window, greatest bool) operator {
	plan, err := kernel.NewPooling[T](s[0]*s[1], s[2], s[3], win)
	if err != nil {
		panic(err) // the window has been checked
	}
	return &pooling[T]{plan: plan, greatest: greatest}
}

type pooling[T kernel.Float] struct {
	op
	plan     *kernel.Pooling[T]
	greatest bool
	y, x     []T
}

func (o *pooling[T]) bind(b *binding) {
	take(b, &o.x)
	o.y = output[T](b)
}

func (o *pooling[T]) run() {
	if o.greatest {
		o.plan.Max(o.y, o.x)
		return
	}
	o.plan.Average(o.y, o.x)
}

func (o *pooling[T]) DiffWRT(int) []bool { return []bool{true} }

func (o *pooling[T]) SymDiff(in G.Nodes, out, grad *G.Node) (G.Nodes, error) {
	// The output is an input of the gradient so that it is computed before: the plan remembers where the maxima were.
	d, err := apply(&poolingGrad[T]{plan: o.plan, greatest: o.greatest}, out.Name()+".dx", "gradient of "+o.kind, in[0].Shape(), out, grad)
	return G.Nodes{d}, err
}

type poolingGrad[T kernel.Float] struct {
	op
	plan     *kernel.Pooling[T]
	greatest bool
	dx, dy   []T
}

func (o *poolingGrad[T]) bind(b *binding) {
	take(b, nil, &o.dy)
	o.dx = output[T](b)
}

func (o *poolingGrad[T]) run() {
	if o.greatest {
		o.plan.MaxGrad(o.dx, o.dy)
		return
	}
	o.plan.AverageGrad(o.dx, o.dy)
}
