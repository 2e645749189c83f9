package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/reference"
	"github.com/petrify-ml/petrify/witness"
)

// A lane is one runtime on one model: a session, opened again after an error.
type lane struct {
	*job
	rt       witness.Runtime
	session  witness.Session
	hung     bool
	crashes  int            // of the runtime's process
	settings string         // of its sessions, where they are not the usual ones
	first    []*onnx.Tensor // what the first data set gave
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
		s, err := l.open(ctx, l.rt)
		if err != nil {
			l.hung = errors.Is(err, errHung)
			l.count(err)
			return nil, err
		}
		l.session = s
		if c, ok := s.(witness.Configured); ok {
			l.settings = c.Settings()
		}
	}
	given, session := clone(inputs), l.session // a call that hangs keeps them
	outputs, err := guarded(ctx, limit, func(ctx context.Context) ([]*onnx.Tensor, error) { return session.Run(ctx, given) })
	if err != nil {
		l.count(err)
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

func (l *lane) count(err error) {
	if _, crashed := errors.AsType[*witness.CrashError](err); crashed {
		l.crashes++
	}
}

// errWrites says that a runtime changed the inputs it was given.
var errWrites = errors.New("writes into its inputs")

// onlyTensors refuses what a witness.Session cannot be given or asked to return.
func onlyTensors(what string, values []*reference.Value) error {
	for _, v := range values {
		if v.Kind != reference.Tensor {
			return &onnx.UnsupportedError{Why: fmt.Sprintf("%s %q is no tensor, but %s; runtimes are asked for tensors only", what, v.Name, v)}
		}
	}
	return nil
}

// set judges the runtime on one data set, twice.
func (l *lane) set(ctx context.Context, d dataSet) ([]Comparison, error) {
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
			rows[i].Reason = join(rows[i].Reason, l.rt.Name()+" "+errWrites.Error())
		}
	}
	return rows, nil
}

// again runs the first data set once more, after a batch of another size, and
// amends its rows.
func (l *lane) again(ctx context.Context, rows []Comparison) {
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
	from := slices.IndexFunc(rows, func(r Comparison) bool { return r.Set == d.name })
	to := from
	for to < len(rows) && rows[to].Set == d.name {
		to++
	}
	own := rows[from:to]
	if err != nil && !errors.Is(err, errWrites) {
		for i := range own {
			own[i].Verdict = worse(own[i].Verdict, verdictOf(err))
			own[i].Reason = join(own[i].Reason, fmt.Sprintf("run again after a batch of another size: %v", err))
		}
		return
	}
	l.holdRepeat(own, d, l.first, outputs, "the run after a batch of another size")
}

// holdRepeat amends the rows of a data set by what a repeated run gave: other
// bits are named, and are a finding if they are beyond the screen.
func (l *lane) holdRepeat(rows []Comparison, d dataSet, first, second []*onnx.Tensor, which string) {
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
			if !excused(d.want[i], err) {
				rows[i].Verdict = worse(rows[i].Verdict, Different)
			}
			rows[i].Reason = join(rows[i].Reason, fmt.Sprintf("%s differs: %v", which, err))
			continue
		}
		m := measure(center, other, screenOf(d.want[i], center))
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
