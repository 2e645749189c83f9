// Package child runs ONNX models on third-party runtimes, each in a small driver process, so that a crash, a leak, a
// hang or the version of a runtime does not affect the program.
//
// The drivers, for ONNX Runtime in Node, in WebAssembly and in Python, and for OpenCV, are part of this package and need no file beside the
// program: the interpreter gets their text as an argument. Nothing is linked and nothing is written to disk; the model travels over the
// driver's standard input.
//
// # Protocol
//
// A frame is one line of JSON, the header, followed by the raw bytes that it announces: the model, then tensors, little-endian
// and row-major, without separators. The driver speaks first, with a greeting that names the runtime and its version, or says
// what is missing. Then it answers requests one by one, open and run, until its standard input ends; that is also how it
// learns that its parent is gone. Standard error is free text; its tail becomes part of the error when the process dies.
//
// A driver written in Go calls [Serve].
//
// # What a driver is given
//
// A driver starts in a new empty folder, which is removed when it ends, and in an environment of a few listed variables. Programs and
// packages come from places that the user named, in PATH, NODE_PATH, PYTHONPATH or [Runtime.Places], never from the working
// folder, from the folders above it, or from those around this program: relative entries of those lists, and the working
// folder itself, are ignored. Models with elements in other files are refused, so that a driver opens no file for a model that
// petrify has not written: one that is too large to travel lies in the driver's own folder, with its elements in a file beside
// it, as they are in memory.
package child

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/witness"
)

// Runtime is a way to start driver processes. Its zero value can do nothing; Node, Web, Python and OpenCV make useful ones, whose exported
// fields may be changed before first use.
type Runtime struct {
	// Label is the runtime's name.
	Label string

	// Program is the interpreter or driver to start: a path, or a name to be found in PATH. Empty means the first of the
	// runtime's usual names.
	Program string

	// Threads that one operator may use. Zero means one, with which results are reproducible as far as the runtime
	// promises it.
	Threads int

	// Optimization is ONNX Runtime's level of graph optimisation, one of Optimizations; empty means "all", its own
	// default.
	Optimization string

	// Provider is the execution provider of ONNX Runtime that sessions compute on, by its short name, as in "cuda"; empty means
	// the CPU's. If it is missing, the runtime does not start.
	Provider string

	// Timeout bounds every exchange with the driver, besides its context. Zero means two minutes.
	Timeout time.Duration

	// MaxReply bounds the bytes of tensors in one reply. Zero means 4 GiB.
	MaxReply int64

	// Args follow Program. Env is added to the environment of drivers.
	Args, Env []string

	// Places are folders to look for the runtime's package in, before those that NODE_PATH or PYTHONPATH names: a
	// node_modules folder, or a folder of Python modules.
	Places []string

	names     []string                      // tried in PATH while Program is empty
	remedy    string                        // what to do when none is there
	placesEnv string                        // names more of Places
	files     bool                          // whether the driver opens a model in a file of its folder
	inline    int64                         // the most bytes of elements that travel; zero is mostInline
	unusable  func(name string) bool        // whether the driver's language cannot have a value of this name
	constants bool                          // whether an initializer is never an input, whatever the model lists
	lacks     func(witness.Signature) error // what the runtime cannot be given or asked to return, if anything
	parting   time.Duration                 // for a driver to end by itself, and for standard error to drain after it; zero is five seconds
}

// Name returns the label.
func (r *Runtime) Name() string { return r.Label }

// Version starts a driver, reads its greeting and ends it. It returns the runtime's name and version as reported by the
// driver; a *witness.MissingError, which says how to install it, if it is not installed; and a *witness.BrokenError if the
// driver does not start or the Provider is missing.
func (r *Runtime) Version(ctx context.Context) (string, error) {
	s, err := r.start(ctx)
	if err != nil {
		return "", err
	}
	if r.Provider != "" {
		// Whether a provider is here shows only when a session asks for it.
		m, err := trial()
		if err != nil {
			return "", errors.Join(err, s.Close())
		}
		if _, err := s.exchange(ctx, r.opening(), m, nil); err != nil {
			return "", &witness.BrokenError{Err: fmt.Errorf("there is no execution provider %s here: %w", r.Provider, errors.Join(err, s.Close()))}
		}
	}
	return s.version, s.Close()
}

// trial is a model that every provider takes, y = x + x.
func trial() ([]byte, error) {
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "trial", Opset: 13, IR: 8})
	x := e.Input("x", pb.TensorProto_FLOAT, onnx.Fixed(2))
	e.Step("y", "y")
	e.Output(e.Node("Add", "", []onnx.Value{x, x}), pb.TensorProto_FLOAT, onnx.Fixed(2))
	m, err := e.Model()
	if err != nil {
		return nil, err
	}
	return onnx.Marshal(m)
}

// opening is the request to open a model.
func (r *Runtime) opening() header {
	return header{Do: "open", Threads: max(r.Threads, 1), Optimization: r.Optimization, Provider: r.Provider}
}

// Optimizations returns the values of Runtime.Optimization, from none to all.
func Optimizations() []string { return []string{"off", "basic", "extended", "all"} }

// settings says how a session differs from the usual one, "" if it does not. note is what the driver has to say of its provider.
func (r *Runtime) settings(note string) string {
	var said []string
	if r.Provider != "" {
		p := "provider " + r.Provider
		if note != "" {
			p += " (" + note + ")"
		}
		said = append(said, p)
	}
	if r.Optimization != "" {
		said = append(said, "optimisations "+r.Optimization)
	}
	if r.Threads > 1 {
		said = append(said, fmt.Sprintf("%d threads", r.Threads))
	}
	return strings.Join(said, ", ")
}

// Open is Start.
func (r *Runtime) Open(ctx context.Context, m *onnx.Model) (witness.Session, error) {
	s, err := r.Start(ctx, m)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Start starts a process for m and sends it the model. It returns an *onnx.UnsupportedError if the runtime
// lacks something that the model needs. ctx applies only to Start itself.
func (r *Runtime) Start(ctx context.Context, m *onnx.Model) (*Session, error) {
	if m.External() {
		return nil, &onnx.UnsupportedError{Why: r.Label + ": elements are in other files, which drivers do not read: embed them first"}
	}
	if r.lacks != nil {
		if err := r.lacks(witness.SignatureOf(m)); err != nil {
			return nil, err
		}
	}
	m, elements := r.apart(m)
	model, aliases, err := r.usable(m)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.Label, err)
	}
	s, err := r.start(ctx)
	if err != nil {
		return nil, err
	}
	request := r.opening()
	if elements != nil {
		if err := s.leave(ctx, model, elements); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: open: %w", r.Label, err), s.Close())
		}
		request.File, model = modelFile, nil
	}
	s.signature, s.aliases = witness.SignatureOf(m), aliases
	for _, p := range s.signature.Outputs {
		s.outputs = append(s.outputs, p.Name)
	}
	opened, err := s.exchange(ctx, request, model, nil)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.settings = r.settings(opened.h.Note)
	return s, nil
}

// program settles which executable starts the driver.
func (r *Runtime) program() (string, error) {
	names := r.names
	if r.Program != "" {
		names = []string{r.Program}
	}
	if len(names) == 0 {
		return "", fmt.Errorf("%s: no program to start", r.Label)
	}
	for _, name := range names {
		if path, ok := find(name); ok {
			return path, nil
		}
	}
	return "", &witness.MissingError{Runtime: r.Label, Why: names[0] + " is not in PATH", Remedy: r.remedy}
}
