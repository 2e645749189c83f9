package onnx

import (
	"fmt"
	"slices"
	"unsafe"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// An Element is the Go type of one element of a tensor.
type Element interface {
	float32 | float64 | int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64 |
		bool | string | Float16 | BFloat16 | complex64 | complex128 |
		Float8E4M3FN | Float8E4M3FNUZ | Float8E5M2 | Float8E5M2FNUZ | Float8E8M0 | Float4E2M1 | Int4 | UInt4 | Int2 | UInt2
}

// Data holds the elements of a tensor. It is always a Slice of one of the types of Element: use a
// type assertion to Slice[float32] to get the numbers.
type Data interface {
	// Type returns the element type.
	Type() pb.TensorProto_DataType
	// Len returns the number of elements.
	Len() int
	// Make returns n elements of the same type, all zero.
	Make(n int) Data
	// Copy sets the n elements from number at on to those of src from number
	// from on. It panics where src has another type, or either is too short.
	Copy(at int, src Data, from, n int)
	// Gather sets element at+i to element index[i] of src for every index that
	// is not negative. It panics as Copy does.
	Gather(at int, src Data, index []int)
	// Equal reports whether both have the same type and the same bits.
	Equal(Data) bool
	// Wide returns a copy of the elements in the widest type of their kind:
	// float64, int64, uint64, bool or string; nil for complex numbers.
	Wide() Data
	// Plain returns the elements as the slice that they are, a []float32 for
	// a Slice[float32], for packages that look at the type. It is no copy.
	Plain() any

	raw() []byte
	view(raw []byte) Data // of the bytes as they lie
	wrap(plain any) (Data, bool)
}

// Slice is elements of one type in row-major order.
type Slice[T Element] []T

// Type returns the element type.
func (s Slice[T]) Type() pb.TensorProto_DataType {
	for _, typ := range held {
		if _, ok := storages[typ].none.(Slice[T]); ok {
			return typ
		}
	}
	panic(fmt.Sprintf("onnx: the table of element types lacks %T", s))
}

// Len returns the number of elements.
func (s Slice[T]) Len() int { return len(s) }

// Make returns n elements of the same type, all zero.
func (s Slice[T]) Make(n int) Data { return make(Slice[T], n) }

// Copy sets n elements from number at on; see Data.
func (s Slice[T]) Copy(at int, src Data, from, n int) {
	copy(s[at:at+n], src.(Slice[T])[from:from+n])
}

// Gather sets len(index) elements from number at on; see Data.
func (s Slice[T]) Gather(at int, src Data, index []int) {
	from := src.(Slice[T])
	for i, k := range index {
		if k >= 0 {
			s[at+i] = from[k]
		}
	}
}

// Equal reports whether d has the same type and the same bits.
func (s Slice[T]) Equal(d Data) bool {
	other, ok := d.(Slice[T])
	if !ok || len(s) != len(other) {
		return false
	}
	if text, ok := any(s).(Slice[string]); ok {
		return slices.Equal(text, any(other).(Slice[string]))
	}
	return string(memory(s)) == string(memory(other))
}

// Wide returns a copy of the elements in the widest type of their kind.
func (s Slice[T]) Wide() Data {
	if widen := storages[s.Type()].widen; widen != nil {
		return widen(s)
	}
	return nil
}

// Plain returns s as a []T.
func (s Slice[T]) Plain() any { return []T(s) }

// raw returns the elements as in raw_data, never nil. Strings have no such form.
func (s Slice[T]) raw() []byte {
	if bits := storages[s.Type()].bits; bits > 0 && bits < 8 {
		return pack(memory(s), bits)
	}
	return swapped[T](append([]byte{}, memory(s)...))
}

func (s Slice[T]) view(raw []byte) Data {
	var one T
	return Slice[T](unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(raw))), len(raw)/int(unsafe.Sizeof(one))))
}

func (s Slice[T]) wrap(plain any) (Data, bool) {
	d, ok := plain.([]T)
	return Slice[T](d), ok
}

// MakeData returns n elements of a type, all zero. It reports false for types
// that Data does not hold.
func MakeData(typ pb.TensorProto_DataType, n int) (Data, bool) {
	if none := storages[typ].none; none != nil {
		return none.Make(n), true
	}
	return nil, false
}

// DataOf wraps a slice of elements, without copying it, as Data. It reports false for any other
// value.
func DataOf(plain any) (Data, bool) {
	for _, e := range storages {
		if e.none != nil {
			if d, ok := e.none.wrap(plain); ok {
				return d, true
			}
		}
	}
	return nil, false
}

// Narrow is the inverse of Data.Wide: it returns a copy of the elements in a type of the same kind,
// with floats rounded as by NewFloat16 and the like, and integers truncated to their low bits. It
// reports false if wide does not have the type that Wide returns for typ.
func Narrow(typ pb.TensorProto_DataType, wide Data) (Data, bool) {
	if narrow := storages[typ].narrow; narrow != nil {
		return narrow(wide)
	}
	return nil, false
}

// IntegerRange returns the smallest and largest number of an integer type; ok is false for other
// types.
func IntegerRange(typ pb.TensorProto_DataType) (least int64, greatest uint64, ok bool) {
	s := storages[typ]
	if s.widen == nil {
		return 0, 0, false
	}
	switch s.widen(s.none).(type) {
	case Slice[int64]:
		return -1 << (s.bits - 1), 1<<(s.bits-1) - 1, true
	case Slice[uint64]:
		return 0, 1<<s.bits - 1, true
	}
	return 0, 0, false
}
