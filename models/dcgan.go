package models

import (
	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/model"
	"github.com/petrify-ml/petrify/train"
)

// dcgan is the deep convolutional GAN: Depth steps between the image and its smallest form, Width channels next to the
// image and twice as many at every step away from it, Latent dimensions of noise.
func dcgan(o Options) model.Model {
	o = o.or(Options{Image: layer.Shape{1, 28, 28}, Latent: 100, Width: 64, Depth: convDepth})
	normal := layer.Normal(0, 0.02)
	small := smallest(o)
	up := []layer.Row{
		{Name: "fc", Layer: layer.Dense{Out: small.Len(), NoBias: true, Init: normal}},
		{Name: "map", Layer: layer.Reshape{To: small}},
		{Name: "norm0", Layer: batchNorm},
		{Name: "act0", Layer: layer.ReLU{}},
	}
	for i := 1; i < o.Depth; i++ {
		up = append(up,
			layer.Row{Name: numbered("up", i), Layer: grow(small[0]>>i, true, normal)},
			layer.Row{Name: numbered("norm", i), Layer: batchNorm},
			layer.Row{Name: numbered("act", i), Layer: layer.ReLU{}})
	}
	up = append(up,
		layer.Row{Name: numbered("up", o.Depth), Layer: grow(o.Image[0], false, normal)},
		layer.Row{Name: "image", Layer: layer.Tanh{}})

	leaky := layer.LeakyReLU{Alpha: 0.2}
	down := []layer.Row{
		{Name: "down1", Layer: shrink(o.Width, false, normal)},
		{Name: "act1", Layer: leaky},
	}
	for i := 2; i <= o.Depth; i++ {
		down = append(down,
			layer.Row{Name: numbered("down", i), Layer: shrink(o.Width<<(i-1), true, normal)},
			layer.Row{Name: numbered("norm", i), Layer: batchNorm},
			layer.Row{Name: numbered("act", i), Layer: leaky})
	}
	down = append(down,
		layer.Row{Name: "flatten", Layer: layer.Flatten{}},
		layer.Row{Name: "logit", Layer: layer.Dense{Out: 1, Init: normal}},
		layer.Row{Name: "probability", Layer: layer.Sigmoid{}})

	return model.Model{
		Name:   "dcgan",
		Title:  "DCGAN",
		Doc:    "A GAN of convolutions with batch normalisation. Slower than the dense one; its digits are clean.",
		Source: "Radford, Metz and Chintala 2016, in the form of PyTorch's tutorial, sized for MNIST",
		Nets: []layer.Net{
			{
				Name:  "generator",
				Doc:   "standard normal noise to images in [-1, 1]",
				Input: layer.Input{Name: "z", Shape: layer.Shape{o.Latent}, Noise: true},
				Rows:  up,
			},
			{
				Name:  "discriminator",
				Doc:   "images in [-1, 1] to the probability that they are real",
				Input: layer.Input{Name: "image", Shape: o.Image},
				Rows:  down,
			},
		},
		Objective: train.Adversarial{Generator: "generator", Discriminator: "discriminator", Logit: "logit", Joint: true},
		Recipe: model.Recipe{
			Steps:       1876, // two epochs of MNIST
			Batch:       64,
			SampleEvery: 134,
			Adam:        model.Adam{LR: 2e-4, Beta1: 0.5, Beta2: 0.999, Epsilon: 1e-8},
			Pixels:      model.Pixels{Low: -1, High: 1},
		},
	}
}

var batchNorm = layer.BatchNorm{Momentum: 0.9, Epsilon: 1e-5}

// shrink halves height and width by a convolution; in front of a normalisation it needs no bias.
func shrink(out int, noBias bool, init layer.Init) layer.Layer {
	return layer.Conv2D{Out: out, Kernel: [2]int{4, 4}, Stride: [2]int{2, 2}, Pads: [4]int{1, 1, 1, 1}, NoBias: noBias, Init: init}
}

// grow is the way back, which doubles them.
func grow(out int, noBias bool, init layer.Init) layer.ConvTranspose2D {
	return layer.ConvTranspose2D{Out: out, Kernel: [2]int{4, 4}, Stride: [2]int{2, 2}, Pads: [4]int{1, 1, 1, 1}, NoBias: noBias, Init: init}
}

// smallest is the form that Depth steps of halving end at, from which growing starts.
func smallest(o Options) layer.Shape {
	return layer.Shape{o.Width << o.Depth, o.Image[1] >> o.Depth, o.Image[2] >> o.Depth}
}

// convolutions are Depth steps of halving, each with an activation: down1, act1, down2, act2 ...
func convolutions(o Options) []layer.Row {
	var rows []layer.Row
	for i := 1; i <= o.Depth; i++ {
		rows = append(rows,
			layer.Row{Name: numbered("down", i), Layer: shrink(o.Width<<(i-1), false, nil)},
			layer.Row{Name: numbered("act", i), Layer: layer.ReLU{}})
	}
	return rows
}

// transposed are the steps back from a point of the latent space, up to the image without its last function, which is the
// row named last with the given initial bias.
func transposed(o Options, last string, bias layer.Init) []layer.Row {
	small := layer.Shape{o.Width << (o.Depth - 1), o.Image[1] >> o.Depth, o.Image[2] >> o.Depth}
	rows := []layer.Row{
		{Name: "fc", Layer: layer.Dense{Out: small.Len()}},
		{Name: "act0", Layer: layer.ReLU{}},
		{Name: "map", Layer: layer.Reshape{To: small}},
	}
	for i := 1; i < o.Depth; i++ {
		rows = append(rows,
			layer.Row{Name: numbered("up", i), Layer: grow(small[0]>>i, false, nil)},
			layer.Row{Name: numbered("act", i), Layer: layer.ReLU{}})
	}
	output := grow(o.Image[0], false, nil)
	output.Bias = bias
	return append(rows, layer.Row{Name: last, Layer: output})
}
