package verify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/infer"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/reference"
	"github.com/petrify-ml/petrify/witness"
	"google.golang.org/protobuf/proto"
)

// A singleNode is one node with inputs of its own, drawn for ONNX Runtime to run and
// the reference to judge.
type singleNode struct {
	*rand.Rand
	op, domain string
	name       string         // prefix of its values
	opset      int64          // of ai.onnx
	in         []*onnx.Tensor // nil for one that is left out
	fixed      map[int]bool   // inputs that are initializers
	attrs      []onnx.Attr
	outs       int   // how many are named, except those
	without    []int // that are left out
	open       []int // that have elements which nothing defines
}

// A nodeRow draws nodes of one operator. Rows are tables of them, below.
type nodeRow struct {
	op, domain string
	form       string // what the row draws, where an operator has several
	opset      int64
	fill       func(s *singleNode)
	// blur is a relative error of all outputs that must show in one of the nodes;
	// 0 stands for 1e-3.
	blur float64
}

// ml is the version of ai.onnx.ml that goes with an opset of ai.onnx.
func (s *singleNode) ml() int64 {
	switch {
	case s.opset < 15:
		return 2
	case s.opset < 21:
		return 3
	case s.opset < 22:
		return 4
	}
	return 5
}

// between draws from lo to hi, both included.
func (s *singleNode) between(lo, hi int) int { return lo + s.IntN(hi-lo+1) }

// one draws one of a list.
func one[T any](s *singleNode, list ...T) T { return list[s.IntN(len(list))] }

// sometimes adds an attribute half of the time.
func (s *singleNode) sometimes(a onnx.Attr) {
	if s.IntN(2) == 0 {
		s.attrs = append(s.attrs, a)
	}
}

// float draws normal numbers of a type of floating point.
func (s *singleNode) float(t pb.TensorProto_DataType, scale float64, dims ...int) *onnx.Tensor {
	return s.of(t, dims, func() float64 { return scale * s.NormFloat64() })
}

// of makes a tensor of floating point.
func (s *singleNode) of(t pb.TensorProto_DataType, dims []int, f func() float64) *onnx.Tensor {
	n := 1
	for _, d := range dims {
		n *= d
	}
	data, ok := onnx.Narrow(t, onnx.Slice[float64](drawn(n, f)))
	if !ok {
		panic(fmt.Sprintf("no elements of type %v", t))
	}
	return &onnx.Tensor{Dims: slices.Clone(dims), Data: data}
}

// elements draws a tensor of integers.
func elements[T int8 | int16 | int32 | int64 | uint8 | uint16 | uint32](s *singleNode, lo, hi int, dims ...int) *onnx.Tensor {
	n := 1
	for _, d := range dims {
		n *= d
	}
	return &onnx.Tensor{Dims: slices.Clone(dims), Data: drawn(n, func() T { return T(s.between(lo, hi)) })}
}

// give adds inputs that a run is given.
func (s *singleNode) give(in ...*onnx.Tensor) { s.in = append(s.in, in...) }

// constant adds inputs that the model holds.
func (s *singleNode) constant(in ...*onnx.Tensor) {
	for _, x := range in {
		if s.fixed == nil {
			s.fixed = map[int]bool{}
		}
		s.fixed[len(s.in)] = true
		s.in = append(s.in, x)
	}
}

func (s *singleNode) attr(a ...onnx.Attr) { s.attrs = append(s.attrs, a...) }

// draw draws the node of a seed.
func (d nodeRow) draw(seed int) *singleNode {
	s := &singleNode{Rand: rand.New(rand.NewPCG(uint64(seed), uint64(len(d.op)))), op: d.op, domain: d.domain, opset: d.opset, outs: 1}
	s.name = fmt.Sprintf("%s%s%s%d.", d.domain, d.op, d.form, seed)
	d.fill(s)
	for i, x := range s.in {
		if x != nil {
			x.Name = fmt.Sprintf("%sx%d", s.name, i)
		}
	}
	return s
}

