// Package gop holds Gorgonia operators built on internal/kernel, and the executor that runs them.
//
// An operator of this package owns the storage of its output, settled when its graph is built: shapes are fixed, so
// running it allocates nothing. It is told which gradients will be needed, and differentiates into operators of the
// same kind, so a training step built from them costs its arithmetic and little else. Every instance has a hash of its
// own: Gorgonia never merges two of them.
//
// Operators work in float32, the path that trains, and in float64, the path that gradient checks use.
//
// Each operator also satisfies gorgonia.Op and gorgonia.SDOp in full, so Gorgonia's own machines run it too. Machine is
// the faster way: it settles every buffer when it is made and runs the operators straight through.
package gop

import (
	"encoding/binary"
	"fmt"
	"hash"
	"slices"
	"sync/atomic"

	"github.com/chewxy/hm"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/petrify-ml/petrify/internal/kernel"
)

// Need says which gradients of an operator with parameters will be needed. Those not needed are never computed.
type Need struct {
	Input  bool // the gradient with respect to the operator's input
	Params bool // the gradients with respect to its parameters
}

// operator is what every operator of this package is, beyond a Gorgonia Op. It embeds op and adds what is its own.
type operator interface {
	G.SDOp
	common() *op
	// bind takes hold of the storage of the inputs and of the output.
	bind(b *binding)
	// run computes the bound output from the bound inputs.
	run()
}

// op is the part that all operators share. It is embedded by each of them.
type op struct {
	self  operator // the whole of it
	kind  string
	id    uint32
	dtype tensor.Dtype
	shape tensor.Shape
	typ   hm.Type

	inputs []*G.Node // in order, recorded because a graph forgets that a value is used twice
	bound  []G.Value
	out    G.Value
}

var lastID atomic.Uint32

func (o *op) common() *op                                    { return o }
func (o *op) Arity() int                                     { return len(o.inputs) }
func (o *op) Type() hm.Type                                  { return o.typ }
func (o *op) InferShape(...G.DimSizer) (tensor.Shape, error) { return o.shape.Clone(), nil }
func (o *op) ReturnsPtr() bool                               { return true }
func (o *op) CallsExtern() bool                              { return false }
func (o *op) OverwritesInput() int                           { return -1 }
func (o *op) Hashcode() uint32                               { return o.id }
func (o *op) String() string                                 { return fmt.Sprintf("%s#%d", o.kind, o.id) }

func (o *op) WriteHash(h hash.Hash) {
	h.Write(binary.LittleEndian.AppendUint32([]byte(o.kind), o.id))
}

// DiffWRT and SymDiff are those of an operator that is itself a derivative; the others override them.
func (o *op) DiffWRT(inputs int) []bool { return make([]bool, inputs) }

func (o *op) SymDiff(G.Nodes, *G.Node, *G.Node) (G.Nodes, error) {
	return nil, fmt.Errorf("%s has no derivative", o)
}

// Do runs the operator the way Gorgonia's own machines ask for it.
func (o *op) Do(in ...G.Value) (G.Value, error) {
	if o.out == nil || !slices.Equal(in, o.bound) {
		out, err := bind(o.self, in)
		if err != nil {
			return nil, err
		}
		o.out, o.bound = out, slices.Clone(in)
	}
	o.self.run()
	return o.out, nil
}

// loop is embedded by operators that do their work in parts.
type loop struct {
	units, grain int // how many there are, and how many at least are worth a thread
	part         func(lo, hi int)
}

// parts are those of work on so many elements, per of them at a time; a thread is worth about enough elements.
func parts(elements, per, enough int, part func(lo, hi int)) loop {
	if per == 0 {
		return loop{part: part}
	}
	return loop{elements / per, enough / per, part}
}

func (l *loop) run() { kernel.Parallel(l.units, max(1, l.grain), l.part) }

// present says which input of an operator is missing.
func present(name, kind string, inputs ...*G.Node) error {
	if i := slices.Index(inputs, nil); i >= 0 {
		return fmt.Errorf("%s: input %d of %s is missing", name, i, kind)
	}
	return nil
}

// optional are inputs of which the last may be missing.
func optional(inputs ...*G.Node) []*G.Node {
	if last := len(inputs) - 1; inputs[last] == nil {
		return inputs[:last]
	}
	return inputs
}

// build puts the float32 or the float64 form of an operator, as the first input demands, into the graph of its inputs.
func build(name, kind string, shape tensor.Shape, f32, f64 operator, inputs ...*G.Node) (*G.Node, error) {
	o, err := typed(inputs[0], f32, f64)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return apply(o, name, kind, shape, inputs...)
}

func typed(x *G.Node, f32, f64 operator) (operator, error) {
	switch x.Dtype() {
	case tensor.Float32:
		return f32, nil
	case tensor.Float64:
		return f64, nil
	}
	return nil, fmt.Errorf("element type is %v, want float32 or float64", x.Dtype())
}

