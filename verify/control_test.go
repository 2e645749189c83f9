package verify

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/infer"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/reference"
)

// A controlGraph is a random graph of branches, loops, scans and sequences inside each
// other, over a few simple operators. It grows as a randomGraph does: each node is
// given to the reference, on inputs that are drawn, and stays if that can evaluate it.
type controlGraph struct {
	*rand.Rand
	t      testing.TB
	opset  int64
	prefix string
	names  int
	main   *controlScope
	given  []*controlValue // the inputs
	size   int             // of the axis N
	// direct: graphs inside nodes may give an input as an output, for which ONNX
	// Runtime 1.30 has memory that nothing has been written to.
	direct bool
}

// A controlScope is a graph that grows: the main one, or one inside a node.
type controlScope struct {
	*controlGraph
	outer  *controlScope
	graph  *pb.GraphProto
	values []*controlValue // inputs, constants, and what nodes give
	used   map[string]bool // read by a node, here or inside
}

// A controlValue is a value with what it is in the first round of the graph that it is in.
type controlValue struct {
	*reference.Value
	// exact: no rounding has a part in it, in any round, so that decisions may depend
	// on it.
	exact bool
	fixed bool // a constant
	loose bool // the number of its axes may be another in another run, or round
}

func newControlGraph(t testing.TB, seed uint64, opset int64, nodes int, direct bool) *controlGraph {
	g := &controlGraph{Rand: rand.New(rand.NewPCG(seed, 78)), t: t, opset: opset, prefix: fmt.Sprintf("c%d.", seed), size: 2 + int(seed%2), direct: direct}
	g.main = &controlScope{controlGraph: g, graph: &pb.GraphProto{Name: proto.String("control")}, used: map[string]bool{}}
	g.given = g.draw(g.size)
	for _, v := range g.given {
		g.main.graph.Input = append(g.main.graph.Input, &pb.ValueInfoProto{Name: proto.String(v.Name), Type: g.declared(v.Value)})
	}
	g.main.values = slices.Clone(g.given)
	g.main.grow(nodes)
	return g
}

// draw draws inputs whose axis N is of a length.
func (g *controlGraph) draw(n int) (list []*controlValue) {
	add := func(name string, data onnx.Data, dims ...int) {
		list = append(list, &controlValue{Value: valueOf(&onnx.Tensor{Name: g.prefix + name, Dims: dims, Data: data}), exact: true})
	}
	normal := func(n int) onnx.Slice[float32] {
		return drawn(n, func() float32 { return float32(g.NormFloat64()) })
	}
	add("x", normal(3*n), n, 3)
	add("y", normal(n), n)
	add("z", normal(12), 2, 3, 2)
	add("d", drawn(3, g.NormFloat64), 3)
	add("k", onnx.Slice[int64]{int64(g.IntN(5))})
	add("j", drawn(n, func() int64 { return int64(g.IntN(7)) - 3 }), n)
	add("b", onnx.Slice[bool]{g.IntN(2) == 0})
	return list
}

// declared is the type of an input: the axis N is free, and that of matrices has a name.
func (g *controlGraph) declared(v *reference.Value) *pb.TypeProto {
	t := onnx.Type{Elem: v.Type, Dims: []onnx.Dim{}}
	for i, d := range v.Dims {
		switch {
		case i > 0 || v.Name == g.prefix+"z" || v.Name == g.prefix+"d":
			t.Dims = append(t.Dims, onnx.Fixed(int64(d)))
		case len(v.Dims) == 2:
			t.Dims = append(t.Dims, onnx.Symbolic(g.prefix+"N"))
		default:
			t.Dims = append(t.Dims, onnx.Unknown())
		}
	}
	return t.Proto()
}

func (g *controlGraph) name() string {
	g.names++
	return fmt.Sprintf("%sv%d", g.prefix, g.names)
}

// inner begins a graph inside a node.
func (s *controlScope) inner() *controlScope {
	return &controlScope{controlGraph: s.controlGraph, outer: s, graph: &pb.GraphProto{Name: proto.String(s.name())}, used: map[string]bool{}}
}

// input adds an input of a graph inside a node. Nothing says its shape, which may change.
func (s *controlScope) input(v *reference.Value, exact bool) *controlValue {
	named := *v
	named.Name = s.name()
	s.graph.Input = append(s.graph.Input, &pb.ValueInfoProto{Name: proto.String(named.Name), Type: kindOf(v)})
	x := &controlValue{Value: &named, exact: exact}
	s.values = append(s.values, x)
	return x
}

