package export

import (
	"fmt"
	"math"

	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/model"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/raster"
	"github.com/petrify-ml/petrify/random"
)

// sampleForm is the net that makes images of noise, with the noise inside.
//
//	seed        int64 (1)     which images: image i of a seed is the same whatever the count
//	count       int64 (1)     how many
//	truncation  float32 (1)   no number of the noise is larger, in steps of 1/64; 0 means no limit
//	class       int64 (M)     where the net takes one: of all images, M being 1, or one for each, M being the count
//	image       uint8 (N, H, W, C), or (N, C, H, W)
//
// The noise is random.Noise. An initializer that gives truncation a default would be ONNX's way, but ONNX Runtime for Node
// ignores what a caller gives for such an input, and the one for the web refuses it.
var sampleForm = Form{
	Name: "sample",
	Doc:  "a seed and a count in, images as bytes out, with the noise drawn inside: NET_sample",
	files: func(m model.Model, o Options) ([]file, error) {
		net, ok := m.Net(m.Objective.Roles().Sampler)
		if !ok || !net.Input.Noise {
			return nil, fmt.Errorf("%s makes no images from noise", m.Name)
		}
		f, err := withNoise(m, net, o)
		return []file{f}, err
	},
}

// samplings are the recorded runs of form sample.
var samplings = []struct {
	seed       int64
	count      int
	truncation float32
	classes    int // how many are given; the last run has negative ones
}{{7, 1, 0, 1}, {-1 << 62, 2, 1.5, 1}, {math.MaxInt64, 7, 0.75, 7}}

func withNoise(m model.Model, net layer.Net, o Options) (file, error) {
	plan, err := net.Plan()
	if err != nil {
		return file{}, err
	}
	out := plan.Steps[plan.Outputs[0]]
	p := picturesOf(m, out.Out, o)
	width := net.Input.Shape.Len()
	f := file{
		form: "sample", name: net.Name + "_sample", nets: []layer.Net{net}, layout: p.layout,
		doc: "a seed and a count to images as bytes, 0 for black and 255 for white; no number of the noise is larger than truncation, where that is not 0",
	}
	f.emit = func(e *onnx.Emitter, nets []*body) {
		one := onnx.Fixed(1)
		seed, count := e.Input("seed", pb.TensorProto_INT64, one), e.Input("count", pb.TensorProto_INT64, one)
		truncation := e.Input("truncation", pb.TensorProto_FLOAT, one)
		var classes onnx.Value
		if c := net.Class; c.Count > 0 {
			class := e.Input(c.Name, pb.TensorProto_INT64, onnx.Symbolic("M"))
			e.Step(raster.ClassesValue, raster.ClassesValue)
			classes = e.Node("Expand", "", []onnx.Value{class, count})
		}
		z := emitNoise(e, "noise", width, seed, count, truncation)
		if len(net.Input.Shape) != 1 {
			shape := []int64{-1}
			for _, d := range net.Input.Shape {
				shape = append(shape, int64(d))
			}
			e.Step("shaped", "shaped")
			z = e.Node("Reshape", "", []onnx.Value{z, numbers(e, "shape", shape...)})
		}
		y := nets[0].EmitNodes(e, z, classes, plan.Outputs[:1], func(i int) string { return plan.Steps[i].Name })
		p.output(e, out.ONNX, y[0])
	}
	f.record = func(s *source) (vectors []Vector, err error) {
		for i, c := range samplings {
			z := make([]float32, c.count*width)
			random.Noise{Seed: c.seed, Truncation: c.truncation}.Fill(z, width, 0)
			v := Vector{Inputs: []*onnx.Tensor{single("seed", c.seed), single("count", int64(c.count)), single("truncation", c.truncation)}}
			given := given{n: c.count, x: z}
			if net.Class.Count > 0 {
				own := classesFor(net.Class, i)[:c.classes]
				v.Inputs = append(v.Inputs, &onnx.Tensor{Name: net.Class.Name, Dims: []int{len(own)}, Data: onnx.Slice[int64](own)})
				for k := range c.count {
					given.classes = append(given.classes, own[k%len(own)])
				}
			}
			made, err := s.run(net, given)
			if err != nil {
				return nil, err
			}
			v.Outputs = []*onnx.Tensor{p.tensor(out.ONNX, c.count, p.bytes(made[0]))}
			vectors = append(vectors, v)
		}
		return vectors, nil
	}
	return f, nil
}

// single is a tensor of one element.
func single[T onnx.Element](name string, v T) *onnx.Tensor {
	return &onnx.Tensor{Name: name, Dims: []int{1}, Data: onnx.Slice[T]{v}}
}
