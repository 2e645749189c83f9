package model_test

import (
	"fmt"

	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/model"
	"github.com/petrify-ml/petrify/train"
)

// A model of your own is data. Check says whether its nets fit together.
func Example() {
	image := layer.Shape{1, 8, 8}
	encoder := layer.Net{
		Name: "encoder", Input: layer.Input{Name: "image", Shape: image},
		Rows: []layer.Row{{Name: "flat", Layer: layer.Flatten{}}, {Name: "latent", Layer: layer.Dense{Out: 4}}},
	}
	decoder := layer.Net{
		Name: "decoder", Input: layer.Input{Name: "latent", Shape: layer.Shape{5}},
		Rows: []layer.Row{{Name: "fc", Layer: layer.Dense{Out: 64}}, {Name: "made", Layer: layer.Reshape{To: image}}},
	}
	m := model.Model{
		Name:      "small",
		Nets:      []layer.Net{encoder, decoder},
		Objective: train.Reconstruction{Encoder: "encoder", Decoder: "decoder"},
	}
	fmt.Println(m.Check())
	m.Nets[1].Input.Shape = layer.Shape{4}
	fmt.Println(m.Check())
	// Output:
	// encoder.latent gives 4, decoder takes 5
	// <nil>
}
