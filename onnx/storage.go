package onnx

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"unsafe"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// A storage says what there is to know of one element type.
type storage struct {
	bits  int   // of one element in raw_data, 0 where raw_data is not allowed
	field field // the other place in a message
	per   int   // entries of the other place for one element; 2 for complex numbers

	// What follows is nil for types that Data does not hold.
	none   Data
	decode func(p *pb.TensorProto) (Data, error)
	widen  func(Data) Data
	narrow func(Data) (Data, bool)
}

// storages are ONNX's element types: the only list of them.
var storages = map[pb.TensorProto_DataType]storage{
	pb.TensorProto_FLOAT:          ofNumbers[float32, float64](floatField, inField((*pb.TensorProto).GetFloatData)),
	pb.TensorProto_UINT8:          ofNumbers[uint8, uint64](int32Field, inWider[uint8]((*pb.TensorProto).GetInt32Data)),
	pb.TensorProto_INT8:           ofNumbers[int8, int64](int32Field, inWider[int8]((*pb.TensorProto).GetInt32Data)),
	pb.TensorProto_UINT16:         ofNumbers[uint16, uint64](int32Field, inWider[uint16]((*pb.TensorProto).GetInt32Data)),
	pb.TensorProto_INT16:          ofNumbers[int16, int64](int32Field, inWider[int16]((*pb.TensorProto).GetInt32Data)),
	pb.TensorProto_INT32:          ofNumbers[int32, int64](int32Field, inField((*pb.TensorProto).GetInt32Data)),
	pb.TensorProto_INT64:          ofNumbers[int64, int64](int64Field, inField((*pb.TensorProto).GetInt64Data)),
	pb.TensorProto_STRING:         ofItself[string](0, stringField, decodeStrings),
	pb.TensorProto_BOOL:           ofItself[bool](8, int32Field, decodeBools),
	pb.TensorProto_FLOAT16:        ofHalves(NewFloat16),
	pb.TensorProto_DOUBLE:         ofNumbers[float64, float64](doubleField, inField((*pb.TensorProto).GetDoubleData)),
	pb.TensorProto_UINT32:         ofNumbers[uint32, uint64](uint64Field, inWider[uint32]((*pb.TensorProto).GetUint64Data)),
	pb.TensorProto_UINT64:         ofNumbers[uint64, uint64](uint64Field, inField((*pb.TensorProto).GetUint64Data)),
	pb.TensorProto_COMPLEX64:      {64, floatField, 2, Slice[complex64]{}, pairs[complex64]((*pb.TensorProto).GetFloatData), nil, nil},
	pb.TensorProto_COMPLEX128:     {128, doubleField, 2, Slice[complex128]{}, pairs[complex128]((*pb.TensorProto).GetDoubleData), nil, nil},
	pb.TensorProto_BFLOAT16:       ofHalves(NewBFloat16),
	pb.TensorProto_FLOAT8E4M3FN:   ofMinifloats(8, NewFloat8E4M3FN),
	pb.TensorProto_FLOAT8E4M3FNUZ: ofMinifloats(8, NewFloat8E4M3FNUZ),
	pb.TensorProto_FLOAT8E5M2:     ofMinifloats(8, NewFloat8E5M2),
	pb.TensorProto_FLOAT8E5M2FNUZ: ofMinifloats(8, NewFloat8E5M2FNUZ),
	pb.TensorProto_FLOAT8E8M0:     ofMinifloats(8, NewFloat8E8M0),
	pb.TensorProto_UINT4:          ofPacked[UInt4, uint64](4),
	pb.TensorProto_INT4:           ofPacked[Int4, int64](4),
	pb.TensorProto_FLOAT4E2M1:     ofMinifloats(4, NewFloat4E2M1),
	pb.TensorProto_UINT2:          ofPacked[UInt2, uint64](2),
	pb.TensorProto_INT2:           ofPacked[Int2, int64](2),
}

// held are the types that Data holds, in the order of their numbers: float first.
var held = slices.Sorted(func(yield func(pb.TensorProto_DataType) bool) {
	for typ, s := range storages {
		if s.none != nil && !yield(typ) {
			return
		}
	}
})

