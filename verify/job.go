package verify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/wire"
	"github.com/petrify-ml/petrify/reference"
	"github.com/petrify-ml/petrify/witness"
)

// probes asks every runtime once for its version.
type probes struct {
	mu   sync.Mutex
	done map[string]probed
}

type probed struct {
	version string
	err     error
}

func (p *probes) ask(ctx context.Context, rt witness.Runtime, limit time.Duration) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r, ok := p.done[rt.Name()]
	if !ok {
		r.version, r.err = guarded(ctx, limit, rt.Version)
		p.done[rt.Name()] = r
	}
	return r.version, r.err
}

// A job verifies one model.
type job struct {
	options  Options
	source   source
	probes   *probes
	progress *progress
	number   int
	report   *ModelReport
	model    *onnx.Model
	file     []byte         // as it was read
	mapped   *pb.GraphProto // with the maps that it takes and gives
	program  *reference.Program
	sets     []dataSet
	again    []dataSet // that tell how much an equal is worth, and are not compared
	ahead    *ahead    // the first runtime, which opens the model while the reference evaluates it
	// single says that the model is one of many that are tried, so that what takes
	// long and changes no verdict is left out.
	single bool
	// recorded says that data sets of the model as it is in its file come of it, with sequences and optionals.
	recorded bool
}

func (j *job) tell(rt, set string) {
	j.progress.tell(Event{Path: j.source.model, Runtime: rt, Set: set, Model: j.number})
}

func (j *job) run(ctx context.Context) {
	defer func() {
		if p := recover(); p != nil { // so that the other models keep their reports
			j.report.problem(&unjudged{fmt.Errorf("internal error in petrify: panic: %v", p)})
		}
	}()
	j.number = j.progress.begin()
	j.tell("", "")
	defer func() { j.ahead.close(ctx) }()
	if err := j.prepare(ctx); err != nil {
		j.report.problem(err)
		return
	}
	j.lookAgain(ctx)
	defer func() {
		agree(j.report.Rows)
		j.qualify()
	}()
	for _, d := range j.sets {
		j.report.Sets = append(j.report.Sets, describe(d))
		j.report.Notes = union(j.report.Notes, d.notes)
		if len(d.files) > 0 && len(d.recorded) == 0 {
			j.report.Unrecorded++
			j.report.Notes = append(j.report.Notes, fmt.Sprintf("%s has inputs and no outputs, so nothing recorded was compared", d.name))
		}
		if d.recorded != nil {
			j.report.Rows = append(j.report.Rows, j.judgeRecorded(ctx, d)...)
		}
	}
	for _, rt := range j.options.Runtimes {
		if ctx.Err() != nil {
			return
		}
		if j.options.Omit != nil && j.options.Omit(rt, j.model) {
			continue
		}
		j.runtime(ctx, rt)
	}
}

// problem notes why the model could not be judged.
func (m *ModelReport) problem(err error) {
	m.Problem = err.Error()
	if _, ok := errors.AsType[*onnx.UnsupportedError](err); ok {
		m.Unsupported = true
	} else if _, ok := errors.AsType[*unjudged](err); ok {
		m.Unjudged = true
	} else if _, ok := errors.AsType[*onnx.FormatError](err); ok || errors.Is(err, errInvalid) {
		m.Invalid = true
	} else {
		m.Unreadable = true
	}
}

// An unjudged error says that a model is fine as far as is known, and could not
// be evaluated.
type unjudged struct{ err error }

func (e *unjudged) Error() string { return e.err.Error() }
func (e *unjudged) Unwrap() error { return e.err }

// errInvalid marks a model that breaks a rule of ONNX.
var errInvalid = errors.New("not valid ONNX")

// prepare reads and checks the model, and evaluates the reference on all data.
func (j *job) prepare(ctx context.Context) error {
	if j.source.err != nil {
		return j.source.err
	}
	m, err := wire.Read(j.source.model, j.options.Limits)
	if err != nil {
		return err
	}
	j.model, j.file = m, m.Bytes
	sum := sha256.Sum256(m.Bytes)
	j.report.SHA256 = hex.EncodeToString(sum[:])
	j.report.Opset = m.Opset()
	if name := j.options.Reference.Profile.Name; name != reference.Profiles()[0].Name {
		j.report.Arithmetic = name
	}
	j.report.External = m.External()
	notes, err := admit(m)
	if err != nil {
		return err
	}
	if err := embed(m, j.options.Limits); err != nil {
		return err
	}
	var sets []dataSet
	var unread error
	for _, dir := range j.source.sets {
		d, err := readSet(dir, m.Proto.GetGraph(), j.options.Limits)
		if unread = err; err != nil {
			break
		}
		sets = append(sets, d)
	}
	j.mapped = m.Proto.GetGraph()
	if len(j.source.sets) == 0 || unread == nil && scored(m.Proto.GetGraph(), sets) {
		more, err := withoutMaps(m)
		if err != nil {
			return err
		}
		notes = append(notes, more...)
	}
	if len(j.source.sets) == 0 && !j.recorded {
		more, err := withoutSequences(m)
		if err != nil {
			return err
		}
		notes = append(notes, more...)
	}
	defer func() { j.report.Notes = append(j.report.Notes, notes...) }() // drawing begins with none
	if j.options.Against != nil {
		tensors, err := j.options.Against(m)
		if err != nil {
			return err
		}
		w := againstWeights(m.Proto.GetGraph(), tensors)
		j.report.Weights = &w
	}
	if j.program, err = reference.Compile(m, j.options.Reference); err != nil {
		return blameless(err)
	}
	j.openAhead(ctx)
	if unread != nil {
		return unread
	}
	for _, d := range sets {
		if clash(j.program.Inputs(), d.values) {
			j.part()
		}
		if err := j.evaluate(ctx, &d); err != nil {
			return fmt.Errorf("%s: %w", d.name, err)
		}
		j.sets = append(j.sets, d)
	}
	if len(j.sets) == 0 || !j.options.Given.empty() {
		if err := j.drawSets(ctx); err != nil {
			return err
		}
	}
	return j.shape()
}

