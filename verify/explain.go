package verify

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/reference"
	"github.com/petrify-ml/petrify/witness"
)

// alike says when errors are those of an imitation: what the imitation leaves of them,
// as a fraction of their sum of squares, is at most half; and less where fewer elements
// speak, so that errors that have nothing to do with it pass once in 10,000 times.
// Fractions of n independent errors are below q with probability q^((n-3)/2), once a
// common factor is taken out.
func alikeWithin(n float64) float64 {
	if n <= 4 {
		return 0
	}
	return min(0.5, math.Pow(10, -8/(n-3)))
}

// explain names, in the rows that differ, the arithmetic that explains them. What it
// says has been computed: an imitation of that arithmetic has the very errors, element
// by element, that the outputs have; all of them are within the arithmetic's screen, and
// every node of the graph that can be looked at is, too. An arithmetic that cannot act
// on a graph has no errors there, and explains nothing, however wide its limits.
func (j *job) explain(ctx context.Context, rt witness.Runtime, d dataSet, rows []Comparison, outputs []*reference.Value) {
	if j.single || j.options.Fixed != nil || len(rows) != len(d.want) || len(outputs) < len(rows) {
		return
	}
	differ := false
	for _, r := range rows {
		if r.Verdict == Different && r.Measure == nil {
			return
		}
		differ = differ || r.Verdict == Different
	}
	if !differ {
		return
	}
	own, err := reference.FindProfile(j.options.Reference.Profile.Name)
	if err != nil {
		return
	}
	for _, profile := range candidates(own, d, outputs) {
		if ctx.Err() != nil {
			return
		}
		other := *j
		other.options.Reference.Profile = profile
		if other.program, err = reference.Compile(j.model, other.options.Reference); err != nil {
			return
		}
		r, err := other.program.Run(ctx, d.values)
		if err != nil {
			return
		}
		if !allWithin(r.Outputs, outputs) || !other.imitated(ctx, d, rows, r.Outputs, outputs) || !other.fits(ctx, rt, d) {
			continue
		}
		for i := range rows {
			if rows[i].Verdict == Different {
				rows[i].Explained = profile.Name
				rows[i].explanation = fmt.Sprintf("different from %s; %s explains it: ", arithmeticOf(own, d.want[i]), profile.Name)
				rows[i].Reason = rows[i].explanation + rows[i].Reason
			}
		}
		return
	}
}

// tellingElements are so many that an explanation of their errors would have been found.
const tellingElements = 32

// agree takes back what explains a runtime on one data set and not on another: an
// arithmetic has its errors on all inputs.
func agree(rows []Comparison) {
	said := map[string]string{} // runtime -> the arithmetic, or "" where data sets disagree
	for _, r := range rows {
		if r.Verdict != Different || r.Explained == "" && (r.Measure == nil || r.Measure.Elements < tellingElements) {
			continue
		}
		if was, ok := said[r.Runtime]; ok && was != r.Explained {
			said[r.Runtime] = ""
			continue
		}
		said[r.Runtime] = r.Explained
	}
	for i := range rows {
		if r := &rows[i]; r.Explained != "" && said[r.Runtime] == "" {
			r.Explained, r.Reason = "", strings.TrimPrefix(r.Reason, r.explanation)
		}
	}
}

// candidates are the profiles that may explain what is different from one, in the
// order in which they are tried: where there are subnormal numbers, own itself with
// those flushed; then those that store results in a format that all outputs are
// numbers of.
func candidates(own reference.Profile, d dataSet, outputs []*reference.Value) []reference.Profile {
	var all, others []reference.Profile
	for _, p := range reference.Profiles()[1:] {
		switch {
		case p.Name == own.Name, slices.ContainsFunc(d.want, p.Misnames):
		case p.Narrows() && !slices.ContainsFunc(outputs, func(v *reference.Value) bool { return v == nil || !p.CouldStore(v) }):
			all = append(all, p)
		default:
			others = append(others, p)
		}
	}
	if slices.ContainsFunc(slices.Concat(d.values, d.want), (*reference.Value).Subnormal) {
		if p, err := reference.FindProfile(own.Name + reference.Flush); err == nil {
			all = slices.Insert(all, 0, p)
		}
	}
	return append(all, others...)
}

