// Package infer derives the types and shapes of all values of a model.
//
// Each operator has a rule that derives a node's outputs from what is known about its inputs.
// Symbolic lengths are tracked by name, and small integer tensors by value, so that shapes computed
// by the model are known as well. This also yields findings: types and shapes that contradict each
// other, and what one run would take of a machine, compared with a Budget.
package infer

import (
	"maps"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/internal/sat"
	"github.com/petrify-ml/petrify/onnx/op"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/rule"
)

// Bounds of inference, beside those of its Budget.
const (
	mostCalls    = 100     // functions and graphs inside each other
	mostAxes     = 64      // of a value; no runtime has more
	mostKnown    = 1024    // elements of a value that are followed by value
	mostFollowed = 1 << 20 // elements of all values that are
)

// A Result is what Model derives about a model.
type Result struct {
	Types    map[string]onnx.Type
	Findings []rule.Finding
	Memory   int64 // bytes of the values that one run holds at the same time, weights apart
	Work     int64 // multiplications and additions of one run
	// Bodies are the types of the outputs of graphs that nodes hold, in their order,
	// as far as every evaluation of the graph has them.
	Bodies map[*pb.GraphProto][]onnx.Type
	// Inner are the types of the values of such graphs, likewise.
	Inner map[*pb.GraphProto]map[string]onnx.Type
}

// Types derives the types of the values of a model's main graph: of its inputs
// and initializers as they are declared, and of the outputs of nodes by the
// rules of their operators. Lengths that are not numbers are followed by their
// names as far as that goes. A value whose type is not known, or that is not a
// tensor, is not in the map; one with an unknown rank has Dims nil.
//
// The findings are contradictions: types and shapes that an operator does not
// take, attributes out of range, declarations that are not what comes out, and
// values or amounts of work beyond what a machine can bear. A model that package
// check finds errors in may give fewer of them. Time and memory stay in proportion
// to the model whatever its shapes say.
func Types(m *pb.ModelProto) (map[string]onnx.Type, []rule.Finding) {
	i := Model(m, Budget{})
	return i.Types, i.Findings
}

// Model is Types under a budget, and says what one run of the model takes
// as far as that is known. Axes without a number count as one there.
func Model(m *pb.ModelProto, budget Budget) Result {
	f := &inferrer{
		ir: m.GetIrVersion(), bodies: map[*pb.GraphProto][]op.Fact{}, inner: map[*pb.GraphProto]map[string]op.Fact{}, budget: budget.withDefaults(),
	}
	at := &rule.Place{Kind: "model"}
	imports := make(map[string]int64)
	for _, o := range m.OpsetImport {
		imports[onnx.Domain(o.GetDomain())] = o.GetVersion()
	}
	if f.ir < 3 {
		imports[""] = max(imports[""], 1)
	}
	f.functions = make(map[onnx.FunctionKey]*pb.FunctionProto, len(m.Functions))
	for _, fn := range m.Functions {
		f.functions[onnx.KeyOf(fn)] = fn
	}
	types := make(map[string]onnx.Type)
	if m.Graph == nil {
		return Result{Types: types, Findings: f.List}
	}
	s := f.graph(m.Graph, at, &values{imports: imports}, nil)
	maps.Copy(types, tensorsOf(s.known))
	inner := make(map[*pb.GraphProto]map[string]onnx.Type, len(f.inner))
	for g, known := range f.inner {
		inner[g] = tensorsOf(known)
	}
	bodies := make(map[*pb.GraphProto][]onnx.Type, len(f.bodies))
	for g, outputs := range f.bodies {
		for _, v := range outputs {
			t := onnx.Type{}
			if v.Kind == op.TensorKind {
				t = onnx.Type{Elem: v.Elem, Dims: v.Dims}
			}
			bodies[g] = append(bodies[g], t)
		}
	}
	return Result{types, f.List, f.peak, f.work, bodies, inner}
}

// tensorsOf are the types of those values that are tensors of a known element type.
func tensorsOf(known map[string]op.Fact) map[string]onnx.Type {
	types := make(map[string]onnx.Type, len(known))
	for name, v := range known {
		if v.Kind == op.TensorKind && v.Elem != pb.TensorProto_UNDEFINED {
			types[name] = onnx.Type{Elem: v.Elem, Dims: v.Dims}
		}
	}
	return types
}

