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
	// Paths are model files, and folders with a model and test_data_set_N in
	// them, or with such folders below.
	Paths []string
	// Runtimes are judged one by one. With none, only recorded outputs are.
	Runtimes []witness.Runtime
	// Omit, unless nil, says of a runtime that a model is not for it: it is then
	// left out of that model's report.
	Omit func(rt witness.Runtime, m *onnx.Model) bool
	// Named says that the runtimes were asked for one by one, so that one that
	// is broken is a reason to exit with 2.
	Named bool
	// Against, unless nil, gives the tensors that the initializers of a model
	// must equal, by full name. Those of other nets than the model's are left
	// out.
	Against func(m *onnx.Model) (map[string]Weight, error)
	// Prove asks for the second stage even where the first one passes.
	Prove bool
	// Fixed, unless nil, replaces the derived limits.
	Fixed *FixedLimit
	// Seed draws the inputs of models without recorded ones.
	Seed uint64
	// Given is what is known of inputs. Where there is anything, a model with
	// recorded data is run on inputs made from it as well.
	Given Given
	// Timeout bounds each single call of a runtime, and each evaluation by the
	// reference; default 2 minutes.
	Timeout time.Duration
	// Limits bound the files, Reference the interpreter.
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

// Recorded is the name under which outputs in the folder are judged.
const Recorded = "recorded"
