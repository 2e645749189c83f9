package load

import (
	"fmt"
	"math"
	"slices"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// What is known when a graph is built, shapes above all, is computed at once, on tensors of any type.

// isInt reports whether a type holds whole numbers, flags among them.
func isInt(t pb.TensorProto_DataType) bool {
	switch t {
	case pb.TensorProto_INT8, pb.TensorProto_INT16, pb.TensorProto_INT32, pb.TensorProto_INT64, pb.TensorProto_UINT8,
		pb.TensorProto_UINT16, pb.TensorProto_UINT32, pb.TensorProto_UINT64, pb.TensorProto_BOOL:
		return true
	}
	return false
}

// wide are the elements of a tensor of integers or flags. Those of uint64 from 2^63 on come out negative; sums and products
// with them are right all the same once they are narrow again.
func wide(t *onnx.Tensor) ([]int64, bool) {
	switch d := t.Data.(type) {
	case []int64:
		return d, true
	case []int32:
		return widen(d), true
	case []int16:
		return widen(d), true
	case []int8:
		return widen(d), true
	case []uint64:
		return widen(d), true
	case []uint32:
		return widen(d), true
	case []uint16:
		return widen(d), true
	case []uint8:
		return widen(d), true
	case []bool:
		w := make([]int64, len(d))
		for i, v := range d {
			if v {
				w[i] = 1
			}
		}
		return w, true
	}
	return nil, false
}

func widen[T int8 | int16 | int32 | uint8 | uint16 | uint32 | uint64](d []T) []int64 {
	w := make([]int64, len(d))
	for i, v := range d {
		w[i] = int64(v)
	}
	return w
}

// narrow makes a tensor of integers or flags of wide ones.
func narrow(elem pb.TensorProto_DataType, w []int64, dims []int) (*onnx.Tensor, error) {
	var data any
	switch elem {
	case pb.TensorProto_INT64:
		data = w
	case pb.TensorProto_INT32:
		data = convert[int32](w)
	case pb.TensorProto_INT16:
		data = convert[int16](w)
	case pb.TensorProto_INT8:
		data = convert[int8](w)
	case pb.TensorProto_UINT64:
		data = convert[uint64](w)
	case pb.TensorProto_UINT32:
		data = convert[uint32](w)
	case pb.TensorProto_UINT16:
		data = convert[uint16](w)
	case pb.TensorProto_UINT8:
		data = convert[uint8](w)
	case pb.TensorProto_BOOL:
		flags := make([]bool, len(w))
		for i, v := range w {
			flags[i] = v != 0
		}
		data = flags
	default:
		return nil, fmt.Errorf("%v is no type of integers", elem)
	}
	return onnx.NewTensor("", data, dims...)
}

func convert[To, From int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64 | float32 | float64](d []From) []To {
	c := make([]To, len(d))
	for i, v := range d {
		c[i] = To(v)
	}
	return c
}

// reals are the elements of a tensor of numbers in float64.
func reals(t *onnx.Tensor) ([]float64, bool) {
	switch d := t.Data.(type) {
	case []float64:
		return d, true
	case []float32:
		return convert[float64](d), true
	case []uint64:
		return convert[float64](d), true
	case []onnx.Float16:
		r := make([]float64, len(d))
		for i, v := range d {
			r[i] = float64(v.Float32())
		}
		return r, true
	case []onnx.BFloat16:
		r := make([]float64, len(d))
		for i, v := range d {
			r[i] = float64(v.Float32())
		}
		return r, true
	}
	w, ok := wide(t)
	return convert[float64](w), ok
}

// fromReals makes a tensor of any type of numbers. To integers it goes by cutting off.
func fromReals(elem pb.TensorProto_DataType, r []float64, dims []int) (*onnx.Tensor, error) {
	switch elem {
	case pb.TensorProto_DOUBLE:
		return onnx.NewTensor("", r, dims...)
	case pb.TensorProto_FLOAT:
		return onnx.NewTensor("", convert[float32](r), dims...)
	case pb.TensorProto_FLOAT16:
		d := make([]onnx.Float16, len(r))
		for i, v := range r {
			d[i] = onnx.NewFloat16(float32(v))
		}
		return onnx.NewTensor("", d, dims...)
	case pb.TensorProto_BFLOAT16:
		d := make([]onnx.BFloat16, len(r))
		for i, v := range r {
			d[i] = onnx.NewBFloat16(float32(v))
		}
		return onnx.NewTensor("", d, dims...)
	}
	w := make([]int64, len(r))
	for i, v := range r {
		w[i] = whole(elem, v)
	}
	return narrow(elem, w, dims)
}

// whole is the integer that a cast makes of v: cut off, or whether it is not zero for flags.
func whole(elem pb.TensorProto_DataType, v float64) int64 {
	switch {
	case elem == pb.TensorProto_BOOL && v != 0:
		return 1
	case elem == pb.TensorProto_UINT64 && v >= 1<<63:
		return int64(uint64(v))
	case v >= math.MaxInt64:
		return math.MaxInt64
	case !(v > math.MinInt64): // NaN too
		return math.MinInt64
	}
	return int64(v)
}

// cast gives a tensor of numbers another type.
func cast(t *onnx.Tensor, to pb.TensorProto_DataType) (*onnx.Tensor, error) {
	if w, ok := wide(t); ok && isInt(to) {
		return narrow(to, slices.Clone(w), t.Dims)
	}
	r, ok := reals(t)
	if !ok {
		return nil, &onnx.UnsupportedError{Why: fmt.Sprintf("%s: a cast from %v to %v", t.Name, t.Type(), to)}
	}
	if t.Type() == pb.TensorProto_DOUBLE {
		r = slices.Clone(r)
	}
	return fromReals(to, r, t.Dims)
}

// moveTensor carries the elements of t; filler, a tensor of one element or nil for zero, is for what is outside.
func moveTensor(t *onnx.Tensor, m gop.Moves, filler *onnx.Tensor, dims []int) (*onnx.Tensor, error) {
	var f any
	if filler != nil {
		f = filler.Data
	}
	data, err := moveData(t.Data, &m, f)
	if err != nil {
		return nil, err
	}
	return onnx.NewTensor("", data, dims...)
}

func moveData(data any, m *gop.Moves, filler any) (any, error) {
	switch d := data.(type) {
	case []float32:
		return carry(m, d, filler)
	case []float64:
		return carry(m, d, filler)
	case []int64:
		return carry(m, d, filler)
	case []int32:
		return carry(m, d, filler)
	case []int16:
		return carry(m, d, filler)
	case []int8:
		return carry(m, d, filler)
	case []uint64:
		return carry(m, d, filler)
	case []uint32:
		return carry(m, d, filler)
	case []uint16:
		return carry(m, d, filler)
	case []uint8:
		return carry(m, d, filler)
	case []bool:
		return carry(m, d, filler)
	case []string:
		return carry(m, d, filler)
	case []onnx.Float16:
		return carry(m, d, filler)
	case []onnx.BFloat16:
		return carry(m, d, filler)
	case []complex64:
		return carry(m, d, filler)
	case []complex128:
		return carry(m, d, filler)
	}
	return nil, fmt.Errorf("elements of type %T", data)
}

func carry[T any](m *gop.Moves, d []T, filler any) (any, error) {
	var f T
	if given, ok := filler.([]T); ok && len(given) == 1 {
		f = given[0]
	}
	return gop.Move(m, d, f)
}

// expanded repeats t to dims.
func expanded(t *onnx.Tensor, dims []int) (*onnx.Tensor, error) {
	m, err := expansion(t.Dims, dims)
	if err != nil {
		return nil, err
	}
	return moveTensor(t, m, nil, dims)
}

// expansion is the repetition of axes of length 1, or that are not there.
func expansion(from, to []int) (gop.Moves, error) {
	m := gop.Moves{Shape: to, Offsets: make([][]int, len(to))}
	steps := gop.Strides(from)
	for i, n := range to {
		step := 0
		if k := i - len(to) + len(from); k >= 0 && from[k] != 1 {
			if from[k] != n {
				return m, fmt.Errorf("%v does not expand to %v", from, to)
			}
			step = steps[k]
		}
		m.Offsets[i] = gop.Every(n, step)
	}
	return m, nil
}