// An inferrer goes through one model.
type inferrer struct {
	rule.Findings
	ledger
	ir        int64
	functions map[onnx.FunctionKey]*pb.FunctionProto
	bodies    map[*pb.GraphProto][]op.Fact          // outputs of graphs that nodes hold
	inner     map[*pb.GraphProto]map[string]op.Fact // all of their values
	budget    Budget
	deaths    map[*pb.NodeProto]map[int][]string // by the first node of a list
	steps     int
	followed  int   // elements of values
	work      int64 // done so far, saturating
	times     int64 // how often the graph at hand runs, 0 for once
	spent     bool  // a budget is used up, and has been reported
}

// values holds what is known in one graph, and in those around it.
type values struct {
	up      *values
	known   map[string]op.Fact
	imports map[string]int64
	attrs   map[string]*pb.AttributeProto // of the call, in the body of a function
	depth   int
}

func (s *values) get(name string) op.Fact {
	for ; s != nil; s = s.up {
		if v, ok := s.known[name]; ok {
			return v
		}
	}
	return op.Fact{}
}

// merge adds what is declared to what was inferred. What contradicts is
// reported, and the inferred value stays.
func (f *inferrer) merge(inferred op.Fact, declared op.Fact, at *rule.Place, what string) op.Fact {
	if declared.Kind == op.UnknownKind {
		return inferred
	}
	if inferred.Kind == op.UnknownKind {
		return declared
	}
	if inferred.Kind != declared.Kind {
		f.Report(at, "declared-type-mismatch", "%s is declared as %v, and is %v", what, declared, inferred)
		return inferred
	}
	switch inferred.Kind {
	case op.SequenceKind, op.OptionalKind:
		inner := f.merge(*inferred.Inner, *declared.Inner, at, what+"'s element")
		inferred.Inner = &inner
		return inferred
	case op.OtherKind:
		return inferred
	}
	switch {
	case declared.Elem == pb.TensorProto_UNDEFINED:
	case inferred.Elem == pb.TensorProto_UNDEFINED:
		inferred.Elem = declared.Elem
	case inferred.Elem != declared.Elem:
		f.Report(at, "declared-type-mismatch", "%s is declared as %v, and is %v", what, declared, inferred)
		return inferred
	}
	dims, ok := op.MergeDims(inferred.Dims, declared.Dims)
	if !ok {
		f.Report(at, "declared-shape-mismatch", "%s is declared as %v, and is %v", what, declared, inferred)
		return inferred
	}
	inferred.Dims = dims
	return inferred
}

// graph infers a graph. given, where it is not nil, says more about its inputs
// than their declarations.
func (f *inferrer) graph(g *pb.GraphProto, above *rule.Place, up *values, given []op.Fact) *values {
	at := above.In("graph", g.GetName())
	s := &values{up: up, known: make(map[string]op.Fact), imports: up.imports, attrs: up.attrs, depth: up.depth + 1}
	if s.depth > mostCalls {
		f.exhaust(at, "graphs and functions are more than %d deep", mostCalls)
		return s
	}
	for i, v := range g.Input {
		declared := op.ValueOf(v.Type)
		if i < len(given) {
			declared = f.merge(given[i], declared, at.In("input", v.GetName()), "the input")
		}
		s.known[v.GetName()] = declared
	}
	for _, t := range g.Initializer {
		v := op.ConstantOf(t)
		v.Ints = f.follow(v.Ints)
		f.step(1+len(v.Dims), at)
		if declared, ok := s.known[t.GetName()]; ok {
			f.merge(v, declared, at.In("initializer", t.GetName()), "the input of this name")
			if f.ir >= 4 { // a default, which the caller may replace
				continue
			}
		}
		s.known[t.GetName()] = v
	}
	for _, t := range g.SparseInitializer {
		dims := make([]onnx.Dim, len(t.Dims))
		for i, d := range t.Dims {
			dims[i] = onnx.Dim{Size: max(d, -1)}
		}
		s.known[t.GetValues().GetName()] = op.TensorOf(pb.TensorProto_DataType(t.GetValues().GetDataType()), dims)
	}
	declared := make(map[string]*pb.ValueInfoProto, len(g.ValueInfo)+len(g.Output))
	for _, v := range g.ValueInfo {
		declared[v.GetName()] = v
		if known, ok := s.known[v.GetName()]; ok { // of an input or initializer
			f.merge(known, op.ValueOf(v.Type), at.In("value info", v.GetName()), "the value")
		}
	}
	for _, v := range g.Output {
		declared[v.GetName()] = v
	}
	f.nodes(g.Node, at, s, declared, g.Output)
	for _, v := range g.Output {
		name := v.GetName()
		out := at.In("output", name)
		if _, ok := s.known[name]; ok { // inputs and initializers are merged here, nodes in nodes
			s.known[name] = f.merge(s.known[name], op.ValueOf(v.Type), out, "the output")
		}
	}
	return s
}