// errSlow says that an evaluation took too long.
var errSlow = errors.New("the reference did not finish")

// evaluate has the reference evaluate a data set.
func (j *job) evaluate(ctx context.Context, d *dataSet) error {
	limited, cancel := context.WithTimeout(ctx, j.options.Timeout)
	defer cancel()
	done, nodes := 0, len(j.program.Nodes())
	j.tell("", d.name)
	d.made = nil
	d.flow.begin(d.values)
	r, err := j.program.Watch(limited, d.values, func(v *reference.Value) {
		done++
		d.made = append(d.made, outline(v))
		d.flow.pass(v)
		j.progress.tell(Event{Path: j.source.model, Set: d.name, Model: j.number, Node: min(done, nodes), Nodes: nodes})
	})
	d.reached = done
	switch {
	case err == nil:
		d.want, d.notes, d.chance = r.Outputs, r.Notes, r.Drawn
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case limited.Err() != nil:
		return &unjudged{fmt.Errorf("%w within %v, but may with a larger --timeout", errSlow, j.options.Timeout)}
	}
	if much, ok := errors.AsType[*reference.MemoryError](err); ok {
		return &unjudged{fmt.Errorf("%w: the reference holds more values than --budget allows, which is %.3g GiB", err, float64(much.Memory)*8/(1<<30))}
	}
	return blameless(err)
}

// blameless makes of an error of the reference one that says nothing against the
// file, unless it says what kind it is of.
func blameless(err error) error {
	if _, ok := errors.AsType[*onnx.UnsupportedError](err); ok {
		return err
	}
	if _, ok := errors.AsType[*onnx.FormatError](err); ok {
		return err
	}
	return &unjudged{err}
}

// embed makes elements in other files part of the model, so that what is checked is what runs.
func embed(m *onnx.Model, lim wire.Limits) error {
	if !m.External() {
		return nil
	}
	var broken []string
	for _, f := range wire.CheckExternal(m) {
		if f.Code == "external-data-file-missing" {
			return fmt.Errorf("%s: %s", f.Where, f.Message)
		}
		broken = append(broken, fmt.Sprintf("%s: %s (%s)", f.Where, f.Message, f.Code))
	}
	if len(broken) > 0 {
		return fmt.Errorf("%w: %s", errInvalid, strings.Join(broken, "; "))
	}
	err := wire.Embed(m, lim)
	if _, ok := errors.AsType[*onnx.FormatError](err); ok {
		return fmt.Errorf("the files changed while they were read: %v", err)
	}
	return err
}

func union(a, b []string) []string {
	for _, s := range b {
		if !slices.Contains(a, s) {
			a = append(a, s)
		}
	}
	return a
}

// runtime runs one runtime on all data.
func (j *job) runtime(ctx context.Context, rt witness.Runtime) {
	info := RuntimeReport{Name: rt.Name(), Status: Skipped}
	var rows []Comparison
	defer func() {
		j.report.Runtimes = append(j.report.Runtimes, info)
		j.report.Rows = append(j.report.Rows, rows...)
	}()
	j.tell(rt.Name(), "")
	var err error
	if info.Version, err = j.probes.ask(ctx, rt, j.options.Timeout); err != nil {
		info.Status, info.Reason = Broken, err.Error()
		if _, missing := errors.AsType[*witness.MissingError](err); missing {
			info.Status = Skipped
		}
		return
	}
	l := &lane{job: j, rt: rt}
	defer func() {
		l.close(ctx)
		info.Settings, j.report.Crashes = l.settings, j.report.Crashes+l.crashes
	}()
	for i, d := range j.sets {
		if ctx.Err() != nil {
			return
		}
		j.tell(rt.Name(), d.name)
		r, err := l.set(ctx, d)
		if err != nil {
			verdict := verdictOf(err)
			if _, refused := errors.AsType[*witness.RefusedError](err); refused && len(d.files) == 0 {
				// It may be right not to take what was drawn, such as a threshold of 1.4.
				verdict, err = Unchecked, fmt.Errorf("%w; these inputs were drawn: recorded ones would tell", err)
			}
			if verdict == Skipped && i == 0 {
				info.Reason = err.Error()
				return
			}
			r = []Comparison{{Runtime: rt.Name(), Set: d.name, Verdict: verdict, Reason: err.Error()}}
		}
		rows = append(rows, r...)
	}
	l.again(ctx, rows)
	for _, r := range rows {
		info.Status = worse(info.Status, r.Verdict)
	}
	if info.Status == Equal && slices.ContainsFunc(rows, func(r Comparison) bool { return r.Verdict == Broken }) {
		info.Status = Broken
	}
}

// verdictOf says what an error of a runtime means.
func verdictOf(err error) Verdict {
	if _, ok := errors.AsType[*onnx.UnsupportedError](err); ok {
		return Skipped
	}
	if _, ok := errors.AsType[*witness.BrokenError](err); ok {
		return Broken
	}
	if _, ok := errors.AsType[*witness.CrashError](err); ok {
		return Broken
	}
	return Failed
}
