package gop

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/internal/kernel"
)

// LayerNorm normalises over the last axes of x, those that gamma and beta have: y = gamma (x - m) / sqrt(v + epsilon) + beta with
// mean m and biased variance v over them.
func LayerNorm(name string, x, gamma, beta *G.Node, epsilon float64, need Need) (*G.Node, error) {
	const kind = "layer normalisation"
	if err := present(name, kind, x, gamma, beta); err != nil {
		return nil, err
	}
	xs, gs := x.Shape(), gamma.Shape()
	if len(gs) == 0 || len(gs) > len(xs) || !slices.Equal(xs[len(xs)-len(gs):], gs) || !gs.Eq(beta.Shape()) || xs.TotalSize() == 0 || !(epsilon >= 0) {
		return nil, fmt.Errorf("%s: %s of %v with scale %v, shift %v and epsilon %v: want the last axes of the input and no negative epsilon", name, kind, xs, gs, beta.Shape(), epsilon)
	}
	cols := gs.TotalSize()
	rows := xs.TotalSize() / cols
	return build(name, kind, xs,
		&layerNorm[float32]{epsilon: epsilon, need: need, cols: cols, mean: make([]float32, rows), inverse: make([]float32, rows)},
		&layerNorm[float64]{epsilon: epsilon, need: need, cols: cols, mean: make([]float64, rows), inverse: make([]float64, rows)}, x, gamma, beta)
}

type layerNorm[T kernel.Float] struct {
	op
	epsilon           float64
	need              Need
	cols              int
	mean, inverse     []T
	y, x, gamma, beta []T
}

func (o *layerNorm[T]) bind(b *binding) {
	take(b, &o.x, &o.gamma, &o.beta)
	o.y = output[T](b)
}

func (o *layerNorm[T]) run() {
	kernel.LayerNorm(o.y, o.x, o.gamma, o.beta, o.mean, o.inverse, o.epsilon)
}

func (o *layerNorm[T]) DiffWRT(int) []bool { return []bool{o.need.Input, o.need.Params, o.need.Params} }

func (o *layerNorm[T]) SymDiff(in G.Nodes, out, grad *G.Node) (grads G.Nodes, err error) {
	d := &layerNormGrad[T]{of: o, dgamma: make([]T, o.cols), dbeta: make([]T, o.cols)}
	dx, err := apply(d, out.Name()+".dx", "gradient of "+o.kind, o.shape, in[0], in[1], grad, out)
	if err != nil {
		return nil, err
	}
	grads = make(G.Nodes, 3)
	if o.need.Input {
		grads[0] = dx
	}
	if o.need.Params {
		for i, of := range [][]T{d.dgamma, d.dbeta} {
			name := out.Name() + [...]string{".dgamma", ".dbeta"}[i]
			if grads[i+1], err = apply(&byproduct[T]{of: of}, name, "sum over rows", in[i+1].Shape(), dx); err != nil {
				return nil, err
			}
		}
	}
	return grads, nil
}

// layerNormGrad gives dx, with dgamma and dbeta as by-products, from what the last run kept.
type layerNormGrad[T kernel.Float] struct {
	op
	of            *layerNorm[T]
	dgamma, dbeta []T
	dx, x         []T
	gamma, dy     []T
}

func (o *layerNormGrad[T]) bind(b *binding) {
	take(b, &o.x, &o.gamma, &o.dy)
	o.dx = output[T](b)
}

func (o *layerNormGrad[T]) run() {
	kernel.LayerNormGrad(o.dx, o.dgamma, o.dbeta, o.x, o.dy, o.gamma, o.of.mean, o.of.inverse)
}
