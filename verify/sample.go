package verify

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/reference"
)

// Where the screen says nothing of an output, because limits have grown from layer to layer or rounding may turn a selection round, and
// no proof can be had, as of recorded outputs, errors are drawn: the reference is evaluated again and again with errors drawn for the
// result of every node, and how far its outputs go then is how far rounding takes them.

// What is near quietDraws evaluations with errors as large as rounding makes them is equal. What is not is different only if it is beyond
// loudDraws evaluations with errors loudScale times as large, too: those see a selection that is close to turning round.
const (
	quietDraws = 8
	loudDraws  = 24
	loudScale  = 8
)

// draws are the outputs of evaluations with drawn errors.
type draws [][]*reference.Value

// draw evaluates the reference once more with drawn errors. Every other time what the types hold as it is stays so.
func (j *job) draw(ctx context.Context, d dataSet, scale float64, seed uint64) ([]*reference.Value, error) {
	r, err := j.program.Perturb(ctx, d.values, reference.Perturbation{Seed: seed, Scale: scale, Exact: seed%2 == 0})
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%w within %v", errSlow, j.options.Timeout)
	case err != nil:
		return nil, err
	}
	return r.Outputs, nil
}

// byChance says which nodes' random numbers an output depends on: "" where it has limits, which nothing has that depends on them.
func (d *dataSet) byChance(output *reference.Value) string {
	if len(d.chance) == 0 || !unlimited(output) {
		return ""
	}
	return strings.Join(d.chance, ", ")
}

// unlimited reports whether the reference has no limit for an element of v.
func unlimited(v *reference.Value) bool {
	if slices.ContainsFunc(v.Elems, unlimited) {
		return true
	}
	for i := range v.Len() {
		if math.IsInf(v.Screen(i), 1) {
			return true
		}
	}
	return false
}

// settle judges, by drawn errors, the rows that screen and proof have left open.
func (j *job) settle(ctx context.Context, d dataSet, rows []Comparison, got []*onnx.Tensor) {
	open := func(r Comparison) bool {
		return r.Measure != nil && r.Stage == Screen && (r.Verdict == Unchecked || r.Verdict == Equal && r.vague)
	}
	for i := range rows {
		if by := d.byChance(d.want[i]); by != "" && open(rows[i]) {
			rows[i].Reason = fmt.Sprintf("it depends on random numbers, which no other run draws (%s), so there is nothing to hold it to", by)
		}
	}
	if j.single || len(d.chance) > 0 || !slices.ContainsFunc(rows, open) {
		return
	}
	limited, cancel := context.WithTimeout(ctx, j.options.Timeout)
	defer cancel()
	var drawn draws
	for len(drawn) < quietDraws+loudDraws && slices.ContainsFunc(rows, open) {
		n, scale := len(drawn), 1.0
		if n >= quietDraws {
			scale = loudScale
		}
		outputs, err := j.draw(limited, d, scale, uint64(n))
		if err != nil {
			for i := range rows {
				if open(rows[i]) {
					rows[i].Reason = join(rows[i].Reason, fmt.Sprintf("no errors were drawn: %v", err))
				}
			}
			return
		}
		drawn = append(drawn, outputs)
		for i := range rows {
			if open(rows[i]) {
				drawn.decide(&rows[i], i, d.want[i], valueOf(got[i]))
			}
		}
	}
}

// decide judges a row as soon as no further evaluation can change the verdict: as equal where it is near enough already, since further ones
// only widen limits, and as open where some evaluation with errors that are too large has gone as far.
func (s draws) decide(row *Comparison, k int, want, got *reference.Value) {
	if len(s) <= quietDraws {
		s.accept(row, k, want, got)
		return
	}
	verdict := *row
	s.convict(&verdict, k, want, got)
	if verdict.Verdict == Unchecked || len(s) == quietDraws+loudDraws {
		*row = verdict
		row.Stage = Sampling
	}
}

// like returns output k of the evaluations that gave it the type and shape of v.
func (s draws) like(k int, v *reference.Value) []*reference.Value {
	var same []*reference.Value
	for _, outputs := range s {
		if w := outputs[k]; w.Kind == v.Kind && w.Type == v.Type && slices.Equal(w.Dims, v.Dims) {
			same = append(same, w)
		}
	}
	return same
}

// accept makes a row equal if its output goes no farther from the reference than evaluations with drawn errors do.
func (s draws) accept(row *Comparison, k int, want, got *reference.Value) bool {
	same := s.like(k, got)
	drawn := len(same)
	if slices.Equal(got.Dims, want.Dims) {
		same = slices.Insert(same, 0, want)
	}
	if drawn == 0 || len(same) == 1 {
		return false
	}
	early := len(s) < quietDraws
	if early && len(same) <= len(s) { // rounding decides the shape
		return false
	}
	limits := reach(same, got, quietDraws, false)
	if !early {
		limits = reach(same, got, len(same)-1, false)
	}
	m := measure(limits, got, limits.Screen)
	if m.Outside+m.Unbounded > 0 {
		return false
	}
	row.Verdict, row.Stage, row.Measure, row.vague = Equal, Sampling, &m, vague(reach(same, got, len(same)-1, false))
	row.Reason = fmt.Sprintf("it goes no farther than %d evaluations with errors drawn for every node", len(s))
	if drawn < len(s) {
		row.Reason = fmt.Sprintf("it goes no farther than evaluations with errors drawn for every node, of which %d of %d have its shape", drawn, len(s))
	}
	row.Reason = join(row.Reason, m.remark())
	return true
}