// allWithin reports whether all outputs are within a profile's screen, and their errors as
// a whole within its limits.
func allWithin(under, got []*reference.Value) bool {
	for i, w := range under {
		if mismatch(w, got[i]) != nil {
			return false
		}
		if m := measure(w, got[i], w.Screen); m.Outside > 0 || m.Unbounded > 0 {
			return false
		}
		if _, odd := collect(w, got[i]).outside(); odd {
			return false
		}
	}
	return true
}

// imitated reports whether one of the ways to compute in the job's profile gives what is
// different its errors. under are the outputs with the profile's figures.
func (j *job) imitated(ctx context.Context, d dataSet, rows []Comparison, under, got []*reference.Value) bool {
	for _, im := range j.program.Imitations() {
		r, err := j.program.Imitate(ctx, d.values, im)
		if err != nil {
			return false
		}
		all := true
		for i := range rows {
			if rows[i].Verdict == Different && all {
				all = mismatch(r.Outputs[i], got[i]) == nil && errorsAlike(d.want[i], under[i], r.Outputs[i], got[i])
			}
		}
		if all {
			return true
		}
	}
	return false
}

// errorsAlike reports whether the errors of got are those of an imitation. Where few
// elements speak, each must be as near to the imitation as rounding takes it: within its
// screen around what is wanted. So it must be without the part of the errors that is one
// factor of all values, too: a gain is no rounding, though operands that are cut off make one.
func errorsAlike(want, under, imitation, got *reference.Value) bool {
	w, ok := want.Data.(onnx.Slice[float64])
	g, ok2 := got.Data.(onnx.Slice[float64])
	im, ok3 := imitation.Data.(onnx.Slice[float64])
	if ok && ok2 && ok3 {
		index := distinct(under, func(i int) bool {
			s := figure(under.Spread, i)
			return s > 0 && finite(s) && finite(w[i]) && finite(g[i]) && finite(im[i])
		})
		errors, left, values := make([]float64, len(index)), make([]float64, len(index)), make([]float64, len(index))
		for k, i := range index {
			s := under.Spread[i]
			errors[k], left[k], values[k] = (g[i]-w[i])/s, (g[i]-im[i])/s, w[i]/s
		}
		if len(index) > 4 {
			within := alikeWithin(min(effective(errors), float64(len(index))))
			return square(left) <= within*square(errors) && square(across(left, values)) <= within*square(across(errors, values))
		}
	}
	return measure(imitation, got, want.Screen).Outside == 0
}

// across is v without what is one factor of values.
func across(v, values []float64) []float64 {
	product, factor := 0.0, square(values)
	for i, x := range values {
		product += v[i] * x
	}
	rest := slices.Clone(v)
	for i, x := range values {
		if factor > 0 {
			rest[i] -= product / factor * x
		}
	}
	return rest
}

// effective is how many normal errors would say as much as these: few, where a few of
// them outweigh all others.
func effective(errors []float64) float64 {
	fourth := 0.0
	for _, x := range errors {
		fourth += x * x * x * x
	}
	if fourth == 0 {
		return 0
	}
	return 3 * square(errors) * square(errors) / fourth
}

func square(v []float64) float64 {
	s := 0.0
	for _, x := range v {
		s += x * x
	}
	return s
}

// fits reports whether every node computes what the profile says, as far as nodes can be seen: of a recording of several the
// outputs have to do.
func (j *job) fits(ctx context.Context, rt witness.Runtime, d dataSet) bool {
	p, err := j.boundedProof(ctx, rt, d, nil)
	return errors.Is(err, errInside) || err == nil && len(p.faults) == 0
}

// arithmeticOf is the profile's name, except for the default one on narrower types.
func arithmeticOf(p reference.Profile, want *reference.Value) string {
	if p.Name != "float32" {
		return p.Name
	}
	switch want.Type {
	case pb.TensorProto_FLOAT16:
		return "float16 that is added up in float32"
	case pb.TensorProto_BFLOAT16:
		return "bfloat16 that is added up in float32"
	}
	return p.Name
}
