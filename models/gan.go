package models

import (
	"github.com/petrify-ml/petrify/internal/kernel"
	"github.com/petrify-ml/petrify/layer"
)

// GAN is the simplest generative adversarial network: two dense layers on either side.
func GAN() layer.Model {
	image := layer.Shape{1, 28, 28}
	return layer.Model{
		Name:   "gan",
		Title:  "Dense GAN",
		Doc:    "Two dense nets of one hidden layer against each other. Quick to train; its digits are recognisable and carry white specks.",
		Source: "Goodfellow et al. 2014, with the layer sizes of a well-known Keras tutorial",
		Nets: []layer.Net{
			{
				Name:  "generator",
				Doc:   "standard normal noise to images in [-1, 1]",
				Input: layer.Port{Name: "z", Shape: layer.Shape{100}, Noise: true},
				Rows: []layer.Row{
					{Name: "fc1", Layer: layer.Dense{Out: 128}},
					{Name: "act1", Layer: layer.LeakyReLU{Alpha: 0.01}},
					{Name: "fc2", Layer: layer.Dense{Out: image.Len()}},
					{Name: "tanh", Layer: layer.Tanh{}},
					{Name: "image", Layer: layer.Reshape{To: image}},
				},
			},
			{
				Name:  "discriminator",
				Doc:   "images in [-1, 1] to the probability that they are real",
				Input: layer.Port{Name: "image", Shape: image},
				Rows: []layer.Row{
					{Name: "flatten", Layer: layer.Flatten{}},
					{Name: "fc1", Layer: layer.Dense{Out: 128}},
					{Name: "act1", Layer: layer.LeakyReLU{Alpha: 0.01}},
					{Name: "logit", Layer: layer.Dense{Out: 1}},
					{Name: "probability", Layer: layer.Sigmoid{}},
				},
			},
		},
		Objective: layer.Adversarial{Generator: "generator", Discriminator: "discriminator", Logit: "logit"},
		Recipe: layer.Recipe{
			Steps:       20000,
			Batch:       128,
			SampleEvery: 1000,
			Adam:        kernel.AdamConfig{LR: 1e-3, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-7},
			Pixels:      layer.Pixels{Low: -1, High: 1},
		},
	}
}
