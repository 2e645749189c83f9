// Package witness defines what a runtime is: something that computes ONNX models and whose results can be compared with
// those of others. It has the interface that every runtime implements, the binding of inputs that they share, and the errors
// that distinguish a runtime that is not installed from one that lacks something, and both from one that is broken.
//
// A new runtime is one file: a type with the three methods of [Runtime], which package witnesstest holds to the contract.
package witness

import (
	"context"
	"fmt"

	"github.com/petrify-ml/petrify/onnx"
)

// A Runtime computes models. Its methods may be called from several goroutines at once.
type Runtime interface {
	// Name is the runtime's name in reports.
	Name() string
	// Version describes the installed runtime and its version. It returns a *MissingError if the runtime is not installed; any
	// other error means that it is installed but cannot be started.
	Version(ctx context.Context) (string, error)
	// Open loads a model, which neither side may change afterwards. It returns an *onnx.UnsupportedError for a valid model
	// that needs something the runtime lacks; a model with external data is one. ctx applies only to Open itself.
	Open(ctx context.Context, m *onnx.Model) (Session, error)
}

// A Session is a model that a runtime has loaded.
type Session interface {
	// Run computes the outputs, named and in graph order, from the inputs, which are matched by name and only read. The outputs
	// belong to the caller. An *onnx.UnsupportedError says that the runtime lacks something for inputs of these shapes. Run
	// returns soon after its context ends. If the runtime dies, Run returns an error; later runs either return an error at once
	// or start the runtime again.
	Run(ctx context.Context, inputs []*onnx.Tensor) ([]*onnx.Tensor, error)
	// Close releases everything that the session holds. Later runs fail; closing twice is harmless.
	Close() error
}

// A Configured session can be set up in different ways.
type Configured interface {
	Session
	// Settings describes, for reports, how the session differs from the defaults: its provider, optimisations, threads. It is
	// empty if it does not.
	Settings() string
}

// A MissingError says that a runtime is not installed, and how to install it.
type MissingError struct{ Runtime, Why, Remedy string }

func (e *MissingError) Error() string {
	if e.Remedy == "" {
		return fmt.Sprintf("%s: %s", e.Runtime, e.Why)
	}
	return fmt.Sprintf("%s: %s: %s", e.Runtime, e.Why, e.Remedy)
}

// A BrokenError says that a runtime is installed but could not be started, or failed by a fault known to be its own. The
// model is not to blame.
type BrokenError struct{ Err error }

func (e *BrokenError) Error() string { return e.Err.Error() }
func (e *BrokenError) Unwrap() error { return e.Err }

// A CrashError says that a runtime's process crashed, for instance by a signal after a division by zero: the fault is
// the runtime's, and what it would have computed is unknown.
type CrashError struct{ Err error }

func (e *CrashError) Error() string { return e.Err.Error() }
func (e *CrashError) Unwrap() error { return e.Err }

// A RefusedError says that a runtime refused a run, perhaps because of the values of its inputs, and
// remains usable.
type RefusedError struct{ Err error }

func (e *RefusedError) Error() string { return e.Err.Error() }
func (e *RefusedError) Unwrap() error { return e.Err }
