package onnx

import (
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/petrify-ml/petrify/onnx/pb"
	"google.golang.org/protobuf/proto"
)

// A Tensor is a value of ONNX's tensor type: elements in row-major order with dimensions Dims.
// Without Dims it is a scalar.
type Tensor struct {
	Name string
	Dims []int
	Data Data // nil is a tensor that holds nothing, of no type
}

// NewTensor returns a tensor over data, which it keeps. It fails when a
// dimension is negative, or when the product of dims is not the length of data.
func NewTensor[T Element](name string, data []T, dims ...int) (*Tensor, error) {
	return TensorOf(name, Slice[T](data), dims...)
}

// TensorOf is NewTensor for data of a type that is known at run time only. No
// data is an error.
func TensorOf(name string, data Data, dims ...int) (*Tensor, error) {
	if data == nil {
		return nil, fmt.Errorf("tensor %q: no data", name)
	}
	wide := make([]int64, len(dims))
	for i, d := range dims {
		wide[i] = int64(d)
	}
	n, err := ElementCount(wide)
	if err != nil {
		return nil, fmt.Errorf("tensor %q: %w", name, err)
	}
	if n != int64(data.Len()) {
		return nil, fmt.Errorf("tensor %q: shape %v wants %d elements, got %d", name, dims, n, data.Len())
	}
	return &Tensor{Name: name, Dims: slices.Clone(dims), Data: data}, nil
}

// Weights are the elements of a tensor of float32, float16 or int8 as float32, in row-major order; of int8 without its scale. It
// reports false for any other type. Those of float32 are the tensor's own: they must only be read.
func (t *Tensor) Weights() ([]float32, bool) {
	var data []float32
	switch stored := t.Data.(type) {
	case Slice[float32]:
		return stored, true
	case Slice[Float16]:
		for _, v := range stored {
			data = append(data, v.Float32())
		}
	case Slice[int8]:
		for _, v := range stored {
			data = append(data, float32(v))
		}
	default:
		return nil, false
	}
	return data, true
}

// Type returns the element type, UNDEFINED without data.
func (t *Tensor) Type() pb.TensorProto_DataType {
	if t.Data == nil {
		return pb.TensorProto_UNDEFINED
	}
	return t.Data.Type()
}

// Len returns the number of elements in Data.
func (t *Tensor) Len() int {
	if t.Data == nil {
		return 0
	}
	return t.Data.Len()
}

// Clone returns a tensor that shares no memory with t.
func (t *Tensor) Clone() *Tensor {
	c := &Tensor{Name: t.Name, Dims: slices.Clone(t.Dims)}
	if t.Data != nil {
		c.Data = t.Data.Make(t.Len())
		c.Data.Copy(0, t.Data, 0, t.Len())
	}
	return c
}

// SameBits reports whether two tensors have the same dims and elements, those to the last bit, whatever their names.
func (t *Tensor) SameBits(u *Tensor) bool {
	if t == nil || u == nil {
		return t == u
	}
	return slices.Equal(t.Dims, u.Dims) && t.Data.Equal(u.Data)
}

// Proto returns the tensor as a message: elements in raw_data, little-endian,
// or in string_data. Nothing of the message is shared with t.
func (t *Tensor) Proto() *pb.TensorProto {
	p := &pb.TensorProto{DataType: proto.Int32(int32(t.Type()))}
	if t.Name != "" {
		p.Name = proto.String(t.Name)
	}
	for _, d := range t.Dims {
		p.Dims = append(p.Dims, int64(d))
	}
	if s, ok := t.Data.(Slice[string]); ok {
		for _, v := range s {
			p.StringData = append(p.StringData, []byte(v))
		}
		return p
	}
	if p.RawData = []byte{}; t.Data != nil {
		p.RawData = t.Data.raw()
	}
	return p
}

// FromProto reads a tensor from a message, whichever field its elements are in. It returns a
// *FormatError if the message contradicts itself, and an *UnsupportedError if the elements are in
// another file, or of a type that Tensor does not hold. It allocates no more than the message
// justifies.
func FromProto(p *pb.TensorProto) (*Tensor, error) {
	return fromProto(p, func(s storage) (Data, error) { return s.decode(p) })
}

// View is FromProto without copying raw_data, if the machine's byte order and alignment permit. Neither the tensor nor the
// message may be changed afterwards.
func View(p *pb.TensorProto) (*Tensor, error) {
	return fromProto(p, func(s storage) (Data, error) {
		whole := s.bits%8 == 0 && p.GetDataType() != int32(pb.TensorProto_BOOL) // bytes other than 0 and 1 are no bool
		if views && whole && len(p.RawData) > 0 {
			return s.none.view(p.RawData), nil
		}
		return s.decode(p)
	})
}

