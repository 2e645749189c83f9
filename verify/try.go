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

// Subjects are a model and the inputs that it is judged on, for those who change it
// and judge it again.
type Subjects struct {
	Path  string
	Model *onnx.Model // with all of its elements
	Sets  []InputSet
}

// An InputSet is inputs of a model: recorded, given or drawn.
type InputSet struct {
	Name   string
	Values []*reference.Value
}

// Read reads the model at the only path of o and settles its inputs, as Run does.
func Read(ctx context.Context, o Options) (*Subjects, error) {
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
	s := &Subjects{Path: j.source.model, Model: j.model}
	for _, d := range j.sets {
		s.Sets = append(s.Sets, InputSet{d.name, d.values})
	}
	return s, nil
}

// A Trial is what one runtime makes of one model on one set of inputs.
type Trial struct {
	Rows     []Comparison       // one for each output, where the runtime gave some
	Err      error              // of the runtime, where it gave none
	Want     []*reference.Value // by the reference
	Settings string             // of the runtime's session, where they are not the usual ones
}

// Hung reports whether the runtime did not return in its time.
func (t *Trial) Hung() bool { return errors.Is(t.Err, errHung) }

// Try has a runtime compute a model in memory on these inputs, and judges what it
// gives as Run does: the screen, the proof where that fails, repeated runs. No
// arithmetic is looked for that explains a difference. An error says that there is
// nothing to judge: the model is not valid, or the reference refuses it.
func Try(ctx context.Context, rt witness.Runtime, m *onnx.Model, inputs []*reference.Value, o Options) (_ *Trial, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &unjudged{fmt.Errorf("petrify failed, which is a fault of petrify: panic: %v", p)}
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

// Inner has the reference, and then the runtime where rt is not nil, compute the
// values of the main graph, and gives those that are tensors: the runtime's own
// where it has them.
func Inner(ctx context.Context, rt witness.Runtime, m *onnx.Model, inputs []*reference.Value, o Options) (map[string]*onnx.Tensor, error) {
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
		return inner, ctx.Err() // the reference's are as good a place to begin
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

// Flat is the model with functions, the branches that these inputs take, and the
// iterations of loops written out; nil where there is nothing to write out, or it
// cannot be.
func Flat(ctx context.Context, m *onnx.Model, inputs []*reference.Value, o Options) *onnx.Model {
	j, d, err := alone(ctx, m, inputs, o)
	if err != nil {
		return nil
	}
	flat, _ := j.flat(ctx, d)
	return flat
}
