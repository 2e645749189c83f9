package verify

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/reference"
	"github.com/petrify-ml/petrify/witness"
)

// judgeAll judges the outputs of a runtime on a data set, one row each.
func (j *job) judgeAll(ctx context.Context, rt witness.Runtime, d dataSet, outputs []*onnx.Tensor) []Comparison {
	rows := make([]Comparison, len(d.want))
	doubt := false
	for i, want := range d.want {
		var got *reference.Value
		if i < len(outputs) {
			got = valueOf(outputs[i])
		}
		rows[i] = j.judge(rt.Name(), d.name, want.Name, want, got)
		doubt = doubt || rows[i].Measure != nil && (rows[i].Verdict != Equal || rows[i].doubtful())
	}
	if len(outputs) > len(d.want) {
		for i := range rows {
			rows[i].Verdict = Different
			rows[i].Reason = join(rows[i].Reason, fmt.Sprintf("%d outputs, want %d", len(outputs), len(d.want)))
		}
		return rows
	}
	defer func() { j.explain(ctx, rt, d, rows, valuesOf(outputs)) }()
	if j.options.Fixed != nil && !j.options.Prove || !doubt && !j.options.Prove {
		return rows
	}
	p, err := j.boundedProof(ctx, rt, d, outputs)
	if err != nil {
		defer func() { j.settle(ctx, d, rows, outputs) }()
	}
	for i := range rows {
		switch {
		case rows[i].Measure == nil: // not even comparable
		case errors.Is(err, errInside):
			if what, bad := rows[i].Collective.outside(); bad && rows[i].Verdict == Equal {
				rows[i].Reason = join(rows[i].Reason, what+"; whether that is one error upstream or a fault, the proof of a runtime tells")
			}
		case err != nil:
			rows[i].Reason = join(rows[i].Reason, fmt.Sprintf("no proof: %v", err))
		default:
			p.judge(&rows[i], d.want[i], outputs[i], p.outputs[i])
			rows[i].Reason = join(rows[i].Reason, rows[i].remark())
		}
	}
	return rows
}

// boundedProof is prove in the time of a few calls: besides the runtime's, there
// are two evaluations by the reference in it.
func (j *job) boundedProof(ctx context.Context, rt witness.Runtime, d dataSet, outputs []*onnx.Tensor) (*proof, error) {
	limited, cancel := context.WithTimeout(ctx, 4*j.options.Timeout)
	defer cancel()
	if nodes := j.program.Nodes(); j.single && len(nodes) == 1 && !nodes[0].Composite {
		d.recorded = valuesOf(outputs) // there is nothing inside
		return j.proveRecorded(limited, d)
	}
	p, err := j.prove(limited, rt, d)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("%w within %v", errSlow, 4*j.options.Timeout)
	}
	return p, err
}

// judgeRecorded judges the outputs in the files like those of a runtime. The elements of sequences and optionals, which no
// runtime is asked for, have rows of their own.
func (j *job) judgeRecorded(ctx context.Context, d dataSet) []Comparison {
	if outputs, err := tensorsOf(d.recorded); err == nil && outputs != nil && d.inputs != nil {
		l := &lane{job: j, rt: witness.Recorded{Model: j.model, Runs: []witness.Recording{{Inputs: d.inputs, Outputs: outputs}}}}
		defer l.close(ctx)
		if outputs, err = l.call(ctx, d.inputs); err == nil {
			return j.judgeAll(ctx, l.rt, d, outputs)
		}
	}
	var rows []Comparison
	for i, want := range d.want {
		var got *reference.Value
		if i < len(d.recorded) {
			got = d.recorded[i]
		}
		j.judgeNested(&rows, d.name, want.Name, want, got)
	}
	return rows
}

