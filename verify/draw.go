package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/reference"
)

// drawSets draws inputs for a model that has no recorded ones, or as they were
// asked for. Batches have 1 entry, and in a second set 3; other free axes get
// lengths that inference takes, and the reference, which is the last to say so.
// What it refuses all the same is left out with a note: the inputs are to blame.
func (j *job) drawSets(ctx context.Context) error {
	recorded, notes := len(j.sets), slices.Clone(j.report.Notes)
	err := j.drawBatches(ctx, false)
	if len(j.sets) > recorded || !wrong(err) {
		return err
	}
	model, program := j.model, j.program
	if !j.part() {
		return err
	}
	if e := j.drawBatches(ctx, true); e == nil || ctx.Err() != nil {
		return e
	}
	j.model, j.program, j.report.Notes = model, program, notes
	return err
}

// drawBatches draws sets for batches of usual sizes. If apart, axes that had one name are searched for one by one.
func (j *job) drawBatches(ctx context.Context, apart bool) error {
	d, err := newDrawing(j.program.Inputs(), j.model.Proto, j.options)
	if err != nil {
		return &unjudged{err}
	}
	d.apart = apart
	batches := []int{1}
	switch n := d.batch(); {
	case n > 0:
		batches = []int{n} // of other inputs, too
	case d.batched():
		batches = d.batches()
	}
	var refusal error
	recorded := len(j.sets)
	for _, n := range batches {
		set, err := j.drawSet(ctx, d, n)
		if err == nil {
			j.sets = append(j.sets, set)
			continue
		}
		if _, ok := errors.AsType[*unjudged](err); !ok {
			return err
		}
		err = fmt.Errorf("%s: %w", set.name, err)
		j.report.Notes = append(j.report.Notes, "left out: "+err.Error())
		if refusal == nil {
			refusal = err
		}
	}
	if len(j.sets) == recorded {
		j.report.Notes = slices.DeleteFunc(j.report.Notes, func(s string) bool { return strings.HasPrefix(s, "left out: ") })
		_, much := errors.AsType[*reference.MemoryError](refusal)
		if len(d.inputs) == 0 || errors.Is(refusal, errSlow) || much && len(d.free) == 0 {
			return refusal
		}
		return &unjudged{fmt.Errorf("%w; these inputs were drawn: give what the model needs with --shape, --range or --input (its inputs: %s), or record some in %s0",
			refusal, describeInputs(d.all), setPrefix)}
	}
	return nil
}

// mostClimbs is how many assignments the reference is asked to evaluate.
const mostClimbs = 48

// drawSet draws one set of inputs that the reference can evaluate. Where it
// refuses, other lengths are tried: those with which it comes farther are better.
// At last, plainer numbers are.
func (j *job) drawSet(ctx context.Context, d *drawing, n int) (dataSet, error) {
	a, f := d.search(d.start(n))
	set, err := d.set(a, n, f.types)
	if err != nil {
		return set, &unjudged{err}
	}
	if f.problem != "" && !f.hollow {
		return set, &unjudged{errors.New(f.problem)}
	}
	try := func(a assignment, f fit) (dataSet, error) {
		s, err := d.set(a, n, f.types)
		if err != nil {
			return s, &unjudged{err}
		}
		return s, j.evaluate(ctx, &s)
	}
	set, err = try(a, f)
	first := set
	first.want, first.values = nil, nil
	refusal := err
	climbs, begun := 0, time.Now()
	for _, group := range d.groups() {
		for _, length := range d.candidates(a, group, steep) {
			if !wrong(err) || climbs == mostClimbs || d.tries > d.mostTries || time.Since(begun) > j.options.Timeout {
				break
			}
			b := d.with(a, group, length)
			if slices.Equal(a, b) {
				continue
			}
			g := d.inferred(b)
			if g.problem != "" && !g.hollow {
				continue
			}
			climbs++
			s, e := try(b, g)
			if !wrong(e) || s.reached > set.reached {
				set, err, a, f = s, e, b, g
			}
		}
	}
	if wrong(err) && !d.tame {
		d.tame = true
		if s, e := try(a, f); !wrong(e) {
			set, err = s, e
		} else {
			d.tame = false
		}
	}
	if wrong(err) {
		return first, refusal
	}
	if err == nil {
		d.keep(a)
		set = d.louder(set, begun, func() (dataSet, error) { return try(a, f) })
	}
	return set, err
}

