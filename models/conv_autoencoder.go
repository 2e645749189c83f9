package models

import (
	"slices"

	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/model"
)

// convAutoencoder is the autoencoder with strided convolutions on the way in and transposed ones on the way out: Depth of
// each, Width channels next to the image and twice as many at every step away from it.
func convAutoencoder(o Options) model.Model {
	o = o.or(Options{Image: layer.Shape{1, 28, 28}, Latent: 32, Width: 16, Depth: convDepth})
	m := autoencoder(o)
	m.Name, m.Title = "conv-autoencoder", "Convolutional autoencoder"
	m.Doc = "The autoencoder with strided convolutions on the way in and transposed ones on the way out: fewer parameters, sharper images."
	encoder, decoder := m.Nets[0], m.Nets[1]
	encoder.Rows = slices.Concat(convolutions(o), []layer.Row{{Name: "flatten", Layer: layer.Flatten{}}}, code("fc", o.Latent))
	decoder.Rows = append(transposed(o, numbered("up", o.Depth), dark), layer.Row{Name: "reconstruction", Layer: layer.Sigmoid{}})
	m.Nets = []layer.Net{encoder, decoder}
	m.Chains = []layer.Net{whole(encoder, decoder)}
	return m
}
