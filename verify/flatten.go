package verify

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/reference"
	"google.golang.org/protobuf/proto"
)

// longestFlat is the most nodes that a model may have once it is flat.
const longestFlat = 4096

// flatten returns the model with the nodes of functions, of the branches that were
// taken and of every iteration of a loop in the main graph, so that each of their
// values can become an output. The result computes the same, for the inputs that
// the trace is of. A node whose graphs cannot be written out stays as it is.
func flatten(m *onnx.Model, trace *reference.Trace) (*onnx.Model, error) {
	bare := shallow(m.Proto)
	bare.Graph = shallow(m.Proto.Graph)
	weights := bare.Graph.Initializer
	bare.Graph.Initializer = nil
	clone := proto.CloneOf(bare)
	clone.Graph.Initializer = slices.Clone(weights) // which nobody changes
	f := &flattener{functions: map[[3]string]*pb.FunctionProto{}, opsets: map[string]int64{}, taken: map[string]bool{}, labels: map[string]bool{}, constants: map[*pb.TensorProto]string{}, graph: clone.Graph}
	for _, fn := range clone.GetFunctions() {
		f.functions[[3]string{domainName(fn.GetDomain()), fn.GetName(), fn.GetOverload()}] = fn
	}
	for _, imp := range clone.GetOpsetImport() {
		f.opsets[domainName(imp.GetDomain())] = imp.GetVersion()
	}
	collectNames(clone.Graph, f.taken)
	nodes := clone.Graph.Node
	for _, n := range nodes {
		f.labels[n.GetName()] = true
	}
	clone.Graph.Node = nil
	top := &flatScope{}
	for i, n := range nodes {
		before, inits := len(clone.Graph.Node), len(clone.Graph.Initializer)
		err := errStays
		if runs := trace.Inner[i]; len(runs) > 0 {
			err = f.compound(n, runs, top, pathOf("", n))
		}
		if err != nil || len(clone.Graph.Node) > longestFlat {
			clone.Graph.Node = append(clone.Graph.Node[:before], n)
			clone.Graph.Initializer = clone.Graph.Initializer[:inits]
			clear(f.constants) // some may be gone
		}
	}
	if !slices.ContainsFunc(clone.Graph.Node, func(n *pb.NodeProto) bool { return f.calls(n) }) {
		clone.Functions = nil
	}
	b, err := onnx.Marshal(clone)
	if err != nil {
		return nil, err
	}
	return &onnx.Model{Proto: clone, Bytes: b}, nil
}

// errStays says that a node cannot be written out.
var errStays = errors.New("cannot be written out")

func domainName(d string) string {
	if d == "ai.onnx" {
		return ""
	}
	return d
}

// calls reports whether a node, or one in the graphs within, is a function.
func (f *flattener) calls(n *pb.NodeProto) bool {
	if f.functions[[3]string{domainName(n.GetDomain()), n.GetOpType(), n.GetOverload()}] != nil {
		return true
	}
	return slices.ContainsFunc(n.GetAttribute(), func(a *pb.AttributeProto) bool {
		return slices.ContainsFunc(a.GetG().GetNode(), f.calls)
	})
}

// collectNames adds all names of values in the graph and the graphs within.
func collectNames(g *pb.GraphProto, names map[string]bool) {
	for _, v := range slices.Concat(g.GetInput(), g.GetOutput(), g.GetValueInfo()) {
		names[v.GetName()] = true
	}
	for _, t := range g.GetInitializer() {
		names[t.GetName()] = true
	}
	for _, n := range g.GetNode() {
		for _, out := range n.GetOutput() {
			names[out] = true
		}
		for _, a := range n.GetAttribute() {
			if a.GetG() != nil {
				collectNames(a.GetG(), names)
			}
		}
	}
}

type flattener struct {
	graph     *pb.GraphProto // that is written
	functions map[[3]string]*pb.FunctionProto
	opsets    map[string]int64
	taken     map[string]bool // names of values
	labels    map[string]bool // names of nodes
	constants map[*pb.TensorProto]string
	count     int
}

// A flatScope says what the values of a graph are called in the flat one.
type flatScope struct {
	names map[string]string
	outer *flatScope
	refs  map[string]*pb.AttributeProto // attributes of the function call around it
}

