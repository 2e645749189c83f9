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

// Roles is what the nets are to each other.
func (o Variational) Roles() model.Roles {
	return coderRoles(o.Encoder, o.Decoder, "loss", "reconstruction", "kl")
}

// variational is Variational at work:
//
//	x -> encoder -> mean, logvar -> draw, with noise as an input -> decoder -> logits
//	loss = cross-entropy of the logits against x + beta divergence of (mean, logvar)
type variational struct {
	*coder
	of      Variational
	update  *update
	elbo    *elbo
	noise   *random.Stream
	figures [3]Metric
}

func newVariational(t *Trainer, o Variational) (*variational, error) {
	c, err := newCoder(t, o.Encoder, o.Decoder)
	if err != nil {
		return nil, err
	}
	v := &variational{coder: c, of: o, noise: t.stream("noise")}
	v.figures = [3]Metric{{Name: "loss"}, {Name: "reconstruction"}, {Name: "kl"}}
	g, err := v.graph(t.config.Batch, true)
	if err != nil {
		return nil, err
	}
	v.elbo = g
	v.update, err = newUpdate(updateConfig{
		loss: g.loss, learners: g.nets, nets: c.nets(), also: G.Nodes{g.reconstruction, g.divergence}, adam: t.config.Adam,
	})
	return v, err
}

// elbo is the graph of the loss, the negative evidence lower bound.
type elbo struct {
	x, noise                         []float32
	nets                             []*bound
	loss, reconstruction, divergence *G.Node
}

func (v *variational) graph(batch int, training bool) (*elbo, error) {
	graph := G.NewGraph()
	x, input := inputOf(graph, v.encoder, batch)
	nets, err := v.bind(graph)
	if err != nil {
		return nil, err
	}
	heads, err := nets[0].build(x, training, layer.Need{Params: training}, "")
	if err != nil {
		return nil, err
	}
	if len(heads) != 2 {
		return nil, fmt.Errorf("%s has %d outputs, want two: mean and log-variance", v.of.Encoder, len(heads))
	}
	noise, draws := layer.InputNode[float32](graph, "noise", layer.Shape(heads[0].Shape()))
	latent, err := gop.Reparameterize("latent", heads[0], heads[1], noise)
	if err != nil {
		return nil, err
	}
	logits, err := nets[1].build(latent, training, layer.Need{Params: training, Input: training}, v.of.Logit)
	if err != nil {
		return nil, err
	}
	g := &elbo{x: input, noise: draws, nets: nets}
	if g.reconstruction, err = gop.BCEWithLogitsTargets("reconstruction", logits[0], x); err != nil {
		return nil, err
	}
	if g.divergence, err = gop.KL("divergence", heads[0], heads[1]); err != nil {
		return nil, err
	}
	g.loss, err = gop.AddScalars("loss", g.reconstruction, g.divergence, v.of.Beta)
	return g, err
}

func (v *variational) iterate() (err error) {
	v.batches.next(v.elbo.x)
	v.noise.Normal(v.elbo.noise)
	if v.figures[0].Value, err = v.update.run(); err != nil {
		return err
	}
	v.figures[1].Value, v.figures[2].Value = scalar(v.elbo.reconstruction), scalar(v.elbo.divergence)
	return nil
}

func (v *variational) metrics() []Metric { return v.figures[:] }

func (v *variational) layout(e Event) string {
	return fmt.Sprintf("%d [loss: %f] [reconstruction: %f] [KL: %f]", e.Step, e.Metrics[0].Value, e.Metrics[1].Value, e.Metrics[2].Value)
}

// evaluate measures the bound with one draw for each image, in nats. The divergence counts once, whatever Beta is.
func (v *variational) evaluate(split *dataSplit) ([]Metric, error) {
	noise := random.New(v.config.Seed, "evaluate")
	mean, err := split.mean(func(batch int) (*measure, error) {
		g, err := v.graph(batch, false)
		if err != nil {
			return nil, err
		}
		return newMeasure(g.x, func() { noise.Normal(g.noise) }, g.reconstruction, g.divergence)
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

// pictures are images of the prior, originals above what is made of their means, and for two latent dimensions the plane
// itself and where the encoder puts the images on it.
func (v *variational) pictures(n int) ([]Picture, error) {
	samples, err := decodeNoise(v.config, v.decoder, n)
	if err != nil {
		return nil, err
	}
	pairs, err := v.pairs(n)
	if err != nil {
		return nil, err
	}
	list := []Picture{{Name: "samples", Title: "samples of the prior", Images: samples}, pairs}
	if v.decoder.plan.Net.Input.Shape.Len() != 2 {
		return list, nil
	}
	plane, err := v.plane()
	if err != nil {
		return nil, err
	}
	scatter, err := v.scatter()
	return append(list, plane, scatter), err
}
