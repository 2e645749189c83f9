package verify

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/reference"
	"github.com/petrify-ml/petrify/witness"
)

// typical is the least that error/spread under a profile must typically be for the
// profile to explain it: errors far smaller than a profile's are not its.
const typical = 0.03

// explain names, in the rows that differ, the arithmetic that explains them: it has
// all outputs of the data set within its screen, with errors that are as large and
// as scattered as it makes them, and every node of the graph that can be looked at.
// rt is nil for recorded outputs.
func (j *job) explain(ctx context.Context, rt witness.Runtime, d dataSet, rows []Row, outputs []*reference.Value) {
	if j.options.Fixed != nil || len(rows) != len(d.want) || len(outputs) < len(rows) {
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
		if !explains(profile, rows, r.Outputs, outputs) || !other.fits(ctx, rt, d, outputs) {
			continue
		}
		for i := range rows {
			if rows[i].Verdict == Different {
				rows[i].Explained = profile.Name
				rows[i].Reason = fmt.Sprintf("different from %s; %s explains it: %s", arithmeticOf(own, d.want[i]), profile.Name, rows[i].Reason)
			}
		}
		return
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
		case p.Name == own.Name:
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

// explains reports whether all outputs are what a profile makes them.
func explains(profile reference.Profile, rows []Row, under, got []*reference.Value) bool {
	for i, w := range under {
		if mismatch(w, got[i]) != nil || !profile.CouldStore(got[i]) {
			return false
		}
		if m := measure(w, got[i], w.Screen); m.Outside > 0 || m.Unbounded > 0 {
			return false
		}
		if rows[i].Verdict != Different {
			continue
		}
		if _, odd := rows[i].Collective.outside(); rows[i].Outside == 0 && !odd {
			return false // a node is at fault whose error the output does not show
		}
		c := collect(w, got[i])
		if c == nil {
			continue
		}
		if _, odd := c.outside(); odd {
			return false
		}
		// What is flushed is declared, and leaves no error to be of a size.
		if !profile.Flushes() && scattered(w, got[i]) < typical {
			return false
		}
	}
	return true
}

// scattered is the median of |error|/spread once the part is taken out that is one
// factor of all values. A gain is no rounding, however small, nor is a fault of a
// few elements: arithmetic shows in most of them. Operands that are cut off, not
// rounded, make a gain too, and scatter besides.
func scattered(want, got *reference.Value) float64 {
	w, ok := want.Data.([]float64)
	g, ok2 := got.Data.([]float64)
	if !ok || !ok2 {
		return 0
	}
	var errors, values []float64 // in spreads
	for i := range w {
		if s := figure(want.Spread, i); s > 0 && finite(s) && finite(w[i]) && finite(g[i]) {
			errors, values = append(errors, (g[i]-w[i])/s), append(values, w[i]/s)
		}
	}
	product, square := 0.0, 0.0
	for i, v := range values {
		product += errors[i] * v
		square += v * v
	}
	if len(errors) == 0 {
		return 0
	}
	for i, v := range values {
		if square > 0 {
			errors[i] -= product / square * v
		}
		errors[i] = math.Abs(errors[i])
	}
	slices.Sort(errors)
	return errors[len(errors)/2]
}

// fits reports whether every node computes what the profile says, as far as nodes
// can be seen: those of a runtime in a proof, the only node of a graph whose outputs
// were recorded. Of a longer recorded one the outputs have to do.
func (j *job) fits(ctx context.Context, rt witness.Runtime, d dataSet, outputs []*reference.Value) bool {
	if rt != nil {
		p, err := j.boundedProof(ctx, rt, d)
		return err == nil && len(p.faults) == 0
	}
	nodes := j.program.Nodes()
	if len(nodes) != 1 {
		return true
	}
	values := map[string]*reference.Value{}
	for _, v := range d.values {
		values[v.Name] = v
	}
	r, err := j.program.RunNode(ctx, 0, values)
	if err != nil {
		return false
	}
	for i, want := range d.want {
		k := slices.Index(nodes[0].Outputs, want.Name)
		if k < 0 {
			continue
		}
		e, err := examine(ctx, j.program, 0, k, values, r.Outputs[k], outputs[i])
		if err != nil || e.fault != nil || e.unbounded {
			return false
		}
	}
	return true
}

// arithmeticOf is the profile's name, but for the default one on narrower types.
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
