// Package child runs ONNX models on other people's runtimes, each behind a small driver process of its own, so that the
// runtime's crash, leak, hang or version is not the program's.
//
// The drivers for ONNX Runtime in Node and in Python are part of this package and need no file beside the program: the
// interpreter gets their text as an argument. Nothing is linked and nothing is written to disk; the model travels over the
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
// A driver starts in a new empty folder, which goes with it, and in an environment of a few listed variables. Programs and
// packages come from places that the user named, in PATH, NODE_PATH, PYTHONPATH or [Runtime.Places], never from the working
// folder, from the folders above it, or from those around this program: relative entries of those lists, and the working
// folder itself, are passed over. Models with elements in other files are refused, so that a driver opens no file for a model.
package child

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/witness"
)

//go:embed ort_node.js
var nodeDriver string

//go:embed ort_python.py
var pythonDriver string

// Runtime is a way to start driver processes. Its zero value can do nothing; Node and Python make useful ones, whose exported
// fields may be changed before first use.
type Runtime struct {
	// Label is the runtime's name.
	Label string

	// Program is the interpreter or driver to start: a path, or a name to be found in PATH. Empty means the first of the
	// names that the runtime goes by.
	Program string

	// Threads that one operator may use. Zero means one: the results are then the same on every machine that the runtime
	// promises them on.
	Threads int

	// Timeout bounds every exchange with the driver, besides its context. Zero means two minutes.
	Timeout time.Duration

	// MaxReply bounds the bytes of tensors in one reply. Zero means 4 GiB.
	MaxReply int64

	// Args follow Program. Env is added to the environment of drivers.
	Args, Env []string

	// Places are folders to look for the runtime's package in, before those that NODE_PATH or PYTHONPATH names: a
	// node_modules folder, or a folder of Python modules.
	Places []string

	names     []string               // tried in PATH while Program is empty
	remedy    string                 // what to do when none is there
	placesEnv string                 // names more of Places
	unusable  func(name string) bool // whether the driver's language cannot have a value of this name
	parting   time.Duration          // for a driver to end by itself, and for standard error to drain after it; zero is five seconds
}

// Node is ONNX Runtime for Node.js: node from PATH and the npm package onnxruntime-node from Places or NODE_PATH.
func Node() *Runtime {
	return &Runtime{
		Label:     "ort-node",
		Args:      []string{"--input-type=commonjs", "-e", nodeDriver, "--"},
		names:     []string{"node", "nodejs"},
		remedy:    "install Node.js 18 or later, https://nodejs.org",
		placesEnv: "NODE_PATH",
		unusable:  func(name string) bool { return name == "__proto__" }, // assigning to it changes an object's prototype
	}
}

// Python is ONNX Runtime for Python: python3 or python from PATH and the package onnxruntime, from where that Python has its
// packages, those of the user included, from Places or PYTHONPATH. It runs isolated (-I), so that no folder but these counts.
func Python() *Runtime {
	return &Runtime{
		Label:     "ort-python",
		Args:      []string{"-I", "-B", "-c", pythonDriver},
		names:     []string{"python3", "python"},
		remedy:    "install Python 3.8 or later",
		placesEnv: "PYTHONPATH",
	}
}

// Name returns the label.
func (r *Runtime) Name() string { return r.Label }

// Version starts a driver, hears its greeting and ends it. It returns the name of the runtime in the words of its driver, with
// its version, a *witness.MissingError that names the remedy where it is not installed, and a *witness.BrokenError where the
// driver does not start.
func (r *Runtime) Version(ctx context.Context) (string, error) {
	s, err := r.start(ctx)
	if err != nil {
		return "", err
	}
	return s.version, s.Close()
}

// Open is Start.
func (r *Runtime) Open(ctx context.Context, m *onnx.Model) (witness.Session, error) {
	s, err := r.Start(ctx, m)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Start starts a process for m and gives it the model. A model that the runtime lacks something for gives an
// *onnx.UnsupportedError. ctx bounds the opening only.
func (r *Runtime) Start(ctx context.Context, m *onnx.Model) (*Session, error) {
	if m.External() {
		return nil, &onnx.UnsupportedError{Why: r.Label + ": elements are in other files, and a driver is given none: they must be embedded first"}
	}
	model, aliases, err := r.usable(m)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.Label, err)
	}
	s, err := r.start(ctx)
	if err != nil {
		return nil, err
	}
	s.signature, s.aliases = witness.SignatureOf(m), aliases
	for _, p := range s.signature.Outputs {
		s.outputs = append(s.outputs, p.Name)
	}
	if _, err := s.exchange(ctx, header{Do: "open", Threads: max(r.Threads, 1)}, model, nil); err != nil {
		return nil, errors.Join(err, s.Close())
	}
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
