package reference

import (
	"context"

	"github.com/petrify-ml/petrify/onnx"
)

// A Session is the reference in the place of a runtime: it takes and returns
// tensors, rounded to their element types.
type Session struct{ program *Program }

// Open prepares the model.
func Open(_ context.Context, m *onnx.Model) (*Session, error) {
	p, err := Compile(m, Options{})
	if err != nil {
		return nil, err
	}
	return &Session{p}, nil
}

// Run evaluates the model; outputs are named, in the order of the graph's.
func (s *Session) Run(ctx context.Context, inputs []*onnx.Tensor) ([]*onnx.Tensor, error) {
	r, err := s.program.RunTensors(ctx, inputs)
	if err != nil {
		return nil, err
	}
	outputs := make([]*onnx.Tensor, len(r.Outputs))
	for i, v := range r.Outputs {
		if outputs[i], err = v.Tensor(); err != nil {
			return nil, err
		}
	}
	return outputs, nil
}

// Close does nothing.
func (s *Session) Close() error { return nil }
