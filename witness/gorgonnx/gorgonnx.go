// Package gorgonnx runs models on stock onnx-go with its Gorgonia backend, in a child process: the program starts a copy
// of itself, so that a panic, a hang or the memory use of the library does not affect it. Programs must call [Main]
// first in main.
//
// The library computes some things wrongly without reporting an error. This package knows these cases and refuses them before a
// run, with an *onnx.UnsupportedError that names the node and the fault. An error or a panic of the library is reported in the
// same way, since a model that petrify has checked is not to blame for it; a process that dies or hangs is a
// *witness.BrokenError.
package gorgonnx

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/witness"
	"github.com/petrify-ml/petrify/witness/child"
)

// Runtime is stock onnx-go. It needs a program that calls [Main].
type Runtime struct{}

// Name is "gorgonnx".
func (Runtime) Name() string { return "gorgonnx" }

// Version returns the versions of onnx-go and Gorgonia.
func (Runtime) Version(ctx context.Context) (string, error) {
	r, err := self()
	if err != nil {
		return "", err
	}
	return r.Version(ctx)
}

// Open is the function [Open].
func (Runtime) Open(ctx context.Context, m *onnx.Model) (witness.Session, error) {
	s, err := Open(ctx, m)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func self() (*child.Runtime, error) {
	if !armed.Load() {
		return nil, &witness.MissingError{Runtime: "gorgonnx", Why: "this program cannot start itself as a child", Remedy: "call gorgonnx.Main first in main"}
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("gorgonnx: %w", err)
	}
	return &child.Runtime{Label: "gorgonnx", Program: exe, Env: []string{childEnv + "=" + childName}}, nil
}

// A Session is a model in a child process. If the child dies, the next run starts it again.
type Session struct {
	runtime   *child.Runtime
	model     *onnx.Model
	signature witness.Signature

	mu     sync.Mutex
	child  *child.Session // nil between a death and the next run
	closed bool
	passed map[string]bool // shapes of the inputs that the profile has passed
}

// Open starts a child for m. It returns an *onnx.UnsupportedError if the library lacks, or is known to compute wrongly,
// something that m uses, whatever the shapes of the inputs.
func Open(ctx context.Context, m *onnx.Model) (*Session, error) {
	if err := profile(m, nil); err != nil {
		return nil, err
	}
	r, err := self()
	if err != nil {
		return nil, err
	}
	s := &Session{runtime: r, model: m, signature: witness.SignatureOf(m), passed: map[string]bool{}}
	if s.child, err = r.Start(ctx, m); err != nil {
		return nil, blame(ctx, err)
	}
	return s, nil
}

// Run computes the outputs, in graph order, from the inputs, which are matched by name. It returns an
// *onnx.UnsupportedError if the library is known to be wrong for inputs of these shapes, or if it fails.
func (s *Session) Run(ctx context.Context, inputs []*onnx.Tensor) ([]*onnx.Tensor, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errors.New("gorgonnx: session is closed")
	}
	if err := s.check(inputs); err != nil {
		return nil, err
	}
	if s.child == nil {
		c, err := s.runtime.Start(ctx, s.model)
		if err != nil {
			return nil, blame(ctx, err)
		}
		s.child = c
	}
	outputs, err := s.child.Run(ctx, inputs)
	if _, died := errors.AsType[*child.DiedError](err); died {
		s.child.Close() // it has been told
		s.child = nil
	}
	return outputs, blame(ctx, err)
}

func (s *Session) check(inputs []*onnx.Tensor) error {
	if err := s.signature.Bind(&witness.Binding{}, inputs); err != nil {
		return fmt.Errorf("gorgonnx: %w", err)
	}
	key := ""
	for _, t := range inputs {
		key += fmt.Sprintf("%q%v%v", t.Name, t.Type(), t.Dims)
	}
	if s.passed[key] {
		return nil
	}
	if err := profile(s.model, inputs); err != nil {
		return err
	}
	s.passed[key] = true
	return nil
}

// Close ends the child.
func (s *Session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.child == nil {
		return nil
	}
	return s.child.Close()
}

// blame tells the death of a child as the fault of the library, unless the caller's own context ended it.
func blame(ctx context.Context, err error) error {
	if d, died := errors.AsType[*child.DiedError](err); died && ctx.Err() == nil {
		brief := *d
		for _, stack := range []string{"; runtime stack:", "; goroutine "} {
			brief.Stderr, _, _ = strings.Cut(brief.Stderr, stack)
		}
		return &witness.BrokenError{Err: fmt.Errorf("stock onnx-go ended its process: %w", &brief)}
	}
	return err
}