// kindOf is the type of a value, without its shape.
func kindOf(v *reference.Value) *pb.TypeProto {
	switch v.Kind {
	case reference.Sequence:
		return &pb.TypeProto{Value: &pb.TypeProto_SequenceType{SequenceType: &pb.TypeProto_Sequence{ElemType: onnx.Type{Elem: elem}.Proto()}}}
	case reference.Optional:
		return &pb.TypeProto{Value: &pb.TypeProto_OptionalType{OptionalType: &pb.TypeProto_Optional{ElemType: onnx.Type{Elem: elem}.Proto()}}}
	}
	return onnx.Type{Elem: v.Type}.Proto()
}

// alike reports whether two values have one type, whatever their shapes.
func (v *controlValue) alike(w *controlValue) bool { return v.Kind == w.Kind && v.Type == w.Type }

// pick returns a value of this graph or of those around it, nil if none suits.
func (s *controlScope) pick(ok func(v *controlValue) bool) *controlValue {
	var all []*controlValue
	for at := s; at != nil; at = at.outer {
		var here []*controlValue
		for _, v := range at.values {
			if ok(v) {
				here = append(here, v)
			}
		}
		if at == s && len(here) > 0 && s.IntN(4) > 0 { // mostly its own, and later ones rather
			return here[max(s.IntN(len(here)), s.IntN(len(here)))]
		}
		all = append(all, here...)
	}
	if len(all) == 0 {
		return nil
	}
	return all[s.IntN(len(all))]
}

func ofType(t pb.TensorProto_DataType) func(*controlValue) bool {
	return func(v *controlValue) bool { return v.Kind == reference.Tensor && v.Type == t }
}

func tensors(v *controlValue) bool   { return v.Kind == reference.Tensor }
func floats(v *controlValue) bool    { return ofType(elem)(v) }
func sequences(v *controlValue) bool { return v.Kind == reference.Sequence }
func optionals(v *controlValue) bool { return v.Kind == reference.Optional }

// flags and indices are single ones, on which decisions may depend.
func flags(v *controlValue) bool {
	return ofType(pb.TensorProto_BOOL)(v) && v.exact && len(v.Dims) == 0
}
func indices(v *controlValue) bool {
	return ofType(pb.TensorProto_INT64)(v) && v.exact && len(v.Dims) == 0
}

// constant makes a constant: a node here, or an initializer of this graph or of one
// around it.
func (s *controlScope) constant(data onnx.Data, dims ...int) *controlValue {
	t := &onnx.Tensor{Name: s.name(), Dims: dims, Data: data}
	v := &controlValue{Value: valueOf(t), exact: true, fixed: true}
	at := s
	for at.outer != nil && s.IntN(3) == 0 {
		at = at.outer
	}
	if s.IntN(2) == 0 {
		at.graph.Initializer = append(at.graph.Initializer, t.Proto())
	} else {
		at = s
		s.graph.Node = append(s.graph.Node, &pb.NodeProto{OpType: proto.String("Constant"), Output: []string{t.Name}, Attribute: []*pb.AttributeProto{onnx.TensorAttr("value", t).Proto()}})
	}
	at.values = append(at.values, v)
	at.used[v.Name] = true // need not come out
	return v
}

func (s *controlScope) int64s(list ...int64) *controlValue {
	return s.constant(onnx.Slice[int64](list), len(list))
}

// visible are the values that can be read here, by name.
func (s *controlScope) visible() map[string]*controlValue {
	all := map[string]*controlValue{}
	for at := s; at != nil; at = at.outer {
		for _, v := range at.values {
			all[v.Name] = v
		}
	}
	return all
}

// reads are the names of values that nodes read, by themselves or in graphs inside them.
func reads(nodes []*pb.NodeProto) (names []string) {
	for _, n := range nodes {
		names = append(names, n.GetInput()...)
		for _, a := range n.GetAttribute() {
			for _, out := range a.GetG().GetOutput() {
				names = append(names, out.GetName())
			}
			names = append(names, reads(a.GetG().GetNode())...)
		}
	}
	return names
}

