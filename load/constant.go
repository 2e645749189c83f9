package load

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/internal/kernel"
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
	return isNibble(t)
}

// isNibble reports whether a type is one of integers of 2 or 4 bits.
func isNibble(t pb.TensorProto_DataType) bool {
	switch t {
	case pb.TensorProto_INT4, pb.TensorProto_UINT4, pb.TensorProto_INT2, pb.TensorProto_UINT2:
		return true
	}
	return false
}

// largest is the largest number of a type of floats of 8 bits, 0 for other types.
func largest(t pb.TensorProto_DataType) float64 {
	switch t {
	case pb.TensorProto_FLOAT8E4M3FN:
		return 448
	case pb.TensorProto_FLOAT8E4M3FNUZ:
		return 240
	case pb.TensorProto_FLOAT8E5M2, pb.TensorProto_FLOAT8E5M2FNUZ:
		return 57344
	}
	return 0
}

// wide are the elements of a tensor of integers or flags. Those of uint64 from 2^63 on come out negative; sums and products
// with them are right all the same once they are narrow again.
func wide(t *onnx.Tensor) ([]int64, bool) {
	switch w := t.Data.Wide().(type) {
	case onnx.Slice[int64]:
		return w, true
	case onnx.Slice[uint64]:
		return convert[int64](w), true
	case onnx.Slice[bool]:
		return flags[int64](w), true
	}
	return nil, false
}

// flags are the numbers 1 and 0 for true and false.
func flags[T int64 | float64](f []bool) []T {
	n := make([]T, len(f))
	for i, v := range f {
		if v {
			n[i] = 1
		}
	}
	return n
}

// narrow makes a tensor of integers or flags of wide ones.
func narrow(elem pb.TensorProto_DataType, w []int64, dims []int) (*onnx.Tensor, error) {
	wide, _ := onnx.MakeData(elem, len(w))
	if wide != nil {
		wide = wide.Wide()
	}
	switch d := wide.(type) {
	case onnx.Slice[int64]:
		copy(d, w)
	case onnx.Slice[uint64]:
		copy(d, convert[uint64](w))
	case onnx.Slice[bool]:
		for i, v := range w {
			d[i] = v != 0
		}
	default:
		return nil, fmt.Errorf("%v is not a type of integers", elem)
	}
	data, _ := onnx.Narrow(elem, wide)
	return onnx.TensorOf("", data, dims...)
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
	switch w := t.Data.Wide().(type) {
	case onnx.Slice[float64]:
		return w, true
	case onnx.Slice[int64]:
		return convert[float64](w), true
	case onnx.Slice[uint64]:
		return convert[float64](w), true
	case onnx.Slice[bool]:
		return flags[float64](w), true
	}
	return nil, false
}

// fromReals makes a tensor of any type of numbers. To integers it goes by cutting off.
func fromReals(elem pb.TensorProto_DataType, r []float64, dims []int) (*onnx.Tensor, error) {
	if data, ok := onnx.Narrow(elem, onnx.Slice[float64](r)); ok {
		return onnx.TensorOf("", data, dims...)
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

// roundingTo rounds float32 to a type of floats of 16 bits.
func roundingTo(elem pb.TensorProto_DataType) func(y, x []float32) {
	if elem == pb.TensorProto_BFLOAT16 {
		return kernel.RoundBFloat16
	}
	return kernel.RoundFloat16
}

// cast gives a tensor of numbers another type.
func cast(t *onnx.Tensor, to pb.TensorProto_DataType) (*onnx.Tensor, error) {
	if w, ok := wide(t); ok && isInt(to) {
		return narrow(to, w, t.Dims)
	}
	r, ok := reals(t)
	if !ok {
		return nil, &onnx.UnsupportedError{Why: fmt.Sprintf("%s: a cast from %v to %v", t.Name, t.Type(), to)}
	}
	return fromReals(to, r, t.Dims)
}

// converted is cast, also from strings, as ONNX's Cast has it: to floats of 8 bits what is too large becomes the largest if that is asked
// for.
func (c call) converted(to pb.TensorProto_DataType) *onnx.Tensor {
	t := c.tensor(0)
	saturate := c.on("saturate")
	text, from := t.Data.(onnx.Slice[string])
	switch top := largest(to); {
	case !from && top > 0 && saturate && t.Type() != to:
		r, ok := reals(t)
		if !ok {
			fail(c.unsupported("from %v to %v", t.Type(), to))
		}
		clipped := make([]float64, len(r))
		for i, v := range r {
			clipped[i] = max(-top, min(top, v))
		}
		return must(fromReals(to, clipped, t.Dims))
	case from && to == pb.TensorProto_STRING:
		return &onnx.Tensor{Dims: t.Dims, Data: t.Data}
	case from && !isInt(to):
		r := make([]float64, len(text))
		for i, s := range text {
			v, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
			if err != nil && !math.IsInf(v, 0) {
				fail(fault{fmt.Errorf("%s: element %d is not a number", t.Name, i)})
			}
			r[i] = v
		}
		return must(fromReals(to, r, t.Dims))
	case from:
		w := make([]int64, len(text))
		for i, s := range text {
			v, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
			if err != nil {
				fail(fault{fmt.Errorf("%s: element %d is not an integer", t.Name, i)})
			}
			w[i] = v
		}
		return must(narrow(to, w, t.Dims))
	}
	return must(cast(t, to))
}

// moveTensor carries the elements of t; filler, a tensor of one element or nil for zero, is for what is outside.
func moveTensor(t *onnx.Tensor, m gop.Moves, filler *onnx.Tensor, dims []int) (*onnx.Tensor, error) {
	data := t.Data.Make(product(m.Shape))
	if filler != nil && filler.Type() == t.Type() && filler.Len() == 1 && data.Len() > 0 {
		data.Copy(0, filler.Data, 0, 1)
		for n := 1; n < data.Len(); n *= 2 {
			data.Copy(n, data, 0, min(n, data.Len()-n))
		}
	}
	if err := m.Rows(t.Len(), func(at int, from []int) { data.Gather(at, t.Data, from) }); err != nil {
		return nil, err
	}
	return onnx.TensorOf("", data, dims...)
}

// moveInTurn carries the elements of t by several moves, one after the other.
func moveInTurn(t *onnx.Tensor, moves []gop.Moves, dims []int) (*onnx.Tensor, error) {
	data, done := t.Data.Make(product(dims)), 0
	for i := range moves {
		m := &moves[i]
		if err := m.Rows(t.Len(), func(at int, from []int) { data.Gather(done+at, t.Data, from) }); err != nil {
			return nil, err
		}
		done += product(m.Shape)
	}
	return onnx.TensorOf("", data, dims...)
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