// convict makes a row different if its output is where no drawn errors lead, not even larger ones than there are, and they lead to
// nearly the same all. Otherwise the row stays open.
func (s draws) convict(row *Comparison, k int, want, got *reference.Value) {
	row.Verdict = Unchecked
	if n := len(s.like(k, want)); n < len(s) {
		row.Reason = fmt.Sprintf("the reference has no limit: rounding decides the shape, which is %v in %d of %d evaluations with errors drawn for every node", want.Dims, n, len(s))
		return
	}
	if !slices.Equal(got.Dims, want.Dims) {
		row.Verdict, row.Stage = Different, Sampling
		row.Reason = fmt.Sprintf("shape is %v, and %v in each of %d evaluations with errors drawn for every node", got.Dims, want.Dims, len(s))
		return
	}
	limits := reach(slices.Insert(s.like(k, want), 0, want), got, quietDraws, true)
	m := measure(limits, got, limits.Screen)
	if m.Outside == 0 {
		row.Reason = fmt.Sprintf("the reference has no limit: the output is farther off than %d evaluations go with errors drawn for every node, and not beyond those with errors %d times as large",
			quietDraws, loudScale)
		return
	}
	row.Verdict, row.Stage, row.Measure = Different, Sampling, &m
	row.Reason = fmt.Sprintf("%d of %d elements are farther off than %d evaluations go with errors drawn for every node, most of them %d times as large as rounding makes them; the first one %v",
		m.Outside, m.Elements, len(s), loudScale, m.First)
}

// reach is the first of some values with limits for got. An amount may be 8 times as far off as drawn errors take it: its own and those
// that are usual in the output together. Labels, and whatever else is no amount, must be among those that were drawn. To convict, an
// element must be as far beyond the farthest, which may be a sixteenth of the output's size, and a label be where there was one alone.
// Where there are to be more values than there are, the limits are the least that these may lead to.
func reach(values []*reference.Value, got *reference.Value, draws int, convict bool) *reference.Value {
	v := *values[0]
	n := v.Len()
	v.AnyShape, v.Terms = false, 0
	v.Spread, v.Declared, v.Sound = make([]float64, n), make([]float64, n), slices.Repeat([]float64{math.Inf(1)}, n)
	if !activation(v.Type) {
		holdLabels(&v, values[1:], got, convict)
		return &v
	}
	others := values[1:]
	farthest := make([]float64, n)
	for i := range n {
		for k, w := range others {
			d := float64(infinite(distance(w, &v, i)))
			farthest[i] = max(farthest[i], d)
			if k < quietDraws {
				v.Spread[i] += d * d / float64(min(quietDraws, draws))
			}
		}
		v.Spread[i] = math.Sqrt(v.Spread[i])
	}
	usual, size := usualOf(v.Spread, draws > len(others)), rootMeanSquare(&v)
	for i := range n {
		v.Spread[i] = math.Hypot(v.Spread[i], usual)
		if usual > 0 && (v.Type == pb.TensorProto_INT8 || v.Type == pb.TensorProto_UINT8) {
			v.Declared[i] = 1 // a step of the quantiser
		}
		if convict {
			v.Declared[i] = farthest[i]
			if farthest[i] > mostHidden*size {
				v.Declared[i] = math.Inf(1)
			}
		}
	}
	return &v
}

// holdLabels lets the elements of v be what one of the others has in their place. To convict, there must be no other than v's.
func holdLabels(v *reference.Value, others []*reference.Value, got *reference.Value, convict bool) {
	text, isText := v.Data.(onnx.Slice[string])
	if isText {
		text = slices.Clone(text)
		v.Data = text
	}
	for i := range v.Len() {
		for _, w := range others {
			if isText {
				if g, t := got.Data.(onnx.Slice[string])[i], w.Data.(onnx.Slice[string])[i]; g == t || convict && t != text[i] {
					text[i] = g
				}
				continue
			}
			if distance(w, got, i) == 0 || convict && distance(w, v, i) > 0 {
				v.Declared[i] = distance(got, v, i)
			}
		}
	}
}

// usualOf is the median of those numbers that are not 0, and 0 where there are none; or, where each may still grow, the least that it may become.
func usualOf(numbers []float64, growing bool) float64 {
	some := slices.Clone(numbers)
	if !growing {
		some = slices.DeleteFunc(some, func(x float64) bool { return x == 0 })
	}
	if len(some) == 0 {
		return 0
	}
	slices.Sort(some)
	return some[len(some)/2]
}
