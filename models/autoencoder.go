package models

import (
	"slices"

	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/model"
	"github.com/petrify-ml/petrify/train"
)

// autoencoder squeezes images through Latent numbers; on either side are Depth hidden layers of Width units.
func autoencoder(o Options) model.Model {
	o = o.or(Options{Image: layer.Shape{1, 28, 28}, Latent: 32, Width: 128, Depth: 1})
	encoder := layer.Net{
		Name:  "encoder",
		Doc:   "images in [0, 1] to points of the latent space",
		Input: layer.Input{Name: "image", Shape: o.Image},
		Rows: slices.Concat([]layer.Row{{Name: "flatten", Layer: layer.Flatten{}}},
			hidden(o.Depth, o.Width, layer.ReLU{}), code(numbered("fc", o.Depth+1), o.Latent)),
	}
	decoder := layer.Net{
		Name:  "decoder",
		Doc:   "points of the latent space to images in [0, 1]",
		Input: layer.Input{Name: "latent", Shape: layer.Shape{o.Latent}},
		Rows: slices.Concat(hidden(o.Depth, o.Width, layer.ReLU{}), []layer.Row{
			{Name: numbered("fc", o.Depth+1), Layer: layer.Dense{Out: o.Image.Len(), Bias: dark}},
			{Name: "sigmoid", Layer: layer.Sigmoid{}},
			{Name: "reconstruction", Layer: layer.Reshape{To: o.Image}},
		}),
	}
	return model.Model{
		Name:      "autoencoder",
		Title:     "Autoencoder",
		Doc:       "Dense layers that squeeze an image through a few numbers and make it anew, without labels. Blurs what is rare.",
		Source:    "Hinton and Salakhutdinov 2006, with rectifiers, Adam and the absolute error",
		Nets:      []layer.Net{encoder, decoder},
		Chains:    []layer.Net{whole(encoder, decoder)},
		Objective: train.Reconstruction{Encoder: "encoder", Decoder: "decoder"},
		Recipe:    codingRecipe,
	}
}

// fewUnits is up to how many units a code is linear. A rectifier halves the range of a unit, and now and then one is 0 for
// every image from early on, so that no gradient brings it back: of many units the others make up for it, of few they cannot.
const fewUnits = 8

// code are the last layers of an encoder: a dense one, with a rectifier after it where the units are many.
func code(dense string, units int) []layer.Row {
	if units <= fewUnits {
		return []layer.Row{{Name: "latent", Layer: layer.Dense{Out: units}}}
	}
	return []layer.Row{{Name: dense, Layer: layer.Dense{Out: units}}, {Name: "latent", Layer: layer.ReLU{}}}
}

// dark is where the biases of the output start: most pixels are black, and sigmoid(-2) is 0.12, about the mean of MNIST.
// From 0.5 the first iterations drive the pixels down together, many of them so far that no gradient brings them back.
var dark = layer.Constant(-2)

// whole is an encoder followed by its decoder.
func whole(encoder, decoder layer.Net) layer.Net {
	return layer.Net{Name: "autoencoder", Doc: "images in [0, 1] to what is left of them behind the latent space", Parts: []layer.Net{encoder, decoder}}
}

// codingRecipe is that of both kinds of autoencoder: 20 epochs of MNIST.
var codingRecipe = model.Recipe{
	Steps:       9380,
	Batch:       128,
	SampleEvery: 938,
	Adam:        model.Adam{LR: 1e-3, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8},
	Pixels:      model.Pixels{Low: 0, High: 1},
}
