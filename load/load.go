// Package load runs ONNX models in Go: Go programs use it to run a generator that petrify has exported, and petrify uses it
// to verify its exports by a round trip. [Generator] makes images from a seed; [Session] runs any model.
//
// A file goes through petrify's own reader and checks first, then through onnx-go's decoder into a graph of this package.
// What onnx-go has read is compared with what petrify has read, down to the bits of the weights. For each new combination of
// input shapes, the graph is built from Gorgonia operators and then run straight through; a matrix product with its bias and
// activation is a single operator.
//
// [Operators] lists the supported operators. A model that computes only on floats runs as one such graph. Where a shape depends on values, where
// integers, booleans, strings or sequences are computed, and in the bodies of If, Loop and Scan, execution is step by step: neighbouring nodes
// on floats run as one graph, and everything else is computed on tensors of its own type. [Open] refuses a model that needs any other operator,
// with an *onnx.UnsupportedError that names it.
package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/wire"
	"github.com/petrify-ml/petrify/witness"
)

// A Port is an input or output of a model.
type Port = witness.Port

// A Session is a model that is ready to run. Its methods may be called from several goroutines at
// once.
type Session struct {
	signature witness.Signature

	calls sync.Pool              // of *matched
	main  atomic.Pointer[region] // nil once the session is closed
}