func (s *flatScope) find(name string) string {
	for at := s; at != nil; at = at.outer {
		if flat, ok := at.names[name]; ok {
			return flat
		}
	}
	return name // of the main graph
}

func (s *flatScope) inner(refs map[string]*pb.AttributeProto) *flatScope {
	return &flatScope{names: map[string]string{}, outer: s, refs: refs}
}

// fresh is a name that nothing has, for a value of that name within path.
func (f *flattener) fresh(path, name string) string {
	flat := name
	if path != "" {
		flat = path + "/" + name
	}
	for f.taken[flat] {
		f.count++
		flat = fmt.Sprintf("%s/%s.%d", path, name, f.count)
	}
	f.taken[flat] = true
	return flat
}

// label is a name that no node has.
func (f *flattener) label(name string) string {
	if f.labels[name] {
		f.count++
		name = fmt.Sprintf("%s.%d", name, f.count)
	}
	f.labels[name] = true
	return name
}

// pathOf names a node within a path, by its first output if it has no name.
func pathOf(path string, n *pb.NodeProto) string {
	name := n.GetName()
	if name == "" && len(n.GetOutput()) > 0 {
		name = n.GetOutput()[0]
	}
	if path == "" {
		return name
	}
	return path + "/" + name
}

func (f *flattener) node(op, name string, inputs, outputs []string, attrs ...*pb.AttributeProto) {
	f.graph.Node = append(f.graph.Node, &pb.NodeProto{OpType: proto.String(op), Name: proto.String(f.label(name)), Input: inputs, Output: outputs, Attribute: attrs})
}

// constant is a new initializer.
func (f *flattener) constant(path, name string, t *onnx.Tensor) string {
	t.Name = f.fresh(path, name)
	f.graph.Initializer = append(f.graph.Initializer, t.Proto())
	return t.Name
}

func intOf(name string, v int64) *pb.AttributeProto {
	return &pb.AttributeProto{Name: proto.String(name), Type: pb.AttributeProto_INT.Enum(), I: proto.Int64(v)}
}

// compound writes out a node that was evaluated by the runs.
func (f *flattener) compound(n *pb.NodeProto, runs []*reference.Trace, s *flatScope, path string) error {
	if fn := f.functions[[3]string{domainName(n.GetDomain()), n.GetOpType(), n.GetOverload()}]; fn != nil {
		return f.function(fn, n, runs, s, path)
	}
	if domainName(n.GetDomain()) != "" || f.opsets[""] < 9 {
		return errStays
	}
	switch n.GetOpType() {
	case "If":
		return f.branch(n, runs, s, path)
	case "Loop":
		return f.loop(n, runs, s, path)
	case "Scan":
		return f.scan(n, runs, s, path)
	}
	return errStays
}

// body writes out the nodes of a graph, whose inputs are in s.
func (f *flattener) body(nodes []*pb.NodeProto, t *reference.Trace, s *flatScope, path string) error {
	for i, n := range nodes {
		if len(f.graph.Node) > longestFlat {
			return errStays
		}
		name := pathOf(path, n)
		if len(t.Inner[i]) > 0 {
			if err := f.compound(n, t.Inner[i], s, name); err != nil {
				return err
			}
			continue
		}
		flat := proto.CloneOf(n)
		flat.Name = proto.String(f.label(name))
		flat.Attribute = nil
		for _, a := range n.GetAttribute() {
			if a.GetG() != nil || len(a.GetGraphs()) > 0 {
				return errStays // a graph that was not evaluated, or of an operator without a rule here
			}
			if a = s.attribute(a); a != nil {
				flat.Attribute = append(flat.Attribute, a)
			}
		}
		for k, in := range flat.Input {
			if in != "" {
				flat.Input[k] = s.find(in)
			}
		}
		for k, out := range flat.Output {
			if out != "" {
				flat.Output[k] = f.fresh(path, out)
			}
		}
		for k, out := range n.GetOutput() {
			if out != "" {
				s.names[out] = flat.Output[k]
			}
		}
		f.graph.Node = append(f.graph.Node, flat)
	}
	return nil
}

// attribute is a as the call of the function around it has it, nil where that
// leaves it out.
func (s *flatScope) attribute(a *pb.AttributeProto) *pb.AttributeProto {
	ref := a.GetRefAttrName()
	if ref == "" {
		return a
	}
	given := s.refs[ref]
	if given == nil {
		return nil
	}
	named := proto.CloneOf(given)
	named.Name = a.Name
	return named
}

