package gop

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/petrify-ml/petrify/internal/kernel"
)

// Add is the sum a + b, element by element, of two operands of one shape: where branches meet.
func Add(name string, a, b *G.Node) (*G.Node, error) {
	if err := sameShape(name, "sum", a, b); err != nil {
		return nil, err
	}
	return build(name, "sum", a.Shape(), &add[float32]{}, &add[float64]{}, a, b)
}

type add[T kernel.Float] struct {
	op
	y, a, b []T
}

func (o *add[T]) bind(b *binding) {
	take(b, &o.a, &o.b)
	o.y = output[T](b)
}

func (o *add[T]) run()               { kernel.Add(o.y, o.a, o.b) }
func (o *add[T]) DiffWRT(int) []bool { return []bool{true, true} }

func (o *add[T]) SymDiff(_ G.Nodes, _, grad *G.Node) (G.Nodes, error) {
	return G.Nodes{grad, grad}, nil
}

// AddScalars is a + weight b, the sum of two scalar losses.
func AddScalars(name string, a, b *G.Node, weight float64) (*G.Node, error) {
	if err := present(name, "the sum", a, b); err != nil {
		return nil, err
	}
	for i, x := range []*G.Node{a, b} {
		if !x.IsScalar() {
			return nil, fmt.Errorf("%s: input %d of the sum has shape %v, want a scalar", name, i, x.Shape())
		}
	}
	return apply(&addScalars{weights: [2]float64{1, weight}}, name, "weighted sum", tensor.ScalarShape(), a, b)
}

// addScalars is the sum of one or two scalars, weighted.
type addScalars struct {
	op
	weights [2]float64
	y       scalar
	xs      []scalar
}

func (o *addScalars) bind(b *binding) {
	o.xs = make([]scalar, len(b.in))
	for i := range o.xs {
		o.xs[i] = b.scalar(i)
	}
	o.y = b.scalarOutput()
}

func (o *addScalars) run() {
	var sum float64
	for i, x := range o.xs {
		sum += o.weights[i] * x.get()
	}
	o.y.set(sum)
}

func (o *addScalars) DiffWRT(inputs int) []bool { return []bool{true, true}[:inputs] }

func (o *addScalars) SymDiff(_ G.Nodes, out, grad *G.Node) (G.Nodes, error) {
	d, err := apply(&addScalars{weights: [2]float64{o.weights[1]}}, out.Name()+".db", "weighted sum", tensor.ScalarShape(), grad)
	return G.Nodes{grad, d}, err
}
