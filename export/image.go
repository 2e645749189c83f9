package export

import (
	"fmt"

	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/model"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/random"
)

// imageForm is the nets with bytes for images: those that come out of a generator or a decoder, and those that enter a
// discriminator or an encoder.
var imageForm = Form{
	Name: "image",
	Doc:  "the nets with images as bytes, in and out: NET_image",
	files: func(m model.Model, o Options) (list []file, err error) {
		for _, net := range m.Exports() {
			if takesImages(m, net) || makesImages(m, net) {
				f, err := withBytes(m, net, o)
				if err != nil {
					return nil, err
				}
				list = append(list, f)
			}
		}
		if list == nil {
			return nil, fmt.Errorf("no net of %s takes or makes images", m.Name)
		}
		return list, nil
	},
}

// withBytes is a net with bytes in the place of pixels.
func withBytes(m model.Model, net layer.Net, o Options) (file, error) {
	plan, err := net.Plan()
	if err != nil {
		return file{}, err
	}
	in, takes, makes := plan.Net.Input, takesImages(m, net), makesImages(m, net)
	last := plan.Steps[plan.Outputs[0]]
	shape := last.Out
	if takes {
		shape = in.Shape
	}
	p := picturesOf(m, shape, o)
	doc := "images as bytes, 0 for black and 255 for white; " + net.Doc
	f := file{form: "image", name: net.Name + "_image", doc: doc, nets: []layer.Net{net}, layout: p.layout}
	f.emit = func(e *onnx.Emitter, nets []*body) {
		var x, class onnx.Value
		if takes {
			x = p.net(e, in.Name, p.input(e, in.Name, onnx.Symbolic("N")))
		} else {
			x = e.Input(in.Name, pb.TensorProto_FLOAT, axes(in.Shape)...)
		}
		if c := net.Class; c.Count > 0 {
			class = e.Input(c.Name, pb.TensorProto_INT64, onnx.Symbolic("N"))
		}
		results := nets[0].EmitNodes(e, x, class, plan.Outputs, func(i int) string {
			if makes && i == plan.Outputs[0] {
				return plan.Steps[i].Name // the output's name is that of the bytes
			}
			return plan.Steps[i].ONNX
		})
		for k, y := range results {
			s := plan.Steps[plan.Outputs[k]]
			if makes && k == 0 {
				p.output(e, s.ONNX, y)
			} else {
				e.Output(y, pb.TensorProto_FLOAT, axes(s.Out)...)
			}
		}
	}
	f.record = func(s *source) (vectors []Vector, err error) {
		for i, batch := range goldenBatches {
			stream := random.New(0, fmt.Sprintf("golden/%s/%d", f.name, i))
			var v Vector
			x := make([]float32, batch*in.Shape.Len())
			extreme := i == len(goldenBatches)-1
			if takes {
				b := p.draw(stream, batch, extreme)
				v.Inputs, x = []*onnx.Tensor{p.tensor(in.Name, batch, b)}, p.floats(b)
			} else {
				fill(stream, x, in, m.Recipe.Pixels)
				if extreme {
					exaggerate(x)
				}
				v.Inputs = []*onnx.Tensor{{Name: in.Name, Dims: dims(batch, in.Shape), Data: onnx.Slice[float32](x)}}
			}
			given := given{n: batch, x: x, classes: classesFor(net.Class, i)}
			if given.classes != nil {
				v.Inputs = append(v.Inputs, &given.tensors(net)[1])
			}
			out, err := s.run(net, given)
			if err != nil {
				return nil, err
			}
			for k, step := range plan.Outputs {
				result := plan.Steps[step]
				if makes && k == 0 {
					v.Outputs = append(v.Outputs, p.tensor(result.ONNX, batch, p.bytes(out[k])))
				} else {
					v.Outputs = append(v.Outputs, &onnx.Tensor{Name: result.ONNX, Dims: dims(batch, result.Out), Data: onnx.Slice[float32](out[k])})
				}
			}
			vectors = append(vectors, v)
		}
		return vectors, nil
	}
	return f, nil
}

// axes is the type of samples of a shape, with a free batch.
func axes(s layer.Shape) []onnx.Dim {
	d := []onnx.Dim{onnx.Symbolic("N")}
	for _, n := range s {
		d = append(d, onnx.Fixed(int64(n)))
	}
	return d
}