// louder draws larger numbers where an output has no elements, as those of a detector
// whose scores of noise are all alike, until all have some. Where none have, set stays.
func (d *drawing) louder(set dataSet, begun time.Time, try func() (dataSet, error)) dataSet {
	defer func() { d.gain = 1 }()
	took := time.Since(begun)
	for _, gain := range []float64{8, 64} {
		if !emptied(set) || !d.plain || took > time.Minute {
			break
		}
		d.gain = gain
		if s, err := try(); err == nil && !emptied(s) {
			return s
		}
	}
	return set
}

// emptied reports whether an output has no elements.
func emptied(s dataSet) bool {
	return slices.ContainsFunc(s.want, func(v *reference.Value) bool { return v.Kind == reference.Tensor && v.Len() == 0 })
}

// wrong reports whether other inputs may do: the reference refused these, and did
// not merely take too long.
func wrong(err error) bool {
	_, ok := errors.AsType[*unjudged](err)
	return ok && !errors.Is(err, errSlow)
}

// An input is one that must be given, and what is known of it.
type input struct {
	reference.Input
	proto    *pb.TypeProto
	given    *onnx.Tensor     // requested
	value    *reference.Value // the same, or a sequence or an optional
	file     string
	between  *interval
	sequence bool  // or an optional: no tensor
	shape    []int // requested
}

// A drawing draws the inputs of a model.
type drawing struct {
	model   *pb.ModelProto
	all     []reference.Input
	inputs  []input
	seed    uint64
	free    []freeAxis
	of      map[string][]int // by input, the free axis that each axis is, or -1
	lengths []int            // of weights

	tries, mostTries int
	steps            bool    // batches go on by one token: ONNX Runtime's GroupQueryAttention takes no more where there is a past
	apart            bool    // axes of one name may have different lengths
	tame             bool    // numbers from 0 to 1 where nothing says what they are
	plain            bool    // there are such numbers
	gain             float64 // of normal numbers where nothing says what they are
}

// newDrawing prepares to draw. Its error says what was requested in vain, or what
// the model needs that cannot be guessed.
func newDrawing(inputs []reference.Input, m *pb.ModelProto, o Options) (*drawing, error) {
	d := &drawing{model: m, all: inputs, seed: o.Seed, gain: 1, lengths: lengthsIn(m.GetGraph())}
	d.mostTries = min(max(200000/(1+len(m.GetGraph().GetNode())), 40), 2000)
	types := map[string]*pb.TypeProto{}
	for _, v := range m.GetGraph().GetInput() {
		types[v.GetName()] = v.GetType()
	}
	for _, in := range inputs {
		if in.Optional && !o.Given.names(in.Name) {
			continue
		}
		d.inputs = append(d.inputs, input{Input: in, proto: types[in.Name], sequence: in.Kind != reference.Tensor})
	}
	if err := d.take(o); err != nil {
		return nil, err
	}
	for _, in := range d.inputs {
		if !in.sequence && in.Type.Dims == nil {
			return nil, fmt.Errorf("input %s: its shape is not declared: give it, as in --shape %s=1x3x224x224", in.Name, in.Name)
		}
	}
	d.axes()
	for n := range onnx.Nodes(m.GetGraph().GetNode()) {
		d.steps = d.steps || n.GetOpType() == "GroupQueryAttention" && slices.ContainsFunc(d.free, func(f freeAxis) bool { return f.role == past })
	}
	return d, d.fix(o)
}

// batched reports whether batches of any size can be drawn.
func (d *drawing) batched() bool {
	return slices.ContainsFunc(d.free, func(f freeAxis) bool { return f.role == batch && f.fixed < 0 })
}

