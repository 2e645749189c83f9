package models

import (
	"slices"

	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/model"
	"github.com/petrify-ml/petrify/train"
)

// cgan is a gan that is told the class of an image, one of Classes: an embedding of it enters the generator beside the noise, and the
// discriminator beside the pixels. One-hot, among 784 pixels, it is overlooked for thousands of steps.
func cgan(o Options) model.Model {
	o = o.or(Options{Image: layer.Shape{1, 28, 28}, Latent: 100, Width: 128, Depth: 1, Classes: 10})
	class := layer.Class{Name: "class", Count: o.Classes}
	last := layer.Dense{Out: o.Image.Len()}
	return model.Model{
		Name:   "cgan",
		Title:  "Conditional GAN",
		Doc:    "The dense GAN with the class of an image beside it in both nets: it makes the digit that it is asked for. Learns from data sets with labels.",
		Source: "Mirza and Osindero 2014, with the layers of gan",
		Nets: []layer.Net{
			{
				Name:  "generator",
				Doc:   "standard normal noise and a class to images in [-1, 1]",
				Input: layer.Input{Name: "z", Shape: layer.Shape{o.Latent}, Noise: true},
				Class: class,
				Rows: slices.Concat(beside("z", 20),
					hidden(o.Depth, o.Width, layer.LeakyReLU{Alpha: 0.01}), []layer.Row{
						{Name: numbered("fc", o.Depth+1), Layer: last},
						{Name: "tanh", Layer: layer.Tanh{}},
						{Name: "image", Layer: layer.Reshape{To: o.Image}},
					}),
			},
			{
				Name:  "discriminator",
				Doc:   "images in [-1, 1] and their classes to the probability that they are real",
				Input: layer.Input{Name: "image", Shape: o.Image},
				Class: class,
				Rows: slices.Concat([]layer.Row{{Name: "flatten", Layer: layer.Flatten{}}}, beside("flatten", 50),
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
			Adam:        model.Adam{LR: 5e-4, Beta1: 0.5, Beta2: 0.999, Epsilon: 1e-7},
			Pixels:      model.Pixels{Low: -1, High: 1},
		},
	}
}

// beside joins an embedding of the class, of so many numbers, with what a row gives.
func beside(row string, size int) []layer.Row {
	return []layer.Row{
		{Name: "embedding", Layer: layer.Dense{Out: size, NoBias: true, Init: layer.Normal(0, 1)}, From: []string{"class"}},
		{Name: "joined", Layer: layer.Concat{}, From: []string{row, "embedding"}},
	}
}
