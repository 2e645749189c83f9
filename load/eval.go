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
func (c call) numbers(k int) []float64 { return elements(c, k, reals, "numbers") }

// integers are the elements of input k, integers or flags, of any rank; none where it is left out.
func (c call) integers(k int) []int64 { return elements(c, k, wide, "integers") }

func elements[T any](c call, k int, of func(*onnx.Tensor) ([]T, bool), kind string) []T {
	if !c.has(k) {
		return nil
	}
	if c.in[k].fixed == nil {
		fail(c.unsupported("%q is not a tensor", c.op.in[k]))
	}
	v, ok := of(c.in[k].fixed)
	if !ok {
		fail(c.unsupported("elements of type %v, want %s", c.in[k].elem, kind))
	}
	return v
}

func (c call) number(k int) float64 { return sole(c, c.numbers(k), k) }
func (c call) integer(k int) int64  { return sole(c, c.integers(k), k) }

// sole is the only element of input k.
func sole[T any](c call, list []T, k int) T {
	if len(list) != 1 {
		fail(fmt.Errorf("%s: %q is not a number", c.name(), c.op.in[k]))
	}
	return list[0]
}

// The attributes of an operation, or their defaults.

func (c call) int(name string, otherwise ...int64) int64 { return attribute(c.op, name, otherwise...) }
func (c call) on(name string) bool                       { return c.int(name) != 0 }
func (c call) ints(name string) []int64                  { return attribute[[]int64](c.op, name) }
func (c call) text(name string, otherwise ...string) string {
	return attribute(c.op, name, otherwise...)
}
func (c call) texts(name string) []string   { return attribute[[]string](c.op, name) }
func (c call) floats(name string) []float32 { return attribute[[]float32](c.op, name) }
func (c call) float(name string) float64    { return float64(attribute[float32](c.op, name)) }

// axis is the attribute of this name, which names one of rank axes.
func (c call) axis(rank int, otherwise ...int64) int {
	return axisOf(c.name(), c.int("axis", otherwise...), rank)
}

// put gives output k elements in their wide type, which become those of the output's type, and dims. Whoever made them has accounted
// for them.
func (b *builder) put(c call, k int, wide onnx.Data, dims ...int) {
	if k >= len(c.op.out) || c.op.out[k] == "" {
		return
	}
	elem := c.elem(k)
	if _, float := wide.(onnx.Slice[float64]); float && elem == pb.TensorProto_UNDEFINED { // of a type that nothing else says
		elem = c.in[0].elem
	}
	if elem == pb.TensorProto_UNDEFINED || elem == wide.Type() {
		b.setFixed(c.op.out[k], must(onnx.TensorOf("", wide, dims...)))
		return
	}
	if data, ok := onnx.Narrow(elem, wide); ok {
		b.setFixed(c.op.out[k], must(onnx.TensorOf("", data, dims...)))
		return
	}
	var t *onnx.Tensor
	switch w := wide.(type) {
	case onnx.Slice[float64]:
		t = must(fromReals(elem, w, dims))
	case onnx.Slice[int64]:
		if isInt(elem) {
			t = must(narrow(elem, w, dims))
		} else {
			t = must(fromReals(elem, convert[float64](w), dims))
		}
	default:
		fail(c.unsupported("elements of type %v from %v", elem, wide.Type()))
	}
	b.setFixed(c.op.out[k], t)
}

func (b *builder) putReals(c call, k int, r []float64, dims ...int) {
	b.put(c, k, onnx.Slice[float64](r), dims...)
}

func (b *builder) putInts(c call, k int, w []int64, dims ...int) {
	b.put(c, k, onnx.Slice[int64](w), dims...)
}

// room accounts for what an operation is going to give, as far as its rule says, before it is made.
func (b *builder) room(c call) {
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
		b.account(c.op.out[k], dims, 16)
	}
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
func (b *builder) aligned(c call, in ...*onnx.Tensor) ([]*onnx.Tensor, []int) {
	dims := in[0].Dims
	for _, t := range in[1:] {
		var err error
		if dims, err = gop.BroadcastShape(dims, t.Dims); err != nil {
			fail(fmt.Errorf("%s: %w", c.name(), err))
		}
	}
	b.account(c.name(), dims, int64(16*len(in)))
	out := make([]*onnx.Tensor, len(in))
	for k, t := range in {
		out[k] = t
		if !slices.Equal(t.Dims, dims) {
			var err error
			if out[k], err = expanded(t, dims); err != nil {
				fail(fmt.Errorf("%s: %w", c.name(), err))
			}
		}
	}
	return out, dims
}

// every counts through a shape in row-major order; at must only be read. It ends early where the context does.
func (b *builder) every(dims []int, f func(i int, at []int)) {
	n := product(dims)
	at := make([]int, len(dims))
	for i := range n {
		if i&0xffff == 0xffff {
			try(b.pace())
		}
		f(i, at)
		for k := len(at) - 1; k >= 0; k-- {
			if at[k]++; at[k] < dims[k] {
				break
			}
			at[k] = 0
		}
	}
}

// within brings an index that may count from the end into an axis.
func (c call) within(i int64, n int) int {
	if i < -int64(n) || i >= int64(n) {
		fail(fault{fmt.Errorf("%s: index %d on an axis of %d", c.name(), i, n)})
	}
	if i < 0 {
		i += int64(n)
	}
	return int(i)
}

// place is the number of an element.
func place(at, steps []int) int {
	n := 0
	for k, i := range at {
		n += i * steps[k]
	}
	return n
}
