package verify

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/check"
	"github.com/petrify-ml/petrify/reference"
	"github.com/petrify-ml/petrify/witness"
)

// A Subject is a model together with the inputs that it is judged on, for callers that change the
// model and judge it again.
type Subject struct {
	Path  string
	Model *onnx.Model // with its external data read in
	Sets  []InputSet
}

// An InputSet is one set of inputs of a model: recorded, given by the user, or drawn.
type InputSet struct {
	Name   string
	Values []*reference.Value
}

// Read reads the model at o.Paths, which must be a single path, and determines its inputs as Run
// does.
func Read(ctx context.Context, o Options) (*Subject, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	var sources []source
	for _, path := range o.Paths {
		sources = append(sources, findModels(path)...)
	}
	if len(sources) != 1 {
		return nil, fmt.Errorf("%d models at %s, want one", len(sources), strings.Join(o.Paths, ", "))
	}
	j := &job{options: o, source: sources[0], progress: newProgress(o.Progress, 1), report: &ModelReport{Path: sources[0].model}}
	if err := j.prepare(ctx); err != nil {
		return nil, err
	}
	s := &Subject{Path: j.source.model, Model: j.model}
	for _, d := range j.sets {
		s.Sets = append(s.Sets, InputSet{d.name, d.values})
	}
	return s, nil
}

// A Trial is the result of running one model on one runtime with one set of inputs.
type Trial struct {
	Rows     []Comparison       // one per output, if the runtime returned any
	Err      error              // the runtime's error, if it returned no outputs
	Want     []*reference.Value // the outputs of the reference
	Settings string             // of the runtime's session, where they differ from the defaults
}

// Hung reports whether the runtime exceeded its time limit.
func (t *Trial) Hung() bool { return errors.Is(t.Err, errHung) }

// Try runs a model in memory on a runtime with the given inputs, and judges the outputs as Run
// does: the screen, the proof if that fails, repeated runs. It does not look for an arithmetic that
// explains a difference. An error means that nothing could be judged: the model is invalid, or the
// reference refuses it.
func Try(ctx context.Context, rt witness.Runtime, m *onnx.Model, inputs []*reference.Value, o Options) (_ *Trial, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &unjudged{fmt.Errorf("internal error in petrify: panic: %v", p)}
		}
	}()
	j, d, err := alone(ctx, m, inputs, o)
	if err != nil {
		return nil, err
	}
	if err := j.evaluate(ctx, &d); err != nil {
		return nil, err
	}
	j.sets = []dataSet{d}
	t := &Trial{Want: d.want}
	l := &lane{job: j, rt: rt}
	defer l.close(ctx)
	if t.Rows, t.Err = l.set(ctx, d); t.Err == nil {
		l.again(ctx, t.Rows)
	}
	t.Settings = l.settings
	return t, ctx.Err()
}

// alone is a job of one valid model in memory on one set of inputs.
func alone(ctx context.Context, m *onnx.Model, inputs []*reference.Value, o Options) (*job, dataSet, error) {
	d := dataSet{values: inputs}
	for _, f := range check.Model(m.Proto) {
		if f.Hinders() {
			return nil, d, fmt.Errorf("%w: %s: %s (%s)", errInvalid, f.Where, f.Message, f.Code)
		}
	}
	j := &job{options: o.withDefaults(), source: source{model: m.Path}, model: m, report: &ModelReport{}, single: true}
	var err error
	if j.program, err = reference.Compile(m, j.options.Reference); err != nil {
		return nil, d, err
	}
	d.inputs, err = tensorsOf(inputs)
	return j, d, errors.Join(err, ctx.Err())
}

// Intermediates evaluates the model and returns the tensors of its main graph by name: those
// computed by rt where it can return them, else those of the reference. With a nil rt, all are the
// reference's.
func Intermediates(ctx context.Context, rt witness.Runtime, m *onnx.Model, inputs []*reference.Value, o Options) (map[string]*onnx.Tensor, error) {
	j, d, err := alone(ctx, m, inputs, o)
	if err != nil {
		return nil, err
	}
	inner := map[string]*onnx.Tensor{}
	var made []*reference.Value
	limited, cancel := context.WithTimeout(ctx, j.options.Timeout)
	defer cancel()
	if _, err := j.program.Watch(limited, inputs, func(v *reference.Value) {
		made = append(made, outline(v))
		if v.Kind == reference.Tensor {
			if t, err := v.Tensor(); err == nil {
				inner[v.Name] = t
			}
		}
	}); err != nil {
		return nil, err
	}
	if rt == nil || d.inputs == nil {
		return inner, nil
	}
	probed, probes, err := instrumented(m, made)
	if err != nil {
		return nil, err
	}
	l := &lane{job: &job{options: j.options, model: probed}, rt: rt}
	defer l.close(ctx)
	outputs, err := l.call(ctx, d.inputs)
	if err != nil && !errors.Is(err, errWrites) {
		return inner, ctx.Err() // the reference's values serve as well
	}
	given := map[string]*onnx.Tensor{}
	for _, t := range outputs {
		if t != nil {
			given[t.Name] = t
		}
	}
	for name, probe := range probes {
		if t, want := given[probe], inner[name]; t != nil && want != nil && t.Type() == want.Type() {
			t.Name = name
			inner[name] = t
		}
	}
	return inner, nil
}

// Unrolled returns the model with functions inlined, the branches that these inputs take spliced
// in, and loops unrolled. It is nil if there is nothing to unroll, or if that is not possible.
func Unrolled(ctx context.Context, m *onnx.Model, inputs []*reference.Value, o Options) *onnx.Model {
	j, d, err := alone(ctx, m, inputs, o)
	if err != nil {
		return nil
	}
	flat, _ := j.flat(ctx, d)
	return flat
}
