package load

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/check"
	"github.com/petrify-ml/petrify/onnx/infer"
	"github.com/petrify-ml/petrify/onnx/op"
	"github.com/petrify-ml/petrify/onnx/pass"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// newest is the highest version of the default operator set whose operators have been compared with the ones here.
const newest = 27

// model is what the graphs of a model have in common.
type model struct {
	opset int64
	limit int64 // bytes that the values of a graph may take
	work  int64 // operations that a run may carry out, and multiplications of one of them
}

// region is a graph of a model, the main one or one inside a node, made ready to run.
type region struct {
	*model
	inputs    []string
	outputs   []string
	captures  []string // values of the graphs around it that it reads, none of them constant
	constants map[string]*onnx.Tensor
	types     map[string]onnx.Type
	uses      map[string]int // how often a value is read by nodes and graphs inside them, or is an output
	all       *segment       // all operations
	steps     []step         // in which a run goes through them

	mu     sync.Mutex
	folded map[string]*onnx.Tensor // what depends on constants only, computed when it was first met
}

// validate refuses what is wrong by petrify's own judgement, and says all of it.
func validate(m *onnx.Model) error {
	if m == nil || m.Proto.GetGraph() == nil {
		return &onnx.FormatError{Offset: -1, What: "a model without a graph"}
	}
	var errs []error
	for _, f := range check.Model(m.Proto) {
		if f.Hinders() {
			errs = append(errs, &onnx.FormatError{Offset: -1, Where: f.Where, What: f.Code + ": " + f.Message})
		}
	}
	return errors.Join(errs...)
}

// passes make a model cheaper to run, and one that onnx-go's decoder reads: it invents inputs for Constant nodes.
var passes = []pass.Pass{pass.FixDefaults, pass.ConstantsToData, pass.FoldBatchNorm, pass.LiftOverReshaping}

// newModel reads a model that has been found to be valid.
func newModel(source *pb.ModelProto) (*region, error) {
	m := &model{opset: onnx.Opset(source.GetOpsetImport(), ""), limit: memoryLimit, work: workLimit}
	if m.opset > newest {
		return nil, &onnx.UnsupportedError{Why: fmt.Sprintf("opset %d: the newest known here is %d", m.opset, newest)}
	}
	source, err := expandFunctions(source)
	if err != nil {
		return nil, err
	}
	source = pass.Apply(source, passes...)
	found := infer.Model(source, infer.Budget{})
	return m.region(source.GetGraph(), nil, found.Types, found.Inner)
}

// region reads a graph: outer is the one around it, types are those of its values, inner those of the graphs inside its nodes.
func (m *model) region(g *pb.GraphProto, outer *region, types map[string]onnx.Type, inner map[*pb.GraphProto]map[string]onnx.Type) (*region, error) {
	r := &region{model: m, constants: map[string]*onnx.Tensor{}, types: types, uses: map[string]int{}, folded: map[string]*onnx.Tensor{}}
	nodes, err := r.takeConstants(g)
	if err != nil {
		return nil, err
	}
	s := scope{r, outer, map[string]bool{}}
	for _, v := range g.GetInput() {
		r.inputs = append(r.inputs, v.GetName())
		s.defined[v.GetName()] = true
	}
	reads := make([][]string, len(nodes))
	bodies := make([]map[string]*region, len(nodes))
	for i, n := range nodes {
		if reads[i], bodies[i], err = s.node(n, inner); err != nil {
			return nil, err
		}
	}
	for _, v := range g.GetOutput() {
		s.read(v.GetName())
		r.outputs = append(r.outputs, v.GetName())
		r.uses[v.GetName()]++
	}
	var ops []operation
	if len(nodes) > 0 { // onnx-go takes a graph without nodes for an error
		if ops, err = decode(slices.Concat(r.inputs, r.captures), r.outputs, nodes, g.GetInitializer(), r.constants); err != nil {
			return nil, err
		}
	}
	for i := range ops {
		ops[i].reads, ops[i].bodies, ops[i].schema = reads[i], bodies[i], op.Find("", ops[i].name, m.opset)
		for _, name := range reads[i] {
			r.uses[name]++
		}
	}
	for _, name := range r.inputs {
		delete(r.constants, name) // the default of an input that every round is given
	}
	r.all = r.segment(ops, r.inputs, r.outputs)
	r.plan()
	return r, nil
}

// smallWeight is the most bytes of an initializer that is copied: a product with one row reads its weights once, and faster
// where they are aligned, which elements in a file are not. Larger ones stay where they are, for the sake of memory.
const smallWeight = 4 << 20

