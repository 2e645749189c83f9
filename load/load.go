// Package load runs ONNX models in Go: it is how a Go program uses a generator that petrify has exported, and the round trip
// that petrify verifies its exports by.
//
// A file passes petrify's own reader and checks first, then onnx-go's decoder, into a graph of this package. What onnx-go has
// read is compared with what petrify has read, down to the bits of the weights. For every shape of the inputs that comes, the
// graph is built of Gorgonia operators and run straight through; a matrix product with its bias and its activation is one
// operator.
//
// The operators are those that [Operators] lists, in float32 and float64. Integers and flags that do not depend on floats of the inputs,
// shapes above all, are computed when the graph is built; those that do are compared, chosen by, cast and moved
// about, no more. A model that needs another operator is refused by Open, with an *onnx.UnsupportedError that names it.
package load

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/wire"
	"github.com/petrify-ml/petrify/witness"
)

// Port is an input or an output of a model.
type Port = witness.Port

// Session is a model made ready to run. Its methods may be called from several goroutines at once.
type Session struct {
	model     *model
	signature witness.Signature

	calls sync.Pool // of *matched

	mu     sync.Mutex
	closed bool
	shapes []*shaped // most recently used first
}

// shaped holds the graphs of one set of input shapes that are not running at the moment.
type shaped struct {
	key  string
	free []*program
}

const (
	shapesKept = 4 // per session; graphs of the shape that was used longest ago are dropped
	graphsKept = 8 // per shape; more only run when more runs are going on at once
)

// File reads, checks and opens the model at path, with its elements in other files, if there are some.
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

// Open checks m and makes it ready to run. It gives an *onnx.FormatError for a model that is wrong, and an
// *onnx.UnsupportedError for one that is right and needs something that this package lacks. m must not be changed afterwards.
func Open(m *onnx.Model) (*Session, error) {
	if err := validate(m); err != nil {
		return nil, err
	}
	s := &Session{}
	var err error
	if err := supported(m); err != nil {
		return nil, err
	}
	if s.signature, err = signature(m); err != nil {
		return nil, err
	}
	if s.model, err = newModel(m.Proto); err != nil {
		return nil, err
	}
	return s, nil
}

// signature is what a run must give, the inputs without an initializer, and the outputs.
func signature(m *onnx.Model) (witness.Signature, error) {
	s := witness.SignatureOf(m)
	s.Inputs = slices.DeleteFunc(s.Inputs, func(p Port) bool { return p.Optional })
	var problems []error
	for _, p := range slices.Concat(s.Inputs, s.Outputs) {
		if p.Other {
			problems = append(problems, &onnx.UnsupportedError{Why: p.Name + " is not a tensor"})
		}
	}
	return s, errors.Join(problems...)
}

// Inputs are the values that a run must give, with their declared types.
func (s *Session) Inputs() []Port { return slices.Clone(s.signature.Inputs) }

// Outputs are the values that a run returns, in order, with their declared types.
func (s *Session) Outputs() []Port { return slices.Clone(s.signature.Outputs) }

// Run computes the outputs, in graph order, from the inputs, which are matched by name. The inputs are only read, and the
// outputs are the caller's. A run is not interrupted once its arithmetic has begun.
func (s *Session) Run(ctx context.Context, inputs []*onnx.Tensor) ([]*onnx.Tensor, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	m, ok := s.calls.Get().(*matched)
	if !ok {
		m = &matched{}
	}
	defer s.calls.Put(m)
	if err := s.match(m, inputs); err != nil {
		return nil, err
	}
	p, err := s.take(m)
	if err != nil {
		return nil, err
	}
	outputs, err := p.run(m.Ordered)
	if err != nil {
		return nil, err // p may be in any state: it is not used again
	}
	s.putBack(p)
	return outputs, nil
}

// Apply is Run for a model of one float32 input and one float32 output. Where the input declares one dimension that is not a
// number, the batch, its size follows from len(x). It returns the elements of the output and its dimensions.
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
type matched struct {
	witness.Binding
	key []byte // of the graph
}

// match puts the inputs of a run in the model's order and refuses what this package has no room for.
func (s *Session) match(m *matched, inputs []*onnx.Tensor) error {
	if err := s.signature.Bind(&m.Binding, inputs); err != nil {
		return err
	}
	for i, t := range m.Ordered {
		p := s.signature.Inputs[i]
		switch {
		case t.Type() == pb.TensorProto_STRING:
			return &onnx.UnsupportedError{Why: fmt.Sprintf("input %s: this package has no strings", p)}
		case t.Len() == 0 && isFloat(t.Type()) && !s.model.fixed[p.Name]:
			return &onnx.UnsupportedError{Why: fmt.Sprintf("input %s: dims %v: this package runs no empty tensors", p, t.Dims)}
		}
	}
	return nil
}

// take hands out a graph for the shapes of the inputs, and for the values of those that are part of it, building it if none is free.
func (s *Session) take(m *matched) (*program, error) {
	key := m.key[:0]
	for _, t := range m.Ordered {
		key = binary.AppendUvarint(key, uint64(len(t.Dims)))
		for _, d := range t.Dims {
			key = binary.AppendUvarint(key, uint64(d))
		}
		if s.model.fixed[t.Name] { // a constant of the graph, such as a shape
			key = append(key, t.Proto().GetRawData()...)
		}
	}
	m.key = key
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, errors.New("session is closed")
	}
	if i := slices.IndexFunc(s.shapes, func(e *shaped) bool { return e.key == string(key) }); i >= 0 {
		e := s.shapes[i]
		copy(s.shapes[1:i+1], s.shapes[:i])
		s.shapes[0] = e
		if n := len(e.free); n > 0 {
			p := e.free[n-1]
			e.free = e.free[:n-1]
			s.mu.Unlock()
			return p, nil
		}
	}
	s.mu.Unlock()

	p, err := s.model.build(m.Ordered)
	if err != nil {
		return nil, err
	}
	p.key = string(key)
	return p, nil
}

func (s *Session) putBack(p *program) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	i := slices.IndexFunc(s.shapes, func(e *shaped) bool { return e.key == p.key })
	if i < 0 {
		s.shapes = slices.Insert(s.shapes, 0, &shaped{key: p.key})
		s.shapes = s.shapes[:min(len(s.shapes), shapesKept)]
		i = 0
	}
	if e := s.shapes[i]; len(e.free) < graphsKept {
		e.free = append(e.free, p)
	}
}

// Close lets go of the memory. Runs that are under way end normally, later ones fail.
func (s *Session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed, s.shapes = true, nil
	return nil
}
