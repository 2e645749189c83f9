package onnx

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"unsafe"

	"github.com/petrify-ml/petrify/onnx/pb"
	"google.golang.org/protobuf/proto"
)

// Tensor is a value of ONNX's tensor type: elements in row-major order under
// Dims. No Dims is a scalar of one element.
type Tensor struct {
	Name string
	Dims []int
	// Data is one of []float32 []float64 []int8 []int16 []int32 []int64
	// []uint8 []uint16 []uint32 []uint64 []bool []string []Float16 []BFloat16
	// []complex64 []complex128, with one entry per element.
	Data any
}

// NewTensor returns a tensor over data, which it keeps. It fails when a
// dimension is negative, when the product of dims is not the length of data,
// or when Tensor has no such element type.
func NewTensor(name string, data any, dims ...int) (*Tensor, error) {
	t := &Tensor{Name: name, Dims: slices.Clone(dims), Data: data}
	if t.Type() == pb.TensorProto_UNDEFINED {
		return nil, fmt.Errorf("tensor %q: no tensor has data of type %T", name, data)
	}
	wide := make([]int64, len(dims))
	for i, d := range dims {
		wide[i] = int64(d)
	}
	n, err := elementCount(wide)
	if err != nil {
		return nil, fmt.Errorf("tensor %q: %w", name, err)
	}
	if n != int64(t.Len()) {
		return nil, fmt.Errorf("tensor %q: shape %v wants %d elements, got %d", name, dims, n, t.Len())
	}
	return t, nil
}

// Type returns the element type, UNDEFINED when Data is none of its types.
func (t *Tensor) Type() pb.TensorProto_DataType {
	switch t.Data.(type) {
	case []float32:
		return pb.TensorProto_FLOAT
	case []uint8:
		return pb.TensorProto_UINT8
	case []int8:
		return pb.TensorProto_INT8
	case []uint16:
		return pb.TensorProto_UINT16
	case []int16:
		return pb.TensorProto_INT16
	case []int32:
		return pb.TensorProto_INT32
	case []int64:
		return pb.TensorProto_INT64
	case []string:
		return pb.TensorProto_STRING
	case []bool:
		return pb.TensorProto_BOOL
	case []Float16:
		return pb.TensorProto_FLOAT16
	case []float64:
		return pb.TensorProto_DOUBLE
	case []uint32:
		return pb.TensorProto_UINT32
	case []uint64:
		return pb.TensorProto_UINT64
	case []complex64:
		return pb.TensorProto_COMPLEX64
	case []complex128:
		return pb.TensorProto_COMPLEX128
	case []BFloat16:
		return pb.TensorProto_BFLOAT16
	}
	return pb.TensorProto_UNDEFINED
}

// Len returns the number of elements in Data.
func (t *Tensor) Len() int {
	switch d := t.Data.(type) {
	case []float32:
		return len(d)
	case []uint8:
		return len(d)
	case []int8:
		return len(d)
	case []uint16:
		return len(d)
	case []int16:
		return len(d)
	case []int32:
		return len(d)
	case []int64:
		return len(d)
	case []string:
		return len(d)
	case []bool:
		return len(d)
	case []Float16:
		return len(d)
	case []float64:
		return len(d)
	case []uint32:
		return len(d)
	case []uint64:
		return len(d)
	case []complex64:
		return len(d)
	case []complex128:
		return len(d)
	case []BFloat16:
		return len(d)
	}
	return 0
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
	if s, ok := t.Data.([]string); ok {
		for _, v := range s {
			p.StringData = append(p.StringData, []byte(v))
		}
		return p
	}
	p.RawData = rawData(t.Data)
	return p
}