// into adds the node to a graph.
func (s *singleNode) into(g *pb.GraphProto) {
	n := &pb.NodeProto{OpType: proto.String(s.op), Domain: proto.String(s.domain), Name: proto.String(s.name)}
	for i, x := range s.in {
		switch {
		case x == nil:
			n.Input = append(n.Input, "")
			continue
		case s.fixed[i]:
			g.Initializer = append(g.Initializer, x.Proto())
		default:
			dims := make([]onnx.Dim, len(x.Dims))
			for a, d := range x.Dims {
				dims[a] = onnx.Fixed(int64(d))
			}
			g.Input = append(g.Input, &pb.ValueInfoProto{Name: proto.String(x.Name), Type: onnx.Type{Elem: x.Type(), Dims: dims}.Proto()})
		}
		n.Input = append(n.Input, x.Name)
	}
	for _, a := range s.attrs {
		n.Attribute = append(n.Attribute, a.Proto())
	}
	for i := range s.outs {
		name := fmt.Sprintf("%sy%d", s.name, i)
		if slices.Contains(s.without, i) {
			n.Output = append(n.Output, "")
			continue
		}
		n.Output = append(n.Output, name)
		g.Output = append(g.Output, &pb.ValueInfoProto{Name: proto.String(name)})
	}
	g.Node = append(g.Node, n)
}

// modelOfNodes puts nodes into one model. What comes out is as inference says.
func modelOfNodes(t testing.TB, nodes ...*singleNode) *onnx.Model {
	t.Helper()
	p := &pb.ModelProto{IrVersion: proto.Int64(10), Graph: &pb.GraphProto{Name: proto.String("singles")}, OpsetImport: []*pb.OperatorSetIdProto{
		{Version: proto.Int64(nodes[0].opset)}, {Domain: proto.String("com.microsoft"), Version: proto.Int64(1)},
		{Domain: proto.String("ai.onnx.ml"), Version: proto.Int64(nodes[0].ml())},
	}}
	for _, s := range nodes {
		s.into(p.Graph)
	}
	types, findings := infer.Types(p)
	for _, f := range findings {
		t.Errorf("inference reports %v", f)
	}
	for _, out := range p.Graph.Output {
		typ := types[out.GetName()]
		if typ.Elem == pb.TensorProto_UNDEFINED {
			t.Fatalf("%s: inference has no type for it", out.GetName())
		}
		out.Type = typ.Proto()
	}
	b, err := onnx.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return &onnx.Model{Proto: p, Bytes: b}
}

// givenTo are the inputs of nodes that are not initializers.
func givenTo(nodes ...*singleNode) []*onnx.Tensor {
	var list []*onnx.Tensor
	for _, s := range nodes {
		for i, x := range s.in {
			if x != nil && !s.fixed[i] {
				list = append(list, x)
			}
		}
	}
	return list
}

// String describes the node.
func (s *singleNode) String() string {
	text := s.name + " " + s.op + "("
	for _, x := range s.in {
		if x == nil {
			text += "none "
		} else {
			text += typeText(x) + " "
		}
	}
	text += ")"
	for _, a := range s.attrs {
		text += " " + a.Proto().String()
	}
	return text
}

// hold compares what a runtime gave for the node with the reference, as the proof
// does, and reports whether outputs with a relative error of blur are told from it.
func (s *singleNode) hold(t *testing.T, profile reference.Profile, got map[string]*onnx.Tensor, blur float64) (told bool) {
	t.Helper()
	m := modelOfNodes(t, s)
	program, err := reference.Compile(m, reference.Options{Profile: profile})
	if err != nil {
		t.Fatalf("%v: %v", s, err)
	}
	types := map[string]onnx.Type{}
	for _, out := range m.Proto.Graph.Output {
		types[out.GetName()], _ = onnx.TypeOf(out.Type)
	}
	values := map[string]*reference.Value{}
	for _, x := range givenTo(s) {
		values[x.Name] = valueOf(x)
	}
	r, err := program.RunNode(context.Background(), 0, values)
	if err != nil {
		t.Fatalf("%v: %v", s, err)
	}
	for k, want := range r.Outputs {
		name := fmt.Sprintf("%sy%d", s.name, k)
		x := got[name]
		if want == nil || x == nil {
			continue
		}
		if inferred, ok := types[name]; !ok || inferred.Elem != want.Type || !fits(inferred.Dims, want.Dims) {
			t.Errorf("%v: inference says that output %d is %v, the reference %v", s, k, inferred, want)
		}
		e, err := examine(t.Context(), program, 0, k, values, want, valueOf(x))
		switch {
		case err != nil:
			t.Fatalf("%v: %v", s, err)
		case e.fault != nil:
			t.Errorf("%v: output %d: %s: %s", s, k, profile.Name, e.fault.verdict())
		case e.unbounded && !slices.Contains(s.open, k) && !profile.SumsInOwnType(): // sums of few bits soon have no limit
			t.Errorf("%v: output %d: %s: there is no limit", s, k, profile.Name)
		}
		wrong := *valueOf(x)
		if blur > 0 && wrong.Len() > 0 {
			wrong.Data = blurred(wrong.Data, blur)
			if e, err := examine(t.Context(), program, 0, k, values, want, &wrong); err == nil && e.fault != nil {
				told = true
			}
		}
	}
	return told
}