// add adds a node if the reference can evaluate it and what comes out is small. Inputs
// may be nil where they are left out.
func (s *controlScope) add(op string, in []*controlValue, outs int, exact bool, attrs ...*pb.AttributeProto) []*controlValue {
	n := &pb.NodeProto{OpType: proto.String(op), Name: proto.String(s.name()), Attribute: attrs}
	for _, v := range in {
		if v == nil {
			n.Input = append(n.Input, "")
			continue
		}
		n.Input = append(n.Input, v.Name)
	}
	for range outs {
		n.Output = append(n.Output, s.name())
	}
	all, alone := s.visible(), &pb.GraphProto{Name: proto.String("alone"), Node: []*pb.NodeProto{n}}
	seen := map[string]bool{}
	var given []*reference.Value
	for _, name := range reads(alone.Node) {
		v := all[name]
		if v == nil || seen[name] {
			continue
		}
		seen[name] = true
		given = append(given, v.Value)
		alone.Input = append(alone.Input, &pb.ValueInfoProto{Name: proto.String(name), Type: kindOf(v.Value)})
	}
	for _, name := range n.Output {
		alone.Output = append(alone.Output, &pb.ValueInfoProto{Name: proto.String(name)})
	}
	p, err := reference.Compile(s.model(alone), reference.Options{})
	if err != nil {
		s.t.Fatalf("%s: %v", op, err)
	}
	r, err := p.Run(context.Background(), given)
	if err != nil {
		return nil
	}
	var out []*controlValue
	for k, v := range r.Outputs {
		if !small(v) || v.AnyShape {
			return nil
		}
		bare := plainly(v)
		bare.Name = n.Output[k]
		out = append(out, &controlValue{Value: bare, exact: exact})
	}
	for name := range seen {
		for at := s; at != nil; at = at.outer {
			at.used[name] = true
		}
		for _, v := range out {
			v.loose = v.loose || all[name].loose
		}
	}
	s.graph.Node = append(s.graph.Node, n)
	s.values = append(s.values, out...)
	return out
}

// plainly is a value without figures.
func plainly(v *reference.Value) *reference.Value {
	w := &reference.Value{Name: v.Name, Kind: v.Kind, Type: v.Type, Dims: v.Dims, Data: v.Data}
	for _, e := range v.Elems {
		w.Elems = append(w.Elems, plainly(e))
	}
	return w
}

func small(v *reference.Value) bool {
	if len(v.Elems) > 8 || len(v.Dims) > 5 || v.Len() > 500 || slices.ContainsFunc(v.Elems, func(e *reference.Value) bool { return !small(e) }) {
		return false
	}
	return v.Kind != reference.Tensor || within(-1e4, 1e4)(v)
}

// model writes a graph as a model.
func (g *controlGraph) model(p *pb.GraphProto) *onnx.Model {
	m := &pb.ModelProto{IrVersion: proto.Int64(10), Graph: p, OpsetImport: []*pb.OperatorSetIdProto{{Domain: proto.String(""), Version: proto.Int64(g.opset)}}}
	b, err := onnx.Marshal(m)
	if err != nil {
		g.t.Fatal(err)
	}
	return &onnx.Model{Proto: m, Bytes: b}
}

// grow adds about so many nodes.
func (s *controlScope) grow(nodes int) {
	for most := len(s.values) + nodes; len(s.values) < most; nodes++ {
		r := controlRecipes[s.IntN(len(controlRecipes))]
		if s.opset >= r.since && s.depth() <= 3 {
			r.grow(s)
		}
		if nodes > 400 {
			return
		}
	}
}

func (s *controlScope) depth() (n int) {
	for at := s; at != nil; at = at.outer {
		n++
	}
	return n
}

// passes reports whether a value can become an output of a graph inside a node: an
// Identity takes sequences from opset 14 on, and optionals from opset 16 on.
func (s *controlScope) passes(v *controlValue) bool {
	return tensors(v) || slices.Contains(s.values, v) && !s.comesOut(v) && (s.direct || !s.comesIn(v)) || s.opset >= 16
}

func (s *controlScope) comesIn(v *controlValue) bool {
	return slices.ContainsFunc(s.graph.Input, func(o *pb.ValueInfoProto) bool { return o.GetName() == v.Name })
}

func (s *controlScope) comesOut(v *controlValue) bool {
	return slices.ContainsFunc(s.graph.Output, func(o *pb.ValueInfoProto) bool { return o.GetName() == v.Name })
}

// output makes a value an output of a graph inside a node. It must be of that graph.
func (s *controlScope) output(v *controlValue) {
	own := slices.Contains(s.values, v)
	if !own || v.fixed || s.comesOut(v) || !s.direct && s.comesIn(v) {
		v = s.add("Identity", []*controlValue{v}, 1, v.exact)[0]
	}
	s.used[v.Name] = true
	s.graph.Output = append(s.graph.Output, &pb.ValueInfoProto{Name: proto.String(v.Name), Type: kindOf(v.Value)})
}

// finish makes outputs of what nothing has read, and of some other values.
func (g *controlGraph) finish() {
	s := g.main
	for _, v := range slices.Clone(s.values) {
		switch {
		case s.used[v.Name] && g.IntN(4) > 0 || v.fixed:
			continue
		case v.Kind == reference.Optional:
			continue
		case v.Kind == reference.Sequence:
			out := s.add("ConcatFromSequence", []*controlValue{v}, 1, false, onnx.Int("axis", 0).Proto())
			if out == nil {
				out = s.add("SequenceLength", []*controlValue{v}, 1, false)
			}
			v = out[0]
		}
		s.graph.Output = append(s.graph.Output, &pb.ValueInfoProto{Name: proto.String(v.Name), Type: kindOf(v.Value)})
	}
	types, _ := infer.Types(g.model(s.graph).Proto)
	for _, out := range s.graph.Output { // of a rank: what a loop collects in no round at all has one by inference alone
		typ := types[out.GetName()]
		if v := s.visible()[out.GetName()]; typ.Dims == nil {
			typ = onnx.Type{Elem: v.Type, Dims: slices.Repeat([]onnx.Dim{onnx.Unknown()}, len(v.Dims))}
		}
		out.Type = typ.Proto()
	}
}