// rawData returns the little-endian bytes of the elements, never nil.
func rawData(data any) []byte {
	switch d := data.(type) {
	case []float32:
		b := make([]byte, 4*len(d))
		for i, v := range d {
			binary.LittleEndian.PutUint32(b[4*i:], math.Float32bits(v))
		}
		return b
	case []float64:
		b := make([]byte, 8*len(d))
		for i, v := range d {
			binary.LittleEndian.PutUint64(b[8*i:], math.Float64bits(v))
		}
		return b
	case []complex64:
		b := make([]byte, 8*len(d))
		for i, v := range d {
			binary.LittleEndian.PutUint32(b[8*i:], math.Float32bits(real(v)))
			binary.LittleEndian.PutUint32(b[8*i+4:], math.Float32bits(imag(v)))
		}
		return b
	case []complex128:
		b := make([]byte, 16*len(d))
		for i, v := range d {
			binary.LittleEndian.PutUint64(b[16*i:], math.Float64bits(real(v)))
			binary.LittleEndian.PutUint64(b[16*i+8:], math.Float64bits(imag(v)))
		}
		return b
	case []bool:
		b := make([]byte, len(d))
		for i, v := range d {
			if v {
				b[i] = 1
			}
		}
		return b
	case []uint8:
		return append(make([]byte, 0, len(d)), d...)
	case []int8:
		return putInts(d)
	case []uint16:
		return putInts(d)
	case []int16:
		return putInts(d)
	case []Float16:
		return putInts(d)
	case []BFloat16:
		return putInts(d)
	case []uint32:
		return putInts(d)
	case []int32:
		return putInts(d)
	case []uint64:
		return putInts(d)
	case []int64:
		return putInts(d)
	}
	return []byte{}
}

type integer interface {
	~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32 | ~uint64
}

// putInts returns the little-endian bytes of d.
func putInts[T integer](d []T) []byte {
	size := int(unsafe.Sizeof(T(0)))
	b := make([]byte, size*len(d))
	switch size {
	case 1:
		for i, v := range d {
			b[i] = byte(v)
		}
	case 2:
		for i, v := range d {
			binary.LittleEndian.PutUint16(b[2*i:], uint16(v))
		}
	case 4:
		for i, v := range d {
			binary.LittleEndian.PutUint32(b[4*i:], uint32(v))
		}
	case 8:
		for i, v := range d {
			binary.LittleEndian.PutUint64(b[8*i:], uint64(v))
		}
	}
	return b
}

// getInts reads len(b)/size little-endian elements.
func getInts[T integer](b []byte) []T {
	size := int(unsafe.Sizeof(T(0)))
	d := make([]T, len(b)/size)
	switch size {
	case 1:
		for i := range d {
			d[i] = T(b[i])
		}
	case 2:
		for i := range d {
			d[i] = T(binary.LittleEndian.Uint16(b[2*i:]))
		}
	case 4:
		for i := range d {
			d[i] = T(binary.LittleEndian.Uint32(b[4*i:]))
		}
	case 8:
		for i := range d {
			d[i] = T(binary.LittleEndian.Uint64(b[8*i:]))
		}
	}
	return d
}

// FromProto reads a tensor out of a message, whichever field its elements are
// in. It returns a *FormatError when the message contradicts itself, and an
// *UnsupportedError when the elements are in another file, or of a type that
// Tensor does not hold. Nothing is allocated beyond what the message holds.
func FromProto(p *pb.TensorProto) (*Tensor, error) {
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
		return nil, &UnsupportedError{Why: fmt.Sprintf("%s: element type %s", where, elemName(typ))}
	}
	n, err := elementCount(p.Dims)
	if err != nil {
		return nil, wrong("%v", err)
	}
	if n > math.MaxInt/16 {
		return nil, wrong("shape %s has %d elements, more than any memory holds", few(p.Dims), n)
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
	if t.Data, err = s.decode(p); err != nil {
		return nil, wrong("%v", err)
	}
	return t, nil
}

