package onnx

import (
	"errors"
	"fmt"
	"slices"

	"github.com/petrify-ml/petrify/onnx/pb"
	"google.golang.org/protobuf/proto"
)

// A Value refers, by name, to a value of the graph that an Emitter writes. The zero Value means an
// optional input that is left out.
type Value struct{ Name string }

// EmitterOptions say what an Emitter writes. Graph is needed; Opset 0 is 13,
// IR 0 is 8, the widest range that runtimes load today. Param finds the value
// of a parameter by its full name.
type EmitterOptions struct {
	Graph string
	Opset int64
	IR    int64
	Param func(full string) (*Tensor, error)
}

// An Emitter writes one graph, node by node. Nodes are in the order of the calls, initializers in
// the order of their first use, and each node is named after its output. The first error is kept:
// later calls do nothing, and Model returns it.
type Emitter struct {
	opts    EmitterOptions
	graph   *pb.GraphProto
	step    string
	value   string
	defined map[string]bool
	params  map[string][]int // the shape that each initializer was asked for
	err     error
}

// NewEmitter returns an emitter of an empty graph.
func NewEmitter(o EmitterOptions) *Emitter {
	if o.Opset == 0 {
		o.Opset = 13
	}
	if o.IR == 0 {
		o.IR = 8
	}
	e := &Emitter{
		opts:    o,
		graph:   &pb.GraphProto{Name: proto.String(o.Graph)},
		defined: make(map[string]bool),
		params:  make(map[string][]int),
	}
	if o.Graph == "" {
		e.err = errors.New("a graph needs a name")
	}
	return e
}

// Opset returns the version of the default operator set that the emitter writes for.
func (e *Emitter) Opset() int64 { return e.opts.Opset }

// Fail makes err the emitter's error, unless there is one already.
func (e *Emitter) Fail(err error) {
	if e.err == nil && err != nil {
		e.err = fmt.Errorf("%s: %w", e.place(), err)
	}
}

func (e *Emitter) failf(format string, args ...any) {
	if e.err == nil {
		e.Fail(fmt.Errorf(format, args...))
	}
}

func (e *Emitter) place() string {
	if e.step == "" {
		return "graph " + e.opts.Graph
	}
	return e.step
}

// define claims a name for a value; names are unique in a graph.
func (e *Emitter) define(name string) bool {
	switch {
	case e.err != nil:
		return false
	case name == "":
		e.failf("a value needs a name")
		return false
	case e.defined[name]:
		e.failf("the name %q is taken", name)
		return false
	}
	e.defined[name] = true
	return true
}

// Input declares a graph input.
func (e *Emitter) Input(name string, elem pb.TensorProto_DataType, dims ...Dim) Value {
	if !e.define(name) {
		return Value{}
	}
	e.graph.Input = append(e.graph.Input, valueInfo(name, elem, dims))
	return Value{name}
}

func valueInfo(name string, elem pb.TensorProto_DataType, dims []Dim) *pb.ValueInfoProto {
	if dims == nil {
		dims = []Dim{}
	}
	return &pb.ValueInfoProto{Name: proto.String(name), Type: Type{Elem: elem, Dims: dims}.Proto()}
}

// Step begins a step: from here on parameters are named STEP.SHORT, inner
// values STEP.INNER, and the step's own value is named value.
func (e *Emitter) Step(step, value string) { e.step, e.value = step, value }

// Param returns the initializer STEP.SHORT, with the elements that
// EmitterOptions.Param finds under that name. Dims, where given, replace its
// shape; the number of elements must be the same. A second call with the same
// shape returns the same value.
func (e *Emitter) Param(short string, dims ...int) Value {
	if e.err != nil {
		return Value{}
	}
	full := e.step + "." + short
	if shape, ok := e.params[full]; ok {
		if !slices.Equal(shape, dims) {
			e.failf("parameter %q: asked for with shape %v and with %v", full, shape, dims)
		}
		return Value{full}
	}
	if e.opts.Param == nil {
		e.failf("parameter %q: there is no source of parameters", full)
		return Value{}
	}
	t, err := e.opts.Param(full)
	if err != nil {
		e.failf("parameter %q: %w", full, err)
		return Value{}
	}
	e.params[full] = slices.Clone(dims)
	if dims == nil {
		dims = t.Dims
	}
	return e.initializer(full, t, dims)
}

// Const adds the initializer STEP.SHORT with the elements of t.
func (e *Emitter) Const(short string, t *Tensor) Value {
	if e.err != nil {
		return Value{}
	}
	return e.initializer(e.step+"."+short, t, t.Dims)
}

func (e *Emitter) initializer(full string, t *Tensor, dims []int) Value {
	shaped, err := TensorOf(full, t.Data, dims...)
	if err != nil {
		e.Fail(err)
		return Value{}
	}
	if !e.define(full) {
		return Value{}
	}
	e.graph.Initializer = append(e.graph.Initializer, shaped.Proto())
	return Value{full}
}

// Node adds a node of the default domain with one output: STEP.INNER, or the
// step's own value when inner is empty.
func (e *Emitter) Node(op, inner string, in []Value, attrs ...Attr) Value {
	name := e.value
	if inner != "" {
		name = e.step + "." + inner
	}
	inputs := make([]string, len(in))
	for i, v := range in {
		inputs[i] = v.Name
		if v.Name != "" && !e.defined[v.Name] {
			e.failf("%s: input %d, %q, is not defined", op, i, v.Name)
		}
	}
	if !e.define(name) {
		return Value{}
	}
	node := &pb.NodeProto{
		Input:  inputs,
		Output: []string{name},
		Name:   proto.String(name),
		OpType: proto.String(op),
	}
	for _, a := range attrs {
		node.Attribute = append(node.Attribute, a.proto)
	}
	e.graph.Node = append(e.graph.Node, node)
	return Value{name}
}

// Output declares v as the next output of the graph.
func (e *Emitter) Output(v Value, elem pb.TensorProto_DataType, dims ...Dim) {
	if e.err != nil {
		return
	}
	if !e.defined[v.Name] {
		e.failf("output %q is not defined", v.Name)
		return
	}
	e.graph.Output = append(e.graph.Output, valueInfo(v.Name, elem, dims))
}

// Model returns the finished model, or the first error.
func (e *Emitter) Model() (*pb.ModelProto, error) {
	e.step = ""
	if len(e.graph.Output) == 0 {
		e.failf("the graph has no output")
	}
	if e.err != nil {
		return nil, e.err
	}
	return &pb.ModelProto{
		IrVersion:   proto.Int64(e.opts.IR),
		OpsetImport: []*pb.OperatorSetIdProto{{Domain: proto.String(""), Version: proto.Int64(e.opts.Opset)}},
		Graph:       e.graph,
	}, nil
}
