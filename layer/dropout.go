package layer

import (
	"errors"
	"fmt"

	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/onnx"
)

var dropoutKind = Kind{
	Name: "Dropout",
	Doc:  "In training elements are 0 with probability Rate and x/(1 - Rate) otherwise; in inference y = x (Srivastava et al. 2014).",
	Ops:  []string{"Identity"},
	New:  func() Layer { return Dropout{Rate: 0.5} },
	Try:  []Trial{{Layer: Dropout{Rate: 0.3}, In: Shape{5}}, {Layer: Dropout{Rate: 0.5}, In: Shape{3, 5, 7}}},
}

// Dropout sets elements to zero at random, only in training. It draws from a stream with the name of the step.
type Dropout struct {
	noParams
	Rate float64 // probability of zero, less than 1
}

// OutShape is the input's shape.
func (d Dropout) OutShape(in ...Shape) (Shape, error) {
	if !(d.Rate >= 0 && d.Rate < 1) {
		return nil, fmt.Errorf("dropout rate is %v, want 0 to less than 1", d.Rate)
	}
	return in[0], nil
}

// Build makes one operator.
func (d Dropout) Build(s Scope, x ...*G.Node) (*G.Node, error) {
	var uniform func([]float32)
	if s.Training {
		if s.Stream == nil {
			return nil, errors.New("dropout in training takes random numbers, but has no stream of them")
		}
		uniform = s.Stream(s.Name).Uniform
	}
	return gop.Dropout(s.Name, x[0], d.Rate, uniform, s.Training)
}

// Emit writes Identity, to which dropout reduces in inference.
func (Dropout) Emit(e *onnx.Emitter, x ...onnx.Value) onnx.Value {
	return e.Node("Identity", "", x)
}
