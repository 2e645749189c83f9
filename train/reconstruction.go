package train

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/model"
)

// Reconstruction trains an encoder and a decoder to give back the image that went in: the loss is the mean absolute error
// of the pixels.
type Reconstruction struct {
	Encoder string // net: images to points of the latent space
	Decoder string // net: points of the latent space to images
}

// Roles says what the nets are to each other.
func (o Reconstruction) Roles() model.Roles { return coderRoles(o.Encoder, o.Decoder, "mae") }

// Start builds x -> encoder -> decoder -> mean absolute error against x.
func (o Reconstruction) Start(t *Trainer) (Iteration, error) {
	c, err := newCoder(t, o.Encoder, o.Decoder)
	if err != nil {
		return nil, err
	}
	r := &reconstruction{coder: c}
	g := t.NewGraph(c.encoder, c.decoder)
	x, loss, err := r.loss(g, t.config.Batch)
	if err != nil {
		return nil, err
	}
	r.x = x
	r.update, err = g.Learn(loss)
	return r, err
}

// reconstruction is Reconstruction at work.
type reconstruction struct {
	*coder
	update *Update
	x      []float32
}

func (r *reconstruction) loss(g *Graph, batch int) (input []float32, loss *G.Node, err error) {
	x, input := g.Input(r.encoder, batch)
	latent, err := g.Apply(r.encoder, x, "")
	if err != nil {
		return nil, nil, err
	}
	y, err := g.Apply(r.decoder, latent[0], "")
	if err != nil {
		return nil, nil, err
	}
	loss, err = gop.L1("loss", y[0], x)
	return input, loss, err
}

// Step makes one iteration.
func (r *reconstruction) Step(figures []float64) (err error) {
	r.batches.Next(r.x)
	figures[0], err = r.update.Run()
	return err
}

// Line writes the figures for a log.
func (r *reconstruction) Line(f []float64) string { return fmt.Sprintf("[MAE: %f]", f[0]) }

// Evaluate is the mean absolute error.
func (r *reconstruction) Evaluate() ([]Metric, error) {
	mean, err := r.overTest(func(batch int) (*measure, error) {
		g := r.trainer.NewGraph()
		x, loss, err := r.loss(g, batch)
		if err != nil {
			return nil, err
		}
		return newMeasure(g, x, nil, loss)
	})
	if err != nil {
		return nil, err
	}
	return []Metric{{Name: "test_mae", Value: mean[0]}}, nil
}

// Pictures are originals above what is made of them, and the way between neighbours in the latent space.
func (r *reconstruction) Pictures(n int) ([]Picture, error) {
	pairs, err := r.pairs(n)
	if err != nil {
		return nil, err
	}
	pairs.Name = "samples"
	between, err := r.between(n)
	if err != nil {
		return nil, err
	}
	return append([]Picture{pairs}, between...), nil
}