// A controlRecipe adds nodes, or none if the values at hand do not suit it.
type controlRecipe struct {
	since int64
	grow  func(s *controlScope)
}

func list(v ...*controlValue) []*controlValue { return v }

// simply is an operator of inputs that ok accepts.
func simply(op string, exact bool, ok ...func(*controlValue) bool) controlRecipe {
	return controlRecipe{0, func(s *controlScope) {
		var in []*controlValue
		sure := exact
		for _, f := range ok {
			v := s.pick(f)
			if v == nil {
				return
			}
			in, sure = append(in, v), sure && v.exact
		}
		s.add(op, in, 1, sure)
	}}
}

// decides is a comparison of what rounding has no part in.
func decides(op string, t pb.TensorProto_DataType) controlRecipe {
	ok := func(v *controlValue) bool { return ofType(t)(v) && v.exact }
	return simply(op, true, ok, ok)
}

func axisIn(s *controlScope, v *controlValue) int { return s.IntN(len(v.Dims)) }

func hasAxes(ok func(*controlValue) bool) func(*controlValue) bool {
	return func(v *controlValue) bool { return ok(v) && len(v.Dims) > 0 }
}

var (
	doubles  = ofType(pb.TensorProto_DOUBLE)
	integers = ofType(pb.TensorProto_INT64)
	booleans = ofType(pb.TensorProto_BOOL)
)

var controlRecipes []controlRecipe

func init() {
	controlRecipes = []controlRecipe{
		simply("Relu", true, floats), simply("Neg", true, floats), simply("Neg", true, doubles), simply("Neg", true, integers), simply("Abs", true, integers), simply("Tanh", false, floats), simply("Sigmoid", false, floats),
		simply("Add", false, floats, floats), simply("Sub", false, floats, floats), simply("Mul", false, floats, floats), simply("Add", false, doubles, doubles), simply("Mul", false, doubles, doubles),
		simply("Add", true, integers, integers), simply("Sub", true, integers, integers), simply("Max", true, floats, floats), simply("Max", true, integers, integers),
		simply("And", true, booleans, booleans), simply("Or", true, booleans, booleans), simply("Not", true, booleans), simply("Not", true, flags),
		decides("Less", pb.TensorProto_INT64), decides("Equal", pb.TensorProto_INT64), decides("Greater", elem), decides("Less", elem),
		simply("Identity", true, tensors), simply("Where", true, booleans, floats, floats), simply("Where", true, booleans, integers, integers),
		simply("Shape", true, tensors), simply("Size", true, tensors), simply("MatMul", false, floats, floats),
		{0, growNumber}, {0, growNumber}, {0, growFlag}, {0, growView}, {0, growView}, {0, growSliceOf}, {0, growSliceOf}, {0, growJoin}, {0, growCast},
		{13, growAxes}, {0, growExpand}, {0, growPart}, {0, growNonZero}, {0, growRange}, {0, growFill}, {13, growSum}, {11, growScatter}, {0, growSoftmaxOf},
		{11, growSequence}, {11, growSequence}, {11, growElement}, {11, growElement}, {11, growLengthen}, {11, growLengthen}, {11, growShorten}, {11, growConcatenation}, {11, growParts},
		{16, growOptional}, {16, growElementOfOptional},
		{11, growIf}, {11, growIf}, {11, growIf}, {11, growLoop}, {11, growLoop}, {11, growLoop}, {11, growScan}, {11, growScan}, {17, growSequenceMap},
	}
}

// growNumber takes one number out of a list, or makes one.
func growNumber(s *controlScope) {
	v := s.pick(func(v *controlValue) bool { return integers(v) && v.exact && len(v.Dims) == 1 && v.Len() > 0 })
	if v == nil || s.IntN(3) == 0 {
		s.constant(onnx.Slice[int64]{int64(s.IntN(4))})
		return
	}
	at := s.constant(onnx.Slice[int64]{int64(s.IntN(v.Len()))})
	s.add("Gather", list(v, at), 1, true)
}

// growFlag compares two indices.
func growFlag(s *controlScope) {
	if a, b := s.pick(indices), s.pick(indices); a != nil && b != nil {
		s.add([]string{"Less", "Equal", "Greater"}[s.IntN(3)], list(a, b), 1, true)
	}
}

