package export

import (
	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/model"
	"github.com/petrify-ml/petrify/onnx"
)

// rawName is a constant of its own for the sake of raw, which rawForm refers to.
const rawName = "raw"

// rawForm is the nets as they were trained: floats in the range of the model, in the layout of the layers.
var rawForm = Form{
	Name: rawName,
	Doc:  "the nets as they were trained: images are (N, C, H, W), in the range of the model",
	files: func(m model.Model, _ Options) (list []file, err error) {
		for _, net := range m.Exports() {
			list = append(list, raw(net))
		}
		return list, nil
	},
}

func raw(net layer.Net) file {
	return file{
		form: rawName, name: net.Name, doc: net.Doc, nets: []layer.Net{net},
		emit:   func(e *onnx.Emitter, nets []*body) { nets[0].Emit(e) },
		record: func(s *source) ([]Vector, error) { return s.golden(net) },
	}
}
