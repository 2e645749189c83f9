package layer

import (
	"errors"
	"fmt"

	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/onnx"
)

var batchNormKind = Kind{
	Name: "BatchNorm",
	Doc:  "y = gamma (x - mean)/sqrt(variance + epsilon) + beta for each channel (Ioffe and Szegedy 2015); mean and variance are the batch's in training, running ones in inference.",
	Ops:  []string{"BatchNormalization"},
	New:  func() Layer { return BatchNorm{Momentum: 0.9, Epsilon: 1e-5} },
	Try: []Trial{
		{Layer: BatchNorm{Momentum: 0.9, Epsilon: 1e-5}, In: Shape{5}},
		{Layer: BatchNorm{Momentum: 0.8, Epsilon: 1e-3}, In: Shape{3, 5, 7}},
	},
}

// BatchNorm normalises every channel of x, which is (N, C) or (N, C, H, W), and applies a scale and an offset per channel.
// In training mean and variance are those of the batch; the running ones, which inference uses, follow them as running =
// Momentum running + (1 - Momentum) batch. They are tracked parameters.
type BatchNorm struct {
	applies
	Momentum float64 // the share of the running statistics that stays, as in ONNX
	Epsilon  float64 // added to the variance
	Init     Init    // of gamma; nil means Ones
}

// OutShape is the input's shape.
func (b BatchNorm) OutShape(in ...Shape) (Shape, error) {
	var problems []error
	if n := len(in[0]); n != 1 && n != 3 {
		problems = append(problems, fmt.Errorf("batch normalisation takes (channels) or (channels, height, width), got %v", in[0]))
	}
	if !(b.Momentum >= 0 && b.Momentum < 1) {
		problems = append(problems, fmt.Errorf("momentum is %v, want 0 to less than 1", b.Momentum))
	}
	if !(b.Epsilon > 0 && b.Epsilon < 1) {
		problems = append(problems, fmt.Errorf("epsilon is %v, want more than 0 and less than 1", b.Epsilon))
	}
	return in[0], errors.Join(problems...)
}

// Params are gamma, beta, and the tracked mean and variance, all (C).
func (b BatchNorm) Params(in ...Shape) []Param {
	c := in[0][:1]
	return []Param{
		{Name: "gamma", Shape: c, Init: b.Init.or(Ones)},
		{Name: "beta", Shape: c, Init: Zeros},
		{Name: "mean", Shape: c, Init: Zeros, Tracked: true},
		{Name: "variance", Shape: c, Init: Ones, Tracked: true},
	}
}

// Build makes one operator.
func (b BatchNorm) Build(s Scope, x ...*G.Node) (*G.Node, error) {
	p, err := s.params(batchNormParams...)
	if err != nil {
		return nil, err
	}
	c := gop.BatchNormConfig{Momentum: b.Momentum, Epsilon: b.Epsilon, Training: s.Training}
	if s.Latest {
		c.Momentum = 0
	}
	return gop.BatchNorm(s.Name, x[0], p[0], p[1], p[2], p[3], c, s.then(), gop.Need(s.Need))
}

// Emit writes BatchNormalization in its form for inference.
func (b BatchNorm) Emit(e *onnx.Emitter, x ...onnx.Value) onnx.Value {
	for _, name := range batchNormParams {
		x = append(x, e.Param(name))
	}
	return e.Node("BatchNormalization", "", x, onnx.Float("epsilon", float32(b.Epsilon)), onnx.Float("momentum", float32(b.Momentum)))
}

// batchNormParams are the parameters in the order of ONNX's inputs.
var batchNormParams = []string{"gamma", "beta", "mean", "variance"}