// growView changes the shape, not the elements.
func growView(s *controlScope) {
	v := s.pick(tensors)
	if v == nil {
		return
	}
	switch s.IntN(4) {
	case 0:
		s.add("Reshape", list(v, s.int64s(-1)), 1, v.exact)
	case 1:
		if len(v.Dims) > 1 {
			s.add("Transpose", list(v), 1, v.exact)
		}
	case 2:
		if len(v.Dims) > 0 {
			s.add("Flatten", list(v), 1, v.exact, onnx.Int("axis", int64(axisIn(s, v))).Proto())
		}
	default:
		like := s.pick(func(w *controlValue) bool { return tensors(w) && w.Len() == v.Len() })
		if like != nil {
			if shape := s.add("Shape", list(like), 1, true); shape != nil {
				s.add("Reshape", list(v, shape[0]), 1, v.exact)
			}
		}
	}
}

func growSliceOf(s *controlScope) {
	v := s.pick(hasAxes(tensors))
	if v == nil {
		return
	}
	from, to := s.int64s(int64(s.IntN(3))), s.int64s(int64(s.IntN(5))-1)
	if n := s.pick(indices); n != nil && s.IntN(2) == 0 { // up to what is computed
		bound := s.add("Reshape", list(n, s.int64s(-1)), 1, true)
		if bound == nil {
			return
		}
		if to = bound[0]; s.IntN(3) == 0 {
			from, to = to, s.int64s(1000)
		}
	}
	s.add("Slice", list(v, from, to, s.int64s(int64(axisIn(s, v)))), 1, v.exact)
}

func growJoin(s *controlScope) {
	v := s.pick(hasAxes(tensors))
	if v == nil {
		return
	}
	w := s.pick(func(w *controlValue) bool { return w.alike(v) && len(w.Dims) == len(v.Dims) })
	s.add("Concat", list(v, w), 1, v.exact && w.exact, onnx.Int("axis", int64(axisIn(s, v))).Proto())
}

func growCast(s *controlScope) {
	v := s.pick(tensors)
	to := []pb.TensorProto_DataType{elem, elem, pb.TensorProto_INT64, pb.TensorProto_DOUBLE, pb.TensorProto_BOOL}[s.IntN(5)]
	if v == nil || !v.exact && to != elem && to != pb.TensorProto_DOUBLE {
		return
	}
	s.add("Cast", list(v), 1, v.exact && (to != elem || v.Type != pb.TensorProto_DOUBLE), onnx.Int("to", int64(to)).Proto())
}

func growAxes(s *controlScope) {
	v := s.pick(tensors)
	if v == nil {
		return
	}
	if s.IntN(2) == 0 {
		s.add("Squeeze", list(v), 1, v.exact)
		return
	}
	s.add("Unsqueeze", list(v, s.int64s(int64(s.IntN(len(v.Dims)+1)))), 1, v.exact)
}

func growExpand(s *controlScope) {
	v, w := s.pick(tensors), s.pick(tensors)
	if v == nil || w == nil {
		return
	}
	if shape := s.add("Shape", list(w), 1, true); shape != nil {
		s.add("Expand", list(v, shape[0]), 1, v.exact)
	}
}

func growPart(s *controlScope) {
	v := s.pick(hasAxes(tensors))
	if v == nil {
		return
	}
	at := s.pick(indices)
	if at == nil || s.IntN(2) == 0 {
		at = s.int64s(0, -1, int64(s.IntN(2)))
	}
	s.add("Gather", list(v, at), 1, v.exact, onnx.Int("axis", int64(axisIn(s, v))).Proto())
}

// growNonZero makes something whose length depends on values.
func growNonZero(s *controlScope) {
	v := s.pick(func(v *controlValue) bool { return tensors(v) && v.exact && len(v.Dims) == 1 })
	if v == nil {
		return
	}
	mask := s.pick(func(w *controlValue) bool { return booleans(w) && w.exact && len(w.Dims) == 1 })
	if mask != nil && s.IntN(2) == 0 {
		s.add("Compress", list(v, mask), 1, mask.exact, onnx.Int("axis", 0).Proto())
		return
	}
	if v.Type != pb.TensorProto_DOUBLE {
		s.add("NonZero", list(v), 1, true)
	}
}

func growRange(s *controlScope) {
	if n := s.pick(indices); n != nil {
		zero, one := s.constant(onnx.Slice[int64]{0}), s.constant(onnx.Slice[int64]{1})
		s.add("Range", list(zero, n, one), 1, true)
	}
}

