package train

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/model"
	"github.com/petrify-ml/petrify/random"
)

// Variational trains a variational autoencoder (Kingma and Welling 2014): the encoder gives the mean and the logarithm of
// the variance of a normal distribution, the decoder reconstructs the image from a draw, mean + exp(logvar/2) noise. The
// loss of an image is the binary cross-entropy of its pixels plus Beta times the divergence of the distribution from the
// standard normal one, each a sum; that of a batch is the mean. With Beta 1 it is the negative evidence lower bound.
type Variational struct {
	Encoder string // net: images to mean and log-variance, its two outputs in this order
	Decoder string // net: standard normal noise, the prior, to images
	Logit   string // row of the decoder that holds the logits of the pixels, in front of its sigmoid
	Beta    float64
}

// Roles says what the nets are to each other.
func (o Variational) Roles() model.Roles {
	return coderRoles(o.Encoder, o.Decoder, "loss", "reconstruction", "kl")
}

// Start builds
//
//	x -> encoder -> mean, logvar -> draw, with noise as an input -> decoder -> logits
//	loss = cross-entropy of the logits against x + beta divergence of (mean, logvar)
func (o Variational) Start(t *Trainer) (Iteration, error) {
	c, err := newCoder(t, o.Encoder, o.Decoder)
	if err != nil {
		return nil, err
	}
	v := &variational{coder: c, of: o, noise: t.Stream("noise")}
	g := t.NewGraph(c.encoder, c.decoder)
	if v.elbo, err = v.graph(g, t.config.Batch); err != nil {
		return nil, err
	}
	v.update, err = g.Learn(v.elbo.loss, v.elbo.reconstruction, v.elbo.divergence)
	return v, err
}

// variational is Variational at work.
type variational struct {
	*coder
	of     Variational
	update *Update
	elbo   *elbo
	noise  *random.Stream
}

// elbo is the graph of the loss, the negative evidence lower bound.
type elbo struct {
	x, noise                         []float32
	loss, reconstruction, divergence *G.Node
}

func (v *variational) graph(g *Graph, batch int) (*elbo, error) {
	x, input := g.Input(v.encoder, batch)
	heads, err := g.Apply(v.encoder, x, "")
	if err != nil {
		return nil, err
	}
	if len(heads) != 2 {
		return nil, fmt.Errorf("%s has %d outputs, want two: mean and log-variance", v.of.Encoder, len(heads))
	}
	noise, draws := layer.InputNode[float32](g.ExprGraph, "noise", layer.Shape(heads[0].Shape()))
	latent, err := gop.Reparameterize("latent", heads[0], heads[1], noise)
	if err != nil {
		return nil, err
	}
	logits, err := g.Apply(v.decoder, latent, v.of.Logit)
	if err != nil {
		return nil, err
	}
	e := &elbo{x: input, noise: draws}
	if e.reconstruction, err = gop.BCEWithLogitsTargets("reconstruction", logits[0], x); err != nil {
		return nil, err
	}
	if e.divergence, err = gop.KL("divergence", heads[0], heads[1]); err != nil {
		return nil, err
	}
	e.loss, err = gop.AddScalars("loss", e.reconstruction, e.divergence, v.of.Beta)
	return e, err
}

// Step makes one iteration.
func (v *variational) Step(figures []float64) (err error) {
	v.batches.Next(v.elbo.x)
	v.noise.Normal(v.elbo.noise)
	if figures[0], err = v.update.Run(); err != nil {
		return err
	}
	figures[1], figures[2] = Scalar(v.elbo.reconstruction), Scalar(v.elbo.divergence)
	return nil
}

// Line writes the figures for a log.
func (v *variational) Line(f []float64) string {
	return fmt.Sprintf("[loss: %f] [reconstruction: %f] [KL: %f]", f[0], f[1], f[2])
}

// Evaluate is the bound with one draw for each image, in nats. The divergence counts once, whatever Beta is.
func (v *variational) Evaluate() ([]Metric, error) {
	noise := random.New(v.trainer.config.Seed, "evaluate")
	mean, err := v.overTest(func(batch int) (*measure, error) {
		g := v.trainer.NewGraph()
		e, err := v.graph(g, batch)
		if err != nil {
			return nil, err
		}
		return newMeasure(g, e.x, func() { noise.Normal(e.noise) }, e.reconstruction, e.divergence)
	})
	if err != nil {
		return nil, err
	}
	return []Metric{
		{Name: "test_negative_elbo", Value: mean[0] + mean[1]},
		{Name: "test_reconstruction", Value: mean[0]},
		{Name: "test_kl", Value: mean[1]},
	}, nil
}

// Pictures are images of the prior, originals above what is made of their means, and for two latent dimensions the plane
// itself and where the encoder puts the images on it.
func (v *variational) Pictures(n int) ([]Picture, error) {
	samples, err := v.trainer.decodeNoise(v.decoder, n)
	if err != nil {
		return nil, err
	}
	pairs, err := v.pairs(n)
	if err != nil {
		return nil, err
	}
	list := []Picture{{Name: "samples", Title: "samples of the prior", Images: samples}, pairs}
	if v.latent() != 2 {
		return list, nil
	}
	plane, err := v.plane()
	if err != nil {
		return nil, err
	}
	scatter, err := v.scatter()
	return append(list, plane, scatter), err
}
