package gop

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/petrify-ml/petrify/internal/kernel"
)

// Reshape gives x another shape of as many elements. Nothing is copied: the output is x's storage seen anew.
func Reshape(name string, x *G.Node, shape ...int) (*G.Node, error) {
	if x == nil {
		return nil, fmt.Errorf("%s: input of reshape is missing", name)
	}
	to := tensor.Shape(shape)
	if to.TotalSize() != x.Shape().TotalSize() {
		return nil, fmt.Errorf("%s: cannot reshape %v to %v", name, x.Shape(), to)
	}
	o, err := byType(x,
		func() operator { return &reshape[float32]{} },
		func() operator { return &reshape[float64]{} })
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return apply(o, name, "reshape", to.Clone(), x)
}

type reshape[T kernel.Float] struct{ op }

func (o *reshape[T]) Do(in ...G.Value) (G.Value, error) { return do(o, in) }

func (o *reshape[T]) bind(in []G.Value) (G.Value, error) {
	x, err := elements[T](in[0], o.shape.TotalSize())
	if err != nil {
		return nil, err
	}
	return tensor.New(tensor.WithShape(o.shape...), tensor.WithBacking(x)), nil
}

func (o *reshape[T]) run()               {}
func (o *reshape[T]) DiffWRT(int) []bool { return []bool{true} }

func (o *reshape[T]) SymDiff(in G.Nodes, out, grad *G.Node) (G.Nodes, error) {
	d, err := Reshape(out.Name()+".dx", grad, in[0].Shape()...)
	return G.Nodes{d}, err
}
