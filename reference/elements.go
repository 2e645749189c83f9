package reference

import (
	"cmp"
	"math"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// A tensor's elements are onnx.Data in the widest type of their kind. What moves elements about does so by its methods, for any
// type; what computes asks for the type that it computes in, by elems. The few functions that differ from kind to kind, and are
// no operator's own, are below.

// widest holds no elements, in the type in which a Value has those of every element type; nil where it has none.
var widest = func() (none [64]onnx.Data) {
	for t := range none {
		if d, ok := onnx.MakeData(pb.TensorProto_DataType(t), 0); ok {
			none[t] = d.Wide()
		}
	}
	return none
}()

// elems are the elements of a tensor that is known to have them in type T.
func elems[T onnx.Element](v *Value) []T { return v.Data.(onnx.Slice[T]) }

func (v *Value) floats() []float64 { return elems[float64](v) }

// vector is a tensor of one axis.
func vector[T onnx.Element](t pb.TensorProto_DataType, list []T) *Value {
	return &Value{Type: t, Dims: []int{len(list)}, Data: onnx.Slice[T](list)}
}

// Float returns element i as a number: integers as their nearest float64,
// true as 1, strings as NaN.
func (v *Value) Float(i int) float64 {
	switch d := v.Data.(type) {
	case onnx.Slice[float64]:
		return d[i]
	case onnx.Slice[int64]:
		return float64(d[i])
	case onnx.Slice[uint64]:
		return float64(d[i])
	case onnx.Slice[bool]:
		if d[i] {
			return 1
		}
		return 0
	}
	return math.NaN()
}

// setFloat stores a number as element i of a numeric or boolean tensor, without figures.
func (v *Value) setFloat(i int, n float64) {
	switch d := v.Data.(type) {
	case onnx.Slice[float64]:
		d[i] = roundTo(n, v.Type)
	case onnx.Slice[int64]:
		d[i] = wrap(v.Type, int64(n))
	case onnx.Slice[uint64]:
		d[i] = wrap(v.Type, uint64(int64(n)))
	case onnx.Slice[bool]:
		d[i] = n != 0
	}
}

// compare orders elements i and j: numbers by size, and NaN above all of them; text by its bytes.
func (v *Value) compare(i, j int) int {
	switch d := v.Data.(type) {
	case onnx.Slice[int64]:
		return cmp.Compare(d[i], d[j])
	case onnx.Slice[uint64]:
		return cmp.Compare(d[i], d[j])
	case onnx.Slice[string]:
		return cmp.Compare(d[i], d[j])
	}
	return compareNumbers(v.Float(i), v.Float(j))
}

// key is element i for a map of Go: equal elements have equal keys, and NaN is equal to itself.
func (v *Value) key(i int) any {
	switch d := v.Data.(type) {
	case onnx.Slice[string]:
		return d[i]
	case onnx.Slice[float64]:
		if math.IsNaN(d[i]) {
			return keyOfNaN{}
		}
		return d[i]
	}
	return toInt64(v, i)
}

type keyOfNaN struct{}

// ints returns the elements of an integer tensor, false for anything else or
// where an element is beyond an int.
func (v *Value) ints() ([]int, bool) {
	switch d := v.Data.(type) {
	case onnx.Slice[int64]:
		return narrowed(d)
	case onnx.Slice[uint64]:
		return narrowed(d)
	}
	return nil, false
}

func narrowed[T integer](list []T) ([]int, bool) {
	out := make([]int, len(list))
	for i, x := range list {
		if out[i] = int(x); T(out[i]) != x || out[i] < 0 != (x < 0) {
			return nil, false
		}
	}
	return out, true
}

// A numeral is the type in which numbers are computed.
type numeral interface{ float64 | int64 | uint64 }

// An integer is the type in which integers are computed: signed, or unsigned.
type integer interface{ int64 | uint64 }

// spare is how many bits of 64 an integer type has not.
var spare = [...]uint8{
	pb.TensorProto_INT32: 32, pb.TensorProto_INT16: 48, pb.TensorProto_INT8: 56, pb.TensorProto_INT4: 60, pb.TensorProto_INT2: 62,
	pb.TensorProto_UINT32: 32, pb.TensorProto_UINT16: 48, pb.TensorProto_UINT8: 56, pb.TensorProto_UINT4: 60, pb.TensorProto_UINT2: 62,
}

// wrap keeps the low bits that a type has.
func wrap[T integer](t pb.TensorProto_DataType, x T) T { return x << spare[t] >> spare[t] }