// ofNumbers is the row of a type of numbers T, whose wide type is W.
func ofNumbers[T, W numeric](f field, decode func(*pb.TensorProto) (Data, error)) storage {
	return storage{8 * int(unsafe.Sizeof(T(0))), f, 1, Slice[T]{}, decode, convert[W, T], func(wide Data) (Data, bool) {
		if _, ok := wide.(Slice[W]); !ok {
			return nil, false
		}
		return convert[T, W](wide), true
	}}
}

// A rounded type is one of floats that Go has not.
type rounded interface {
	Element
	Float32() float32
}

func widened[T rounded](d Data) Data {
	s := d.(Slice[T])
	w := make(Slice[float64], len(s))
	for i, v := range s {
		w[i] = float64(v.Float32())
	}
	return w
}

func narrowed[T rounded](wide Data, round func(float64) T) (Data, bool) {
	w, ok := wide.(Slice[float64])
	s := make(Slice[T], len(w))
	for i, v := range w {
		s[i] = round(v)
	}
	return s, ok
}

// ofHalves is the row of a type of floats of 16 bits.
func ofHalves[T interface {
	Float16 | BFloat16
	Float32() float32
}](round func(float32) T) storage {
	return storage{16, int32Field, 1, Slice[T]{}, inWider[T]((*pb.TensorProto).GetInt32Data), widened[T], func(wide Data) (Data, bool) {
		return narrowed(wide, func(v float64) T { return round(float32(v)) })
	}}
}

// ofMinifloats is the row of a type of floats of 8 or 4 bits.
func ofMinifloats[T interface {
	small
	Float32() float32
}](bits int, round func(float64) T) storage {
	return storage{bits, int32Field, 1, Slice[T]{}, inPacked[T](bits), widened[T], func(wide Data) (Data, bool) { return narrowed(wide, round) }}
}

// ofPacked is the row of a type of integers of 4 or 2 bits.
func ofPacked[T interface {
	small
	Int4 | UInt4 | Int2 | UInt2
}, W int64 | uint64](bits int) storage {
	return storage{bits, int32Field, 1, Slice[T]{}, inPacked[T](bits), func(d Data) Data {
		s := d.(Slice[T])
		w := make(Slice[W], len(s))
		for i, v := range s {
			w[i] = W(v)
		}
		return w
	}, func(wide Data) (Data, bool) {
		w, ok := wide.(Slice[W])
		s := make(Slice[T], len(w))
		for i, v := range w {
			s[i] = T(v) << (8 - bits) >> (8 - bits)
		}
		return s, ok
	}}
}

// ofItself is the row of a type that is its own wide type.
func ofItself[T bool | string](bits int, f field, decode func(*pb.TensorProto) (Data, error)) storage {
	return storage{bits, f, 1, Slice[T]{}, decode, func(d Data) Data { return slices.Clone(d.(Slice[T])) }, func(wide Data) (Data, bool) {
		s, ok := wide.(Slice[T])
		return slices.Clone(s), ok
	}}
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

// memory returns the bytes of the elements where they lie. Strings have none.
func memory[T Element](s []T) []byte {
	var one T
	if _, text := any(one).(string); text {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(one)))
}

// swapped brings elements, in place, from this machine's order of bytes to
// that of raw_data, little-endian, or back.
func swapped[T Element](b []byte) []byte {
	if binary.NativeEndian.Uint16([]byte{1, 0}) == 1 {
		return b
	}
	var one T
	unit := int(unsafe.Sizeof(one))
	switch any(one).(type) {
	case complex64, complex128:
		unit /= 2
	}
	reverse(b, unit)
	return b
}

// reverse turns the order of every unit bytes round.
func reverse(b []byte, unit int) {
	for ; len(b) > 0; b = b[unit:] {
		slices.Reverse(b[:unit])
	}
}

// fromRaw reads raw_data, whose length is right.
func fromRaw[T Element](raw []byte) Slice[T] {
	var one T
	s := make(Slice[T], len(raw)/int(unsafe.Sizeof(one)))
	swapped[T](memory(s)[:copy(memory(s), raw)])
	return s
}

// The decoders below rely on checkStorage: the lengths agree, and at most one
// field is there.