func fromProto(p *pb.TensorProto, decode func(s storage) (Data, error)) (*Tensor, error) {
	where := "tensor " + Quote(p.GetName())
	wrong := func(format string, args ...any) error {
		return &FormatError{Offset: -1, Where: where, What: fmt.Sprintf(format, args...)}
	}
	typ := pb.TensorProto_DataType(p.GetDataType())
	s, ok := storages[typ]
	switch {
	case !ok:
		return nil, wrong("data type %d is not one of ONNX's", p.GetDataType())
	case p.Segment != nil:
		return nil, &UnsupportedError{Why: where + ": the tensor is one segment of several"}
	case p.GetDataLocation() == pb.TensorProto_EXTERNAL || len(p.ExternalData) > 0:
		return nil, &UnsupportedError{Why: where + ": the elements are in another file (external data)"}
	case s.decode == nil:
		return nil, &UnsupportedError{Why: fmt.Sprintf("%s: element type %s", where, ElemName(typ))}
	}
	n, err := ElementCount(p.Dims)
	if err != nil {
		return nil, wrong("%v", err)
	}
	if n > math.MaxInt/16 {
		return nil, wrong("shape %s has %d elements, more than any memory holds", Few(p.Dims), n)
	}
	if f := checkStorage(p, s, n); f != nil {
		return nil, wrong("%s", f.what)
	}
	t := &Tensor{Name: p.GetName(), Dims: make([]int, len(p.Dims))}
	for i, d := range p.Dims {
		if d > math.MaxInt {
			return nil, wrong("axis %d has %d elements, more than an int holds", i, d)
		}
		t.Dims[i] = int(d)
	}
	if t.Data, err = decode(s); err != nil {
		return nil, wrong("%v", err)
	}
	return t, nil
}

// ElementCount multiplies dims. A negative length, or a product beyond int64,
// is an error; a zero anywhere makes the product zero.
func ElementCount(dims []int64) (int64, error) {
	n := uint64(1)
	overflow := false
	for i, d := range dims {
		if d < 0 {
			return 0, fmt.Errorf("axis %d has a negative length, %d", i, d)
		}
		hi, lo := bits.Mul64(n, uint64(d))
		overflow = overflow || hi != 0 || lo > math.MaxInt64
		n = lo
	}
	if slices.Contains(dims, 0) {
		return 0, nil
	}
	if overflow {
		return 0, fmt.Errorf("shape %s has more than 2^63 elements", Few(dims))
	}
	return int64(n), nil
}

// A field is one of the places where TensorProto keeps elements.
type field int

const (
	rawField field = iota
	floatField
	int32Field
	stringField
	int64Field
	doubleField
	uint64Field
	numFields
)

var fieldNames = [numFields]string{"raw_data", "float_data", "int32_data", "string_data", "int64_data", "double_data", "uint64_data"}

// fieldLen returns the number of entries in a field, bytes for raw_data, and
// whether the field is there at all.
func fieldLen(p *pb.TensorProto, f field) (n int, present bool) {
	switch f {
	case rawField:
		return len(p.RawData), p.RawData != nil
	case floatField:
		n = len(p.FloatData)
	case int32Field:
		n = len(p.Int32Data)
	case stringField:
		n = len(p.StringData)
	case int64Field:
		n = len(p.Int64Data)
	case doubleField:
		n = len(p.DoubleData)
	case uint64Field:
		n = len(p.Uint64Data)
	}
	return n, n > 0
}

// A fault is what is wrong with a part of a model, under the code of a rule.
type fault struct{ code, what string }

func faultf(code, format string, args ...any) *fault {
	return &fault{code, fmt.Sprintf(format, args...)}
}

// checkStorage compares the value fields of p with its type and its n
// elements: exactly one of the two allowed fields, of the right length; none
// is needed for no elements.
func checkStorage(p *pb.TensorProto, s storage, n int64) *fault {
	found := numFields
	for f := range numFields {
		if _, present := fieldLen(p, f); !present {
			continue
		}
		if found != numFields {
			return faultf("tensor-fields", "elements in both %s and %s", fieldNames[found], fieldNames[f])
		}
		found = f
	}
	typ := ElemName(pb.TensorProto_DataType(p.GetDataType()))
	var want int64
	var fits bool
	switch {
	case found == numFields && n == 0:
		return nil
	case found == numFields:
		return faultf("tensor-length", "shape %s wants %d elements, got none", Few(p.Dims), n)
	case found == rawField && s.bits > 0:
		want, fits = s.rawBytes(n)
	case found == s.field:
		want, fits = s.entries(n)
	default:
		return faultf("tensor-fields", "elements of type %s do not go into %s", typ, fieldNames[found])
	}
	if !fits {
		return faultf("tensor-dims", "shape %s has %d elements, too many for any file", Few(p.Dims), n)
	}
	if got, _ := fieldLen(p, found); int64(got) != want {
		unit := "entries"
		if found == rawField {
			unit = "bytes"
		}
		return faultf("tensor-length", "%s of shape %s wants %d %s of %s, got %d", typ, Few(p.Dims), want, unit, fieldNames[found], got)
	}
	return nil
}
