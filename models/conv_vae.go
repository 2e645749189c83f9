package models

import (
	"slices"

	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/model"
)

// convVAE is the variational autoencoder with convolutions, sized as convAutoencoder.
func convVAE(o Options) model.Model {
	o = o.or(Options{Image: layer.Shape{1, 28, 28}, Latent: 20, Width: 32, Depth: convDepth})
	m := vae(o)
	m.Name, m.Title = "conv-vae", "Convolutional variational autoencoder"
	m.Doc = "The variational autoencoder with strided convolutions on the way in and transposed ones on the way out."
	encoder, decoder := m.Nets[0], m.Nets[1]
	encoder.Rows = slices.Concat(convolutions(o), []layer.Row{{Name: "flatten", Layer: layer.Flatten{}}}, heads("flatten", o.Latent))
	decoder.Rows = append(transposed(o, "logit", nil), layer.Row{Name: "image", Layer: layer.Sigmoid{}})
	m.Nets = []layer.Net{encoder, decoder}
	return m
}
