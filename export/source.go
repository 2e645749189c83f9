package export

import (
	"context"
	"errors"
	"fmt"

	"github.com/petrify-ml/petrify/checkpoint"
	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/load"
	"github.com/petrify-ml/petrify/model"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/random"
)

// source is what files are made from, and what has been worked out for them on the way.
type source struct {
	model    model.Model
	snapshot *checkpoint.Snapshot
	options  Options // settled

	ranges   map[string]ranges        // of the values of a net that are quantised, by its name
	sessions map[string]*load.Session // of nets in the precision of the options, by name
}

func newSource(m model.Model, s *checkpoint.Snapshot, o Options) *source {
	return &source{m, s, o.settled(), map[string]ranges{}, map[string]*load.Session{}}
}

// wide is the same in float32.
func (s *source) wide() *source {
	o := s.options
	o.Precision = Float32
	return newSource(s.model, s.snapshot, o)
}

// given is what a net is run on: n samples, and the class of each where the net takes them, as an ONNX file has it.
type given struct {
	n       int
	x       []float32 // (n, in...)
	classes []int64   // (n), nil where the net takes none
}

// tensors are what the file of a net takes.
func (g given) tensors(net layer.Net) []onnx.Tensor {
	in := entrance(net)
	list := []onnx.Tensor{{Name: in.Name, Dims: dims(g.n, in.Shape), Data: onnx.Slice[float32](g.x)}}
	if g.classes != nil {
		list = append(list, onnx.Tensor{Name: net.Class.Name, Dims: []int{g.n}, Data: onnx.Slice[int64](g.classes)})
	}
	return list
}

// inTurn are n classes, one after the other; nil where a net takes none.
func inTurn(c layer.Class, n int) (classes []int64) {
	for i := range n {
		if c.Count > 0 {
			classes = append(classes, int64(i%c.Count))
		}
	}
	return classes
}

// run is one run of a net: each output is (n, out...). It is what the training graph computes in inference; in another precision than
// float32, what package load computes of the net's file in form raw.
func (s *source) run(net layer.Net, in given) ([][]float32, error) {
	if !s.options.Precision.narrow() {
		return s.train(net, in)
	}
	session := s.sessions[net.Name]
	if session == nil {
		p, err := s.proto(raw(net))
		if err != nil {
			return nil, err
		}
		if session, err = open(p); err != nil {
			return nil, err
		}
		s.sessions[net.Name] = session
	}
	return apply(session, in.tensors(net)...)
}

// train is run in the training graph.
func (s *source) train(net layer.Net, in given) ([][]float32, error) {
	plan, weights, err := trainedNet(net, s.snapshot)
	if err != nil {
		return nil, err
	}
	inf, err := plan.NewInference(in.n, func(q layer.Param) ([]float32, error) { return weights[q.Name].Data, nil })
	if err != nil {
		return nil, err
	}
	if len(in.x) != len(inf.Input()) {
		return nil, fmt.Errorf("%s: %d numbers for a batch of %d, want %d", net.Name, len(in.x), in.n, len(inf.Input()))
	}
	copy(inf.Input(), in.x)
	if c := net.Class; c.Count > 0 {
		places := make([]int, in.n)
		for i, k := range in.classes {
			places[i] = (int(k) + c.Count) % c.Count // negative ones count from the end
		}
		c.OneHot(inf.Class(), places)
	}
	return inf.Run()
}

// entrance is the input of a net, of a chain that of its first part.
func entrance(net layer.Net) layer.Input {
	for net.Parts != nil {
		net = net.Parts[0]
	}
	return net.Input
}

func open(p *pb.ModelProto) (*load.Session, error) {
	b, err := onnx.Marshal(p)
	if err != nil {
		return nil, err
	}
	return load.Open(&onnx.Model{Proto: p, Bytes: b})
}

// apply runs a model of float32.
func apply(s *load.Session, inputs ...onnx.Tensor) (list [][]float32, err error) {
	var in []*onnx.Tensor
	for i := range inputs {
		in = append(in, &inputs[i])
	}
	out, err := s.Run(context.Background(), in)
	if err != nil {
		return nil, err
	}
	for _, t := range out {
		data, ok := t.Data.(onnx.Slice[float32])
		if !ok {
			return nil, fmt.Errorf("output %s is of type %v, want float32", t.Name, t.Type())
		}
		list = append(list, data)
	}
	return list, nil
}

// What is drawn or taken for a net to show how it does.
const (
	forRanges = iota // that values are quantised to
	forEffect
	forScale // of the effect
)

// inputs are n inputs of the kind that a net is made for: noise for one that makes images of it, images for one that takes
// them, and for a decoder without noise what the encoder makes of images. Images are those of the options, and, where there are none
// and they may be drawn, pixels of noise. The text says which. Classes are all that there are, in turn: of a discriminator, that is
// asked about right and wrong ones alike, whatever the image.
func (s *source) inputs(net layer.Net, n, use int) (g given, of string, err error) {
	x, of, err := s.samples(net, n, use)
	return given{n: n, x: x, classes: inTurn(net.Class, n)}, of, err
}

func (s *source) samples(net layer.Net, n, use int) (x []float32, of string, err error) {
	in, roles := entrance(net), s.model.Objective.Roles()
	if encoder, ok := s.model.Net(roles.Images); ok && net.Name == roles.Sampler && !in.Noise && hasFlow(roles, model.Flow{From: roles.Images, To: roles.Sampler}) {
		images, of, err := s.inputs(encoder, n, use)
		if err != nil {
			return nil, "", err
		}
		points, err := s.train(encoder, images)
		if err != nil {
			return nil, "", err
		}
		return points[0], "points of " + of, nil
	}
	x = make([]float32, n*in.Shape.Len())
	if !in.Noise && takesImages(s.model, net) && s.options.Images != nil {
		images, err := s.options.Images()
		size := in.Shape.Len()
		if err == nil && (len(images) < size || len(images)%size != 0) {
			err = fmt.Errorf("%d pixels of images for calibration, want a multiple of %d", len(images), size)
		}
		if err == nil {
			for i := range n { // those for ranges and those for effects are others, where there are enough
				k := (2*i + use%2) % (len(images) / size)
				copy(x[i*size:(i+1)*size], images[k*size:(k+1)*size])
			}
			return x, "images", nil
		}
		if use == forRanges || errors.Is(err, context.Canceled) {
			return nil, "", err
		}
	}
	if !in.Noise && use == forRanges {
		return nil, "", fmt.Errorf("%s: %s is calibrated on images, and there are none", net.Name, s.options.Precision)
	}
	fill(random.New(uint64(use), "effect/"+net.Name), x, in, s.model.Recipe.Pixels)
	if in.Noise {
		return x, "draws of noise", nil
	}
	return x, "drawn images", nil
}
