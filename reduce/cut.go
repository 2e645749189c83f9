package reduce

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/reference"
	"github.com/petrify-ml/petrify/verify"
)

// begin is the model with these inputs as they are: no axis of an input is free, and what says nothing about the computation
// is gone.
func begin(m *pb.ModelProto, values []*reference.Value) (*state, error) {
	given := map[string]*onnx.Tensor{}
	for _, v := range values {
		if v.Kind != reference.Tensor {
			return nil, &onnx.UnsupportedError{Why: fmt.Sprintf("input %q is a %s: only models of tensors are reduced", v.Name, v)}
		}
		t, err := v.Tensor()
		if err != nil {
			return nil, err
		}
		t.Name = v.Name
		given[v.Name] = t
	}
	g := m.GetGraph()
	p := &pb.GraphProto{
		Name: proto.String("reduced"), Node: g.GetNode(), Initializer: g.GetInitializer(), SparseInitializer: g.GetSparseInitializer(),
		Output: g.GetOutput(), QuantizationAnnotation: g.GetQuantizationAnnotation(),
	}
	s := &state{model: &pb.ModelProto{
		IrVersion: m.IrVersion, OpsetImport: m.GetOpsetImport(), Functions: m.GetFunctions(), ProducerName: proto.String("petrify reduce"), Graph: p,
	}}
	for _, in := range g.GetInput() {
		if t := given[in.GetName()]; t != nil {
			p.Input = append(p.Input, port(t))
			s.inputs = append(s.inputs, t)
		} else if m.GetIrVersion() < 4 {
			p.Input = append(p.Input, in) // each initializer is an input, too
		}
	}
	return s, nil
}

// port declares a value as what it is.
func port(t *onnx.Tensor) *pb.ValueInfoProto {
	dims := make([]onnx.Dim, len(t.Dims))
	for i, d := range t.Dims {
		dims[i] = onnx.Fixed(int64(d))
	}
	return &pb.ValueInfoProto{Name: proto.String(t.Name), Type: onnx.Type{Elem: t.Type(), Dims: dims}.Proto()}
}

// A cutter takes nodes out of a state, with the values that they were given.
type cutter struct {
	*state
	values   map[string]*onnx.Tensor // that the nodes made
	given    map[string]*onnx.Tensor // inputs of the graph
	constant map[string]*pb.TensorProto
	varies   map[string]bool // values that depend on an input
	read     map[string]bool // values that a node reads
	outputs  map[string]*pb.ValueInfoProto
}

// cutter prepares the best for cuts, with the runtime's own values where it gives them.
func (s *search) cutter() *cutter {
	rt := s.rt
	if s.aim.Class != Different && s.aim.Class != Unsteady {
		rt = nil // it fails before it gives any
	}
	m, err := modelOf(s.best.model)
	if err != nil {
		return nil
	}
	values, err := verify.Intermediates(s.ctx, rt, m, valuesOf(s.best.inputs), s.o.Verify)
	if err != nil {
		return nil
	}
	return newCutter(s.best, values)
}

func newCutter(s *state, values map[string]*onnx.Tensor) *cutter {
	c := &cutter{
		state: s, values: values, given: map[string]*onnx.Tensor{}, constant: map[string]*pb.TensorProto{},
		varies: map[string]bool{}, read: map[string]bool{}, outputs: map[string]*pb.ValueInfoProto{},
	}
	for _, t := range s.inputs {
		c.given[t.Name], c.varies[t.Name] = t, true
	}
	g := s.model.GetGraph()
	for _, t := range g.GetInitializer() {
		c.constant[t.GetName()] = t
	}
	for _, v := range g.GetOutput() {
		c.outputs[v.GetName()] = v
	}
	for _, n := range g.GetNode() {
		for _, name := range reads(n) {
			c.read[name] = true
			if c.varies[name] {
				for _, out := range n.GetOutput() {
					c.varies[out] = true
				}
			}
		}
	}
	return c
}

// reads lists what a node reads of the graph that it is in, the graphs that it holds included.
func reads(n *pb.NodeProto) []string {
	var names []string
	for _, name := range n.GetInput() {
		if name != "" {
			names = append(names, name)
		}
	}
	for _, a := range n.GetAttribute() {
		for _, g := range bodies(a) {
			names = append(names, free(g)...)
		}
	}
	return names
}

