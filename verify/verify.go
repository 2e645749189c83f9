package verify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/reference"
)

// Options say what to verify, and how.
type Options struct {
	// Paths are model files, and folders with a model and test_data_set_N in
	// them, or with such folders below.
	Paths []string
	// Runtimes are judged one by one. With none, only recorded outputs are.
	Runtimes []Runtime
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
	// Timeout bounds each single call of a runtime; default 2 minutes.
	Timeout time.Duration
	// Limits bound the files, Reference the interpreter.
	Limits    onnx.Limits
	Reference reference.Options
	// Parallel is how many models are verified at once; default 1.
	Parallel int
	// Progress, unless nil, is called before each piece of work, never twice at
	// the same time.
	Progress func(Event)
}

// An Event says what is done next.
type Event struct {
	Path    string // of the model
	Runtime string // empty while the reference works
	Set     string
	// Model counts the models that are begun, of Models.
	Model, Models int
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
		name := rt.Name
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

// Run verifies all models at the paths. It returns an error only when it was
// asked for nothing, or interrupted; everything that it finds out about a model
// is in the report.
func Run(ctx context.Context, o Options) (*Report, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	report := &Report{}
	var jobs []*job
	probes := &probes{done: map[string]error{}}
	for _, path := range o.Paths {
		sources, err := findModels(path)
		if err != nil {
			jobs = append(jobs, &job{report: &ModelReport{Path: path, Problem: err.Error(), Unreadable: true}})
			continue
		}
		for _, s := range sources {
			jobs = append(jobs, &job{options: o, source: s, probes: probes, report: &ModelReport{Path: s.model}})
		}
	}
	progress := newProgress(o.Progress, len(jobs))
	var wg sync.WaitGroup
	slots := make(chan struct{}, o.Parallel)
	for _, j := range jobs {
		j.progress = progress
		if j.report.Unreadable {
			continue
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			j.run(ctx)
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for _, j := range jobs {
		report.Models = append(report.Models, j.report)
	}
	report.summarize()
	return report, nil
}

// progress serialises the events of models that are verified at once.
type progress struct {
	mu     sync.Mutex
	f      func(Event)
	begun  int
	models int
}

func newProgress(f func(Event), models int) *progress { return &progress{f: f, models: models} }

func (p *progress) begin() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.begun++
	return p.begun
}

func (p *progress) tell(e Event) {
	if p.f == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	e.Models = p.models
	p.f(e)
}

// probes asks every runtime once whether it is here.
type probes struct {
	mu   sync.Mutex
	done map[string]error
}

func (p *probes) ask(ctx context.Context, rt Runtime, limit time.Duration) error {
	if rt.Probe == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err, ok := p.done[rt.Name]; ok {
		return err
	}
	_, err := guarded(ctx, limit, func(ctx context.Context) (struct{}, error) { return struct{}{}, rt.Probe(ctx) })
	p.done[rt.Name] = err
	return err
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
	program  *reference.Program
	sets     []dataSet
}

func (j *job) tell(rt, set string) {
	j.progress.tell(Event{Path: j.source.model, Runtime: rt, Set: set, Model: j.number})
}

func (j *job) run(ctx context.Context) {
	j.number = j.progress.begin()
	j.tell("", "")
	if err := j.prepare(ctx); err != nil {
		j.report.Problem = err.Error()
		if _, ok := errors.AsType[*onnx.UnsupportedError](err); ok {
			j.report.Unsupported = true
		} else if _, ok := errors.AsType[*onnx.FormatError](err); ok {
			j.report.Invalid = true
		} else if errors.Is(err, errInvalid) {
			j.report.Invalid = true
		} else {
			j.report.Unreadable = true
		}
		return
	}
	for _, d := range j.sets {
		j.report.Sets = append(j.report.Sets, describe(d))
		j.report.Notes = union(j.report.Notes, d.notes)
		if d.recorded != nil {
			j.report.Rows = append(j.report.Rows, j.judgeRecorded(d)...)
		}
	}
	for _, rt := range j.options.Runtimes {
		if ctx.Err() != nil {
			return
		}
		j.runtime(ctx, rt)
	}
}

// errInvalid marks a model that breaks a rule of ONNX.
var errInvalid = errors.New("not valid ONNX")

// prepare reads and checks the model, and evaluates the reference on all data.
func (j *job) prepare(ctx context.Context) error {
	m, err := onnx.Read(j.source.model, j.options.Limits)
	if err != nil {
		return err
	}
	j.model = m
	sum := sha256.Sum256(m.Bytes)
	j.report.SHA256 = hex.EncodeToString(sum[:])
	j.report.Opset = m.Opset()
	j.report.External = m.External()
	var broken []string
	for _, f := range onnx.Check(m.Proto) {
		if f.Severity == onnx.Error {
			broken = append(broken, fmt.Sprintf("%s: %s (%s)", f.Where, f.Message, f.Code))
		}
	}
	if len(broken) > 0 {
		return fmt.Errorf("%w: %s", errInvalid, strings.Join(broken, "; "))
	}
	if err := embed(m, j.options.Limits); err != nil {
		return err
	}
	if j.options.Against != nil {
		tensors, err := j.options.Against(m)
		if err != nil {
			return err
		}
		w := againstWeights(m.Proto.GetGraph(), tensors)
		j.report.Weights = &w
	}
	if j.program, err = reference.Compile(m, j.options.Reference); err != nil {
		return err
	}
	for _, dir := range j.source.sets {
		d, err := readSet(dir, m.Proto.GetGraph(), j.options.Limits)
		if err != nil {
			return err
		}
		j.sets = append(j.sets, d)
	}
	if len(j.sets) == 0 {
		if j.sets, err = seededSets(j.program, j.options.Seed); err != nil {
			return err
		}
	}
	for i := range j.sets {
		d := &j.sets[i]
		j.tell("", d.name)
		r, err := j.program.Run(ctx, d.values)
		if err != nil {
			return fmt.Errorf("%s: %w", d.name, err)
		}
		d.want, d.notes = r.Outputs, r.Notes
	}
	return nil
}

// embed makes elements in other files part of the model, so that what is checked is what runs.
func embed(m *onnx.Model, lim onnx.Limits) error {
	if !m.External() {
		return nil
	}
	var broken []string
	for _, f := range onnx.CheckExternal(m) {
		if f.Code == "external-data-file-missing" {
			return fmt.Errorf("%s: %s", f.Where, f.Message)
		}
		broken = append(broken, fmt.Sprintf("%s: %s (%s)", f.Where, f.Message, f.Code))
	}
	if len(broken) > 0 {
		return fmt.Errorf("%w: %s", errInvalid, strings.Join(broken, "; "))
	}
	return m.Embed(lim)
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
func (j *job) runtime(ctx context.Context, rt Runtime) {
	info := RuntimeReport{Name: rt.Name, Status: Skipped}
	skip := func(err error) {
		info.Status, info.Reason = Skipped, err.Error()
		j.report.Runtimes = append(j.report.Runtimes, info)
	}
	j.tell(rt.Name, "")
	if err := j.probes.ask(ctx, rt, j.options.Timeout); err != nil {
		skip(err)
		return
	}
	if rt.Version != nil {
		info.Version = rt.Version(ctx)
	}
	l := &lane{job: j, rt: rt}
	defer l.close(ctx)
	var rows []Row
	for i := range j.sets {
		if ctx.Err() != nil {
			return
		}
		j.tell(rt.Name, j.sets[i].name)
		r, err := l.set(ctx, j.sets[i])
		if u, ok := errors.AsType[*onnx.UnsupportedError](err); ok {
			if i == 0 {
				skip(u)
				return
			}
			r = []Row{{Runtime: rt.Name, Set: j.sets[i].name, Verdict: Skipped, Reason: u.Error()}}
		} else if err != nil {
			r = []Row{{Runtime: rt.Name, Set: j.sets[i].name, Verdict: Failed, Reason: err.Error()}}
		}
		rows = append(rows, r...)
	}
	l.again(ctx, rows)
	for _, r := range rows {
		info.Status = worse(info.Status, r.Verdict)
	}
	j.report.Runtimes = append(j.report.Runtimes, info)
	j.report.Rows = append(j.report.Rows, rows...)
}

// A lane is one runtime on one model: a session, opened again after an error.
type lane struct {
	*job
	rt      Runtime
	session Session
	hung    bool
	first   []*onnx.Tensor // what the first data set gave
}

func (l *lane) close(ctx context.Context) {
	if l.session != nil {
		closeSession(ctx, l.session)
		l.session = nil
	}
}

// call runs the session once, on inputs of its own.
func (l *lane) call(ctx context.Context, inputs []*onnx.Tensor) ([]*onnx.Tensor, error) {
	if l.hung {
		return nil, fmt.Errorf("not run: the session %w before", errHung)
	}
	limit := l.options.Timeout
	if l.session == nil {
		s, err := guarded(ctx, limit, func(ctx context.Context) (Session, error) { return l.rt.Open(ctx, l.model) })
		if err != nil {
			l.hung = errors.Is(err, errHung)
			return nil, err
		}
		l.session = s
	}
	given, session := clone(inputs), l.session // a call that hangs keeps them
	outputs, err := guarded(ctx, limit, func(ctx context.Context) ([]*onnx.Tensor, error) { return session.Run(ctx, given) })
	if err != nil {
		l.hung = errors.Is(err, errHung)
		if l.hung {
			l.session = nil // it may still be at work: leave it
		}
		l.close(ctx)
		return nil, err
	}
	if !sameBits(given, inputs) {
		return clone(outputs), errWrites
	}
	return clone(outputs), nil
}

// errWrites says that a runtime changed the inputs it was given.
var errWrites = errors.New("writes into its inputs")

// onlyTensors refuses what a Session cannot be given or asked for.
func onlyTensors(what string, values []*reference.Value) error {
	for _, v := range values {
		if v.Kind != reference.Tensor {
			return &onnx.UnsupportedError{Why: fmt.Sprintf("%s %q is a %s; runtimes are asked for tensors only", what, v.Name, v)}
		}
	}
	return nil
}

// set judges the runtime on one data set, twice.
func (l *lane) set(ctx context.Context, d dataSet) ([]Row, error) {
	if err := errors.Join(onlyTensors("input", d.values), onlyTensors("output", d.want)); err != nil {
		return nil, err
	}
	outputs, err := l.call(ctx, d.inputs)
	writes := errors.Is(err, errWrites)
	if err != nil && !writes {
		return nil, err
	}
	if l.first == nil {
		l.first = outputs
	}
	rows := l.judgeAll(ctx, l.rt, d, outputs)
	second, err := l.call(ctx, d.inputs)
	if err != nil && !errors.Is(err, errWrites) {
		return nil, fmt.Errorf("the second run on the same inputs: %w", err)
	}
	l.holdRepeat(rows, d, outputs, second, "the second run on the same inputs")
	if writes {
		for i := range rows {
			rows[i].Verdict = worse(rows[i].Verdict, Different)
			rows[i].Reason = join(rows[i].Reason, l.rt.Name+" "+errWrites.Error())
		}
	}
	return rows, nil
}

// again runs the first data set once more, after a batch of another size, and
// amends its rows.
func (l *lane) again(ctx context.Context, rows []Row) {
	if l.first == nil || l.hung || ctx.Err() != nil {
		return
	}
	if len(l.sets) == 1 {
		other := doubled(l.program, l.sets[0].inputs)
		if other == nil {
			return
		}
		// Whether the runtime can do that is not the question here.
		if _, err := l.call(ctx, other); err != nil && l.session == nil {
			return
		}
	}
	d := l.sets[0]
	outputs, err := l.call(ctx, d.inputs)
	from := slices.IndexFunc(rows, func(r Row) bool { return r.Set == d.name })
	to := from
	for to < len(rows) && rows[to].Set == d.name {
		to++
	}
	own := rows[from:to]
	if err != nil && !errors.Is(err, errWrites) {
		for i := range own {
			own[i].Verdict = worse(own[i].Verdict, Failed)
			own[i].Reason = join(own[i].Reason, fmt.Sprintf("run again after a batch of another size: %v", err))
		}
		return
	}
	l.holdRepeat(own, d, l.first, outputs, "the run after a batch of another size")
}

// holdRepeat amends the rows of a data set by what a repeated run gave: other
// bits are named, and are a finding if they are beyond the screen.
func (l *lane) holdRepeat(rows []Row, d dataSet, first, second []*onnx.Tensor, which string) {
	if sameBits(first, second) {
		return
	}
	for i := range rows {
		if i >= len(d.want) || i >= len(first) || i >= len(second) {
			rows[i].Verdict = worse(rows[i].Verdict, Different)
			rows[i].Reason = join(rows[i].Reason, fmt.Sprintf("%s gives %d outputs, the first one %d", which, len(second), len(first)))
			continue
		}
		if sameBits(first[i:i+1], second[i:i+1]) {
			continue
		}
		center, other := valueOf(first[i]), valueOf(second[i])
		if err := mismatch(center, other); err != nil {
			rows[i].Verdict = worse(rows[i].Verdict, Different)
			rows[i].Reason = join(rows[i].Reason, fmt.Sprintf("%s differs: %v", which, err))
			continue
		}
		m := measure(center, other, d.want[i].Screen)
		switch {
		case m.Outside > 0:
			rows[i].Verdict = worse(rows[i].Verdict, Different)
			rows[i].Reason = join(rows[i].Reason, fmt.Sprintf("%s differs: %v", which, m.First))
		case m.Worst != nil:
			rows[i].Reason = join(rows[i].Reason, fmt.Sprintf("%s differs by up to %.3g, within the screen", which, float64(m.Worst.Error)))
		}
	}
}

func join(a, b string) string {
	switch {
	case a == "":
		return b
	case b == "":
		return a
	}
	return a + "; " + b
}

// judgeAll judges the outputs of a runtime on a data set, one row each.
func (j *job) judgeAll(ctx context.Context, rt Runtime, d dataSet, outputs []*onnx.Tensor) []Row {
	rows := make([]Row, len(d.want))
	doubt := false
	for i, want := range d.want {
		var got *reference.Value
		if i < len(outputs) {
			got = valueOf(outputs[i])
		}
		rows[i] = j.judge(rt.Name, d.name, want.Name, want, got)
		doubt = doubt || rows[i].Measure != nil && rows[i].Verdict != Equal
	}
	if len(outputs) > len(d.want) {
		for i := range rows {
			rows[i].Verdict = Different
			rows[i].Reason = join(rows[i].Reason, fmt.Sprintf("%d outputs, want %d", len(outputs), len(d.want)))
		}
		return rows
	}
	if j.options.Fixed != nil && !j.options.Prove || !doubt && !j.options.Prove {
		return rows
	}
	p, err := j.prove(ctx, rt, d)
	for i := range rows {
		switch {
		case rows[i].Measure == nil: // not even comparable
		case err != nil && rows[i].Verdict == Equal:
			rows[i].Reason = join(rows[i].Reason, fmt.Sprintf("no proof: %v", err))
		case err != nil:
			rows[i].Reason = join(rows[i].Reason, fmt.Sprintf("no proof: %v", err))
		default:
			p.judge(&rows[i], d.want[i], outputs[i], p.outputs[i])
			rows[i].Reason = join(rows[i].Reason, rows[i].remark())
		}
	}
	return rows
}

// judgeRecorded judges the outputs in the files, one row for every tensor: the
// elements of sequences and optionals have rows of their own.
func (j *job) judgeRecorded(d dataSet) []Row {
	var rows []Row
	for i, want := range d.want {
		var got *reference.Value
		if i < len(d.recorded) {
			got = d.recorded[i]
		}
		j.judgeNested(&rows, d.name, want.Name, want, got)
	}
	return rows
}

func (j *job) judgeNested(rows *[]Row, set, output string, want, got *reference.Value) {
	if want.Kind == reference.Tensor || got == nil || got.Kind != want.Kind || len(got.Elems) != len(want.Elems) {
		row := j.judge(Recorded, set, output, want, got)
		j.explainRecorded(&row, want, got)
		*rows = append(*rows, row)
		return
	}
	if len(want.Elems) == 0 {
		*rows = append(*rows, Row{Runtime: Recorded, Set: set, Output: output, Type: want.String(), Verdict: Equal, Stage: Screen})
	}
	for i, e := range want.Elems {
		anonymous := *e
		anonymous.Name = "" // elements have no names that must agree
		j.judgeNested(rows, set, fmt.Sprintf("%s[%d]", output, i), &anonymous, got.Elems[i])
	}
}

// explainRecorded accepts a recorded output beyond the screen if the graph is one
// node: its sound limit is all that the proof could ask for.
func (j *job) explainRecorded(row *Row, want, got *reference.Value) {
	if len(j.program.Nodes()) != 1 || j.options.Fixed != nil || row.Verdict != Different || row.Measure == nil || row.Unbounded > 0 {
		return
	}
	if m := measure(want, got, func(k int) float64 { return figure(want.Sound, k) }); m.Outside == 0 {
		row.Verdict, row.Stage = Equal, Proof
		row.Reason = "the only node is within its sound limit"
	}
}

// judge holds one output against the reference, in the first stage.
func (j *job) judge(rt, set, output string, want, got *reference.Value) Row {
	row := Row{Runtime: rt, Set: set, Output: output, Type: want.String(), Shape: want.Dims, Verdict: Different}
	if err := mismatch(want, got); err != nil {
		row.Reason = err.Error()
		return row
	}
	row.Stage = Screen
	limit := want.Screen
	if f := j.options.Fixed; f != nil {
		row.Stage = Tolerance
		limit = func(i int) float64 { return float64(f.Atol) + float64(f.Rtol)*abs(want.Float(i)) }
	}
	m := measure(want, got, limit)
	row.Measure = &m
	switch {
	case m.Outside > 0:
		row.Reason = fmt.Sprintf("%d of %d elements are beyond the limit, the first one %v", m.Outside, m.Elements, m.First)
	case m.Unbounded > 0:
		row.Verdict = Unchecked
		row.Reason = fmt.Sprintf("the reference has no limit for %d of %d elements", m.Unbounded, m.Elements)
	default:
		row.Verdict = Equal
	}
	row.Reason = join(row.Reason, m.remark())
	return row
}

func abs(x float64) float64 { return max(x, -x) }
