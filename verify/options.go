package verify

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/wire"
	"github.com/petrify-ml/petrify/reference"
	"github.com/petrify-ml/petrify/witness"
)

// Options say what to verify, and how.
type Options struct {
	// Paths are model files, or folders that contain models, with or without test_data_set_N, at any
	// depth.
	Paths []string
	// Runtimes are judged one by one. Without any, only recorded outputs are judged.
	Runtimes []witness.Runtime
	// Omit, unless nil, reports whether to leave a runtime out of a model's report.
	Omit func(rt witness.Runtime, m *onnx.Model) bool
	// Named says that the user asked for the runtimes by name, so that a broken one is a reason to
	// exit with 2.
	Named bool
	// Against, unless nil, returns the tensors that the initializers of a model must equal, by full
	// name. It leaves out those of other nets.
	Against func(m *onnx.Model) (map[string]Weight, error)
	// Prove runs the proof even if the screen passes.
	Prove bool
	// Fixed, unless nil, replaces the derived limits.
	Fixed *FixedLimit
	// Seed is the seed of the inputs of models without recorded ones.
	Seed uint64
	// Given specifies inputs. If it is not empty, a model with recorded data also runs on inputs made
	// from it.
	Given Given
	// Timeout bounds each single call of a runtime, and each evaluation by the
	// reference; default 2 minutes.
	Timeout time.Duration
	// Limits bounds the files, Reference the interpreter.
	Limits    wire.Limits
	Reference reference.Options
	// Parallel is how many models are verified at once; default 1.
	Parallel int
	// Progress, unless nil, is called before each piece of work, never twice at
	// the same time.
	Progress func(Event)
}

func (o Options) withDefaults() Options {
	if o.Timeout == 0 {
		o.Timeout = 2 * time.Minute
	}
	o.Parallel = min(max(o.Parallel, 1), 4*runtime.GOMAXPROCS(0))
	return o
}

func (o Options) validate() error {
	if len(o.Paths) == 0 {
		return errors.New("nothing to verify: no path given")
	}
	seen := map[string]bool{}
	for _, rt := range o.Runtimes {
		name := rt.Name()
		if name == "" || name == Recorded || seen[name] {
			return fmt.Errorf("runtime name %q is empty, taken, or given twice", name)
		}
		seen[name] = true
	}
	if f := o.Fixed; f != nil && !(f.Atol >= 0 && f.Rtol >= 0) {
		return fmt.Errorf("fixed limit rtol=%v, atol=%v: want numbers from 0 on", float64(f.Rtol), float64(f.Atol))
	}
	return nil
}

// Recorded is the name under which outputs recorded in the model's folder are judged.
const Recorded = "recorded"