// elementCount multiplies dims. A negative length, or a product beyond int64,
// is an error; a zero anywhere makes the product zero.
func elementCount(dims []int64) (int64, error) {
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
		return 0, fmt.Errorf("shape %s has more than 2^63 elements", few(dims))
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

// A storage says how elements of one type lie in a message.
type storage struct {
	bits   int   // of one element in raw_data, 0 where raw_data is not allowed
	field  field // the other place
	per    int   // entries of the other place for one element; 2 for complex numbers
	decode func(p *pb.TensorProto) (any, error)
}

// rawBytes returns the length of raw_data for n elements; elements of fewer
// than 8 bits are packed, the last byte padded.
func (s storage) rawBytes(n int64) (int64, bool) {
	hi, lo := bits.Mul64(uint64(n), uint64(s.bits))
	if hi != 0 || lo > math.MaxInt64 {
		return 0, false
	}
	return int64(lo/8 + (lo%8+7)/8), true
}

// entries returns the length of the other place for n elements.
func (s storage) entries(n int64) (int64, bool) {
	if s.bits > 0 && s.bits < 8 {
		return s.rawBytes(n)
	}
	hi, lo := bits.Mul64(uint64(n), uint64(s.per))
	return int64(lo), hi == 0 && lo <= math.MaxInt64
}

var storages = map[pb.TensorProto_DataType]storage{
	pb.TensorProto_FLOAT:          {32, floatField, 1, decodeFloat32},
	pb.TensorProto_UINT8:          {8, int32Field, 1, decodeSmall[uint8]},
	pb.TensorProto_INT8:           {8, int32Field, 1, decodeSmall[int8]},
	pb.TensorProto_UINT16:         {16, int32Field, 1, decodeSmall[uint16]},
	pb.TensorProto_INT16:          {16, int32Field, 1, decodeSmall[int16]},
	pb.TensorProto_INT32:          {32, int32Field, 1, decodeSmall[int32]},
	pb.TensorProto_INT64:          {64, int64Field, 1, decodeInt64},
	pb.TensorProto_STRING:         {0, stringField, 1, decodeString},
	pb.TensorProto_BOOL:           {8, int32Field, 1, decodeBool},
	pb.TensorProto_FLOAT16:        {16, int32Field, 1, decodeSmall[Float16]},
	pb.TensorProto_DOUBLE:         {64, doubleField, 1, decodeFloat64},
	pb.TensorProto_UINT32:         {32, uint64Field, 1, decodeUint32},
	pb.TensorProto_UINT64:         {64, uint64Field, 1, decodeUint64},
	pb.TensorProto_COMPLEX64:      {64, floatField, 2, decodeComplex64},
	pb.TensorProto_COMPLEX128:     {128, doubleField, 2, decodeComplex128},
	pb.TensorProto_BFLOAT16:       {16, int32Field, 1, decodeSmall[BFloat16]},
	pb.TensorProto_FLOAT8E4M3FN:   {8, int32Field, 1, nil},
	pb.TensorProto_FLOAT8E4M3FNUZ: {8, int32Field, 1, nil},
	pb.TensorProto_FLOAT8E5M2:     {8, int32Field, 1, nil},
	pb.TensorProto_FLOAT8E5M2FNUZ: {8, int32Field, 1, nil},
	pb.TensorProto_FLOAT8E8M0:     {8, int32Field, 1, nil},
	pb.TensorProto_UINT4:          {4, int32Field, 1, nil},
	pb.TensorProto_INT4:           {4, int32Field, 1, nil},
	pb.TensorProto_FLOAT4E2M1:     {4, int32Field, 1, nil},
	pb.TensorProto_UINT2:          {2, int32Field, 1, nil},
	pb.TensorProto_INT2:           {2, int32Field, 1, nil},
}

// A fault is what is wrong with a part of a model, under the code of a rule.
type fault struct{ code, what string }

func faultf(code, format string, args ...any) *fault {
	return &fault{code, fmt.Sprintf(format, args...)}
}

// checkStorage holds the value fields of p against its type and its n
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
	typ := elemName(pb.TensorProto_DataType(p.GetDataType()))
	var want int64
	fits := true
	switch {
	case found == numFields && n == 0:
		return nil
	case found == numFields:
		return faultf("tensor-length", "shape %s wants %d elements, got none", few(p.Dims), n)
	case found == rawField && s.bits > 0:
		want, fits = s.rawBytes(n)
	case found == s.field:
		want, fits = s.entries(n)
	default:
		return faultf("tensor-fields", "elements of type %s do not go into %s", typ, fieldNames[found])
	}
	if !fits {
		return faultf("tensor-dims", "shape %s has %d elements, too many for any file", few(p.Dims), n)
	}
	if got, _ := fieldLen(p, found); int64(got) != want {
		unit := "entries"
		if found == rawField {
			unit = "bytes"
		}
		return faultf("tensor-length", "%s of shape %s wants %d %s of %s, got %d", typ, few(p.Dims), want, unit, fieldNames[found], got)
	}
	return nil
}

