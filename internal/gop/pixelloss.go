package gop

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/petrify-ml/petrify/internal/kernel"
)

// L1 is the mean absolute error, mean(|y - target|) over all elements, a scalar. y and target have one shape; the target has
// no gradient.
func L1(name string, y, target *G.Node) (*G.Node, error) {
	return compare(name, "mean absolute error", y, target, func(s tensor.Shape) int { return s.TotalSize() },
		kernel.AbsoluteError[float32], kernel.AbsoluteError[float64], kernel.AbsoluteErrorGrad[float32], kernel.AbsoluteErrorGrad[float64])
}

// BCEWithLogitsTargets is the binary cross-entropy between sigmoid(z) and targets in [0, 1], summed over the elements of a sample
// and averaged over the batch, which is the first axis: a scalar. z and targets have one shape; the targets have no gradient.
func BCEWithLogitsTargets(name string, z, targets *G.Node) (*G.Node, error) {
	return compare(name, "binary cross-entropy of pixels", z, targets, batchOf,
		kernel.CrossEntropy[float32], kernel.CrossEntropy[float64], kernel.CrossEntropyGrad[float32], kernel.CrossEntropyGrad[float64])
}

// batchOf is the length of the first axis.
func batchOf(s tensor.Shape) int {
	if len(s) == 0 {
		return 1
	}
	return s[0]
}

// compare builds the loss of y against a target, the sum of a kernel divided by what of tells from their shape.
func compare(name, kind string, y, target *G.Node, of func(tensor.Shape) int,
	sum32 func(a, b []float32) float64, sum64 func(a, b []float64) float64,
	grad32 func(d, a, b []float32, scale float64), grad64 func(d, a, b []float64, scale float64)) (*G.Node, error) {
	if err := sameShape(name, kind, y, target); err != nil {
		return nil, err
	}
	per := 1 / float64(of(y.Shape()))
	return build(name, kind, tensor.ScalarShape(),
		&comparison[float32]{per: per, sum: sum32, grad: grad32},
		&comparison[float64]{per: per, sum: sum64, grad: grad64}, y, target)
}

// sameShape demands operands of one shape with elements in it.
func sameShape(name, kind string, xs ...*G.Node) error {
	if err := present(name, kind, xs...); err != nil {
		return err
	}
	for i, x := range xs {
		switch {
		case x.Shape().TotalSize() == 0:
			return fmt.Errorf("%s: %s of no elements: shape %v", name, kind, x.Shape())
		case !x.Shape().Eq(xs[0].Shape()):
			return fmt.Errorf("%s: input %d of %s has shape %v, want %v", name, i, kind, x.Shape(), xs[0].Shape())
		}
	}
	return nil
}

type comparison[T kernel.Float] struct {
	op
	per  float64
	sum  func(a, b []T) float64
	grad func(d, a, b []T, scale float64)
	a, b []T
	mean scalar
}

func (o *comparison[T]) bind(b *binding) {
	take(b, &o.a, &o.b)
	o.mean = b.scalarOutput()
}

func (o *comparison[T]) run()               { o.mean.set(o.per * o.sum(o.a, o.b)) }
func (o *comparison[T]) DiffWRT(int) []bool { return []bool{true, false} }

func (o *comparison[T]) SymDiff(in G.Nodes, out, grad *G.Node) (G.Nodes, error) {
	d, err := apply(&comparisonGrad[T]{per: o.per, grad: o.grad}, out.Name()+".dy", "gradient of "+o.kind, in[0].Shape(), in[0], in[1], grad)
	return G.Nodes{d, nil}, err
}

type comparisonGrad[T kernel.Float] struct {
	op
	per     float64
	grad    func(d, a, b []T, scale float64)
	d, a, b []T
	dmean   scalar
}

func (o *comparisonGrad[T]) bind(b *binding) {
	take(b, &o.a, &o.b)
	o.dmean = b.scalar(2)
	o.d = output[T](b)
}

func (o *comparisonGrad[T]) run() { o.grad(o.d, o.a, o.b, o.per*o.dmean.get()) }
