package gop

import (
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/petrify-ml/petrify/internal/kernel"
)

// KL is the Kullback-Leibler divergence of the normal distributions with the given means and log-variances, (N, latent) both, from
// the standard one, summed over the latent axis and averaged over the batch: a scalar.
func KL(name string, mean, logvar *G.Node) (*G.Node, error) {
	if err := sameShape(name, "divergence", mean, logvar); err != nil {
		return nil, err
	}
	per := 1 / float64(batchOf(mean.Shape()))
	return build(name, "divergence", tensor.ScalarShape(), &divergence[float32]{per: per}, &divergence[float64]{per: per}, mean, logvar)
}

type divergence[T kernel.Float] struct {
	op
	per          float64
	mean, logvar []T
	kl           scalar
}

func (o *divergence[T]) bind(b *binding) {
	take(b, &o.mean, &o.logvar)
	o.kl = b.scalarOutput()
}

func (o *divergence[T]) run()               { o.kl.set(o.per * kernel.Divergence(o.mean, o.logvar)) }
func (o *divergence[T]) DiffWRT(int) []bool { return []bool{true, true} }

func (o *divergence[T]) SymDiff(in G.Nodes, out, grad *G.Node) (grads G.Nodes, err error) {
	grads = make(G.Nodes, 2)
	for i, name := range []string{".dmean", ".dlogvar"} {
		d := &divergenceGrad[T]{per: o.per, logvar: i == 1}
		if grads[i], err = apply(d, out.Name()+name, "divergence gradient", in[i].Shape(), in[i], grad); err != nil {
			return nil, err
		}
	}
	return grads, nil
}

// divergenceGrad is the gradient with respect to the means or to the log-variances, each of which depends on those alone.
type divergenceGrad[T kernel.Float] struct {
	op
	per    float64
	logvar bool
	d, x   []T
	dkl    scalar
}

func (o *divergenceGrad[T]) bind(b *binding) {
	take(b, &o.x)
	o.dkl = b.scalar(1)
	o.d = output[T](b)
}

func (o *divergenceGrad[T]) run() {
	scale := o.per * o.dkl.get()
	if o.logvar {
		kernel.DivergenceGrad(o.d, o.x, scale)
		return
	}
	kernel.Scale(o.d, T(scale), o.x)
}

// Reparameterize draws from the normal distributions with the given means and log-variances: mean + exp(logvar/2) noise. All have one
// shape. The noise is standard normal, an input of the graph, without gradient.
func Reparameterize(name string, mean, logvar, noise *G.Node) (*G.Node, error) {
	const kind = "reparameterization"
	if err := sameShape(name, kind, mean, logvar, noise); err != nil {
		return nil, err
	}
	return build(name, kind, mean.Shape(), &reparameterize[float32]{}, &reparameterize[float64]{}, mean, logvar, noise)
}

type reparameterize[T kernel.Float] struct {
	op
	z, mean, logvar, noise []T
}

func (o *reparameterize[T]) bind(b *binding) {
	take(b, &o.mean, &o.logvar, &o.noise)
	o.z = output[T](b)
}

func (o *reparameterize[T]) run()               { kernel.Reparameterize(o.z, o.mean, o.logvar, o.noise) }
func (o *reparameterize[T]) DiffWRT(int) []bool { return []bool{true, true, false} }

func (o *reparameterize[T]) SymDiff(in G.Nodes, out, grad *G.Node) (G.Nodes, error) {
	d, err := apply(&reparameterizeGrad[T]{}, out.Name()+".dlogvar", "reparameterization gradient", o.shape, grad, in[1], in[2])
	return G.Nodes{grad, d, nil}, err
}

type reparameterizeGrad[T kernel.Float] struct {
	op
	d, dz, logvar, noise []T
}

func (o *reparameterizeGrad[T]) bind(b *binding) {
	take(b, &o.dz, &o.logvar, &o.noise)
	o.d = output[T](b)
}

func (o *reparameterizeGrad[T]) run() { kernel.ReparameterizeGrad(o.d, o.dz, o.logvar, o.noise) }