// apply puts o into the graph of its inputs, as a node of the given name and of the shape of its output.
func apply(o operator, name, kind string, shape tensor.Shape, inputs ...*G.Node) (*G.Node, error) {
	for i, in := range inputs {
		if in == nil {
			return nil, fmt.Errorf("%s: input %d of %s is missing", name, i, kind)
		}
		if in.Dtype() != inputs[0].Dtype() {
			return nil, fmt.Errorf("%s: input %d of %s is %v, want %v", name, i, kind, in.Dtype(), inputs[0].Dtype())
		}
	}
	return applyAs(o, name, kind, inputs[0].Dtype(), shape, inputs...)
}

// applyAs is apply for an operator whose output has an element type of its own.
func applyAs(o operator, name, kind string, dt tensor.Dtype, shape tensor.Shape, inputs ...*G.Node) (*G.Node, error) {
	c := o.common()
	c.init(o, kind, dt, shape, inputs)
	types := make([]hm.Type, 0, len(inputs)+1)
	for _, in := range inputs {
		types = append(types, in.Type())
	}
	c.typ = hm.NewFnType(append(types, typeOf(c.dtype, shape))...)
	n, err := G.ApplyOp(o, inputs...)
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", name, kind, err)
	}
	G.WithName(name)(n)
	return n, nil
}

func (o *op) init(self operator, kind string, dt tensor.Dtype, shape tensor.Shape, inputs []*G.Node) {
	o.self, o.kind, o.id, o.dtype, o.shape, o.inputs = self, kind, lastID.Add(1), dt, shape.Clone(), inputs
}

func typeOf(dt tensor.Dtype, shape tensor.Shape) hm.Type {
	if shape.IsScalar() {
		return dt
	}
	return G.TensorType{Dims: shape.Dims(), Of: dt}
}

// binding is an operator taking hold of storage. Its methods keep the first error.
type binding struct {
	op  *op
	in  []G.Value
	out G.Value
	err error
}

// bind returns the value that o will fill.
func bind(o operator, in []G.Value) (G.Value, error) {
	b := &binding{op: o.common(), in: in}
	o.bind(b)
	if b.err != nil {
		return nil, fmt.Errorf("%s: %w", b.op, b.err)
	}
	return b.out, nil
}

// take gives the storage of the inputs, in order. It ignores those that nil stands for, and leaves those as they are that
// the operator was made without.
func take[T kernel.Float](b *binding, into ...*[]T) {
	for i, x := range into {
		if x == nil || i >= len(b.in) {
			continue
		}
		var err error
		if *x, err = elements[T](b.in[i], b.op.inputs[i].Shape().TotalSize()); err != nil && b.err == nil {
			b.err = err
		}
	}
}

// output allocates the storage of the output.
func output[T kernel.Float](b *binding) []T {
	data := make([]T, b.op.shape.TotalSize())
	show(b, data)
	return data
}

// show makes existing storage the output.
func show[T kernel.Float](b *binding, data []T) {
	if b.err == nil {
		b.out = tensor.New(tensor.WithShape(b.op.shape...), tensor.WithBacking(data))
	}
}

// scalar gives input i, a scalar.
func (b *binding) scalar(i int) scalar {
	s, err := scalarOf(b.in[i])
	if err != nil && b.err == nil {
		b.err = err
	}
	return s
}

// scalarOutput allocates the output, a scalar.
func (b *binding) scalarOutput() (s scalar) {
	s, b.out = newScalar(b.op.dtype)
	return s
}

// elements is the storage of a value: contiguous, row-major, n elements of type T.
func elements[T kernel.Float](v G.Value, n int) ([]T, error) {
	d, ok := v.(*tensor.Dense)
	if !ok {
		return nil, fmt.Errorf("value is a %T, want a dense tensor", v)
	}
	if d.RequiresIterator() || d.DataOrder().IsColMajor() {
		return nil, fmt.Errorf("value of shape %v is not contiguous and row-major", d.Shape())
	}
	s, ok := d.Data().([]T)
	if !ok || len(s) != n {
		return nil, fmt.Errorf("value is %v of shape %v, want %d elements of %T", d.Dtype(), d.Shape(), n, *new(T))
	}
	return s, nil
}

// scalar is a scalar value of Gorgonia, read and written without boxing it.
type scalar struct {
	f32 *G.F32
	f64 *G.F64
}

// newScalar allocates the output of an operator that gives a scalar.
func newScalar(dt tensor.Dtype) (scalar, G.Value) {
	if dt == tensor.Float64 {
		s := scalar{f64: new(G.F64)}
		return s, s.f64
	}
	s := scalar{f32: new(G.F32)}
	return s, s.f32
}

// scalarOf takes hold of a scalar value.
func scalarOf(v G.Value) (scalar, error) {
	switch x := v.(type) {
	case *G.F32:
		return scalar{f32: x}, nil
	case *G.F64:
		return scalar{f64: x}, nil
	}
	return scalar{}, fmt.Errorf("value is a %T of shape %v, want a scalar float", v, v.Shape())
}

func (s scalar) get() float64 {
	if s.f64 != nil {
		return float64(*s.f64)
	}
	return float64(*s.f32)
}

func (s scalar) set(x float64) {
	if s.f64 != nil {
		*s.f64 = G.F64(x)
		return
	}
	*s.f32 = G.F32(x)
}