// inField reads elements that have a field of their own type.
func inField[T Element](entries func(*pb.TensorProto) []T) func(*pb.TensorProto) (Data, error) {
	return func(p *pb.TensorProto) (Data, error) {
		if p.RawData != nil {
			return fromRaw[T](p.RawData), nil
		}
		return append(Slice[T]{}, entries(p)...), nil
	}
}

// inWider reads integers, or bits of floats, that lie in a wider field.
func inWider[T int8 | int16 | uint8 | uint16 | uint32 | Float16 | BFloat16, E int32 | uint64](entries func(*pb.TensorProto) []E) func(*pb.TensorProto) (Data, error) {
	return func(p *pb.TensorProto) (Data, error) {
		if p.RawData != nil {
			return fromRaw[T](p.RawData), nil
		}
		wide := entries(p)
		s := make(Slice[T], len(wide))
		for i, v := range wide {
			if s[i] = T(v); E(s[i]) != v {
				return nil, fmt.Errorf("element %d is %d, beyond its type %s", i, v, ElemName(s.Type()))
			}
		}
		return s, nil
	}
}

// small are the types of a byte whose numbers are packed in a file, or are bits of
// floats.
type small interface {
	Float8E4M3FN | Float8E4M3FNUZ | Float8E5M2 | Float8E5M2FNUZ | Float8E8M0 | Float4E2M1 | Int4 | UInt4 | Int2 | UInt2
}

// inPacked reads elements of so many bits, at most 8: each byte, or entry of
// int32_data, holds as many as fit, the first in its lowest bits.
func inPacked[T small](bits int) func(*pb.TensorProto) (Data, error) {
	return func(p *pb.TensorProto) (Data, error) {
		packed := p.RawData
		if packed == nil {
			packed = make([]byte, len(p.Int32Data))
			for i, v := range p.Int32Data {
				if packed[i] = byte(v); int32(packed[i]) != v && int32(int8(v)) != v {
					return nil, fmt.Errorf("entry %d of int32_data is %d, beyond a byte", i, v)
				}
			}
		}
		n, err := ElementCount(p.Dims)
		if err != nil {
			return nil, err
		}
		s := make(Slice[T], n)
		for i := range s {
			at := i * bits
			s[i] = T(packed[at/8]>>(at%8)) << (8 - bits) >> (8 - bits)
		}
		return s, nil
	}
}

// pack puts elements of so many bits, each in a byte of its own, into as few bytes
// as hold them.
func pack(elements []byte, bits int) []byte {
	packed := make([]byte, (len(elements)*bits+7)/8)
	for i, v := range elements {
		at := i * bits
		packed[at/8] |= v & (1<<bits - 1) << (at % 8)
	}
	return packed
}

// pairs reads complex numbers, the real part of each before the imaginary one.
func pairs[T complex64 | complex128, E float32 | float64](entries func(*pb.TensorProto) []E) func(*pb.TensorProto) (Data, error) {
	return func(p *pb.TensorProto) (Data, error) {
		if p.RawData != nil {
			return fromRaw[T](p.RawData), nil
		}
		s := make(Slice[T], len(entries(p))/2)
		copy(memory(s), memory(entries(p)))
		return s, nil
	}
}

func decodeBools(p *pb.TensorProto) (Data, error) {
	small, err := inWider[uint8]((*pb.TensorProto).GetInt32Data)(p)
	if err != nil {
		return nil, err
	}
	s := make(Slice[bool], small.Len())
	for i, v := range small.(Slice[uint8]) {
		if v > 1 {
			return nil, fmt.Errorf("element %d is %d, want 0 or 1 for a bool", i, v)
		}
		s[i] = v == 1
	}
	return s, nil
}

func decodeStrings(p *pb.TensorProto) (Data, error) {
	s := make(Slice[string], len(p.StringData))
	for i, v := range p.StringData {
		s[i] = string(v)
	}
	return s, nil
}

type numeric interface {
	int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64 | float32 | float64
}

func convert[To, From numeric](d Data) Data {
	s := d.(Slice[From])
	c := make(Slice[To], len(s))
	for i, v := range s {
		c[i] = To(v)
	}
	return c
}
