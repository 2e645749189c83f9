package layer

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/onnx"
)

var denseKind = Kind{
	Name: "Dense",
	Doc:  "Fully connected: y = xW + b, with W (In, Out) and b (Out).",
	Ops:  []string{"MatMul", "Add"},
	New:  func() Layer { return Dense{Out: 1} },
	Try: []Trial{
		{Layer: Dense{Out: 5}, In: Shape{7}},
		{Layer: Dense{Out: 1}, In: Shape{3}},
		{Layer: Dense{Out: 17}, In: Shape{1}},
		{Layer: Dense{Out: 4, NoBias: true}, In: Shape{6}},
	},
}

// Dense is a fully connected layer: y = xW + b.
// x is (N, In), W is (In, Out), b is (Out), y is (N, Out).
type Dense struct {
	applies
	Out    int  // units
	NoBias bool // leave b out
	Init   Init // of W; nil means GlorotUniform
	Bias   Init // of b; nil means Zeros
}

// OutShape takes samples of one dimension.
func (d Dense) OutShape(in ...Shape) (Shape, error) {
	if len(in[0]) != 1 {
		return nil, fmt.Errorf("dense takes samples of one dimension, got %v (put Flatten in front)", in[0])
	}
	if d.Out < 1 {
		return nil, fmt.Errorf("dense has %d units, want at least 1", d.Out)
	}
	return Shape{d.Out}, nil
}

// Params are weight (In, Out) and bias (Out).
func (d Dense) Params(in ...Shape) []Param {
	p := []Param{{Name: "weight", Shape: Shape{in[0][0], d.Out}, Init: d.Init.or(GlorotUniform(in[0][0], d.Out))}}
	if !d.NoBias {
		p = append(p, Param{Name: "bias", Shape: Shape{d.Out}, Init: d.Bias.or(Zeros)})
	}
	return p
}

// Build makes one operator.
func (d Dense) Build(s Scope, x ...*G.Node) (*G.Node, error) {
	w, b, err := s.weights(d.NoBias)
	if err != nil {
		return nil, err
	}
	return gop.Dense(s.Name, x[0], w, b, s.then(), gop.Need(s.Need))
}

// Emit writes MatMul and Add, not Gemm: stock onnx-go writes Gemm's result into the bias when the batch is 1. The bias
// is (1, Out) there, because onnx-go's Add misreads an (Out) bias when the batch happens to equal Out.
func (d Dense) Emit(e *onnx.Emitter, x ...onnx.Value) onnx.Value {
	x = append(x, e.Param("weight"))
	if d.NoBias {
		return e.Node("MatMul", "", x)
	}
	y := e.Node("MatMul", "matmul", x)
	return e.Node("Add", "", []onnx.Value{y, e.Param("bias", 1, d.Out)})
}