func (j *job) judgeNested(rows *[]Comparison, set, output string, want, got *reference.Value) {
	if want.Kind == reference.Tensor || got == nil || got.Kind != want.Kind || len(got.Elems) != len(want.Elems) {
		*rows = append(*rows, j.judge(Recorded, set, output, want, got))
		return
	}
	if len(want.Elems) == 0 {
		*rows = append(*rows, Comparison{Runtime: Recorded, Set: set, Output: output, Type: want.String(), Verdict: Equal, Stage: Screen})
	}
	for i, e := range want.Elems {
		anonymous := *e
		anonymous.Name = "" // elements have no names that must agree
		j.judgeNested(rows, set, fmt.Sprintf("%s[%d]", output, i), &anonymous, got.Elems[i])
	}
}

// judge compares one output with the reference, in the first stage.
func (j *job) judge(rt, set, output string, want, got *reference.Value) Comparison {
	row := Comparison{Runtime: rt, Set: set, Output: output, Type: want.String(), Shape: want.Dims, Verdict: Different}
	if err := mismatch(want, got); err != nil {
		row.Reason = err.Error()
		if excused(want, err) {
			row.Verdict, row.Stage = Unchecked, Screen
			row.Measure = &Measure{Elements: got.Len(), Unbounded: got.Len()}
			row.Reason += ": rounding decides how many elements there are, so the reference has no limit for them"
		}
		return row
	}
	row.Stage = Screen
	limit := want.Screen
	if f := j.options.Fixed; f != nil {
		row.Stage = Tolerance
		limit = func(i int) float64 { return float64(f.Atol) + float64(f.Rtol)*abs(want.Float(i)) }
	}
	m := measure(want, got, limit)
	m.Collective = collect(want, got)
	row.Measure = &m
	row.vague = row.Stage == Screen && vague(want)
	switch {
	case m.Outside > 0:
		row.Reason = fmt.Sprintf("%d of %d elements are beyond the limit, the first one %v", m.Outside, m.Elements, m.First)
		if row.Stage == Screen {
			row.Reason = join(row.Reason, m.verdict(want, got))
		}
	case m.Unbounded > 0:
		row.Verdict = Unchecked
		row.Reason = fmt.Sprintf("the reference has no limit for %d of %d elements", m.Unbounded, m.Elements)
	default:
		row.Verdict = Equal
	}
	row.Reason = join(row.Reason, m.remark())
	return row
}

// verdict says how sure it is that the differences are not rounding.
func (m *Measure) verdict(want, got *reference.Value) string {
	if sound := measure(want, got, func(i int) float64 { return figure(want.Sound, i) }); sound.Outside > 0 {
		return "rounding cannot explain that"
	}
	return improbable(m.log10())
}

// doubtful reports whether the errors of an output as a whole are not what
// independent rounding gives, or its screen lets everything pass. Within a graph errors need not be independent, so that
// this is a question to the proof, and no verdict.
func (r *Comparison) doubtful() bool {
	if r.Stage != Screen || r.Measure == nil {
		return false
	}
	_, bad := r.Collective.outside()
	return bad || r.vague
}

// mostHidden is how large an error may be that a screen hides, in parts of the root mean square of the output. Real models are
// either far below it or beyond 1.
const mostHidden = 1. / 16

// vague reports whether the screen of most elements hides errors that matter, as at the end of a deep network, where limits have
// grown from layer to layer: then only the proof can acquit.
func vague(want *reference.Value) bool {
	if _, text := want.Data.(onnx.Slice[string]); text {
		return false
	}
	size, wide := rootMeanSquare(want), 0
	for i := range want.Len() {
		if want.Screen(i) > mostHidden*size {
			wide++
		}
	}
	return size > 0 && 2*wide > want.Len()
}

// rootMeanSquare is the size of an output, by its finite elements.
func rootMeanSquare(v *reference.Value) float64 {
	squares := 0.0
	for i := range v.Len() {
		if x := v.Float(i); x*x < math.Inf(1) {
			squares += x * x
		}
	}
	return math.Sqrt(squares / float64(max(1, v.Len())))
}

func abs(x float64) float64 { return max(x, -x) }
