package load

import (
	"context"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/witness"
)

// Runtime makes this package available as a witness.Runtime.
type Runtime struct {
	Release string // returned by Version
}

// Name is "load".
func (Runtime) Name() string { return "load" }

// Version returns the release.
func (r Runtime) Version(context.Context) (string, error) { return r.Release, nil }

// Open is the function [Open].
func (Runtime) Open(_ context.Context, m *onnx.Model) (witness.Session, error) {
	s, err := Open(m)
	if err != nil {
		return nil, err
	}
	return s, nil
}
