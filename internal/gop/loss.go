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
	if err := present(name, "binary cross-entropy", z); err != nil {
		return nil, err
	}
	if z.Shape().TotalSize() == 0 {
		return nil, fmt.Errorf("%s: mean over no logits: shape %v", name, z.Shape())
	}
	return build(name, "binary cross-entropy", tensor.ScalarShape(), &bce[float32]{target: target}, &bce[float64]{target: target}, z)
}

type bce[T kernel.Float] struct {
	op
	target float64
	z      []T
	mean   scalar
}

func (o *bce[T]) bind(b *binding) {
	take(b, &o.z)
	o.mean = b.scalarOutput()
}

func (o *bce[T]) run() { o.mean.set(kernel.BCEWithLogits(nil, o.z, T(o.target))) }

func (o *bce[T]) DiffWRT(int) []bool { return []bool{true} }

func (o *bce[T]) SymDiff(in G.Nodes, out, grad *G.Node) (G.Nodes, error) {
	d, err := apply(&bceGrad[T]{target: o.target}, out.Name()+".dz", "binary cross-entropy gradient", in[0].Shape(), in[0], grad)
	return G.Nodes{d}, err
}

// bceGrad is the gradient of the mean cross-entropy with respect to the logits, times the gradient of the mean.
type bceGrad[T kernel.Float] struct {
	op
	target float64
	dz, z  []T
	grad   scalar
}

func (o *bceGrad[T]) bind(b *binding) {
	take(b, &o.z)
	o.grad = b.scalar(1)
	o.dz = output[T](b)
}

func (o *bceGrad[T]) run() {
	kernel.BCEWithLogits(o.dz, o.z, T(o.target))
	if g := o.grad.get(); g != 1 {
		for i := range o.dz {
			o.dz[i] *= T(g)
		}
	}
}