// attributes are those of a node, by name, as the call around it has them.
func (s *flatScope) attributes(n *pb.NodeProto) map[string]*pb.AttributeProto {
	all := map[string]*pb.AttributeProto{}
	for _, a := range n.GetAttribute() {
		if a = s.attribute(a); a != nil {
			all[a.GetName()] = a
		}
	}
	return all
}

// inputs binds names to the inputs of a node.
func (s *flatScope) input(n *pb.NodeProto, k int) string {
	if k < len(n.GetInput()) && n.GetInput()[k] != "" {
		return s.find(n.GetInput()[k])
	}
	return ""
}

// give makes output k of a node out of a value.
func (f *flattener) give(n *pb.NodeProto, k int, value string, s *flatScope, path string) {
	if k >= len(n.GetOutput()) || n.GetOutput()[k] == "" {
		return
	}
	out := n.GetOutput()[k]
	flat := out
	if s.outer != nil {
		flat = f.fresh(path, out)
		s.names[out] = flat
	}
	f.node("Identity", path+"/output "+fmt.Sprint(k), []string{value}, []string{flat})
}

func (f *flattener) function(fn *pb.FunctionProto, n *pb.NodeProto, runs []*reference.Trace, s *flatScope, path string) error {
	if len(runs) != 1 {
		return errStays
	}
	for _, imp := range fn.GetOpsetImport() {
		domain := domainName(imp.GetDomain())
		if own, ok := f.opsets[domain]; !ok || own != imp.GetVersion() {
			return errStays
		}
	}
	refs := map[string]*pb.AttributeProto{}
	for _, a := range fn.GetAttributeProto() {
		refs[a.GetName()] = a
	}
	maps.Copy(refs, s.attributes(n))
	inside := &flatScope{names: map[string]string{}, outer: &flatScope{}, refs: refs}
	for k, name := range fn.GetInput() {
		inside.names[name] = s.input(n, k)
	}
	if err := f.body(fn.GetNode(), runs[0], inside, path); err != nil {
		return err
	}
	for k, name := range fn.GetOutput() {
		f.give(n, k, inside.find(name), s, path)
	}
	return nil
}

// open makes a scope for a graph that a node holds, with its initializers.
func (f *flattener) open(g *pb.GraphProto, s *flatScope, path string) (*flatScope, error) {
	if g == nil || len(g.GetSparseInitializer()) > 0 {
		return nil, errStays
	}
	inside := s.inner(s.refs)
	for _, t := range g.GetInitializer() {
		flat, ok := f.constants[t]
		if !ok {
			clone := proto.CloneOf(t)
			flat = f.fresh(path, t.GetName())
			clone.Name = proto.String(flat)
			f.graph.Initializer = append(f.graph.Initializer, clone)
			f.constants[t] = flat
		}
		inside.names[t.GetName()] = flat
	}
	return inside, nil
}

func (f *flattener) branch(n *pb.NodeProto, runs []*reference.Trace, s *flatScope, path string) error {
	if len(runs) != 1 {
		return errStays
	}
	a := s.attributes(n)[runs[0].Graph]
	inside, err := f.open(a.GetG(), s, path)
	if err != nil {
		return err
	}
	if err := f.body(a.GetG().GetNode(), runs[0], inside, path); err != nil {
		return err
	}
	for k, out := range a.GetG().GetOutput() {
		f.give(n, k, inside.find(out.GetName()), s, path)
	}
	return nil
}

// iterate writes out the body once for every run. state holds what goes round, and
// arguments what else the body is given in an iteration; it returns the last state
// and what every iteration gave besides.
func (f *flattener) iterate(g *pb.GraphProto, runs []*reference.Trace, s *flatScope, path string, before, state []string, skip int, arguments func(i int, path string) (first, last []string)) ([]string, [][]string, error) {
	var stacks [][]string
	for i, run := range runs {
		at := fmt.Sprintf("%s/iteration %d", path, i)
		inside, err := f.open(g, s, path)
		if err != nil {
			return nil, nil, err
		}
		first, last := arguments(i, at)
		given := slices.Concat(first, before, state, last)
		if len(given) != len(g.GetInput()) {
			return nil, nil, errStays
		}
		for k, in := range g.GetInput() {
			inside.names[in.GetName()] = given[k]
		}
		if err := f.body(g.GetNode(), run, inside, at); err != nil {
			return nil, nil, err
		}
		var out []string
		for _, o := range g.GetOutput() {
			out = append(out, inside.find(o.GetName()))
		}
		if len(out) < skip+len(state) {
			return nil, nil, errStays
		}
		before, state = out[:skip], out[skip:skip+len(state)]
		for k, v := range out[skip+len(state):] {
			if k >= len(stacks) {
				stacks = append(stacks, nil)
			}
			stacks[k] = append(stacks[k], v)
		}
	}
	return state, stacks, nil
}

