package gop

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/petrify-ml/petrify/internal/kernel"
)

// BCEWithLogits is the mean binary cross-entropy of the logits z, of any shape, against one target for all of them:
// mean(max(z,0) - z t + log(1 + exp(-|z|))), a scalar.
func BCEWithLogits(name string, z *G.Node, target float64) (*G.Node, error) {
	if z == nil {
		return nil, fmt.Errorf("%s: logits are missing", name)
	}
	if z.Shape().TotalSize() == 0 {
		return nil, fmt.Errorf("%s: mean over no logits: shape %v", name, z.Shape())
	}
	o, err := byType(z,
		func() operator { return &bce[float32]{target: target} },
		func() operator { return &bce[float64]{target: target} })
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return apply(o, name, "binary cross-entropy", tensor.ScalarShape(), z)
}

type bce[T kernel.Float] struct {
	op
	target float64
	z      []T
	mean   scalar
}

func (o *bce[T]) Do(in ...G.Value) (G.Value, error) { return do(o, in) }

func (o *bce[T]) bind(in []G.Value) (out G.Value, err error) {
	if o.z, err = elements[T](in[0], in[0].Shape().TotalSize()); err != nil {
		return nil, err
	}
	o.mean, out = newScalar(o.dtype)
	return out, nil
}

func (o *bce[T]) run() { o.mean.set(kernel.BCEWithLogits(nil, o.z, T(o.target))) }

func (o *bce[T]) DiffWRT(int) []bool { return []bool{true} }

func (o *bce[T]) SymDiff(in G.Nodes, out, grad *G.Node) (G.Nodes, error) {
	d, err := apply(&bceGrad[T]{target: o.target}, out.Name()+".dz", "binary cross-entropy gradient", in[0].Shape().Clone(), in[0], grad)
	return G.Nodes{d}, err
}

// bceGrad is the gradient of the mean cross-entropy with respect to the logits, times the gradient of the mean.
type bceGrad[T kernel.Float] struct {
	op
	target float64
	dz, z  []T
	grad   scalar
}

func (o *bceGrad[T]) Do(in ...G.Value) (G.Value, error) { return do(o, in) }

func (o *bceGrad[T]) bind(in []G.Value) (out G.Value, err error) {
	if o.z, err = elements[T](in[0], o.shape.TotalSize()); err != nil {
		return nil, err
	}
	if o.grad, err = scalarOf(in[1]); err != nil {
		return nil, err
	}
	out, o.dz = newOutput[T](o.shape)
	return out, nil
}

func (o *bceGrad[T]) run() {
	kernel.BCEWithLogits(o.dz, o.z, T(o.target))
	if g := o.grad.get(); g != 1 {
		for i := range o.dz {
			o.dz[i] *= T(g)
		}
	}
}