// nodes infers nodes in their order. What is kept is read by others after them.
func (f *inferrer) nodes(list []*pb.NodeProto, at *rule.Place, s *values, declared map[string]*pb.ValueInfoProto, keep []*pb.ValueInfoProto) {
	life := f.lifetime(list, keep)
	defer f.end(life)
	for j, n := range list {
		if !f.step(1+len(n.Input)+len(n.Output), at) {
			return
		}
		in := at.Node(n)
		outputs := f.node(n, in, s)
		for i, name := range n.Output {
			if name == "" {
				continue
			}
			var v op.Fact
			if i < len(outputs) {
				v = outputs[i]
			}
			v = f.bound(v, name, in)
			v.Ints = f.follow(v.Ints)
			f.step(len(v.Dims), at)
			if d := declared[name]; d != nil {
				v = f.merge(v, op.ValueOf(d.Type), in, "output "+onnx.Quote(name))
			}
			s.known[name] = v
			f.hold(life, name, v, in)
		}
		f.shards(n, in, s)
		f.release(life, j)
	}
}

// shards sees that the axes along which a node splits its values exist.
func (f *inferrer) shards(n *pb.NodeProto, at *rule.Place, s *values) {
	for _, d := range n.DeviceConfigurations {
		for _, spec := range d.ShardingSpec {
			dims := s.get(spec.GetTensorName()).Dims
			for _, dim := range spec.ShardedDim {
				if rank := int64(len(dims)); dims != nil && (dim.GetAxis() < -rank || dim.GetAxis() >= rank) {
					f.Report(at, "device-configuration", "axis %d of %s is split, which has %d axes", dim.GetAxis(), onnx.Quote(spec.GetTensorName()), rank)
				}
			}
		}
	}
}

// step counts the steps of inference. It is false when there are no more.
func (f *inferrer) step(n int, at *rule.Place) bool {
	f.steps += n
	if f.steps > f.budget.Steps {
		f.exhaust(at, "inference took more than %d steps", f.budget.Steps)
		return false
	}
	return true
}

// follow returns the elements of a value as long as there is room for more.
func (f *inferrer) follow(ints []op.Number) []op.Number {
	if f.followed+len(ints) > mostFollowed {
		return nil
	}
	f.followed += len(ints)
	return ints
}

// exhaust reports, once, that a budget is used up.
func (f *inferrer) exhaust(at *rule.Place, format string, args ...any) {
	if !f.spent {
		f.spent = true
		f.Report(at, "inference-budget", format, args...)
	}
}

// bound compares the size of a value with what a machine can bear. Axes that
// have no number count as one.
func (f *inferrer) bound(v op.Fact, name string, at *rule.Place) op.Fact {
	if len(v.Dims) > mostAxes {
		f.Report(at, "value-too-large", "output %s has %d axes, more than %d", onnx.Quote(name), len(v.Dims), mostAxes)
		v.Dims = nil
	}
	if n := op.LeastElements(v.Dims); n > f.budget.Elements {
		f.Report(at, "value-too-large", "output %s is %v, more than %d elements", onnx.Quote(name), v, f.budget.Elements)
	}
	return v
}

// spend adds to the work of one run.
func (f *inferrer) spend(n int64, at *rule.Place) {
	before := f.work
	f.work = sat.Add(f.work, sat.Mul(n, max(f.times, 1)))
	if before <= f.budget.Work && f.work > f.budget.Work {
		f.Report(at, "work-too-large", "up to here one run takes more than %d multiplications and additions", f.budget.Work)
	}
}