// stack joins the values along a new axis.
func (f *flattener) stack(values []string, axis int64, path string) string {
	var wide []string
	for i, v := range values {
		w := f.fresh(path, fmt.Sprintf("wide %d", i))
		if f.opsets[""] >= 13 {
			axes := f.constant(path, "axis", &onnx.Tensor{Dims: []int{1}, Data: onnx.Slice[int64]{axis}})
			f.node("Unsqueeze", w, []string{v, axes}, []string{w})
		} else {
			f.node("Unsqueeze", w, []string{v}, []string{w}, &pb.AttributeProto{Name: proto.String("axes"), Type: pb.AttributeProto_INTS.Enum(), Ints: []int64{axis}})
		}
		wide = append(wide, w)
	}
	joined := f.fresh(path, "stacked")
	f.node("Concat", joined, wide, []string{joined}, intOf("axis", axis))
	return joined
}

func (f *flattener) loop(n *pb.NodeProto, runs []*reference.Trace, s *flatScope, path string) error {
	g := s.attributes(n)["body"].GetG()
	condition := s.input(n, 1)
	if condition == "" {
		condition = f.constant(path, "condition", &onnx.Tensor{Dims: []int{}, Data: onnx.Slice[bool]{true}})
	}
	var state []string
	for k := 2; k < len(n.GetInput()); k++ {
		state = append(state, s.input(n, k))
	}
	carried, stacks, err := f.iterate(g, runs, s, path, []string{condition}, state, 1, func(i int, at string) ([]string, []string) {
		return []string{f.constant(at, "number", &onnx.Tensor{Dims: []int{}, Data: onnx.Slice[int64]{int64(i)}})}, nil
	})
	if err != nil {
		return err
	}
	for k, v := range carried {
		f.give(n, k, v, s, path)
	}
	for k, values := range stacks {
		f.give(n, len(carried)+k, f.stack(values, 0, path), s, path)
	}
	return nil
}

func (f *flattener) scan(n *pb.NodeProto, runs []*reference.Trace, s *flatScope, path string) error {
	attrs := s.attributes(n)
	g := attrs["body"].GetG()
	states := len(n.GetInput()) - int(attrs["num_scan_inputs"].GetI())
	if states < 0 {
		return errStays
	}
	at := func(name string, k int) int64 {
		if list := attrs[name].GetInts(); k < len(list) {
			return list[k]
		}
		return 0
	}
	var state, scanned []string
	for k := range n.GetInput() {
		if k < states {
			state = append(state, s.input(n, k))
		} else {
			scanned = append(scanned, s.input(n, k))
		}
	}
	carried, stacks, err := f.iterate(g, runs, s, path, nil, state, 0, func(i int, path string) ([]string, []string) {
		var elements []string
		for k, x := range scanned {
			index := int64(i)
			if at("scan_input_directions", k) != 0 {
				index = int64(len(runs) - 1 - i)
			}
			number := f.constant(path, "number", &onnx.Tensor{Dims: []int{}, Data: onnx.Slice[int64]{index}})
			element := f.fresh(path, fmt.Sprintf("element %d", k))
			f.node("Gather", element, []string{x, number}, []string{element}, intOf("axis", at("scan_input_axes", k)))
			elements = append(elements, element)
		}
		return nil, elements
	})
	if err != nil {
		return err
	}
	for k, v := range carried {
		f.give(n, k, v, s, path)
	}
	for k, values := range stacks {
		if at("scan_output_directions", k) != 0 {
			slices.Reverse(values)
		}
		f.give(n, states+k, f.stack(values, at("scan_output_axes", k), path), s, path)
	}
	return nil
}