// growFill makes a tensor of one number, as long as is computed.
func growFill(s *controlScope) {
	v := s.pick(func(v *controlValue) bool { return integers(v) && v.exact && len(v.Dims) == 1 && v.Len() < 4 })
	if v != nil {
		s.add("ConstantOfShape", list(v), 1, true, onnx.TensorAttr("value", &onnx.Tensor{Dims: []int{1}, Data: onnx.Slice[float32]{float32(s.IntN(3)) - 1}}).Proto())
	}
}

func growSum(s *controlScope) {
	v := s.pick(hasAxes(func(v *controlValue) bool { return floats(v) || integers(v) }))
	if v != nil {
		s.add("ReduceSum", list(v, s.int64s(int64(axisIn(s, v)))), 1, integers(v) && v.exact, onnx.Int("keepdims", int64(s.IntN(2))).Proto())
	}
}

func growSoftmaxOf(s *controlScope) {
	if v := s.pick(hasAxes(floats)); v != nil {
		s.add("Softmax", list(v), 1, false, onnx.Int("axis", -1).Proto())
	}
}

func growScatter(s *controlScope) {
	v := s.pick(hasAxes(floats))
	if v == nil || len(v.Dims) > 1 {
		return
	}
	if row := s.pick(func(w *controlValue) bool { return floats(w) && len(w.Dims) == 1 && w.Len() == 1 }); row != nil {
		s.add("ScatterND", list(v, s.constant(onnx.Slice[int64]{int64(s.IntN(max(1, v.Len())))}, 1, 1), row), 1, v.exact && row.exact)
	}
}

func growSequence(s *controlScope) {
	var in []*controlValue
	exact := true
	for range 1 + s.IntN(3) {
		if v := s.pick(floats); v != nil {
			in, exact = append(in, v), exact && v.exact
		}
	}
	if len(in) == 0 || s.IntN(4) == 0 {
		s.add("SequenceEmpty", nil, 1, true)
		return
	}
	s.add("SequenceConstruct", in, 1, exact)
}

func growElement(s *controlScope) {
	q := s.pick(func(v *controlValue) bool { return sequences(v) && len(v.Elems) > 0 })
	if q == nil {
		return
	}
	if s.IntN(3) == 0 {
		s.add("SequenceLength", list(q), 1, true)
		return
	}
	at := s.constant(onnx.Slice[int64]{int64(s.IntN(2)) - 1})
	if n := s.pick(indices); n != nil && s.IntN(2) == 0 {
		at = n
	}
	s.add("SequenceAt", list(q, at), 1, q.exact)
}

func growLengthen(s *controlScope) {
	if q, v := s.pick(sequences), s.pick(floats); q != nil && v != nil {
		in := list(q, v)
		if s.IntN(2) == 0 {
			in = append(in, s.constant(onnx.Slice[int64]{0}))
		}
		s.add("SequenceInsert", in, 1, q.exact && v.exact)
	}
}

func growShorten(s *controlScope) {
	if q := s.pick(func(v *controlValue) bool { return sequences(v) && len(v.Elems) > 0 }); q != nil {
		in := list(q)
		if s.IntN(2) == 0 {
			in = append(in, s.constant(onnx.Slice[int64]{0}))
		}
		s.add("SequenceErase", in, 1, q.exact)
	}
}

func growConcatenation(s *controlScope) {
	if q := s.pick(func(v *controlValue) bool { return sequences(v) && len(v.Elems) > 0 }); q != nil {
		s.add("ConcatFromSequence", list(q), 1, q.exact, onnx.Int("axis", 0).Proto(), onnx.Int("new_axis", int64(s.IntN(2))).Proto())
	}
}

func growParts(s *controlScope) {
	if v := s.pick(hasAxes(floats)); v != nil {
		s.add("SplitToSequence", list(v), 1, v.exact, onnx.Int("axis", int64(axisIn(s, v))).Proto(), onnx.Int("keepdims", int64(s.IntN(2))).Proto())
	}
}

func growOptional(s *controlScope) {
	if s.IntN(3) == 0 {
		s.add("Optional", nil, 1, true, &pb.AttributeProto{Name: proto.String("type"), Type: pb.AttributeProto_TYPE_PROTO.Enum(), Tp: onnx.Type{Elem: elem}.Proto()})
		return
	}
	if v := s.pick(floats); v != nil {
		s.add("Optional", list(v), 1, v.exact)
	}
}

func growElementOfOptional(s *controlScope) {
	if v := s.pick(optionals); v != nil {
		s.add("OptionalHasElement", list(v), 1, true)
		if len(v.Elems) > 0 && s.IntN(2) == 0 {
			s.add("OptionalGetElement", list(v), 1, v.exact)
		}
	}
}

func graphAttr(name string, s *controlScope) *pb.AttributeProto {
	return &pb.AttributeProto{Name: proto.String(name), Type: pb.AttributeProto_GRAPH.Enum(), G: s.graph}
}

