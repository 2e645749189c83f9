package reference

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/witness"
)

// Runtime makes the interpreter available as a witness.Runtime: it returns the outputs in the model's types, without their
// figures.
type Runtime struct {
	Options Options
	Release string // what Version says
}

// Name is "reference".
func (Runtime) Name() string { return "reference" }

// Version returns the release.
func (r Runtime) Version(context.Context) (string, error) { return r.Release, nil }

// Open compiles the model.
func (r Runtime) Open(_ context.Context, m *onnx.Model) (witness.Session, error) {
	p, err := Compile(m, r.Options)
	if err != nil {
		return nil, err
	}
	return &session{program: p, signature: witness.SignatureOf(m)}, nil
}

type session struct {
	program   *Program
	signature witness.Signature
	closed    atomic.Bool
}

func (s *session) Run(ctx context.Context, inputs []*onnx.Tensor) ([]*onnx.Tensor, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	if s.closed.Load() {
		return nil, errors.New("session is closed")
	}
	if err := s.signature.Bind(&witness.Binding{}, inputs); err != nil {
		return nil, err
	}
	r, err := s.program.RunTensors(ctx, inputs)
	if err != nil {
		return nil, err
	}
	outputs := make([]*onnx.Tensor, len(r.Outputs))
	for i, v := range r.Outputs {
		if v.Kind != Tensor {
			return nil, &onnx.UnsupportedError{Why: fmt.Sprintf("output %q is a %s, no tensor", v.Name, v)}
		}
		if outputs[i], err = v.Tensor(); err != nil {
			return nil, fmt.Errorf("output %q: %w", v.Name, err)
		}
	}
	return outputs, nil
}

func (s *session) Close() error {
	s.closed.Store(true)
	return nil
}