// node infers the outputs of one node.
func (f *inferrer) node(proto *pb.NodeProto, at *rule.Place, s *values) []op.Fact {
	if fn := f.functions[onnx.CallOf(proto)]; fn != nil {
		return f.call(proto, fn, at, s)
	}
	domain := onnx.Domain(proto.GetDomain())
	schema := op.Find(domain, proto.GetOpType(), s.imports[domain])
	if schema == nil || schema.Deprecated {
		return nil
	}
	in := make([]op.Fact, len(proto.Input))
	for i, name := range proto.Input {
		if name != "" {
			in[i] = s.get(name)
		}
	}
	out := schema.Infer(proto, in, host{f, at, s})
	work := int64(1)
	for _, v := range out {
		work = sat.Add(work, op.LeastElements(v.Dims))
	}
	f.spend(work, at)
	return out
}

// A host is what the rule of an operator may ask of the inference around it.
type host struct {
	*inferrer
	at    *rule.Place
	scope *values
}

func (h host) Report(code, format string, args ...any) {
	h.inferrer.Report(h.at, code, format, args...)
}

func (h host) Resolve(a *pb.AttributeProto) *pb.AttributeProto { return h.scope.resolve(a) }

func (h host) Spend(n int64) { h.spend(n, h.at) }

func (h host) AtLeast(n int64) {
	if n > h.budget.Elements {
		h.Report("value-too-large", "the output has %d elements or more, more than %d", n, h.budget.Elements)
	}
}

func (h host) Body(attr string, g *pb.GraphProto, inputs []op.Fact, times int64) []op.Fact {
	before := h.times
	h.times = sat.Mul(max(h.times, 1), max(times, 1))
	s := h.graph(g, h.at.In("attribute", attr), h.scope, inputs)
	h.times = before
	if known := h.inner[g]; known == nil {
		h.inner[g] = s.known
	} else {
		for name, v := range s.known {
			known[name] = op.Common(known[name], v)
		}
	}
	out := make([]op.Fact, len(g.Output))
	for i, v := range g.Output {
		out[i] = s.known[v.GetName()]
		if before := h.bodies[g]; i < len(before) {
			before[i] = op.Common(before[i], out[i])
		} else {
			h.bodies[g] = append(before, out[i])
		}
	}
	return out
}

// call infers the outputs of a node that calls a function of the model.
func (f *inferrer) call(proto *pb.NodeProto, fn *pb.FunctionProto, at *rule.Place, s *values) []op.Fact {
	inner := &values{known: make(map[string]op.Fact), imports: make(map[string]int64), attrs: make(map[string]*pb.AttributeProto), depth: s.depth + 1}
	if inner.depth > mostCalls {
		f.exhaust(at, "graphs and functions are more than %d deep", mostCalls)
		return nil
	}
	for _, o := range fn.OpsetImport {
		inner.imports[onnx.Domain(o.GetDomain())] = o.GetVersion()
	}
	for i, name := range fn.Input {
		if i < len(proto.Input) && proto.Input[i] != "" {
			inner.known[name] = s.get(proto.Input[i])
		} else {
			inner.known[name] = op.Fact{}
		}
	}
	for _, a := range fn.AttributeProto {
		inner.attrs[a.GetName()] = a
	}
	for _, a := range proto.Attribute {
		inner.attrs[a.GetName()] = s.resolve(a)
	}
	declared := make(map[string]*pb.ValueInfoProto, len(fn.ValueInfo))
	for _, v := range fn.ValueInfo {
		declared[v.GetName()] = v
	}
	keep := make([]*pb.ValueInfoProto, len(fn.Output))
	for i := range fn.Output {
		keep[i] = &pb.ValueInfoProto{Name: &fn.Output[i]}
	}
	f.nodes(fn.Node, at, inner, declared, keep)
	out := make([]op.Fact, len(fn.Output))
	for i, name := range fn.Output {
		out[i] = inner.known[name]
	}
	return out
}

// resolve follows a reference to an attribute of the call. It is nil where the
// call has none.
func (s *values) resolve(a *pb.AttributeProto) *pb.AttributeProto {
	if a.GetRefAttrName() == "" {
		return a
	}
	return s.attrs[a.GetRefAttrName()]
}
