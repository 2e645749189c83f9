package gop

import (
	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/internal/kernel"
)

// Activate applies an activation element by element: y = act(x), of the shape of x.
func Activate(name string, x *G.Node, act kernel.Activation) (*G.Node, error) {
	if err := present(name, "activation", x); err != nil {
		return nil, err
	}
	return build(name, "activation", x.Shape(), &activate[float32]{act: act}, &activate[float64]{act: act}, x)
}

type activate[T kernel.Float] struct {
	op
	act  kernel.Activation
	y, x []T
}

func (o *activate[T]) bind(b *binding) {
	take(b, &o.x)
	o.y = output[T](b)
}

func (o *activate[T]) run()               { kernel.Activate(o.act, o.y, o.x) }
func (o *activate[T]) DiffWRT(int) []bool { return []bool{true} }

func (o *activate[T]) SymDiff(_ G.Nodes, out, grad *G.Node) (G.Nodes, error) {
	d, err := activateGrad[T](out.Name()+".dx", out, grad, o.act)
	return G.Nodes{d}, err
}

// activateGrad is dx = dy act'(x), where the derivative is told from the activation's output y.
func activateGrad[T kernel.Float](name string, y, dy *G.Node, act kernel.Activation) (*G.Node, error) {
	return apply(&activationGrad[T]{act: act}, name, "activation gradient", y.Shape(), y, dy)
}

// beforeActivation leads the gradient of a fused operator's output back to where its activation begins.
func beforeActivation[T kernel.Float](out, grad *G.Node, act kernel.Activation) (*G.Node, error) {
	if act.Func == kernel.Identity {
		return grad, nil
	}
	return activateGrad[T](out.Name()+".dpre", out, grad, act)
}

type activationGrad[T kernel.Float] struct {
	op
	act       kernel.Activation
	dx, y, dy []T
}

func (o *activationGrad[T]) bind(b *binding) {
	take(b, &o.y, &o.dy)
	o.dx = output[T](b)
}

func (o *activationGrad[T]) run() { kernel.ActivateGrad(o.act, o.dx, o.y, o.dy) }
