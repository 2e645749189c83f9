package load

import (
	"fmt"
	"math"
	"slices"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/op"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// An operation that is not part of a graph is carried out on tensors: those of integers on their own type, those of floats in
// float64, rounded once.

// tensor is input k, nil where it is left out.
func (c call) tensor(k int) *onnx.Tensor {
	if !c.has(k) {
		return nil
	}
	return c.in[k].fixed
}

// numbers are the elements of input k in float64; none where it is left out.
func (c call) numbers(k int) ([]float64, error) { return elements(c, k, reals, "numbers") }

// integers are the elements of input k, integers or flags, of any rank; none where it is left out.
func (c call) integers(k int) ([]int64, error) { return elements(c, k, wide, "integers") }

func elements[T any](c call, k int, of func(*onnx.Tensor) ([]T, bool), kind string) ([]T, error) {
	if !c.has(k) {
		return nil, nil
	}
	if c.in[k].fixed == nil {
		return nil, c.unsupported("%q is not a tensor", c.op.in[k])
	}
	v, ok := of(c.in[k].fixed)
	if !ok {
		return nil, c.unsupported("elements of type %v, want %s", c.in[k].elem, kind)
	}
	return v, nil
}

// arguments reads the attributes and inputs of an operation; err is the first that could not be read.
type arguments struct {
	call
	err error
}

func (c call) arguments() *arguments { return &arguments{call: c} }

// note keeps the first error.
func (a *arguments) note(err error) {
	if a.err == nil {
		a.err = err
	}
}

func read[T any](a *arguments, name string, otherwise T) T {
	v, err := attribute(a.op, name, otherwise)
	a.note(err)
	return v
}

func noted[T any](a *arguments, get func(k int) (T, error), k int) T {
	v, err := get(k)
	a.note(err)
	return v
}

func (a *arguments) numbers(k int) []float64 { return noted(a, a.call.numbers, k) }
func (a *arguments) integers(k int) []int64  { return noted(a, a.call.integers, k) }
func (a *arguments) dims(k int) []int        { return noted(a, a.call.dims, k) }
func (a *arguments) number(k int) float64    { return sole(a, a.numbers(k), k) }
func (a *arguments) integer(k int) int64     { return sole(a, a.integers(k), k) }

// sole is the only element of input k.
func sole[T any](a *arguments, list []T, k int) (v T) {
	if len(list) != 1 {
		a.note(fmt.Errorf("%s: %q is no number", a.name(), a.call.op.in[k]))
		return v
	}
	return list[0]
}

func (a *arguments) int(name string, otherwise int64) int64 { return read(a, name, otherwise) }
func (a *arguments) on(name string) bool                    { return read(a, name, int64(0)) != 0 }
func (a *arguments) ints(name string) []int64               { return read[[]int64](a, name, nil) }
func (a *arguments) text(name, otherwise string) string     { return read(a, name, otherwise) }
func (a *arguments) texts(name string) []string             { return read[[]string](a, name, nil) }
func (a *arguments) floats(name string) []float32           { return read[[]float32](a, name, nil) }
func (a *arguments) float(name string, otherwise float32) float64 {
	return float64(read(a, name, otherwise))
}

// axis is an attribute that names one of rank axes.
func (a *arguments) axis(name string, otherwise int64, rank int) int {
	axis, err := axisOf(a.op.out[0], read(a, name, otherwise), rank)
	a.note(err)
	return axis
}

// put gives output k elements in their wide type, which become those of the output's type, and dims. Whoever made them has accounted
// for them.
func (b *builder) put(c call, k int, wide onnx.Data, dims ...int) error {
	if k >= len(c.op.out) || c.op.out[k] == "" {
		return nil
	}
	elem := c.elem(k)
	if _, float := wide.(onnx.Slice[float64]); float && elem == pb.TensorProto_UNDEFINED { // of a type that nothing else says
		elem = c.in[0].elem
	}
	if elem == pb.TensorProto_UNDEFINED || elem == wide.Type() {
		t, err := onnx.TensorOf("", wide, dims...)
		return b.setFixed(c.op.out[k], t, err)
	}
	if data, ok := onnx.Narrow(elem, wide); ok {
		t, err := onnx.TensorOf("", data, dims...)
		return b.setFixed(c.op.out[k], t, err)
	}
	var t *onnx.Tensor
	var err error
	switch w := wide.(type) {
	case onnx.Slice[float64]:
		t, err = fromReals(elem, w, dims)
	case onnx.Slice[int64]:
		if isInt(elem) {
			t, err = narrow(elem, w, dims)
		} else {
			t, err = fromReals(elem, convert[float64](w), dims)
		}
	default:
		err = c.unsupported("elements of type %v from %v", elem, wide.Type())
	}
	return b.setFixed(c.op.out[k], t, err)
}

func (b *builder) putReals(c call, k int, r []float64, dims ...int) error {
	return b.put(c, k, onnx.Slice[float64](r), dims...)
}

func (b *builder) putInts(c call, k int, w []int64, dims ...int) error {
	return b.put(c, k, onnx.Slice[int64](w), dims...)
}

// room accounts for what an operation is going to give, as far as its rule says, before it is made.
func (b *builder) room(c call) error {
	for k, v := range c.out {
		if v.Kind != op.TensorKind || v.Dims == nil || op.LeastElements(v.Dims) == 0 {
			continue
		}
		dims := make([]int, len(v.Dims))
		for i, d := range v.Dims {
			if dims[i] = int(min(d.Size, math.MaxInt)); !d.Known() {
				dims[i] = 1
			}
		}
		if err := b.account(c.op.out[k], dims, 16); err != nil {
			return err
		}
	}
	return nil
}

// lines cuts a shape at an axis: outer runs of n elements that lie inner apart.
func lines(dims []int, axis int) (outer, n, inner int) {
	return product(dims[:axis]), dims[axis], product(dims[axis+1:])
}

// picked is the elements of a tensor by their numbers, under dims; one below zero is the zero of the type.
func picked(t *onnx.Tensor, from []int, dims []int) (*onnx.Tensor, error) {
	data := t.Data.Make(len(from))
	data.Gather(0, t.Data, from)
	return onnx.TensorOf("", data, dims...)
}

// aligned are input tensors repeated to the shape that they have together.
func (b *builder) aligned(c call, in ...*onnx.Tensor) ([]*onnx.Tensor, []int, error) {
	dims := in[0].Dims
	for _, t := range in[1:] {
		var err error
		if dims, err = gop.BroadcastShape(dims, t.Dims); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", c.name(), err)
		}
	}
	if err := b.account(c.name(), dims, int64(16*len(in))); err != nil {
		return nil, nil, err
	}
	out := make([]*onnx.Tensor, len(in))
	for k, t := range in {
		out[k] = t
		if !slices.Equal(t.Dims, dims) {
			var err error
			if out[k], err = expanded(t, dims); err != nil {
				return nil, nil, fmt.Errorf("%s: %w", c.name(), err)
			}
		}
	}
	return out, dims, nil
}

// every counts through a shape in row-major order; at is to be read only. It ends early where the context does.
func (b *builder) every(dims []int, f func(i int, at []int) error) error {
	n := product(dims)
	at := make([]int, len(dims))
	for i := range n {
		if i&0xffff == 0xffff {
			if err := b.pace(); err != nil {
				return err
			}
		}
		if err := f(i, at); err != nil {
			return err
		}
		for k := len(at) - 1; k >= 0; k-- {
			if at[k]++; at[k] < dims[k] {
				break
			}
			at[k] = 0
		}
	}
	return nil
}

// within brings an index that may count from the end into an axis.
func (c call) within(i int64, n int) (int, error) {
	if i < -int64(n) || i >= int64(n) {
		return 0, fault{fmt.Errorf("%s: index %d on an axis of %d", c.name(), i, n)}
	}
	if i < 0 {
		i += int64(n)
	}
	return int(i), nil
}

// place is the number of an element.
func place(at, steps []int) int {
	n := 0
	for k, i := range at {
		n += i * steps[k]
	}
	return n
}