func bodies(a *pb.AttributeProto) []*pb.GraphProto {
	if a.GetG() == nil {
		return a.GetGraphs()
	}
	return append([]*pb.GraphProto{a.GetG()}, a.GetGraphs()...)
}

// free lists what a graph reads and does not make.
func free(g *pb.GraphProto) []string {
	own := map[string]bool{"": true}
	for _, v := range g.GetInput() {
		own[v.GetName()] = true
	}
	for _, t := range g.GetInitializer() {
		own[t.GetName()] = true
	}
	for _, t := range g.GetSparseInitializer() {
		own[t.GetValues().GetName()] = true
	}
	var names []string
	note := func(name string) {
		if !own[name] {
			own[name] = true // once is enough
			names = append(names, name)
		}
	}
	for _, n := range g.GetNode() {
		for _, name := range reads(n) {
			note(name)
		}
		for _, name := range n.GetOutput() {
			own[name] = true
		}
	}
	for _, v := range g.GetOutput() {
		note(v.GetName())
	}
	return names
}

// of is a model of some of the nodes, in their order: what they read of the others are inputs with the values that there
// were, or constants where no input of the graph has a part in them. What nobody reads any more is an output. Where fixed,
// small tensors of integers, which may be shapes, are constants, too. It is nil where such a model cannot be written.
func (c *cutter) of(nodes []*pb.NodeProto, fixed bool) *state {
	g := c.model.GetGraph()
	made, used := map[string]bool{}, map[string]bool{}
	for _, n := range nodes {
		for _, out := range n.GetOutput() {
			made[out] = true
		}
	}
	p := &pb.GraphProto{Name: g.Name, Node: nodes}
	s := &state{}
	var cuts []*onnx.Tensor
	for _, n := range nodes {
		for _, name := range reads(n) {
			if used[name] {
				continue
			}
			if used[name] = true; made[name] || c.given[name] != nil || c.constant[name] != nil {
				continue
			}
			if i := slices.IndexFunc(g.GetSparseInitializer(), func(t *pb.SparseTensorProto) bool { return t.GetValues().GetName() == name }); i >= 0 {
				p.SparseInitializer = append(p.SparseInitializer, g.GetSparseInitializer()[i])
				continue
			}
			t := c.values[name]
			if t == nil {
				return nil // no tensor
			}
			cuts = append(cuts, t)
		}
	}
	for _, v := range g.GetInput() {
		if name := v.GetName(); used[name] {
			if p.Input = append(p.Input, v); c.given[name] != nil {
				s.inputs = append(s.inputs, c.given[name])
			}
		}
	}
	for _, t := range g.GetInitializer() {
		if used[t.GetName()] {
			p.Initializer = append(p.Initializer, t)
		}
	}
	for _, t := range cuts {
		named := *t
		if !c.varies[t.Name] || fixed && shapelike(t) {
			p.Initializer = append(p.Initializer, named.Proto())
			if c.model.GetIrVersion() < 4 {
				p.Input = append(p.Input, port(t))
			}
			continue
		}
		p.Input = append(p.Input, port(t))
		s.inputs = append(s.inputs, &named)
	}
	for _, n := range nodes {
		for _, out := range n.GetOutput() {
			if out == "" || used[out] || !c.read[out] && c.outputs[out] == nil {
				continue
			}
			v := c.outputs[out]
			if t := c.values[out]; t != nil && v == nil {
				named := *t
				named.Name = out
				v = port(&named)
			}
			if v == nil {
				return nil
			}
			p.Output = append(p.Output, v)
		}
	}
	if len(p.Output) == 0 {
		return nil
	}
	for _, a := range g.GetQuantizationAnnotation() {
		if made[a.GetTensorName()] || used[a.GetTensorName()] {
			p.QuantizationAnnotation = append(p.QuantizationAnnotation, a)
		}
	}
	s.model = &pb.ModelProto{IrVersion: c.model.IrVersion, ProducerName: c.model.ProducerName, Graph: p}
	s.model.OpsetImport, s.model.Functions = needed(c.model, nodes)
	return s
}

// shapelike reports whether a tensor may be a shape, or axes, or the like, which some runtimes want as constants.
func shapelike(t *onnx.Tensor) bool {
	switch t.Data.(type) {
	case onnx.Slice[int64], onnx.Slice[int32]:
		return t.Len() <= 64 && len(t.Dims) <= 1
	}
	return false
}

