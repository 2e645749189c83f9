package gop

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/internal/kernel"
)

// Activate applies an activation element by element: y = act(x), of the shape of x.
func Activate(name string, x *G.Node, act kernel.Activation) (*G.Node, error) {
	if x == nil {
		return nil, fmt.Errorf("%s: input of %v is missing", name, act)
	}
	o, err := byType(x,
		func() operator { return &activate[float32]{act: act} },
		func() operator { return &activate[float64]{act: act} })
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return apply(o, name, "activation", x.Shape().Clone(), x)
}

type activate[T kernel.Float] struct {
	op
	act  kernel.Activation
	y, x []T
}

func (o *activate[T]) Do(in ...G.Value) (G.Value, error) { return do(o, in) }

func (o *activate[T]) bind(in []G.Value) (out G.Value, err error) {
	if o.x, err = elements[T](in[0], o.shape.TotalSize()); err != nil {
		return nil, err
	}
	out, o.y = newOutput[T](o.shape)
	return out, nil
}

func (o *activate[T]) run()               { kernel.Activate(o.act, o.y, o.x) }
func (o *activate[T]) DiffWRT(int) []bool { return []bool{true} }

func (o *activate[T]) SymDiff(_ G.Nodes, out, grad *G.Node) (G.Nodes, error) {
	d, err := activateGrad[T](out.Name()+".dx", out, grad, o.act)
	return G.Nodes{d}, err
}

// activateGrad is dx = dy act'(x), where the derivative is told from the activation's output y.
func activateGrad[T kernel.Float](name string, y, dy *G.Node, act kernel.Activation) (*G.Node, error) {
	return apply(&activationGrad[T]{act: act}, name, "activation gradient", y.Shape().Clone(), y, dy)
}

type activationGrad[T kernel.Float] struct {
	op
	act       kernel.Activation
	dx, y, dy []T
}

func (o *activationGrad[T]) Do(in ...G.Value) (G.Value, error) { return do(o, in) }

func (o *activationGrad[T]) bind(in []G.Value) (out G.Value, err error) {
	n := o.shape.TotalSize()
	if o.y, err = elements[T](in[0], n); err != nil {
		return nil, err
	}
	if o.dy, err = elements[T](in[1], n); err != nil {
		return nil, err
	}
	out, o.dx = newOutput[T](o.shape)
	return out, nil
}

func (o *activationGrad[T]) run() { kernel.ActivateGrad(o.act, o.dx, o.y, o.dy) }
