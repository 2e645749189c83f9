package models

import (
	"slices"

	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/model"
	"github.com/petrify-ml/petrify/train"
)

// gan is the simplest generative adversarial network: dense layers on either side, Depth hidden ones of Width units.
func gan(o Options) model.Model {
	o = o.or(Options{Image: layer.Shape{1, 28, 28}, Latent: 100, Width: 128, Depth: 1})
	last := layer.Dense{Out: o.Image.Len()}
	return model.Model{
		Name:   "gan",
		Title:  "Dense GAN",
		Doc:    "Two dense nets of one hidden layer against each other. Quick to train; its digits are recognisable and carry white specks.",
		Source: "Goodfellow et al. 2014, with the layer sizes of a well-known Keras tutorial",
		Nets: []layer.Net{
			{
				Name:  "generator",
				Doc:   "standard normal noise to images in [-1, 1]",
				Input: layer.Input{Name: "z", Shape: layer.Shape{o.Latent}, Noise: true},
				Rows: slices.Concat(hidden(o.Depth, o.Width, layer.LeakyReLU{Alpha: 0.01}), []layer.Row{
					{Name: numbered("fc", o.Depth+1), Layer: last},
					{Name: "tanh", Layer: layer.Tanh{}},
					{Name: "image", Layer: layer.Reshape{To: o.Image}},
				}),
			},
			{
				Name:  "discriminator",
				Doc:   "images in [-1, 1] to the probability that they are real",
				Input: layer.Input{Name: "image", Shape: o.Image},
				Rows: slices.Concat([]layer.Row{{Name: "flatten", Layer: layer.Flatten{}}},
					hidden(o.Depth, o.Width, layer.LeakyReLU{Alpha: 0.01}), []layer.Row{
						{Name: "logit", Layer: layer.Dense{Out: 1}},
						{Name: "probability", Layer: layer.Sigmoid{}},
					}),
			},
		},
		Objective: train.Adversarial{Generator: "generator", Discriminator: "discriminator", Logit: "logit"},
		Recipe: model.Recipe{
			Steps:       20000,
			Batch:       128,
			SampleEvery: 1000,
			Adam:        model.Adam{LR: 1e-3, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-7},
			Pixels:      model.Pixels{Low: -1, High: 1},
		},
	}
}
