// Package layer is the vocabulary of petrify: what a layer is, how layers form a net, and the plan derived from a net.
//
// An architecture is data. A Net reads like the table in a paper, one row per layer; Net.Plan determines every shape
// and every full name, and everything else iterates over the plan's steps: the training graph (Plan.Build), the ONNX
// file (Plan.Emit), the checkpoint check (Plan.Params), the tables in the documentation.
//
// One name holds everywhere: the step "generator.fc1" is the Gorgonia node of that name, the ONNX value of that name,
// and the prefix of the parameters "generator.fc1.weight" and "generator.fc1.bias" in the checkpoint and in errors.
//
// A new layer is one file with its shape rule, parameters, Gorgonia build and ONNX emission, and one line in Kinds. A
// conformance suite tests every Kind.
package layer

import (
	"fmt"
	"strings"

	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/random"
)

// A Shape is the shape of one sample: the batch dimension, always the first, is left out.
type Shape []int

// Len is the number of elements of one sample.
func (s Shape) Len() int {
	n := 1
	for _, d := range s {
		n *= d
	}
	return n
}

// String writes 1x28x28.
func (s Shape) String() string {
	if len(s) == 0 {
		return "scalar"
	}
	return strings.Trim(strings.ReplaceAll(fmt.Sprint([]int(s)), " ", "x"), "[]")
}

// Param is a tensor that a layer learns or tracks.
type Param struct {
	Name  string // short in a Layer ("weight"), full in a Plan ("generator.fc1.weight")
	Shape Shape  // the whole shape: parameters have no batch dimension
	Init  Init
	// Tracked parameters, such as running statistics, are kept up by their layer in training and belong to what it has
	// learnt, but no optimiser moves them.
	Tracked bool
}

// Layer is plain data: its exported fields are its hyper-parameters.
type Layer interface {
	// OutShape is the only shape arithmetic: the shape of one output sample for input samples of the given shapes. There is
	// one, or, for a Joiner, two or more.
	OutShape(in ...Shape) (Shape, error)
	// Params lists what the layer learns, under short names, for inputs that OutShape accepted.
	Params(in ...Shape) []Param
	// Build puts the layer into a Gorgonia graph: each x is (N, in...), the result (N, out...) and named s.Name.
	Build(s Scope, x ...*G.Node) (*G.Node, error)
	// Emit writes the layer's ONNX nodes: each x is (N, in...), the result (N, out...).
	Emit(e *onnx.Emitter, x ...onnx.Value) onnx.Value
}

// A Joiner is a layer with several inputs, such as Add. A plan gives it two or more inputs, and any other
// layer one.
type Joiner interface {
	Layer
	Joins()
}

// A Fuser is a layer that can apply the following layer in its own operator, which saves a pass over the values. A
// plan offers it the next layer if nothing else uses the value in between.
type Fuser interface {
	Layer
	// Fuses reports whether Build can apply next to its result. If so, next is passed as Scope.Then.
	Fuses(next Layer) bool
}

// A Scope is what a layer knows about the graph while it builds its step.
type Scope struct {
	Name     string                              // of the step, and of the node that Build returns
	Out      Shape                               // of one output sample
	Param    func(short string) (*G.Node, error) // a parameter of the step
	Training bool                                // behave as in training, where that differs
	Latest   bool                                // tracked parameters become those of this batch, whatever they were
	Need     Need                                // the gradients that will be needed
	Stream   func(step string) *random.Stream    // the random numbers of a step in training; may be nil
	Then     Layer                               // what a Fuser applies to its result, nil for nothing
}

// Need says which gradients will be needed. Others need not be computed.
type Need struct {
	Input  bool // with respect to the input
	Params bool // with respect to the parameters
}

// params are the nodes of some parameters of the step.
func (s Scope) params(short ...string) ([]*G.Node, error) {
	nodes := make([]*G.Node, len(short))
	for i, name := range short {
		var err error
		if nodes[i], err = s.Param(name); err != nil {
			return nil, err
		}
	}
	return nodes, nil
}

// Kind describes one sort of layer to the rest of the program.
type Kind struct {
	Name string
	Doc  string       // one sentence, with the formula
	Ops  []string     // the ONNX operators that Emit may use, of opset 13
	New  func() Layer // with the default hyper-parameters
	Try  []Trial      // the conformance suite runs each of them
}

// Trial is a layer and an input shape to try it on.
type Trial struct {
	Layer Layer
	In    Shape
	With  []Row // rows that a Joiner joins with the input; each reads the input
	Class Class // what a Joiner joins with the input, too; the zero value is none
}

// Net is the trial as a net from x to y.
func (t Trial) Net() Net {
	n := Net{Name: "net", Input: Input{Name: "x", Shape: t.In}, Class: t.Class}
	y := Row{Name: "y", Layer: t.Layer, From: []string{"x"}}
	for _, r := range t.With {
		r.From = []string{"x"}
		n.Rows = append(n.Rows, r)
		y.From = append(y.From, r.Name)
	}
	if t.Class.Count > 0 {
		y.From = append(y.From, t.Class.Name)
	}
	n.Rows = append(n.Rows, y)
	return n
}

// Kinds lists every sort of layer.
func Kinds() []Kind {
	return []Kind{
		denseKind,
		flattenKind,
		reshapeKind,
		leakyReLUKind,
		reluKind,
		tanhKind,
		sigmoidKind,
		softplusKind,
		eluKind,
		conv2DKind,
		convTranspose2DKind,
		batchNormKind,
		addKind,
		concatKind,
		maxPoolKind,
		averagePoolKind,
		globalAveragePoolKind,
		upsampleKind,
		layerNormKind,
		dropoutKind,
	}
}
