package layer

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/onnx"
)

var layerNormKind = Kind{
	Name: "LayerNorm",
	Doc:  "y = gamma (x - mean)/sqrt(variance + epsilon) + beta with mean and variance along the last axis (Ba et al. 2016).",
	Ops:  []string{"ReduceMean", "Sub", "Mul", "Add", "Sqrt", "Div", "LayerNormalization"},
	New:  func() Layer { return LayerNorm{Epsilon: 1e-5} },
	Try:  []Trial{{Layer: LayerNorm{Epsilon: 1e-5}, In: Shape{6}}, {Layer: LayerNorm{Epsilon: 1e-3}, In: Shape{3, 5, 7}}},
}

// LayerNorm normalises along the last axis, with the mean and variance of each slice, and applies a scale and an offset
// per position. x and y are (N, ..., L), gamma and beta are (L).
type LayerNorm struct {
	Epsilon float64 // added to the variance
}

// OutShape is the input's shape.
func (l LayerNorm) OutShape(in ...Shape) (Shape, error) {
	if len(in[0]) == 0 || !(l.Epsilon > 0 && l.Epsilon < 1) {
		return nil, fmt.Errorf("layer normalisation of %v with epsilon %v, want one dimension at least and more than 0, less than 1", in[0], l.Epsilon)
	}
	return in[0], nil
}

// Params are gamma and beta (L).
func (LayerNorm) Params(in ...Shape) []Param {
	last := in[0][len(in[0])-1:]
	return []Param{{Name: "gamma", Shape: last, Init: Ones}, {Name: "beta", Shape: last, Init: Zeros}}
}

// Build makes one operator.
func (l LayerNorm) Build(s Scope, x ...*G.Node) (*G.Node, error) {
	p, err := s.params("gamma", "beta")
	if err != nil {
		return nil, err
	}
	return gop.LayerNorm(s.Name, x[0], p[0], p[1], l.Epsilon, gop.Need(s.Need))
}

// Emit writes LayerNormalization from opset 17 on, and equivalent operators before.
func (l LayerNorm) Emit(e *onnx.Emitter, x ...onnx.Value) onnx.Value {
	gamma, beta := e.Param("gamma"), e.Param("beta")
	if e.Opset() >= 17 {
		return e.Node("LayerNormalization", "", append(x, gamma, beta), onnx.Int("axis", -1), onnx.Float("epsilon", float32(l.Epsilon)))
	}
	axes := onnx.Ints("axes", -1)
	mean := e.Node("ReduceMean", "mean", x, axes)
	centred := e.Node("Sub", "centred", append(x, mean))
	squared := e.Node("Mul", "squared", []onnx.Value{centred, centred})
	variance := e.Node("ReduceMean", "variance", []onnx.Value{squared}, axes)
	epsilon := e.Const("epsilon", &onnx.Tensor{Dims: []int{1}, Data: onnx.Slice[float32]{float32(l.Epsilon)}})
	deviation := e.Node("Sqrt", "deviation", []onnx.Value{e.Node("Add", "stable", []onnx.Value{variance, epsilon})})
	normal := e.Node("Div", "normal", []onnx.Value{centred, deviation})
	return e.Node("Add", "", []onnx.Value{e.Node("Mul", "scaled", []onnx.Value{normal, gamma}), beta})
}
