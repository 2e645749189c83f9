// Package witness says what a runtime is: something that computes ONNX models, and can be asked whether it computes the same
// as others. It has the interface that every runtime implements, the binding of inputs that they share, and the errors that
// tell a runtime that is not here from one that lacks something, and both from one that is broken.
//
// A new runtime is one file: a type with the three methods of [Runtime], which package witnesstest holds to the contract.
package witness

import (
	"context"
	"fmt"

	"github.com/petrify-ml/petrify/onnx"
)

// A Runtime is something that computes models. Its methods may be called from several goroutines at once.
type Runtime interface {
	// Name is what reports call it.
	Name() string
	// Version says which version of what is here. It gives a *MissingError where the runtime is not installed; any other error
	// says that it is, and cannot be started.
	Version(ctx context.Context) (string, error)
	// Open loads a model, which is not changed afterwards, by either side. It gives an *onnx.UnsupportedError for a model that
	// is right and needs what the runtime lacks; a model with elements in other files is one. ctx bounds the opening only.
	Open(ctx context.Context, m *onnx.Model) (Session, error)
}

// A Session is a model that a runtime has loaded.
type Session interface {
	// Run computes the outputs, named and in the order of the graph's, from the inputs, which are found by name and only read.
	// The outputs are the caller's. An *onnx.UnsupportedError says that the runtime lacks something for inputs of these shapes.
	// A run ends soon after its context. A runtime that dies gives an error, and an error again, at once, in later runs, or
	// starts anew.
	Run(ctx context.Context, inputs []*onnx.Tensor) ([]*onnx.Tensor, error)
	// Close lets go of all that the session holds. Runs after it fail; closing twice is harmless.
	Close() error
}

// A Configured session can be set up in more than one way.
type Configured interface {
	Session
	// Settings says how it differs from the usual, for a report: its provider, optimisations, threads. Empty means not at all.
	Settings() string
}

// A MissingError says that a runtime is not installed, and how to get it.
type MissingError struct{ Runtime, Why, Remedy string }

func (e *MissingError) Error() string {
	if e.Remedy == "" {
		return fmt.Sprintf("%s: %s", e.Runtime, e.Why)
	}
	return fmt.Sprintf("%s: %s: %s", e.Runtime, e.Why, e.Remedy)
}

// A BrokenError says that a runtime is here, and could not be started, or ended by a fault that is known to be its own. The
// model is not to blame.
type BrokenError struct{ Err error }

func (e *BrokenError) Error() string { return e.Err.Error() }
func (e *BrokenError) Unwrap() error { return e.Err }

// A CrashError says that a runtime's process crashed, by a signal such as that of a division by zero: the fault is the
// runtime's, and what it would have computed is not known.
type CrashError struct{ Err error }

func (e *CrashError) Error() string { return e.Err.Error() }
func (e *CrashError) Unwrap() error { return e.Err }

// A RefusedError says that a runtime refuses a run, for the values of its inputs perhaps, and lives on.
type RefusedError struct{ Err error }

func (e *RefusedError) Error() string { return e.Err.Error() }
func (e *RefusedError) Unwrap() error { return e.Err }
