package onnx

import (
	"fmt"
	"strings"

	"github.com/petrify-ml/petrify/onnx/pb"
	"google.golang.org/protobuf/proto"
)

// A Dim is the length of one axis: known (Size >= 0), symbolic (Size < 0 and a Symbol; equal
// symbols mean equal lengths), or unknown.
type Dim struct {
	Size   int64
	Symbol string
}

// Fixed returns the Dim of an axis with n elements.
func Fixed(n int64) Dim { return Dim{Size: n} }

// Symbolic returns the Dim of an axis whose length has a name but no number.
func Symbolic(name string) Dim { return Dim{Size: -1, Symbol: name} }

// Unknown returns the Dim of an axis about which nothing is known.
func Unknown() Dim { return Dim{Size: -1} }

// Known reports whether the length of the axis is a number.
func (d Dim) Known() bool { return d.Size >= 0 }

// String returns the number, the symbol, or "?". A symbol that is not a plain
// name is quoted.
func (d Dim) String() string {
	switch {
	case d.Known():
		return fmt.Sprint(d.Size)
	case d.Symbol != "":
		return Printable(d.Symbol)
	}
	return "?"
}

// Type is the type of a tensor value. Dims nil means that the rank is unknown;
// a scalar has Dims of length 0.
type Type struct {
	Elem pb.TensorProto_DataType
	Dims []Dim
}

// String returns the type as in "float[N,1,28,28]"; "float[...]" has an unknown
// rank.
func (t Type) String() string {
	if t.Dims == nil {
		return ElemName(t.Elem) + "[...]"
	}
	dims := make([]string, len(t.Dims))
	for i, d := range t.Dims {
		dims[i] = d.String()
	}
	return ElemName(t.Elem) + "[" + strings.Join(dims, ",") + "]"
}

// Proto returns the type as a message.
func (t Type) Proto() *pb.TypeProto {
	tensor := &pb.TypeProto_Tensor{ElemType: proto.Int32(int32(t.Elem))}
	if t.Dims != nil {
		tensor.Shape = &pb.TensorShapeProto{}
		for _, d := range t.Dims {
			dim := &pb.TensorShapeProto_Dimension{}
			switch {
			case d.Known():
				dim.Value = &pb.TensorShapeProto_Dimension_DimValue{DimValue: d.Size}
			case d.Symbol != "":
				dim.Value = &pb.TensorShapeProto_Dimension_DimParam{DimParam: d.Symbol}
			}
			tensor.Shape.Dim = append(tensor.Shape.Dim, dim)
		}
	}
	return &pb.TypeProto{Value: &pb.TypeProto_TensorType{TensorType: tensor}}
}

// TypeOf reads the type of a tensor from a message. It is false for sequences,
// maps and everything else that is not a dense tensor.
func TypeOf(p *pb.TypeProto) (Type, bool) {
	tensor := p.GetTensorType()
	if tensor == nil {
		return Type{}, false
	}
	t := Type{Elem: pb.TensorProto_DataType(tensor.GetElemType())}
	if tensor.Shape == nil {
		return t, true
	}
	t.Dims = make([]Dim, 0, len(tensor.Shape.Dim))
	for _, d := range tensor.Shape.Dim {
		switch v := d.GetValue().(type) {
		case *pb.TensorShapeProto_Dimension_DimValue:
			t.Dims = append(t.Dims, Dim{Size: max(v.DimValue, -1)})
		case *pb.TensorShapeProto_Dimension_DimParam:
			t.Dims = append(t.Dims, Symbolic(v.DimParam))
		default:
			t.Dims = append(t.Dims, Unknown())
		}
	}
	return t, true
}

// IsComplex reports whether elements are complex numbers.
func IsComplex(t pb.TensorProto_DataType) bool {
	return t == pb.TensorProto_COMPLEX64 || t == pb.TensorProto_COMPLEX128
}

// ElemName returns the name of an element type as in the type strings of ONNX's operator
// documentation: tensor(float), tensor(int64).
func ElemName(t pb.TensorProto_DataType) string {
	if name, ok := pb.TensorProto_DataType_name[int32(t)]; ok {
		return strings.ToLower(name)
	}
	return fmt.Sprintf("type%d", int32(t))
}