// needed are the imports and functions of a model that some of its nodes ask for.
func needed(m *pb.ModelProto, nodes []*pb.NodeProto) (imports []*pb.OperatorSetIdProto, functions []*pb.FunctionProto) {
	byKey := map[onnx.FunctionKey]*pb.FunctionProto{}
	for _, f := range m.GetFunctions() {
		byKey[onnx.KeyOf(f)] = f
	}
	domains, called := map[string]bool{}, map[*pb.FunctionProto]bool{}
	var visit func(nodes []*pb.NodeProto)
	visit = func(nodes []*pb.NodeProto) {
		for n := range onnx.Nodes(nodes) {
			domains[onnx.Domain(n.GetDomain())] = true
			if f := byKey[onnx.CallOf(n)]; f != nil && !called[f] {
				called[f] = true
				for _, i := range f.GetOpsetImport() {
					domains[onnx.Domain(i.GetDomain())] = true
				}
				visit(f.GetNode())
			}
		}
	}
	visit(nodes)
	for _, f := range m.GetFunctions() {
		if called[f] {
			functions = append(functions, f)
		}
	}
	for _, i := range m.GetOpsetImport() {
		if domain := onnx.Domain(i.GetDomain()); domains[domain] || domain == onnx.Domain("") {
			imports = append(imports, i)
		}
	}
	return imports, functions
}

// leadingTo are the nodes that a value of the graph is made of, in their order.
func (c *cutter) leadingTo(value string) []*pb.NodeProto {
	wanted := map[string]bool{value: true}
	var nodes []*pb.NodeProto
	for _, n := range slices.Backward(c.model.GetGraph().GetNode()) {
		if !slices.ContainsFunc(n.GetOutput(), func(out string) bool { return out != "" && wanted[out] }) {
			continue
		}
		nodes = append(nodes, n)
		for _, name := range reads(n) {
			wanted[name] = true
		}
	}
	slices.Reverse(nodes)
	return nodes
}

// undeclared is the state without lengths of outputs, for whoever changes shapes.
func (c *state) undeclared() *state {
	m := proto.CloneOf(c.model)
	for _, v := range m.Graph.Output {
		if t := v.GetType().GetTensorType(); t.GetShape() != nil {
			for i := range t.Shape.Dim {
				t.Shape.Dim[i] = &pb.TensorShapeProto_Dimension{}
			}
		}
	}
	return &state{m, c.inputs}
}

// cut makes the best of some of its nodes, if the failure stays.
func (s *search) cut(c *cutter, nodes []*pb.NodeProto) bool {
	if s.fails(c.of(nodes, false)) {
		return true
	}
	return s.fails(c.of(nodes, true)) // where that is the same, nothing is tried again
}

// firstWrong makes the best of what fails first: the first wrong node alone, or all that the output is made of.
func (s *search) firstWrong() {
	m := &onnx.Model{Proto: s.best.model}
	f, _ := failureOf(s.trial, m, true)
	if f.output == "" {
		return
	}
	// The inputs of the graph are enough for what an output is made of.
	if whole := newCutter(s.best, nil); len(whole.leadingTo(f.output)) < len(s.best.model.GetGraph().GetNode()) {
		s.fails(whole.outputOnly(f.output))
	}
	if len(s.best.model.GetGraph().GetNode()) == 1 || f.value == "" {
		return
	}
	c := s.cutter()
	if c == nil {
		return
	}
	for _, n := range c.model.GetGraph().GetNode() {
		if slices.Contains(n.GetOutput(), f.value) {
			if !s.cut(c, []*pb.NodeProto{n}) {
				s.cut(c, c.leadingTo(f.value))
			}
			return
		}
	}
}

// outputOnly is the state with one of its outputs alone, and the nodes that it is made of.
func (c *cutter) outputOnly(output string) *state {
	s := c.of(c.leadingTo(output), false)
	if s == nil {
		return nil
	}
	s.model.Graph.Output = []*pb.ValueInfoProto{c.outputs[output]}
	return s
}

// nodes leaves out nodes until each is needed.
func (s *search) nodes() {
	if len(s.best.model.GetGraph().GetNode()) == 1 {
		return
	}
	c := s.cutter()
	if c == nil {
		return
	}
	minimize(c.model.GetGraph().GetNode(), func(rest []*pb.NodeProto) bool { return s.cut(c, rest) })
}