// The decoders below rely on checkStorage: the lengths agree, and at most one
// field is there.

func decodeFloat32(p *pb.TensorProto) (any, error) {
	if p.RawData == nil {
		return append([]float32{}, p.FloatData...), nil
	}
	d := make([]float32, len(p.RawData)/4)
	for i := range d {
		d[i] = math.Float32frombits(binary.LittleEndian.Uint32(p.RawData[4*i:]))
	}
	return d, nil
}

func decodeFloat64(p *pb.TensorProto) (any, error) {
	if p.RawData == nil {
		return append([]float64{}, p.DoubleData...), nil
	}
	d := make([]float64, len(p.RawData)/8)
	for i := range d {
		d[i] = math.Float64frombits(binary.LittleEndian.Uint64(p.RawData[8*i:]))
	}
	return d, nil
}

func decodeComplex64(p *pb.TensorProto) (any, error) {
	parts, err := decodeFloat32(p)
	f := parts.([]float32)
	d := make([]complex64, len(f)/2)
	for i := range d {
		d[i] = complex(f[2*i], f[2*i+1])
	}
	return d, err
}

func decodeComplex128(p *pb.TensorProto) (any, error) {
	parts, err := decodeFloat64(p)
	f := parts.([]float64)
	d := make([]complex128, len(f)/2)
	for i := range d {
		d[i] = complex(f[2*i], f[2*i+1])
	}
	return d, err
}

// decodeSmall reads integers, or bits of floats, that lie in int32_data.
func decodeSmall[T ~int8 | ~int16 | ~int32 | ~uint8 | ~uint16](p *pb.TensorProto) (any, error) {
	if p.RawData != nil {
		return getInts[T](p.RawData), nil
	}
	d := make([]T, len(p.Int32Data))
	for i, v := range p.Int32Data {
		if d[i] = T(v); int32(d[i]) != v {
			return nil, fmt.Errorf("element %d is %d, beyond its type %s", i, v, elemName(pb.TensorProto_DataType(p.GetDataType())))
		}
	}
	return d, nil
}

func decodeInt64(p *pb.TensorProto) (any, error) {
	if p.RawData != nil {
		return getInts[int64](p.RawData), nil
	}
	return append([]int64{}, p.Int64Data...), nil
}

func decodeUint64(p *pb.TensorProto) (any, error) {
	if p.RawData != nil {
		return getInts[uint64](p.RawData), nil
	}
	return append([]uint64{}, p.Uint64Data...), nil
}

func decodeUint32(p *pb.TensorProto) (any, error) {
	if p.RawData != nil {
		return getInts[uint32](p.RawData), nil
	}
	d := make([]uint32, len(p.Uint64Data))
	for i, v := range p.Uint64Data {
		if v > math.MaxUint32 {
			return nil, fmt.Errorf("element %d is %d, beyond its type uint32", i, v)
		}
		d[i] = uint32(v)
	}
	return d, nil
}

func decodeBool(p *pb.TensorProto) (any, error) {
	small, err := decodeSmall[uint8](p)
	if err != nil {
		return nil, err
	}
	bytes := small.([]uint8)
	d := make([]bool, len(bytes))
	for i, v := range bytes {
		if v > 1 {
			return nil, fmt.Errorf("element %d is %d, want 0 or 1 for a bool", i, v)
		}
		d[i] = v == 1
	}
	return d, nil
}

func decodeString(p *pb.TensorProto) (any, error) {
	d := make([]string, len(p.StringData))
	for i, v := range p.StringData {
		d[i] = string(v)
	}
	return d, nil
}
