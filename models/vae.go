package models

import (
	"slices"

	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/model"
	"github.com/petrify-ml/petrify/train"
)

// vae is the variational autoencoder: a prior of Latent dimensions, Depth hidden layers of Width units on either side.
func vae(o Options) model.Model {
	o = o.or(Options{Image: layer.Shape{1, 28, 28}, Latent: 20, Width: 400, Depth: 1})
	encoder := layer.Net{
		Name:  "encoder",
		Doc:   "images in [0, 1] to the mean and the log-variance of a normal distribution",
		Input: layer.Input{Name: "image", Shape: o.Image},
		Rows: slices.Concat([]layer.Row{{Name: "flatten", Layer: layer.Flatten{}}},
			hidden(o.Depth, o.Width, layer.ReLU{}), heads(numbered("act", o.Depth), o.Latent)),
		Outputs: []string{"mean", "logvar"},
	}
	decoder := layer.Net{
		Name:  "decoder",
		Doc:   "standard normal noise, the prior, to images in [0, 1]",
		Input: layer.Input{Name: "z", Shape: layer.Shape{o.Latent}, Noise: true},
		Rows: slices.Concat(hidden(o.Depth, o.Width, layer.ReLU{}), []layer.Row{
			{Name: numbered("fc", o.Depth+1), Layer: layer.Dense{Out: o.Image.Len()}},
			{Name: "logit", Layer: layer.Reshape{To: o.Image}},
			{Name: "image", Layer: layer.Sigmoid{}},
		}),
	}
	return model.Model{
		Name:      "vae",
		Title:     "Variational autoencoder",
		Doc:       "An autoencoder whose latent space is filled by a normal distribution, so that drawing from it makes new images. Smooth, a little blurred; with two latent dimensions the whole space is one picture.",
		Source:    "Kingma and Welling 2014",
		Nets:      []layer.Net{encoder, decoder},
		Objective: train.Variational{Encoder: "encoder", Decoder: "decoder", Logit: "logit", Beta: o.beta()},
		Recipe:    codingRecipe,
	}
}

// heads are the two last layers of an encoder that gives a distribution, both on the row named from.
func heads(from string, latent int) []layer.Row {
	return []layer.Row{
		{Name: "mean", Layer: layer.Dense{Out: latent}},
		{Name: "logvar", Layer: layer.Dense{Out: latent}, From: []string{from}},
	}
}

// beta is the weight of the divergence: 1, which makes the loss a bound of the evidence, unless told otherwise.
func (o Options) beta() float64 {
	if o.Beta == nil {
		return 1
	}
	return *o.Beta
}
