// Package infer derives the types and shapes of all values of a model.
//
// Each operator has a rule that says what comes out of a node from what is known
// of its inputs. Lengths without a number are followed by their names, and small
// tensors of integers by their elements, so that shapes which a model computes
// are known as well. On the way come findings: types and shapes that contradict
// each other, and what one run would take of a machine, held to a Budget.
package infer

import (
	"fmt"
	"math"
	"math/bits"
	"slices"

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

// A Result is what Model finds out about a model.
type Result struct {
	Types    map[string]onnx.Type
	Findings []rule.Finding
	Memory   int64 // bytes of the values that one run holds at the same time, weights apart
	Work     int64 // multiplications and additions of one run
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
	f := &inferrer{ir: m.GetIrVersion(), rules: inferRules(), budget: budget.withDefaults()}
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
	for name, v := range s.known {
		if v.kind == tensorKind && v.elem != pb.TensorProto_UNDEFINED {
			types[name] = onnx.Type{Elem: v.elem, Dims: v.dims}
		}
	}
	return Result{types, f.List, f.peak, f.work}
}

// An inferrer goes through one model.
type inferrer struct {
	rule.Findings
	ledger
	ir        int64
	functions map[onnx.FunctionKey]*pb.FunctionProto
	rules     map[key]inferRule
	budget    Budget
	deaths    map[*pb.NodeProto]map[int][]string // by the first node of a list
	steps     int
	followed  int   // elements of values
	work      int64 // done so far, saturating
	times     int64 // how often the graph at hand runs, 0 for once
	spent     bool  // a budget is used up, and has been reported
}

// kind says what sort of value something is.
type kind uint8

const (
	unknownValue kind = iota
	tensorKind
	sequenceKind
	optionalKind
	otherKind // maps, sparse tensors, opaque values
)

// A value is what is known about one value of a graph.
type value struct {
	kind  kind
	elem  pb.TensorProto_DataType // UNDEFINED when it is not known
	dims  []onnx.Dim              // nil when the rank is not known
	inner *value                  // of sequences and optionals
	ints  []number                // the elements, of integers of rank 0 or 1; nil when they are not known
	data  *pb.TensorProto         // the elements, of a constant
}

// A number is an element that is followed by value: an integer, the length of
// an axis that has a name only, or unknown.
type number struct {
	known  bool
	value  int64
	symbol string
}

func known(v int64) number { return number{known: true, value: v} }

// numberOf is the length of an axis as a number.
func numberOf(d onnx.Dim) number { return number{d.Known(), d.Size, d.Symbol} }

// dim is the number as the length of an axis.
func (n number) dim() onnx.Dim {
	switch {
	case n.known && n.value >= 0:
		return onnx.Fixed(n.value)
	case !n.known && n.symbol != "":
		return onnx.Symbolic(n.symbol)
	}
	return onnx.Unknown()
}

func tensorOf(elem pb.TensorProto_DataType, dims []onnx.Dim) value {
	return value{kind: tensorKind, elem: elem, dims: dims}
}

// String returns the type of the value.
func (v value) String() string {
	switch v.kind {
	case tensorKind:
		return onnx.Type{Elem: v.elem, Dims: v.dims}.String()
	case sequenceKind:
		return "seq(" + v.inner.String() + ")"
	case optionalKind:
		return "optional(" + v.inner.String() + ")"
	}
	return "unknown"
}

// values holds what is known in one graph, and in those around it.
type values struct {
	up      *values
	known   map[string]value
	imports map[string]int64
	attrs   map[string]*pb.AttributeProto // of the call, in the body of a function
	depth   int
}

func (s *values) get(name string) value {
	for ; s != nil; s = s.up {
		if v, ok := s.known[name]; ok {
			return v
		}
	}
	return value{}
}

// valueOf reads a declared type.
func valueOf(t *pb.TypeProto) value {
	switch v := t.GetValue().(type) {
	case *pb.TypeProto_TensorType:
		typ, _ := onnx.TypeOf(t)
		return tensorOf(typ.Elem, typ.Dims)
	case *pb.TypeProto_SequenceType:
		inner := valueOf(v.SequenceType.GetElemType())
		return value{kind: sequenceKind, inner: &inner}
	case *pb.TypeProto_OptionalType:
		inner := valueOf(v.OptionalType.GetElemType())
		return value{kind: optionalKind, inner: &inner}
	case nil:
		return value{}
	}
	return value{kind: otherKind}
}

// constant is the value of a tensor of the file.
func constant(t *pb.TensorProto) value {
	dims := make([]onnx.Dim, len(t.Dims))
	for i, d := range t.Dims {
		dims[i] = onnx.Dim{Size: max(d, -1)}
	}
	v := tensorOf(pb.TensorProto_DataType(t.GetDataType()), dims)
	n, err := onnx.ElementCount(t.Dims)
	if err != nil || n > mostKnown || t.GetDataLocation() == pb.TensorProto_EXTERNAL {
		return v
	}
	v.data = t
	if len(t.Dims) > 1 {
		return v
	}
	read, err := onnx.FromProto(t)
	if err != nil {
		v.data = nil
		return v
	}
	switch d := read.Data.(type) {
	case onnx.Slice[int64]:
		v.ints = numbers(d)
	case onnx.Slice[int32]:
		v.ints = numbers(d)
	}
	return v
}

func numbers[T int32 | int64](d []T) []number {
	out := make([]number, len(d))
	for i, e := range d {
		out[i] = known(int64(e))
	}
	return out
}

// floats returns the elements of a constant of floats.
func (v value) floats() ([]float64, bool) {
	if v.data == nil {
		return nil, false
	}
	t, err := onnx.FromProto(v.data)
	if err != nil {
		return nil, false
	}
	switch d := t.Data.(type) {
	case onnx.Slice[float32]:
		out := make([]float64, len(d))
		for i, e := range d {
			out[i] = float64(e)
		}
		return out, true
	case onnx.Slice[float64]:
		return d, true
	}
	return nil, false
}

// merge adds what is declared to what was inferred. What contradicts is
// reported, and the inferred value stays.
func (f *inferrer) merge(inferred value, declared value, at *rule.Place, what string) value {
	if declared.kind == unknownValue {
		return inferred
	}
	if inferred.kind == unknownValue {
		return declared
	}
	if inferred.kind != declared.kind {
		f.Report(at, "declared-type-mismatch", "%s is declared as %v, and is %v", what, declared, inferred)
		return inferred
	}
	switch inferred.kind {
	case sequenceKind, optionalKind:
		inner := f.merge(*inferred.inner, *declared.inner, at, what+"'s element")
		inferred.inner = &inner
		return inferred
	case otherKind:
		return inferred
	}
	switch {
	case declared.elem == pb.TensorProto_UNDEFINED:
	case inferred.elem == pb.TensorProto_UNDEFINED:
		inferred.elem = declared.elem
	case inferred.elem != declared.elem:
		f.Report(at, "declared-type-mismatch", "%s is declared as %v, and is %v", what, declared, inferred)
		return inferred
	}
	dims, ok := mergeDims(inferred.dims, declared.dims)
	if !ok {
		f.Report(at, "declared-shape-mismatch", "%s is declared as %v, and is %v", what, declared, inferred)
		return inferred
	}
	inferred.dims = dims
	return inferred
}

// mergeDims joins two descriptions of one shape. It is false when they
// contradict each other. A number says more than a name, a name more than
// nothing.
func mergeDims(a, b []onnx.Dim) ([]onnx.Dim, bool) {
	switch {
	case a == nil:
		return b, true
	case b == nil:
		return a, true
	case len(a) != len(b):
		return nil, false
	}
	out := slices.Clone(a)
	for i := range out {
		d, ok := mergeDim(a[i], b[i])
		if !ok {
			return nil, false
		}
		out[i] = d
	}
	return out, true
}

func mergeDim(a, b onnx.Dim) (onnx.Dim, bool) {
	switch {
	case a.Known() && b.Known():
		return a, a.Size == b.Size
	case a.Known():
		return a, true
	case b.Known() || a.Symbol == "":
		return b, true
	}
	return a, true
}

// common is the type that holds both of two values, as of the two branches of
// an If.
func common(a, b value) value {
	if a.kind != b.kind || a.kind == unknownValue || a.kind == otherKind {
		return value{kind: map[bool]kind{true: a.kind}[a.kind == b.kind]}
	}
	if a.inner != nil && b.inner != nil {
		inner := common(*a.inner, *b.inner)
		return value{kind: a.kind, inner: &inner}
	}
	out := value{kind: a.kind, elem: a.elem}
	if a.elem != b.elem {
		out.elem = pb.TensorProto_UNDEFINED
	}
	if a.dims == nil || b.dims == nil || len(a.dims) != len(b.dims) {
		return out
	}
	out.dims = make([]onnx.Dim, len(a.dims))
	for i := range out.dims {
		out.dims[i] = a.dims[i]
		if a.dims[i] != b.dims[i] {
			out.dims[i] = onnx.Unknown()
		}
	}
	return out
}

// graph infers a graph. given, where it is not nil, says more about its inputs
// than their declarations.
func (f *inferrer) graph(g *pb.GraphProto, above *rule.Place, up *values, given []value) *values {
	at := above.In("graph", g.GetName())
	s := &values{up: up, known: make(map[string]value), imports: up.imports, attrs: up.attrs, depth: up.depth + 1}
	if s.depth > mostCalls {
		f.exhaust(at, "graphs and functions are more than %d deep", mostCalls)
		return s
	}
	for i, v := range g.Input {
		declared := valueOf(v.Type)
		if i < len(given) {
			declared = f.merge(given[i], declared, at.In("input", v.GetName()), "the input")
		}
		s.known[v.GetName()] = declared
	}
	for _, t := range g.Initializer {
		v := constant(t)
		v.ints = f.follow(v.ints)
		f.step(1+len(v.dims), at)
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
		s.known[t.GetValues().GetName()] = tensorOf(pb.TensorProto_DataType(t.GetValues().GetDataType()), dims)
	}
	declared := make(map[string]*pb.ValueInfoProto, len(g.ValueInfo)+len(g.Output))
	for _, v := range g.ValueInfo {
		declared[v.GetName()] = v
	}
	for _, v := range g.Output {
		declared[v.GetName()] = v
	}
	f.nodes(g.Node, at, s, declared, g.Output)
	for _, v := range g.Output {
		name := v.GetName()
		out := at.In("output", name)
		if _, ok := s.known[name]; ok { // inputs and initializers are merged here, nodes in nodes
			s.known[name] = f.merge(s.known[name], valueOf(v.Type), out, "the output")
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
			var v value
			if i < len(outputs) {
				v = outputs[i]
			}
			v = f.bound(v, name, in)
			v.ints = f.follow(v.ints)
			f.step(len(v.dims), at)
			if d := declared[name]; d != nil {
				v = f.merge(v, valueOf(d.Type), in, "output "+onnx.Quote(name))
			}
			s.known[name] = v
			f.hold(life, name, v, in)
		}
		f.release(life, j)
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
func (f *inferrer) follow(ints []number) []number {
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

// bound holds the size of a value against what a machine can bear. Axes that
// have no number count as one.
func (f *inferrer) bound(v value, name string, at *rule.Place) value {
	if len(v.dims) > mostAxes {
		f.Report(at, "value-too-large", "output %s has %d axes, more than %d", onnx.Quote(name), len(v.dims), mostAxes)
		v.dims = nil
	}
	if n := leastElements(v.dims); n > f.budget.Elements {
		f.Report(at, "value-too-large", "output %s is %v, more than %d elements", onnx.Quote(name), v, f.budget.Elements)
	}
	return v
}

// atLeast says that a value has n elements or more, where its shape does not
// say so.
func (n *inferNode) atLeast(count int64) {
	if count > n.budget.Elements {
		n.wrong("value-too-large", "the output has %d elements or more, more than %d", count, n.budget.Elements)
	}
}

// leastElements multiplies the known lengths, saturating.
func leastElements(dims []onnx.Dim) int64 {
	n := int64(1)
	for _, d := range dims {
		if d.Known() {
			n = sat.Mul(n, d.Size)
		}
	}
	return n
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
func (f *inferrer) node(proto *pb.NodeProto, at *rule.Place, s *values) []value {
	if fn := f.functions[onnx.CallOf(proto)]; fn != nil {
		return f.call(proto, fn, at, s)
	}
	domain := onnx.Domain(proto.GetDomain())
	schema := op.Find(domain, proto.GetOpType(), s.imports[domain])
	if schema == nil || schema.Deprecated {
		return nil
	}
	n := &inferNode{inferrer: f, proto: proto, op: schema, at: at, scope: s, out: make([]value, len(proto.Output))}
	for _, name := range proto.Input {
		if name != "" {
			n.in = append(n.in, s.get(name))
		} else {
			n.in = append(n.in, value{})
		}
	}
	n.constrain()
	if rule := f.rules[key{domain, schema.Name}]; rule != nil && !n.failed {
		rule(n)
	}
	work := int64(1)
	for _, v := range n.out {
		work = sat.Add(work, leastElements(v.dims))
	}
	f.spend(work, at)
	return n.out
}

// call infers the outputs of a node that calls a function of the model.
func (f *inferrer) call(proto *pb.NodeProto, fn *pb.FunctionProto, at *rule.Place, s *values) []value {
	inner := &values{known: make(map[string]value), imports: make(map[string]int64), attrs: make(map[string]*pb.AttributeProto), depth: s.depth + 1}
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
			inner.known[name] = value{}
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
	out := make([]value, len(fn.Output))
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

// An inferNode is a node with what is known about its inputs, for the rule of
// its operator.
type inferNode struct {
	*inferrer
	proto  *pb.NodeProto
	op     *op.Schema
	at     *rule.Place
	scope  *values
	in     []value
	out    []value
	failed bool
}

// wrong reports a contradiction. What the rule has not said by then about the
// outputs stays unknown.
func (n *inferNode) wrong(code, format string, args ...any) {
	n.failed = true
	n.Report(n.at, code, "%s", fmt.Sprintf(format, args...))
}

// constrain holds the inputs against the types that the operator takes, and
// gives the outputs those that follow.
func (n *inferNode) constrain() {
	bound := make(map[string]value)
	for i, v := range n.in {
		p, ok := op.FormalOf(n.op.In, i)
		if !ok || i >= len(n.proto.Input) || n.proto.Input[i] == "" {
			continue
		}
		if !takes(p.Set, v) {
			n.wrong("type-mismatch", "input %d, %s, is %v, which %s of opset %d does not take for %s", i, onnx.Quote(n.proto.Input[i]), v, n.op.Name, n.op.Since, p.Type)
			continue
		}
		if !p.Variable || p.Variadic && p.Mixed || v.kind == unknownValue {
			continue
		}
		first, ok := bound[p.Type]
		switch {
		case !ok || first.typeless():
			bound[p.Type] = v
		case !v.typeless() && !sameType(first, v):
			n.wrong("type-mismatch", "input %d, %s, is %v, and another input for %s is %v", i, onnx.Quote(n.proto.Input[i]), v, p.Type, first)
		}
	}
	for i := range n.out {
		p, ok := op.FormalOf(n.op.Out, i)
		if !ok || p.Variadic && p.Mixed {
			continue
		}
		if v, ok := bound[p.Type]; ok {
			n.out[i] = v.sameElements()
			continue
		}
		if set := p.Set; set.Seq|set.Opt|set.OptSeq == 0 && len(set.Other) == 0 && bits.OnesCount64(set.Tensor) == 1 {
			n.out[i] = tensorOf(pb.TensorProto_DataType(bits.TrailingZeros64(set.Tensor)), nil)
		}
	}
}

// typeless reports whether the element type is unknown.
func (v value) typeless() bool {
	switch v.kind {
	case tensorKind:
		return v.elem == pb.TensorProto_UNDEFINED
	case sequenceKind, optionalKind:
		return v.inner.typeless()
	}
	return true
}

// sameType compares kinds and element types.
func sameType(a, b value) bool {
	if a.kind != b.kind {
		return false
	}
	switch a.kind {
	case tensorKind:
		return a.elem == b.elem
	case sequenceKind, optionalKind:
		return sameType(*a.inner, *b.inner)
	}
	return true
}

// sameElements is a value of the same type, of which nothing else is known.
func (v value) sameElements() value {
	switch v.kind {
	case tensorKind:
		return tensorOf(v.elem, nil)
	case sequenceKind, optionalKind:
		inner := v.inner.sameElements()
		return value{kind: v.kind, inner: &inner}
	}
	return value{kind: v.kind}
}

// takes reports whether a value may be of one of the types. What is not known
// may be.
func takes(s op.TypeSet, v value) bool {
	bit := func(v value) uint64 {
		if v.kind == tensorKind && v.elem > 0 && v.elem < 64 {
			return 1 << v.elem
		}
		return ^uint64(0)
	}
	switch v.kind {
	case tensorKind:
		return s.Tensor&bit(v) != 0
	case sequenceKind:
		return len(s.Other) > 0 && v.inner.kind != tensorKind || s.Seq&bit(*v.inner) != 0
	case optionalKind:
		if v.inner.kind == sequenceKind {
			return s.OptSeq&bit(*v.inner.inner) != 0
		}
		return s.Opt&bit(*v.inner) != 0 || v.inner.kind == unknownValue && s.OptSeq != 0
	}
	return true
}

// attr returns an attribute, references of functions resolved.
func (n *inferNode) attr(name string) *pb.AttributeProto {
	a := onnx.Attribute(n.proto, name)
	if a == nil {
		return nil
	}
	return n.scope.resolve(a)
}

func (n *inferNode) int(name string, otherwise int64) int64 {
	if a := n.attr(name); a != nil {
		return a.GetI()
	}
	return otherwise
}

// flag is an attribute that is 0 or 1. Runtimes do not agree on other values.
func (n *inferNode) flag(name string, otherwise bool) bool {
	a := n.attr(name)
	if a == nil {
		return otherwise
	}
	if v := a.GetI(); v != 0 && v != 1 {
		n.wrong("attribute-range", "attribute %q is %d, want 0 or 1", name, v)
	}
	return a.GetI() != 0
}

func (n *inferNode) ints(name string) ([]int64, bool) {
	a := n.attr(name)
	return a.GetInts(), a != nil
}

func (n *inferNode) string(name, otherwise string) string {
	if a := n.attr(name); a != nil {
		return string(a.GetS())
	}
	return otherwise
}

// arg returns input i, an unknown value when it is left out.
func (n *inferNode) arg(i int) value {
	if i < len(n.in) {
		return n.in[i]
	}
	return value{}
}

// given reports whether input i is there.
func (n *inferNode) given(i int) bool { return i < len(n.proto.Input) && n.proto.Input[i] != "" }

// dims returns the shape of input i, nil when its rank is not known.
func (n *inferNode) dims(i int) []onnx.Dim { return n.arg(i).dims }

// set says what output i is.
func (n *inferNode) set(i int, elem pb.TensorProto_DataType, dims []onnx.Dim) {
	if i < len(n.out) {
		n.out[i] = tensorOf(elem, dims)
	}
}

// shape says the shape of output i, whose element type follows from the
// operator's constraints.
func (n *inferNode) shape(i int, dims []onnx.Dim) {
	if i < len(n.out) {
		n.set(i, n.out[i].elem, dims)
	}
}

// knownInts returns the elements of input i when all are known.
func (n *inferNode) knownInts(i int) ([]int64, bool) {
	v := n.arg(i)
	if v.ints == nil {
		return nil, false
	}
	out := make([]int64, len(v.ints))
	for j, e := range v.ints {
		if !e.known {
			return nil, false
		}
		out[j] = e.value
	}
	return out, true
}

// axesOf returns axes from an attribute, or from input i where newer opsets
// have them. ok is false when they cannot be known, given when there are any.
func (n *inferNode) axesOf(name string, i int) (axes []int64, given, ok bool) {
	if n.given(i) {
		axes, ok = n.knownInts(i)
		return axes, true, ok
	}
	axes, given = n.ints(name)
	return axes, given, true
}

// axis brings an axis into [0, rank), and reports one that is out of range.
func (n *inferNode) axis(v int64, rank int) (int, bool) {
	if v < -int64(rank) || v >= int64(rank) {
		n.wrong("attribute-range", "axis %d of a value with %d axes", v, rank)
		return 0, false
	}
	if v < 0 {
		v += int64(rank)
	}
	return int(v), true
}

// axisSet brings axes into [0, rank) and sorts them; none may come twice.
func (n *inferNode) axisSet(axes []int64, rank int) ([]int, bool) {
	out := make([]int, 0, len(axes))
	for _, v := range axes {
		a, ok := n.axis(v, rank)
		if !ok {
			return nil, false
		}
		out = append(out, a)
	}
	slices.Sort(out)
	if len(slices.Compact(slices.Clone(out))) != len(out) {
		n.wrong("attribute-range", "an axis comes twice among %s of a value with %d axes", onnx.Few(axes), rank)
		return nil, false
	}
	return out, true
}

// join puts shapes one after another. It is never nil, which would be a shape
// of unknown rank.
func join(parts ...[]onnx.Dim) []onnx.Dim { return append([]onnx.Dim{}, slices.Concat(parts...)...) }

// unknownDims is a shape of which the rank is known.
func unknownDims(rank int) []onnx.Dim {
	out := make([]onnx.Dim, rank)
	for i := range out {
		out[i] = onnx.Unknown()
	}
	return out
}

// rank holds the rank of input i against what the operator takes. It is false
// when it is not known, or wrong.
func (n *inferNode) rank(i, least, most int) bool {
	d := n.dims(i)
	if d == nil {
		return false
	}
	if len(d) < least || len(d) > most {
		want := fmt.Sprint(least)
		if most == math.MaxInt {
			want += " at least"
		} else if most != least {
			want = fmt.Sprintf("%d to %d", least, most)
		}
		n.wrong("shape-mismatch", "input %d, %s, is %v, want %s axes", i, onnx.Quote(n.proto.Input[i]), n.arg(i), want)
		return false
	}
	return true
}

// equal joins two lengths that must be the same.
func (n *inferNode) equal(a, b onnx.Dim, format string, args ...any) onnx.Dim {
	d, ok := mergeDim(a, b)
	if !ok {
		n.wrong("shape-mismatch", "%s: %v and %v", fmt.Sprintf(format, args...), a, b)
	}
	return d
}

// broadcast joins two shapes by ONNX's rule: aligned at the last axis, lengths
// equal or one of them 1.
func broadcast(a, b []onnx.Dim) ([]onnx.Dim, bool) {
	if a == nil || b == nil {
		return nil, true
	}
	rank := max(len(a), len(b))
	out := make([]onnx.Dim, rank)
	for i := range rank {
		x, y := onnx.Fixed(1), onnx.Fixed(1)
		if j := i - (rank - len(a)); j >= 0 {
			x = a[j]
		}
		if j := i - (rank - len(b)); j >= 0 {
			y = b[j]
		}
		d, ok := broadcastDim(x, y)
		if !ok {
			return nil, false
		}
		out[i] = d
	}
	return out, true
}

func broadcastDim(x, y onnx.Dim) (onnx.Dim, bool) {
	switch {
	case x == onnx.Fixed(1):
		return y, true
	case y == onnx.Fixed(1):
		return x, true
	case x.Known() && y.Known():
		return x, x.Size == y.Size
	case x.Known():
		return x, true // the other one is the same, or 1
	case y.Known():
		return y, true
	case x.Symbol != "" && x.Symbol == y.Symbol:
		return x, true
	}
	return onnx.Unknown(), true
}

// A product of lengths: a number and the names of those that have none. It is
// open when a length is unknown.
type product struct {
	count   int64
	symbols []string
	open    bool
}

func productOf(dims []onnx.Dim) product {
	p := product{count: 1}
	for _, d := range dims {
		switch {
		case d.Known():
			p.count = sat.Mul(p.count, d.Size)
		case d.Symbol != "":
			p.symbols = append(p.symbols, d.Symbol)
		default:
			p.open = true
		}
	}
	slices.Sort(p.symbols)
	return p
}

// over divides: the length that q lacks to be p.
func (p product) over(q product) onnx.Dim {
	if p.open || q.open || q.count <= 0 || p.count%q.count != 0 {
		return onnx.Unknown()
	}
	left := slices.Clone(p.symbols)
	for _, s := range q.symbols {
		i := slices.Index(left, s)
		if i < 0 {
			return onnx.Unknown()
		}
		left = slices.Delete(left, i, i+1)
	}
	switch count := p.count / q.count; {
	case len(left) == 0:
		return onnx.Fixed(count)
	case len(left) == 1 && count == 1:
		return onnx.Symbolic(left[0])
	}
	return onnx.Unknown()
}

// sum adds lengths. A name plus nothing is still that name.
func sum(dims ...onnx.Dim) onnx.Dim {
	total, unknown, last := int64(0), 0, onnx.Dim{}
	for _, d := range dims {
		if d.Known() {
			total = sat.Add(total, d.Size)
		} else {
			unknown++
			last = d
		}
	}
	switch {
	case unknown == 0:
		return onnx.Fixed(total)
	case unknown == 1 && total == 0:
		return last
	}
	return onnx.Unknown()
}
