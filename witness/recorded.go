package witness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/petrify-ml/petrify/onnx"
)

// Recorded is a runtime that computes nothing: it replays the outputs of recorded runs, and reports any other run as
// unsupported.
type Recorded struct {
	Model *onnx.Model // that was run
	Runs  []Recording
}

// A Recording is one run: its inputs by name, in any order, and its outputs in the order of the graph's.
type Recording struct{ Inputs, Outputs []*onnx.Tensor }

// Name is "recorded".
func (Recorded) Name() string { return "recorded" }

// Version returns the number of recorded runs, in words.
func (r Recorded) Version(context.Context) (string, error) {
	return fmt.Sprintf("runs: %d", len(r.Runs)), nil
}

// Open accepts only the recorded model.
func (r Recorded) Open(_ context.Context, m *onnx.Model) (Session, error) {
	if m != r.Model && (m.Bytes == nil || !bytes.Equal(m.Bytes, r.Model.Bytes)) {
		return nil, &onnx.UnsupportedError{Why: "this is not the model whose outputs were recorded"}
	}
	return &replay{runs: r.Runs, signature: SignatureOf(m)}, nil
}

type replay struct {
	runs      []Recording
	signature Signature
	closed    atomic.Bool
}

func (s *replay) Run(ctx context.Context, inputs []*onnx.Tensor) ([]*onnx.Tensor, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if s.closed.Load() {
		return nil, errors.New("session is closed")
	}
	var given, kept Binding
	if err := s.signature.Bind(&given, inputs); err != nil {
		return nil, err
	}
	for _, r := range s.runs {
		if s.signature.Bind(&kept, r.Inputs) != nil || !slices.EqualFunc(kept.Ordered, given.Ordered, (*onnx.Tensor).SameBits) {
			continue
		}
		outputs := make([]*onnx.Tensor, len(r.Outputs))
		for i, t := range r.Outputs {
			outputs[i] = t.Clone()
		}
		return outputs, nil
	}
	return nil, &onnx.UnsupportedError{Why: "no outputs were recorded for these inputs"}
}

func (s *replay) Close() error {
	s.closed.Store(true)
	return nil
}
