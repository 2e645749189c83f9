package export

import (
	"fmt"

	"github.com/petrify-ml/petrify/checkpoint"
	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/model"
	"github.com/petrify-ml/petrify/onnx"
)

// A Form is one way to put the nets of a model into files: which there are, and what goes in and out of them.
type Form struct {
	Name string // "image"
	Doc  string // one sentence
	// files lists what a model has in this form. That it has nothing is an error.
	files func(m model.Model, o Options) ([]file, error)
}

// Forms lists every form.
func Forms() []Form { return []Form{rawForm, imageForm, sampleForm, latentForm} }

// A file is one ONNX model on its way out.
type file struct {
	form   string // the name of the Form
	name   string // of its folder, itself and its graph
	doc    string
	nets   []layer.Net // whose weights it holds
	layout Layout      // of its images as bytes, "" where it has none
	// emit writes inputs, nodes and outputs. The plans are those of nets.
	emit func(e *onnx.Emitter, plans []*layer.Plan)
	// record makes golden vectors.
	record func(r recorder) ([]Vector, error)
}

// recorder computes nets in Gorgonia with the weights of a snapshot.
type recorder struct {
	model    model.Model
	snapshot *checkpoint.Snapshot
}

// run is one run of a net in inference: x is (batch, in...), each output (batch, out...).
func (r recorder) run(net layer.Net, batch int, x []float32) ([][]float32, error) {
	plan, weights, err := trainedNet(net, r.snapshot)
	if err != nil {
		return nil, err
	}
	inf, err := plan.NewInference(batch, func(q layer.Param) ([]float32, error) { return weights[q.Name].Data, nil })
	if err != nil {
		return nil, err
	}
	if len(x) != len(inf.Input()) {
		return nil, fmt.Errorf("%s: %d numbers for a batch of %d, want %d", net.Name, len(x), batch, len(inf.Input()))
	}
	copy(inf.Input(), x)
	return inf.Run()
}

// takesImages tells whether pixels enter a net: the one that the model's images enter, or a chain that begins with it.
func takesImages(m model.Model, net layer.Net) bool {
	for net.Parts != nil {
		net = net.Parts[0]
	}
	return net.Name == m.Objective.Roles().Images
}

// makesImages tells whether pixels come out of a net: the one that makes the model's images, or a chain that ends with it.
func makesImages(m model.Model, net layer.Net) bool {
	for net.Parts != nil {
		net = net.Parts[len(net.Parts)-1]
	}
	return net.Name == m.Objective.Roles().Sampler
}