// takeConstants takes in the initializers of a graph and its Constant nodes, and returns the other nodes.
func (r *region) takeConstants(g *pb.GraphProto) (nodes []*pb.NodeProto, err error) {
	for _, p := range g.GetSparseInitializer() {
		t, err := onnx.Dense(p)
		if err != nil {
			return nil, err
		}
		r.constants[t.Name] = t
	}
	for _, p := range g.GetInitializer() {
		read := onnx.View
		if len(p.GetRawData()) <= smallWeight {
			read = onnx.FromProto
		}
		t, err := read(p)
		if err != nil {
			return nil, err
		}
		r.constants[t.Name] = t
	}
	for _, n := range g.GetNode() {
		if n.GetOpType() != "Constant" || onnx.Domain(n.GetDomain()) != "" {
			nodes = append(nodes, n)
			continue
		}
		t, err := constant(n)
		if err != nil {
			return nil, err
		}
		r.constants[n.GetOutput()[0]] = t
	}
	return nodes, nil
}

// A scope tells what a region has of its own from what it reads from around it, while its nodes are gone through in order.
type scope struct {
	*region
	outer   *region // nil of the whole graph
	defined map[string]bool
}

// node is what a node reads, by itself or in the graphs inside it, and these graphs.
func (s scope) node(n *pb.NodeProto, inner map[*pb.GraphProto]map[string]onnx.Type) (reads []string, bodies map[string]*region, err error) {
	for _, name := range n.GetInput() {
		s.read(name)
		if name != "" {
			reads = append(reads, name)
		}
	}
	for _, a := range n.GetAttribute() {
		if a.GetG() == nil {
			continue
		}
		known := inner[a.GetG()]
		if known == nil {
			known = map[string]onnx.Type{}
		}
		body, err := s.model.region(a.GetG(), s.region, known, inner)
		if err != nil {
			return nil, nil, err
		}
		for _, name := range body.captures {
			s.read(name)
		}
		reads = append(reads, body.captures...)
		if bodies == nil {
			bodies = map[string]*region{}
		}
		bodies[a.GetName()] = body
	}
	for _, name := range n.GetOutput() {
		s.defined[name] = true
	}
	return reads, bodies, s.supported(n)
}

// read takes a name that is neither defined here nor a constant from around the region.
func (s scope) read(name string) {
	if name == "" || s.defined[name] || s.constants[name] != nil {
		return
	}
	s.defined[name] = true
	if s.outer != nil && s.outer.constants[name] != nil {
		s.constants[name] = s.outer.constants[name]
		return
	}
	s.captures = append(s.captures, name)
	if s.outer != nil {
		if t, ok := s.outer.types[name]; ok {
			s.types[name] = t
		}
	}
}

// constant is the value of a Constant node, whichever attribute has it.
func constant(n *pb.NodeProto) (*onnx.Tensor, error) {
	a := n.GetAttribute()[0]
	switch a.GetName() {
	case "value":
		return onnx.FromProto(a.GetT())
	case "sparse_value":
		return onnx.Dense(a.GetSparseTensor())
	case "value_float":
		return onnx.NewTensor("", []float32{a.GetF()})
	case "value_floats":
		return onnx.NewTensor("", a.GetFloats(), len(a.GetFloats()))
	case "value_int":
		return onnx.NewTensor("", []int64{a.GetI()})
	case "value_ints":
		return onnx.NewTensor("", a.GetInts(), len(a.GetInts()))
	case "value_string":
		return onnx.NewTensor("", []string{string(a.GetS())})
	case "value_strings":
		list := make([]string, len(a.GetStrings()))
		for i, s := range a.GetStrings() {
			list[i] = string(s)
		}
		return onnx.NewTensor("", list, len(list))
	}
	return nil, &onnx.UnsupportedError{Op: "Constant", Why: fmt.Sprintf("node %q: attribute %s", nameOf(n), a.GetName())}
}

// supported refuses a node that this package lacks.
func (r *region) supported(n *pb.NodeProto) error {
	lack := func(format string, args ...any) error {
		why := fmt.Sprintf("node %q", nameOf(n))
		if format != "" {
			why += ": " + fmt.Sprintf(format, args...)
		}
		return &onnx.UnsupportedError{Op: n.GetOpType(), Domain: n.GetDomain(), Opset: r.opset, Why: why}
	}
	o, known := operators[n.GetOpType()]
	switch {
	case onnx.Domain(n.GetDomain()) != "", !known:
		return lack("")
	case r.opset < o.since:
		return lack("load has it from opset %d on", o.since)
	}
	for k, name := range n.GetInput() {
		if elem := r.elem(name); elem != pb.TensorProto_UNDEFINED && !o.has(k, elem) {
			return lack("elements of type %s", strings.ToLower(elem.String()))
		}
	}
	for _, name := range n.GetOutput() {
		t, ok := r.types[name]
		made := isFloat(t.Elem) || isHalf(t.Elem) || isInt(t.Elem) || largest(t.Elem) > 0
		if ok && !made && len(n.GetInput()) > 0 && r.elem(n.GetInput()[0]) != t.Elem {
			return lack("elements of type %s", strings.ToLower(t.Elem.String()))
		}
	}
	return nil
}

