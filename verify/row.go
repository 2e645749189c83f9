package verify

import (
	"context"
	"fmt"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/reference"
)

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
