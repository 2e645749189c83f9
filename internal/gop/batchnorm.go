package gop

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/internal/kernel"
)

// BatchNormConfig holds the hyper-parameters of BatchNorm.
type BatchNormConfig struct {
	Momentum, Epsilon float64
	Training          bool // statistics of the batch, and the running ones move
}

// BatchNorm is batch normalisation with its activation: y = act(gamma (x - m) / sqrt(v + epsilon) + beta). x is (N, C) or
// (N, C, H, W), all others are (C). m and v are the running mean and variance; in training they are the batch's, the variance
// biased, and the storage of mean and variance moves at every run: running = momentum running + (1 - momentum) batch, with the
// unbiased variance, as PyTorch does. mean and variance have no gradient.
func BatchNorm(name string, x, gamma, beta, mean, variance *G.Node, cfg BatchNormConfig, act kernel.Activation, need Need) (*G.Node, error) {
	const kind = "batch normalisation"
	inputs := []*G.Node{x, gamma, beta, mean, variance}
	if err := present(name, kind, inputs...); err != nil {
		return nil, err
	}
	s := x.Shape()
	if s.Dims() < 2 || s.TotalSize() == 0 {
		return nil, fmt.Errorf("%s: %s of %v, want (N, C) or (N, C, H, W)", name, kind, s)
	}
	for i, in := range inputs[1:] {
		if in.Shape().TotalSize() != s[1] {
			return nil, fmt.Errorf("%s: input %d of %s has shape %v, want (%d)", name, i+1, kind, in.Shape(), s[1])
		}
	}
	if !(cfg.Epsilon >= 0) || !(cfg.Momentum >= 0 && cfg.Momentum <= 1) {
		return nil, fmt.Errorf("%s: epsilon %v and momentum %v, want no negative epsilon and a momentum from 0 to 1", name, cfg.Epsilon, cfg.Momentum)
	}
	pixels := s.TotalSize() / s[0] / s[1]
	return build(name, kind, s,
		&batchNorm[float32]{memory: kernel.NewBatchNorm[float32](s[1], pixels, cfg.Epsilon), cfg: cfg, act: act, need: need},
		&batchNorm[float64]{memory: kernel.NewBatchNorm[float64](s[1], pixels, cfg.Epsilon), cfg: cfg, act: act, need: need}, inputs...)
}

type batchNorm[T kernel.Float] struct {
	op
	memory                            *kernel.BatchNorm[T]
	cfg                               BatchNormConfig
	act                               kernel.Activation
	need                              Need
	y, x, gamma, beta, mean, variance []T
}

func (o *batchNorm[T]) bind(b *binding) {
	take(b, &o.x, &o.gamma, &o.beta, &o.mean, &o.variance)
	o.y = output[T](b)
}

func (o *batchNorm[T]) run() {
	if o.cfg.Training {
		o.memory.Train(o.y, o.x, o.gamma, o.beta, o.mean, o.variance, o.cfg.Momentum, o.act)
		return
	}
	o.memory.Infer(o.y, o.x, o.gamma, o.beta, o.mean, o.variance, o.act)
}

func (o *batchNorm[T]) DiffWRT(int) []bool {
	return []bool{o.need.Input, o.need.Params, o.need.Params, false, false}
}

func (o *batchNorm[T]) SymDiff(in G.Nodes, out, grad *G.Node) (grads G.Nodes, err error) {
	d := &batchNormGrad[T]{memory: o.memory, cfg: o.cfg, act: o.act, dgamma: make([]T, o.shape[1]), dbeta: make([]T, o.shape[1])}
	grads = make(G.Nodes, 5)
	dx, err := apply(d, out.Name()+".dx", "batch normalisation gradient", o.shape, in[0], in[1], out, grad)
	if err != nil {
		return nil, err
	}
	if o.need.Input {
		grads[0] = dx
	}
	if o.need.Params {
		if grads[1], err = apply(&byproduct[T]{of: d.dgamma}, out.Name()+".dgamma", "scale gradient", in[1].Shape(), dx); err != nil {
			return nil, err
		}
		if grads[2], err = apply(&byproduct[T]{of: d.dbeta}, out.Name()+".dbeta", "shift gradient", in[2].Shape(), dx); err != nil {
			return nil, err
		}
	}
	return grads, nil
}

// batchNormGrad gives dx. dgamma and dbeta, the sums that dx needs, are by-products.
type batchNormGrad[T kernel.Float] struct {
	op
	memory              *kernel.BatchNorm[T]
	cfg                 BatchNormConfig
	act                 kernel.Activation
	dgamma, dbeta       []T
	dx, x, gamma, y, dy []T
}

func (o *batchNormGrad[T]) bind(b *binding) {
	take(b, &o.x, &o.gamma, &o.y, &o.dy)
	o.dx = output[T](b)
}

func (o *batchNormGrad[T]) run() {
	o.memory.Grad(o.dx, o.dgamma, o.dbeta, o.x, o.y, o.dy, o.gamma, o.cfg.Training, o.act)
}

// byproduct shows what the operator of its input has computed beside its output.
type byproduct[T kernel.Float] struct {
	op
	of []T
}

func (o *byproduct[T]) bind(b *binding) {
	show(b, o.of)
}

func (o *byproduct[T]) run() {}