// batches are the sizes of batches to draw: 1 and 3, or, where inference takes neither, as of an example that
// went into the file, the first that it takes.
func (d *drawing) batches() []int {
	takes := func(n int) bool {
		_, f := d.search(d.start(n))
		return f.problem == ""
	}
	usual := []int{1, 3}
	if takes(1) || takes(3) {
		return usual
	}
	for _, n := range []int{2, 4, 8, 16, 32, 64} {
		if takes(n) {
			return []int{n}
		}
	}
	return usual
}

// batch is the size of batches requested, 0 where none was.
func (d *drawing) batch() int {
	for _, f := range d.free {
		if f.role == batch && f.fixed > 0 {
			return f.fixed
		}
	}
	return 0
}

// keep makes the lengths that were found those to try first, for other batches.
func (d *drawing) keep(a assignment) {
	for k := range d.free {
		if d.free[k].role != batch && !d.derived(k) {
			d.free[k].start = a[k]
		}
	}
}

// set draws a data set for batches of n, with the lengths of a, and the types that
// follow from them.
func (d *drawing) set(a assignment, n int, types map[string]onnx.Type) (dataSet, error) {
	s := dataSet{name: fmt.Sprintf("seed %d", d.seed)}
	if len(d.free) > 0 && d.batched() {
		s.name += fmt.Sprintf(", batch %d", n)
	}
	s.name += d.text(a)
	trace := newTracer(d.model, types)
	for _, in := range d.inputs {
		p := &pen{drawing: d, input: in, lengths: a, batch: n, use: settle(trace.usesOf(in.Name))}
		v, err := p.value()
		if err != nil {
			return s, fmt.Errorf("input %q: %w", in.Name, err)
		}
		v.Name = in.Name
		s.values = append(s.values, v)
		s.drawn = append(s.drawn, p.drawn)
	}
	var err error
	s.inputs, err = tensorsOf(s.values)
	return s, err
}

// mostDrawn is the most elements of an input that is drawn.
const mostDrawn = 1 << 26

// dims are the lengths of an input's axes.
func (d *drawing) dims(in input, a assignment) ([]int, error) {
	dims := make([]int, len(in.Type.Dims))
	count := 1
	for i, dim := range in.Type.Dims {
		dims[i] = int(dim.Size)
		if k := d.of[in.Name][i]; k >= 0 {
			dims[i] = a[k]
		}
		if dims[i] < 0 || dims[i] > 0 && count > mostDrawn/dims[i] {
			return nil, &onnx.UnsupportedError{Why: fmt.Sprintf("%s has more than %d elements", in, mostDrawn)}
		}
		count *= max(dims[i], 1)
	}
	return dims, nil
}

// An interval is the numbers from low on, up to high.
type interval struct{ low, high float64 }

// doubled returns the inputs with every entry of an open first axis twice: a
// batch of another size whose values are as valid as they were. It is nil if
// no input has such an axis.
func doubled(p *reference.Program, inputs []*onnx.Tensor) []*onnx.Tensor {
	out := clone(inputs)
	any := false
	for i, t := range out {
		k := slices.IndexFunc(p.Inputs(), func(in reference.Input) bool { return in.Name == t.Name })
		if k < 0 {
			continue
		}
		dims := p.Inputs()[k].Type.Dims
		if len(dims) == 0 || dims[0].Known() || len(t.Dims) == 0 {
			continue
		}
		any = true
		out[i].Dims[0] *= 2
		n := t.Len()
		twice := t.Data.Make(2 * n)
		twice.Copy(0, t.Data, 0, n)
		twice.Copy(n, t.Data, 0, n)
		out[i].Data = twice
	}
	if !any {
		return nil
	}
	return out
}

// describeInputs lists what a model is given, for messages.
func describeInputs(inputs []reference.Input) string {
	if len(inputs) == 0 {
		return "none"
	}
	text := ""
	for i, in := range inputs {
		if i == 12 {
			return text + fmt.Sprintf(" and %d more", len(inputs)-i)
		}
		text = join2(text, in.Name+" "+in.String())
	}
	return text
}

func join2(a, b string) string {
	if a == "" {
		return b
	}
	return a + ", " + b
}