func anyValue(*controlValue) bool { return true }

// growIf has branches that give values of the same types.
func growIf(s *controlScope) {
	cond := s.pick(flags)
	if cond == nil {
		return
	}
	yes, no := s.inner(), s.inner()
	yes.grow(s.IntN(5))
	no.grow(s.IntN(5))
	outs, exact, loose := 0, true, false
	for range 1 + s.IntN(3) {
		a := yes.pick(yes.passes)
		if a == nil {
			continue
		}
		b := no.pick(func(b *controlValue) bool { return b.alike(a) && no.passes(b) })
		if b == nil {
			continue
		}
		yes.output(a)
		no.output(b)
		outs, exact = outs+1, exact && a.exact && b.exact
		loose = loose || a.loose || b.loose || len(a.Dims) != len(b.Dims)
	}
	if outs > 0 {
		for _, v := range s.add("If", list(cond), outs, exact, graphAttr("then_branch", yes), graphAttr("else_branch", no)) {
			v.loose = v.loose || loose
		}
	}
}

// A carrying body is that of a loop or scan: states go in and come out.
func (s *controlScope) carry(body *controlScope, states []*controlValue) (sure []bool, in []*controlValue) {
	for _, v := range states {
		exact := v.exact && s.IntN(2) == 0
		sure, in = append(sure, exact), append(in, body.input(v.Value, exact))
	}
	return sure, in
}

// hand gives the states of the next round, and some values that are collected. It
// reports false where a state has none to go on with.
func (s *controlScope) hand(in []*controlValue, sure []bool, goesOn func(v, w *controlValue) bool, collects func(*controlValue) bool) (collected int, ok bool) {
	for k, v := range in {
		next := s.pick(func(w *controlValue) bool { return goesOn(v, w) && (w.exact || !sure[k]) && s.passes(w) })
		if next == nil {
			return 0, false
		}
		s.output(next)
	}
	for range s.IntN(3) {
		if v := s.pick(collects); v != nil {
			s.output(v)
			collected++
		}
	}
	return collected, true
}

func (s *controlScope) states(most int) (list []*controlValue) {
	for range s.IntN(most + 1) {
		if v := s.pick(anyValue); v != nil {
			list = append(list, v)
		}
	}
	return list
}

func allOf(list []bool) bool { return !slices.Contains(list, false) }

func growLoop(s *controlScope) {
	trips, cond := s.pick(indices), s.pick(flags)
	if s.IntN(4) == 0 {
		cond = nil
	}
	if trips == nil {
		trips = s.constant(onnx.Slice[int64]{int64(s.IntN(4))})
	}
	if trips.Data.(onnx.Slice[int64])[0] > 6 {
		return
	}
	states := s.states(3)
	body := s.inner()
	body.input(&reference.Value{Type: pb.TensorProto_INT64, Dims: []int{}, Data: onnx.Slice[int64]{0}}, true)
	going := body.input(&reference.Value{Type: pb.TensorProto_BOOL, Dims: []int{}, Data: onnx.Slice[bool]{true}}, true)
	for _, in := range body.graph.Input { // which ONNX Runtime wants to know
		in.Type.GetTensorType().Shape = &pb.TensorShapeProto{}
	}
	sure, in := s.carry(body, states)
	for _, v := range in {
		v.loose = true
	}
	body.grow(s.IntN(6))
	if f := body.pick(flags); f != nil && s.IntN(2) == 0 {
		going = f
	}
	body.output(going)
	collects := func(v *controlValue) bool { return tensors(v) && len(v.Dims) == 0 }
	if cond == nil && trips.fixed && trips.Data.(onnx.Slice[int64])[0] > 0 { // what no round gives has no shape to speak of
		collects = tensors
	}
	if collected, ok := body.hand(in, sure, (*controlValue).alike, collects); ok && len(states)+collected > 0 {
		for _, v := range s.add("Loop", append(list(trips, cond), states...), len(states)+collected, len(states) > 0 && collected == 0 && allOf(sure), graphAttr("body", body)) {
			v.loose = true
		}
	}
}

