package gop

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/petrify-ml/petrify/internal/kernel"
)

// Reshape gives x another shape of as many elements. Nothing is copied: the output is x's storage seen again.
func Reshape(name string, x *G.Node, shape ...int) (*G.Node, error) {
	if err := present(name, "reshape", x); err != nil {
		return nil, err
	}
	to := tensor.Shape(shape)
	if to.TotalSize() != x.Shape().TotalSize() {
		return nil, fmt.Errorf("%s: cannot reshape %v to %v", name, x.Shape(), to)
	}
	return build(name, "reshape", to, &reshape[float32]{}, &reshape[float64]{}, x)
}

type reshape[T kernel.Float] struct{ op }

func (o *reshape[T]) bind(b *binding) {
	var x []T
	take(b, &x)
	show(b, x)
}

func (o *reshape[T]) run()               {}
func (o *reshape[T]) DiffWRT(int) []bool { return []bool{true} }

func (o *reshape[T]) SymDiff(in G.Nodes, out, grad *G.Node) (G.Nodes, error) {
	d, err := Reshape(out.Name()+".dx", grad, in[0].Shape()...)
	return G.Nodes{d}, err
}
