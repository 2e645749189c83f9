package op

import (
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// A Rule derives the outputs of one operator, in all of its versions. Element types that follow
// from the operator's type variables are set before it is called.
type Rule func(n *Node)

// A Host is the inference pass in which a rule runs: rules report to it and query it.
type Host interface {
	// Report says what contradicts, under the code of a rule.
	Report(code, format string, args ...any)
	// Resolve follows an attribute that refers to one of the function around
	// the node. It is nil where the call has none.
	Resolve(a *pb.AttributeProto) *pb.AttributeProto
	// Body infers the graph in an attribute, which runs the given number of times, and returns the
	// facts about its outputs.
	Body(attr string, g *pb.GraphProto, inputs []Fact, times int64) []Fact
	// Spend adds n multiplications and additions to the work of a run.
	Spend(n int64)
	// AtLeast says that a value has n elements or more, where its shape does
	// not say so.
	AtLeast(n int64)
}

// A Node is a node together with what is known about its inputs, as seen by the rule of its
// operator.
type Node struct {
	*Schema
	host   Host
	proto  *pb.NodeProto
	in     []Fact
	out    []Fact
	failed bool
	named  bool // an attribute names the type of the output
}

// Infer says what the outputs of a node are, from what is known of its inputs,
// those that are left out unknown. It reports to the host what contradicts.
func (s *Schema) Infer(proto *pb.NodeProto, in []Fact, host Host) []Fact {
	n := &Node{Schema: s, host: host, proto: proto, in: in, out: make([]Fact, len(proto.Output))}
	n.constrain()
	n.conform()
	if s.Rule != nil && !n.failed {
		s.Rule(n)
	}
	if n.named {
		n.conformOutputs()
	}
	return n.out
}

// wrong reports a contradiction. What the rule has not said by then about the
// outputs stays unknown.
func (n *Node) wrong(code, format string, args ...any) {
	n.failed = true
	n.host.Report(code, format, args...)
}

// constrain compares the inputs with the types that the operator takes, and
// gives the outputs those that follow.
func (n *Node) constrain() {
	bound := make(map[string]Fact)
	for i, v := range n.in {
		p, ok := FormalOf(n.Schema.In, i)
		if !ok || i >= len(n.proto.Input) || n.proto.Input[i] == "" {
			continue
		}
		if !p.Set.Takes(v) {
			n.wrong("type-mismatch", "input %d, %s, is %v, which %s of opset %d does not take for %s", i, onnx.Quote(n.proto.Input[i]), v, n.Name, n.Since, p.Type)
			continue
		}
		if !p.Variable || p.Variadic && p.Mixed || v.Kind == UnknownKind {
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
		p, ok := FormalOf(n.Schema.Out, i)
		if !ok || p.Variadic && p.Mixed {
			continue
		}
		if v, ok := bound[p.Type]; ok {
			n.out[i] = v.SameElements()
			continue
		}
		if set := p.Set; set.Seq|set.Opt|set.OptSeq == 0 && len(set.Other) == 0 && bits.OnesCount64(set.Tensor) == 1 {
			n.out[i] = TensorOf(pb.TensorProto_DataType(bits.TrailingZeros64(set.Tensor)), nil)
		}
	}
}

// attr returns an attribute, references of functions resolved.
func (n *Node) attr(name string) *pb.AttributeProto {
	a := onnx.Attribute(n.proto, name)
	if a == nil {
		return nil
	}
	return n.host.Resolve(a)
}

// value returns an attribute or its default, nil where there is neither.
func (n *Node) value(name string) *pb.AttributeProto {
	if a := n.attr(name); a != nil {
		return a
	}
	return n.Default(name)
}

// int is an attribute or its default; where there is neither, what is given for it, or 0.
func (n *Node) int(name string, otherwise ...int64) int64 {
	if a := n.value(name); a != nil || len(otherwise) == 0 {
		return a.GetI()
	}
	return otherwise[0]
}

// flag is an attribute that is 0 or 1.
func (n *Node) flag(name string) bool { return n.int(name) != 0 }

func (n *Node) ints(name string) ([]int64, bool) {
	a := n.attr(name)
	return a.GetInts(), a != nil
}

func (n *Node) string(name string) string { return string(n.value(name).GetS()) }

// arg returns input i, an unknown value when it is left out.
func (n *Node) arg(i int) Fact {
	if i < len(n.in) {
		return n.in[i]
	}
	return Fact{}
}

// given reports whether input i is there.
func (n *Node) given(i int) bool { return i >= 0 && i < len(n.proto.Input) && n.proto.Input[i] != "" }

// dims returns the shape of input i, nil when its rank is not known.
func (n *Node) dims(i int) []onnx.Dim { return n.arg(i).Dims }

// set says what output i is.
func (n *Node) set(i int, elem pb.TensorProto_DataType, dims []onnx.Dim) {
	if i < len(n.out) {
		n.out[i] = TensorOf(elem, dims)
	}
}

// shape says the shape of output i, whose element type follows from the
// operator's constraints.
func (n *Node) shape(i int, dims []onnx.Dim) {
	if i < len(n.out) {
		n.set(i, n.out[i].Elem, dims)
	}
}

// setValue says what output 0 is.
func (n *Node) setValue(v Fact) {
	if len(n.out) > 0 {
		n.out[0] = v
	}
}

// knownInts returns the elements of input i when all are known.
func (n *Node) knownInts(i int) ([]int64, bool) {
	v := n.arg(i)
	if v.Ints == nil {
		return nil, false
	}
	out := make([]int64, len(v.Ints))
	for j, e := range v.Ints {
		if !e.Known {
			return nil, false
		}
		out[j] = e.Value
	}
	return out, true
}

// constantInts returns the elements of input i, of any rank, when it is a constant
// of integers.
func (n *Node) constantInts(i int) ([]int64, bool) {
	if v, ok := n.knownInts(i); ok {
		return v, true
	}
	data := n.arg(i).Data
	if data == nil {
		return nil, false
	}
	t, err := onnx.FromProto(data)
	if err != nil {
		return nil, false
	}
	switch d := t.Data.(type) {
	case onnx.Slice[int64]:
		return d, true
	case onnx.Slice[int32]:
		wide := make([]int64, len(d))
		for j, v := range d {
			wide[j] = int64(v)
		}
		return wide, true
	}
	return nil, false
}

// indices sees that the elements of input i, where they are known, are indices
// into an axis of a known length.
func (n *Node) indices(i int, axis onnx.Dim) {
	list, ok := n.constantInts(i)
	if !ok || !axis.Known() {
		return
	}
	for _, v := range list {
		if v < -axis.Size || v >= axis.Size {
			n.wrong("attribute-range", "index %d, in input %d, %s, into an axis of %d", v, i, onnx.Quote(n.proto.Input[i]), axis.Size)
			return
		}
	}
}

// fits sees that input i broadcasts to a shape, which stays as it is.
func (n *Node) fits(i int, to []onnx.Dim) {
	d := n.dims(i)
	if d == nil || to == nil || !n.given(i) {
		return
	}
	ok := len(d) <= len(to)
	for j := 0; ok && j < len(d); j++ {
		have, want := d[j], to[len(to)-len(d)+j]
		ok = !have.Known() || have.Size == 1 || !want.Known() || have.Size == want.Size
	}
	if !ok {
		n.wrong("shape-mismatch", "input %d, %s, is %v, which does not broadcast to %s", i, onnx.Quote(n.proto.Input[i]), n.arg(i), shapeText(to))
	}
}

// like sees that input i has a shape, where it is given.
func (n *Node) like(i int, want ...onnx.Dim) {
	d := n.dims(i)
	if d == nil || !n.given(i) {
		return
	}
	if _, ok := MergeDims(d, want); !ok {
		n.wrong("shape-mismatch", "input %d, %s, is %v, want the shape %s", i, onnx.Quote(n.proto.Input[i]), n.arg(i), shapeText(want))
	}
}

// length sees that input i, a list, has so many elements, where that is known.
func (n *Node) length(i, want int) {
	if d := n.dims(i); len(d) == 1 && n.given(i) && d[0].Known() && d[0].Size != int64(want) {
		n.wrong("shape-mismatch", "input %d, %s, has %d elements, want %d", i, onnx.Quote(n.proto.Input[i]), d[0].Size, want)
	}
}

// axesOf returns axes from an attribute, or from input 1 where newer opsets
// have them. ok is false when they cannot be known, given when there are any.
func (n *Node) axesOf(name string) (axes []int64, given, ok bool) {
	if n.given(1) {
		axes, ok = n.knownInts(1)
		return axes, true, ok
	}
	axes, given = n.ints(name)
	return axes, given, true
}

// axis brings an axis into [0, rank), and reports one that is out of range.
func (n *Node) axis(v int64, rank int) (int, bool) {
	a, ok := Axis(v, rank)
	if !ok {
		n.wrong("attribute-range", "axis %d of a value with %d axes", v, rank)
	}
	return a, ok
}

// axisSet brings axes into [0, rank) and sorts them; none may come twice.
func (n *Node) axisSet(axes []int64, rank int) ([]int, bool) {
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

// rank compares the rank of input i with what the operator takes. It is false
// when it is not known, or wrong.
func (n *Node) rank(i, least, most int) bool {
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
func (n *Node) equal(a, b onnx.Dim, format string, args ...any) onnx.Dim {
	d, ok := MergeDim(a, b)
	if !ok {
		n.wrong("shape-mismatch", "%s: %v and %v", fmt.Sprintf(format, args...), a, b)
	}
	return d
}

// elemAttr is an element type that an attribute names; otherwise is for one without a default.
func (n *Node) elemAttr(name string, otherwise pb.TensorProto_DataType) pb.TensorProto_DataType {
	n.named = true
	usual := int64(otherwise)
	if d := n.Default(name); d != nil {
		usual = d.GetI()
	}
	code := n.int(name, usual)
	if _, ok := pb.TensorProto_DataType_name[int32(code)]; !ok || code != int64(int32(code)) || code == 0 && usual != 0 {
		n.wrong("attribute-range", "attribute %q is %d, which is none of ONNX's data types", name, code)
		return pb.TensorProto_UNDEFINED
	}
	return pb.TensorProto_DataType(code)
}

// keepInts says that the elements of output 0 are known.
func (n *Node) keepInts(ints []Number) {
	if len(n.out) > 0 && len(n.out[0].Dims) <= 1 && len(ints) <= mostKnown {
		n.out[0].Ints = ints
	}
}

// shapeInput reads a shape out of input i: its elements where they are known,
// its rank where only that is. It is false when not even that is.
func (n *Node) shapeInput(i int) ([]onnx.Dim, bool) {
	v := n.arg(i)
	if v.Dims != nil && !n.rank(i, 1, 1) {
		return nil, false
	}
	if v.Ints == nil {
		if len(v.Dims) == 1 && v.Dims[0].Known() && v.Dims[0].Size <= mostKnown {
			return unknownDims(int(v.Dims[0].Size)), true
		}
		return nil, false
	}
	dims := make([]onnx.Dim, len(v.Ints))
	for j, e := range v.Ints {
		if e.Known && e.Value < 0 {
			n.wrong("attribute-range", "input %d, %s, is a shape with the negative length %d", i, onnx.Quote(n.proto.Input[i]), e.Value)
			return nil, false
		}
		dims[j] = e.dim()
	}
	return dims, true
}

// body infers a graph that the node holds, which runs a number of times, and
// returns its outputs.
func (n *Node) body(name string, inputs []Fact, times int64) ([]Fact, bool) {
	a := n.attr(name)
	if a == nil || a.G == nil {
		return nil, false
	}
	if inputs != nil && len(a.G.Input) != len(inputs) {
		n.wrong("shape-mismatch", "graph %q takes %d inputs, and is given %d", name, len(a.G.Input), len(inputs))
		return nil, false
	}
	return n.host.Body(name, a.G, inputs, times), true
}

// noInput is the place of an input that an operator does not have.
const noInput = 1 << 30