func growScan(s *controlScope) {
	steady := func(v *controlValue) bool { return tensors(v) && !v.loose } // what ONNX Runtime wants to know the axes of
	x := s.pick(func(v *controlValue) bool { return hasAxes(steady)(v) && v.Len() > 0 })
	if x == nil {
		return
	}
	axis, back := axisIn(s, x), int64(s.IntN(2))
	scanned, axes, ways := list(x), []int64{int64(axis)}, []int64{back}
	if y := s.pick(func(v *controlValue) bool { return hasAxes(steady)(v) && v.Dims[0] == x.Dims[axis] }); y != nil && s.IntN(2) == 0 {
		scanned, axes, ways = append(scanned, y), append(axes, 0), append(ways, int64(s.IntN(2)))
	}
	states := slices.DeleteFunc(s.states(2), func(v *controlValue) bool { return !steady(v) })
	body := s.inner()
	sure, in := s.carry(body, states)
	for k, v := range scanned {
		at := 0
		if ways[k] != 0 {
			at = v.Dims[axes[k]] - 1
		}
		body.input(sliceOf(v.Value, int(axes[k]), at), v.exact)
	}
	body.grow(s.IntN(6))
	same := func(v, w *controlValue) bool { return v.alike(w) && slices.Equal(v.Dims, w.Dims) && steady(w) }
	collected, ok := body.hand(in, sure, same, steady)
	if !ok || len(states)+collected == 0 {
		return
	}
	for _, out := range body.graph.Output { // ONNX Runtime wants shapes of a scan's
		v := body.visible()[out.GetName()]
		out.Type = onnx.Type{Elem: v.Type, Dims: slices.Repeat([]onnx.Dim{onnx.Unknown()}, len(v.Dims))}.Proto()
	}
	s.add("Scan", slices.Concat(states, scanned), len(states)+collected, collected == 0 && allOf(sure), graphAttr("body", body), onnx.Int("num_scan_inputs", int64(len(scanned))).Proto(),
		onnx.Ints("scan_input_axes", axes...).Proto(), onnx.Ints("scan_input_directions", ways...).Proto(),
		onnx.Ints("scan_output_directions", slices.Repeat([]int64{int64(s.IntN(2))}, collected)...).Proto())
}

// sliceOf is the elements at one place of an axis.
func sliceOf(v *reference.Value, axis, at int) *reference.Value {
	outer, inner := 1, 1
	for i, d := range v.Dims {
		if i < axis {
			outer *= d
		} else if i > axis {
			inner *= d
		}
	}
	w := &reference.Value{Type: v.Type, Dims: slices.Delete(slices.Clone(v.Dims), axis, axis+1), Data: v.Data.Make(outer * inner)}
	for o := range outer {
		w.Data.Copy(o*inner, v.Data, (o*v.Dims[axis]+at)*inner, inner)
	}
	return w
}

func growSequenceMap(s *controlScope) {
	q := s.pick(func(v *controlValue) bool { return sequences(v) && len(v.Elems) > 0 })
	if q == nil {
		return
	}
	body := s.inner()
	in := list(q)
	x := body.input(q.Elems[0], q.exact)
	if v := s.pick(tensors); v != nil && s.IntN(2) == 0 {
		in = append(in, v)
		body.input(v.Value, v.exact)
	}
	body.grow(s.IntN(4))
	if v := body.pick(floats); v != nil {
		x = v
	}
	body.output(x)
	s.add("SequenceMap", in, 1, x.exact, graphAttr("body", body))
}

func (g *controlGraph) label() (string, int64, bool) { return g.prefix, g.opset, false }

func (g *controlGraph) operators() (ops []string) {
	for n := range onnx.Nodes(g.main.graph.Node) {
		ops = append(ops, n.GetOpType())
	}
	return ops
}

func (g *controlGraph) whole() *onnx.Model { return g.model(g.main.graph) }

// String is the graph as text.
func (g *controlGraph) String() string { return prototext.Format(g.main.graph) }

// inputs are drawn ones for the graph whose axis N has a length.
func (g *controlGraph) inputs(n int) []*onnx.Tensor {
	list := make([]*onnx.Tensor, len(g.given))
	for i, v := range g.draw(n) {
		var err error
		if list[i], err = v.Tensor(); err != nil {
			g.t.Fatal(err)
		}
	}
	return list
}

// newControlPair draws a graph of control flow with its inputs.
func newControlPair(t *testing.T, c contender, i int, opset int64) *pair {
	seed := controlSeeds + uint64(i)
	g := newControlGraph(t, seed, opset, 4+int(seed%12), c.alone)
	g.finish()
	var given []*onnx.Tensor
	for _, v := range g.given {
		x, err := v.Tensor()
		if err != nil {
			t.Fatal(err)
		}
		given = append(given, x)
	}
	return newPair(t, g, given, g.inputs(g.size+3), g.inputs(g.size))
}

// controlSeeds is where the seeds of graphs of control flow begin.
const controlSeeds = 1 << 22

var controlOpsets = []int64{18, 11, 13, 16, 17, 19, 21, 22, 23, 24}

// TestRandomControlFlow compares runtimes with the reference on graphs of branches,
// loops, scans and sequences: some in every run, and thousands when flags ask for a
// sweep.
func TestRandomControlFlow(t *testing.T) {
	sweepPairs(t, controlOpsets, newControlPair, map[string]int{"load": 3 * together, "ort-node": together})
}