// blurred is data with a relative error, or, of other types, with one element that is
// another.
func blurred(data onnx.Data, blur float64) onnx.Data {
	n := data.Len()
	other := data.Make(n)
	other.Copy(0, data, 0, n)
	switch d := other.(type) {
	case onnx.Slice[float64]:
		for i := range d {
			d[i] *= 1 + blur
		}
	case onnx.Slice[int64]:
		d[n/2] += 1 - 2*(d[n/2]&1)
	case onnx.Slice[uint64]:
		d[n/2] ^= 1
	case onnx.Slice[bool]:
		d[n/2] = !d[n/2]
	case onnx.Slice[string]:
		d[n/2] += "?"
	}
	return other
}

// fits reports whether lengths are those that inference says, as far as it does.
func fits(inferred []onnx.Dim, dims []int) bool {
	if inferred == nil || len(inferred) != len(dims) {
		return false
	}
	for i, d := range inferred {
		if d.Known() && int(d.Size) != dims[i] {
			return false
		}
	}
	return true
}

// runNodes runs nodes as one model.
func runNodes(t *testing.T, rt witness.Runtime, nodes ...*singleNode) ([]*onnx.Tensor, error) {
	session, err := rt.Open(t.Context(), modelOfNodes(t, nodes...))
	if err != nil {
		return nil, err
	}
	defer session.Close()
	return session.Run(t.Context(), givenTo(nodes...))
}

// blame reports the nodes that a runtime does not run.
func blame(t *testing.T, rt witness.Runtime, nodes []*singleNode) {
	_, err := runNodes(t, rt, nodes...)
	switch half := len(nodes) / 2; {
	case err == nil:
	case half == 0:
		t.Errorf("%v: %v", nodes[0], err)
	default:
		blame(t, rt, nodes[:half])
		blame(t, rt, nodes[half:])
	}
}

// holdLoad has package load run the node, unless it lacks the operator, and compares it with the reference.
func (s *singleNode) holdLoad(t *testing.T) {
	outputs, err := runNodes(t, loadRuntime, s)
	var lacking *onnx.UnsupportedError
	switch {
	case errors.As(err, &lacking):
		return
	case err != nil:
		t.Errorf("%v: load: %v", s, err)
		return
	}
	got := map[string]*onnx.Tensor{}
	for _, x := range outputs {
		got[x.Name] = x
	}
	s.hold(t, reference.Profile{}, got, 0)
}

// holdRows draws nodes of every row, has ONNX Runtime run them, and compares it
// with the reference; and package load, where it has the operator.
func holdRows(t *testing.T, rows []nodeRow) {
	rt := ortNode(t)
	rounds := graphsToDraw(t, 6)
	byOpset := map[int64][]*singleNode{}
	drawn := make([][]*singleNode, len(rows))
	for i, row := range rows {
		for seed := range rounds {
			s := row.draw(seed)
			drawn[i] = append(drawn[i], s)
			byOpset[s.opset] = append(byOpset[s.opset], s)
		}
	}
	got := map[string]*onnx.Tensor{}
	for _, opset := range slices.Sorted(maps.Keys(byOpset)) {
		nodes := byOpset[opset]
		outputs, err := runNodes(t, rt, nodes...)
		if err != nil {
			blame(t, rt, nodes)
			t.FailNow()
		}
		for _, x := range outputs {
			got[x.Name] = x
		}
	}
	for i, row := range rows {
		t.Run(row.op+row.form, func(t *testing.T) {
			blur, told := row.blur, false
			if blur == 0 {
				blur = 1e-3
			}
			for k, s := range drawn[i] {
				told = s.hold(t, reference.Profile{}, got, blur) || told
				s.holdLoad(t)
				for _, p := range reference.Profiles()[1:] {
					if k == 0 {
						s.hold(t, p, got, 0) // wider limits hold all the more
					}
				}
			}
			if !told {
				t.Errorf("outputs that are %g too large, or one too large where they are integers, are not told from right ones", blur)
			}
		})
	}
}
