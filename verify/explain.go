package verify

import (
	"context"
	"fmt"
	"slices"

	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/reference"
)

// typical is the least root mean square of error/spread under a profile that is an
// explanation: errors far smaller than a profile's are not its.
const typical = 0.02

// explain names, in the rows that differ, the arithmetic that has all outputs of
// the data set within its screen, with errors of the size that it makes.
func (j *job) explain(ctx context.Context, d dataSet, rows []Row, outputs []*reference.Value) {
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
	for _, profile := range candidates(outputs) {
		if profile.Name == own.Name || ctx.Err() != nil {
			continue
		}
		o := j.options.Reference
		o.Profile = profile
		p, err := reference.Compile(j.model, o)
		if err != nil {
			return
		}
		r, err := p.Run(ctx, d.values)
		if err != nil {
			return
		}
		if !explains(rows, r.Outputs, outputs) {
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

// candidates are the profiles in the order in which they are tried: first those
// that store results in a format that all outputs are numbers of.
func candidates(outputs []*reference.Value) []reference.Profile {
	var fit, others []reference.Profile
	for _, p := range reference.Profiles()[1:] {
		if slices.ContainsFunc(outputs, func(v *reference.Value) bool { return v == nil || !p.Stores(v) }) {
			others = append(others, p)
		} else {
			fit = append(fit, p)
		}
	}
	return append(fit, others...)
}

// explains reports whether all outputs are what a profile makes them.
func explains(rows []Row, under, got []*reference.Value) bool {
	for i, w := range under {
		if mismatch(w, got[i]) != nil {
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
		switch {
		case c == nil:
		case float64(c.RMS) < typical, c.RMS > c.RMSLimit:
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
