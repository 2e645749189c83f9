package reference

import "slices"

// ownInNormalisation is the part of the variance that counts as each element's own in the statistics of the row that it is
// normalised by. What the errors of a row have in common with the row or with each other moves the statistics and the
// elements alike, and is gone from the difference and the quotient: to first order errors are projected on what is
// orthogonal to both, which adds nothing to their squares.
const ownInNormalisation = 1

// markStatistics finds the means that normalise what they are taken of, as exporters write layer normalisation where the
// opset has no operator for it: d = x - ReduceMean(x), y = d / Sqrt(ReduceMean(d d) + epsilon).
func (b *block) markStatistics() {
	makers, readers := map[string]*step{}, map[string][]*step{}
	for _, st := range b.steps {
		for _, name := range st.out {
			makers[name] = st
		}
		for _, name := range st.reads {
			readers[name] = append(readers[name], st)
		}
	}
	for _, st := range b.steps {
		if st.op.domain != "" || st.op.name != "ReduceMean" {
			continue
		}
		of := []string{st.in[0]}
		if square := makers[st.in[0]]; square != nil && (square.op.name == "Pow" || square.op.name == "Mul" && square.in[0] == square.in[1]) {
			of = []string{square.in[0]}
		}
		if d := makers[of[0]]; d != nil && d.op.name == "Sub" {
			of = append(of, d.in[0])
		}
		st.statistic = b.normalises(st.out[0], of, readers, 0)
	}
}

// normalises reports whether all that is made of a statistic is subtracted from, or a factor of, one of some values.
func (b *block) normalises(statistic string, of []string, readers map[string][]*step, depth int) bool {
	const steps = 6 // such as Add, Sqrt, Reciprocal, Mul
	if depth > steps || len(readers[statistic]) == 0 || slices.Contains(b.outputs, statistic) {
		return false
	}
	return !slices.ContainsFunc(readers[statistic], func(st *step) bool {
		switch st.op.name {
		case "Sub", "Mul", "Div":
			if slices.ContainsFunc(st.in, func(name string) bool { return slices.Contains(of, name) }) {
				return false
			}
		case "Add", "Sqrt", "Reciprocal", "Pow", "Max", "Clip", "Cast", "Identity":
		default:
			return true
		}
		return !b.normalises(st.out[0], of, readers, depth+1)
	})
}