// elem is the element type of a value, UNDEFINED where it is not known.
func (r *region) elem(name string) pb.TensorProto_DataType {
	if c := r.constants[name]; c != nil {
		return c.Type()
	}
	return r.types[name].Elem
}

// isFloat reports whether arithmetic is done on elements of a type as they are.
func isFloat(t pb.TensorProto_DataType) bool {
	return t == pb.TensorProto_FLOAT || t == pb.TensorProto_DOUBLE
}

// isHalf reports whether a type is one of floats of 16 bits.
func isHalf(t pb.TensorProto_DataType) bool {
	return t == pb.TensorProto_FLOAT16 || t == pb.TensorProto_BFLOAT16
}

func nameOf(n *pb.NodeProto) string {
	if n.GetName() == "" && len(n.GetOutput()) > 0 {
		return n.GetOutput()[0]
	}
	return n.GetName()
}

// segment is operations that become one Gorgonia graph, for every set of input shapes that comes.
type segment struct {
	*region
	ops     []operation
	inputs  []string
	outputs []string
	users   map[string][]int // the operations that read a value, of all that the segment has
	sets    map[string]bool  // inputs that are settings, and nothing else
	rows    map[string]bool  // inputs that are numbers of the rows of floats, and nothing else

	cache sync.Mutex
	kept  []*shaped // most recently used first
	parts []step    // in which it runs where it cannot be one graph
}

// segment makes one of operations of r in their order.
func (r *region) segment(ops []operation, inputs, outputs []string) *segment {
	s := &segment{region: r, ops: ops, inputs: inputs, outputs: outputs, users: map[string][]int{}, sets: map[string]bool{}, rows: map[string]bool{}}
	for i := range ops {
		for _, in := range ops[i].reads {
			s.users[in] = append(s.users[in], i)
		}
	}
	for _, name := range inputs {
		s.sets[name] = s.uses[name] == len(s.users[name]) && s.onlyRead(name, func(o *operation, k int) bool { return slices.Contains(settings[o.name], k) })
		s.rows[name] = s.onlyRead(name, r.takesRows)
	}
	return s
}

// onlyRead reports whether a value is no output of s, and the operations of s read it, as inputs that ok accepts.
func (s *segment) onlyRead(name string, ok func(o *operation, k int) bool) bool {
	for _, i := range s.users[name] {
		for k, in := range s.ops[i].in {
			if in == name && !ok(&s.ops[i], k) {
				return false
			}
		}
	}
	return len(s.users[name]) > 0 && !slices.Contains(s.outputs, name)
}

// takesRows reports whether input k of an operation is the numbers of rows of floats.
func (r *region) takesRows(o *operation, k int) bool {
	elem := r.elem(o.in[0])
	return o.name == "Gather" && k == 1 && (isFloat(elem) || isHalf(elem))
}

// fixed reports whether input i, a tensor, belongs to the graph, so that each of its values has a graph of its own.
func (s *segment) fixed(i int, t *onnx.Tensor) bool {
	return !isFloat(t.Type()) && !isHalf(t.Type()) && t.Type() != pb.TensorProto_BOOL && !s.rows[s.inputs[i]] || s.sets[s.inputs[i]]
}

// reader is the one operation that reads a value, if there is no other and the value is not an output.
func (s *segment) reader(name string) (int, *operation) {
	if s.uses[name] != 1 || len(s.users[name]) != 1 {
		return 0, nil
	}
	i := s.users[name][0]
	return i, &s.ops[i]
}

// variable lists the values of r whose elements depend on those of its inputs, not on their shapes alone.
func (r *region) variable() map[string]bool {
	varies := map[string]bool{}
	for _, name := range slices.Concat(r.inputs, r.captures) {
		varies[name] = true
	}
	for _, o := range r.all.ops {
		if o.name == "Shape" || o.name == "Size" || !slices.ContainsFunc(o.reads, func(name string) bool { return varies[name] }) && !operators[o.name].random {
			continue
		}
		for _, name := range o.out {
			varies[name] = true
		}
	}
	return varies
}
