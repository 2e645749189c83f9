package op

import (
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// A Kind says what sort of value something is.
type Kind uint8

const (
	UnknownKind Kind = iota
	TensorKind
	SequenceKind
	OptionalKind
	OtherKind // maps, sparse tensors, opaque values
)

// mostKnown is how many elements of a value are followed.
const mostKnown = 1024

// A Fact is what inference knows about one value of a graph.
type Fact struct {
	Kind  Kind
	Elem  pb.TensorProto_DataType // UNDEFINED when it is not known
	Dims  []onnx.Dim              // nil when the rank is not known
	Inner *Fact                   // of sequences and optionals
	Ints  []Number                // the elements, of integers of rank 0 or 1; nil when they are not known
	Data  *pb.TensorProto         // the elements, of a constant
}

// A Number is an element that is followed by value: an integer, the length of
// an axis that has a name only, or unknown.
type Number struct {
	Known  bool
	Value  int64
	Symbol string
}

// Known is an element of a known value.
func Known(v int64) Number { return Number{Known: true, Value: v} }

// numberOf is the length of an axis as a number.
func numberOf(d onnx.Dim) Number { return Number{d.Known(), d.Size, d.Symbol} }

// dim is the number as the length of an axis.
func (n Number) dim() onnx.Dim {
	switch {
	case n.Known && n.Value >= 0:
		return onnx.Fixed(n.Value)
	case !n.Known && n.Symbol != "":
		return onnx.Symbolic(n.Symbol)
	}
	return onnx.Unknown()
}

// TensorOf is a tensor of which the type and shape are known.
func TensorOf(elem pb.TensorProto_DataType, dims []onnx.Dim) Fact {
	return Fact{Kind: TensorKind, Elem: elem, Dims: dims}
}

// String returns the type of the value.
func (v Fact) String() string {
	switch v.Kind {
	case TensorKind:
		return onnx.Type{Elem: v.Elem, Dims: v.Dims}.String()
	case SequenceKind:
		return "seq(" + v.Inner.String() + ")"
	case OptionalKind:
		return "optional(" + v.Inner.String() + ")"
	}
	return "unknown"
}

// ValueOf reads a declared type.
func ValueOf(t *pb.TypeProto) Fact {
	switch v := t.GetValue().(type) {
	case *pb.TypeProto_TensorType:
		typ, _ := onnx.TypeOf(t)
		return TensorOf(typ.Elem, typ.Dims)
	case *pb.TypeProto_SequenceType:
		inner := ValueOf(v.SequenceType.GetElemType())
		return Fact{Kind: SequenceKind, Inner: &inner}
	case *pb.TypeProto_OptionalType:
		inner := ValueOf(v.OptionalType.GetElemType())
		return Fact{Kind: OptionalKind, Inner: &inner}
	case nil:
		return Fact{}
	}
	return Fact{Kind: OtherKind}
}

// ConstantOf is the value of a tensor of the file.
func ConstantOf(t *pb.TensorProto) Fact {
	dims := make([]onnx.Dim, len(t.Dims))
	for i, d := range t.Dims {
		dims[i] = onnx.Dim{Size: max(d, -1)}
	}
	v := TensorOf(pb.TensorProto_DataType(t.GetDataType()), dims)
	n, err := onnx.ElementCount(t.Dims)
	if err != nil || n > mostKnown || t.GetDataLocation() == pb.TensorProto_EXTERNAL {
		return v
	}
	v.Data = t
	if len(t.Dims) > 1 {
		return v
	}
	read, err := onnx.FromProto(t)
	if err != nil {
		v.Data = nil
		return v
	}
	switch d := read.Data.(type) {
	case onnx.Slice[int64]:
		v.Ints = numbers(d)
	case onnx.Slice[int32]:
		v.Ints = numbers(d)
	}
	return v
}

func numbers[T int32 | int64](d []T) []Number {
	out := make([]Number, len(d))
	for i, e := range d {
		out[i] = Known(int64(e))
	}
	return out
}

// floats returns the elements of a constant of floats.
func (v Fact) floats() ([]float64, bool) {
	if v.Data == nil {
		return nil, false
	}
	t, err := onnx.FromProto(v.Data)
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

// Common is the type that holds both of two values, as of the two branches of
// an If.
func Common(a, b Fact) Fact {
	if a.Kind != b.Kind || a.Kind == UnknownKind || a.Kind == OtherKind {
		return Fact{Kind: map[bool]Kind{true: a.Kind}[a.Kind == b.Kind]}
	}
	if a.Inner != nil && b.Inner != nil {
		inner := Common(*a.Inner, *b.Inner)
		return Fact{Kind: a.Kind, Inner: &inner}
	}
	out := Fact{Kind: a.Kind, Elem: a.Elem}
	if a.Elem != b.Elem {
		out.Elem = pb.TensorProto_UNDEFINED
	}
	if a.Dims == nil || b.Dims == nil || len(a.Dims) != len(b.Dims) {
		return out
	}
	out.Dims = make([]onnx.Dim, len(a.Dims))
	for i := range out.Dims {
		out.Dims[i] = a.Dims[i]
		if a.Dims[i] != b.Dims[i] {
			out.Dims[i] = onnx.Unknown()
		}
	}
	return out
}

// typeless reports whether the element type is unknown.
func (v Fact) typeless() bool {
	switch v.Kind {
	case TensorKind:
		return v.Elem == pb.TensorProto_UNDEFINED
	case SequenceKind, OptionalKind:
		return v.Inner.typeless()
	}
	return true
}

// sameType compares kinds and element types.
func sameType(a, b Fact) bool {
	if a.Kind != b.Kind {
		return false
	}
	switch a.Kind {
	case TensorKind:
		return a.Elem == b.Elem
	case SequenceKind, OptionalKind:
		return sameType(*a.Inner, *b.Inner)
	}
	return true
}

// SameElements is a value of the same type, of which nothing else is known.
func (v Fact) SameElements() Fact {
	switch v.Kind {
	case TensorKind:
		return TensorOf(v.Elem, nil)
	case SequenceKind, OptionalKind:
		inner := v.Inner.SameElements()
		return Fact{Kind: v.Kind, Inner: &inner}
	}
	return Fact{Kind: v.Kind}
}

// Takes reports whether a value may be of one of the types. What is not known
// may be.
func (s TypeSet) Takes(v Fact) bool {
	bit := func(v Fact) uint64 {
		if v.Kind == TensorKind && v.Elem > 0 && v.Elem < 64 {
			return 1 << v.Elem
		}
		return ^uint64(0)
	}
	switch v.Kind {
	case TensorKind:
		return s.Tensor&bit(v) != 0
	case SequenceKind:
		return len(s.Other) > 0 && v.Inner.Kind != TensorKind || s.Seq&bit(*v.Inner) != 0
	case OptionalKind:
		if v.Inner.Kind == SequenceKind {
			return s.OptSeq&bit(*v.Inner.Inner) != 0
		}
		return s.Opt&bit(*v.Inner) != 0 || v.Inner.Kind == UnknownKind && s.OptSeq != 0
	}
	return true
}

func widen(v []float32) []float64 {
	out := make([]float64, len(v))
	for i, e := range v {
		out[i] = float64(e)
	}
	return out
}

func int32of(t pb.TensorProto_DataType) *int32 {
	v := int32(t)
	return &v
}