// File reads, checks and opens the model at path, with its external data, if any.
func File(path string) (*Session, error) {
	m, err := wire.Read(path, wire.Limits{})
	if err != nil {
		return nil, err
	}
	if err := wire.Embed(m, wire.Limits{}); err != nil {
		return nil, err
	}
	s, err := Open(m)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// Open checks m and prepares it to run. It returns an *onnx.FormatError if the model is invalid, and an
// *onnx.UnsupportedError if it is valid but needs something that this package lacks. m must not be changed afterwards.
func Open(m *onnx.Model) (*Session, error) {
	if err := validate(m); err != nil {
		return nil, err
	}
	s := &Session{}
	var err error
	if s.signature, err = signature(m); err != nil {
		return nil, err
	}
	main, err := newModel(m.Proto)
	if err != nil {
		return nil, err
	}
	s.main.Store(main)
	return s, nil
}

// signature is what a run must give, the inputs without an initializer, and the outputs.
func signature(m *onnx.Model) (witness.Signature, error) {
	s := witness.SignatureOf(m)
	s.Inputs = slices.DeleteFunc(s.Inputs, func(p Port) bool { return p.Optional })
	for _, p := range slices.Concat(s.Inputs, s.Outputs) {
		if p.Other {
			return s, &onnx.UnsupportedError{Why: p.Name + " is not a tensor"}
		}
	}
	return s, nil
}

// Inputs returns the values that a run must be given, with their declared types.
func (s *Session) Inputs() []Port { return slices.Clone(s.signature.Inputs) }

// Outputs returns the values that a run computes, in order, with their declared types.
func (s *Session) Outputs() []Port { return slices.Clone(s.signature.Outputs) }

// Run computes the outputs, in graph order, from the inputs, which are matched by name. It only reads the inputs, and the
// outputs belong to the caller. When ctx ends, a run stops before its next operation; an operation in progress is not
// interrupted.
func (s *Session) Run(ctx context.Context, inputs []*onnx.Tensor) ([]*onnx.Tensor, error) {
	return s.run(ctx, inputs, nil)
}

// RunInto is Run into the caller's tensors: outputs must have the types and shapes that Run returns for inputs of these shapes, and are
// overwritten. They must not share memory with each other or with inputs. A model that computes only on floats, and has run with the
// same shapes before, allocates nothing. After an error the contents of outputs are undefined.
func (s *Session) RunInto(ctx context.Context, inputs, outputs []*onnx.Tensor) error {
	if n := len(s.signature.Outputs); len(outputs) != n || slices.Contains(outputs, nil) {
		return fmt.Errorf("%d tensors for %d outputs, want one for each", len(outputs), n)
	}
	_, err := s.run(ctx, inputs, outputs)
	return err
}

// run is Run where into is nil, and RunInto where it is not.
func (s *Session) run(ctx context.Context, inputs, into []*onnx.Tensor) ([]*onnx.Tensor, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	main := s.main.Load()
	if main == nil {
		return nil, errors.New("session is closed")
	}
	m, ok := s.calls.Get().(*matched)
	if !ok {
		m = &matched{}
	}
	defer s.calls.Put(m)
	if err := s.signature.Bind(&m.Binding, inputs); err != nil {
		return nil, err
	}
	if main.whole() {
		outputs, _, err := main.all.run(ctx, m.Ordered, into)
		if _, unsupported := errors.AsType[*onnx.UnsupportedError](err); !unsupported {
			return outputs, err
		}
	}
	outputs, err := main.tensors(ctx, m.Ordered)
	for i := range into {
		if err == nil {
			err = fill(into[i], outputs[i])
		}
	}
	return outputs, err
}

// fill copies an output into a tensor that must be like it.
func fill(to, from *onnx.Tensor) error {
	if err := alike(to, from.Name, from.Type(), from.Dims); err != nil {
		return err
	}
	to.Data.Copy(0, from.Data, 0, from.Len())
	return nil
}

// alike wants of a tensor that an output fits into it.
func alike(t *onnx.Tensor, name string, elem pb.TensorProto_DataType, dims []int) error {
	if t.Data == nil || t.Type() != elem || !slices.Equal(t.Dims, dims) || t.Len() != product(dims) {
		return fmt.Errorf("output %q has elements of type %s and dims %v, and the tensor for it %s, %v",
			name, strings.ToLower(elem.String()), slices.Clone(dims), strings.ToLower(t.Type().String()), t.Dims)
	}
	return nil
}

// Apply is Run for a model with one float32 input and one float32 output. If the input has one free dimension, the batch,
// its size follows from len(x). It returns the elements and the dimensions of the output.
func (s *Session) Apply(ctx context.Context, x []float32) (y []float32, dims []int, err error) {
	if in, out := len(s.signature.Inputs), len(s.signature.Outputs); in != 1 || out != 1 {
		return nil, nil, fmt.Errorf("the model has %d inputs and %d outputs: Apply wants one of each, use Run", in, out)
	}
	in := s.signature.Inputs[0]
	shape, err := fit(in, len(x))
	if err != nil {
		return nil, nil, err
	}
	t, err := onnx.NewTensor(in.Name, x, shape...)
	if err != nil {
		return nil, nil, err
	}
	out, err := s.Run(ctx, []*onnx.Tensor{t})
	if err != nil {
		return nil, nil, err
	}
	y, ok := out[0].Data.(onnx.Slice[float32])
	if !ok {
		return nil, nil, fmt.Errorf("output %s is not float: use Run", s.signature.Outputs[0])
	}
	return y, out[0].Dims, nil
}

// fit settles the open dimension of a port for n elements.
func fit(p Port, n int) ([]int, error) {
	shape, open, known := make([]int, len(p.Type.Dims)), -1, 1
	for i, d := range p.Type.Dims {
		switch {
		case d.Known():
			shape[i] = int(d.Size)
			known *= int(d.Size)
		case open < 0:
			open = i
		default:
			return nil, fmt.Errorf("input %s has more than one open dimension: use Run", p)
		}
	}
	switch {
	case p.Type.Dims == nil:
		return nil, fmt.Errorf("input %s has no declared shape: use Run", p)
	case open < 0 && n != known:
		return nil, fmt.Errorf("input %s takes %d elements, got %d", p, known, n)
	case open >= 0 && (known == 0 || n == 0 || n%known != 0):
		return nil, fmt.Errorf("input %s takes a multiple of %d elements, got %d", p, known, n)
	case open >= 0:
		shape[open] = n / known
	}
	return shape, nil
}

// matched is what a run knows of its inputs. It is used again, so that a run allocates nothing but its outputs.
type matched struct{ witness.Binding }

// Close releases the model's memory. Runs in progress finish normally, later ones fail.
func (s *Session) Close() error {
	s.main.Store(nil)
	return nil
}
