package verify

import (
	"math"
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// Trees compare features with thresholds, those of each feature of a size of their own. Of normal numbers most would fall on one side of
// thresholds such as 50000, and no other branch of a tree be seen.

// A feature is the thresholds that trees compare a column of their input with.
type feature struct {
	thresholds []float64
	missing    bool // some branch says where NaN goes
}

// mostThresholds bounds the thresholds of a feature that are kept.
const mostThresholds = 1 << 12

// featuresOf are the thresholds of a TreeEnsemble, by column; nil if it is none, or if it has none.
func (t *tracer) featuresOf(r reader) []feature {
	n := r.node
	if !strings.HasPrefix(n.GetOpType(), "TreeEnsemble") || r.at != 0 {
		return nil
	}
	columns := int(t.length(r.scope+n.GetInput()[0], 1))
	if columns < 1 || columns > mostFollowed {
		return nil
	}
	values := valuesIn(n, "nodes_values", "nodes_values_as_tensor", "nodes_splits")
	ids := onnx.Attribute(n, "nodes_featureids").GetInts()
	ways := onnx.Attribute(n, "nodes_missing_value_tracks_true").GetInts()
	modes := onnx.Attribute(n, "nodes_modes").GetStrings()
	features := make([]feature, columns)
	some := false
	for i, id := range ids {
		if i >= len(values) || id < 0 || id >= int64(columns) || i < len(modes) && string(modes[i]) == "LEAF" || math.IsNaN(values[i]) || math.IsInf(values[i], 0) {
			continue
		}
		f := &features[id]
		f.missing = f.missing || i < len(ways) && ways[i] != 0
		if len(f.thresholds) < mostThresholds {
			f.thresholds = append(f.thresholds, values[i])
		}
		some = true
	}
	if !some {
		return nil
	}
	return features
}

// valuesIn are the floats of the first of these attributes that a node has.
func valuesIn(n *pb.NodeProto, names ...string) []float64 {
	for _, name := range names {
		a := onnx.Attribute(n, name)
		if list := a.GetFloats(); len(list) > 0 {
			wide := make([]float64, len(list))
			for i, v := range list {
				wide[i] = float64(v)
			}
			return wide
		}
		if a.GetT() == nil {
			continue
		}
		if x, err := onnx.FromProto(a.GetT()); err == nil {
			if wide, ok := x.Data.Wide().(onnx.Slice[float64]); ok {
				return wide
			}
		}
	}
	return nil
}

// imputed reports whether a node puts something in the place of NaN.
func imputed(r reader) bool {
	replaced := onnx.Attribute(r.node, "replaced_value_float")
	return r.node.GetOpType() == "Imputer" && replaced != nil && math.IsNaN(float64(replaced.GetF()))
}

// besides draws numbers for columns in turn.
func (p *pen) besides(w []float64, columns []feature) {
	p.drawn = origin{"numbers beside thresholds", p.use.why}
	if len(columns) == 1 && len(columns[0].thresholds) == 0 {
		p.drawn.what = "normal numbers"
	}
	if slices.ContainsFunc(columns, func(f feature) bool { return f.missing }) {
		p.drawn.what += ", and NaN"
	}
	for i := range w {
		w[i] = p.beside(columns[i%len(columns)])
	}
}

// beside draws a number for a column: near its thresholds, on either side, now and then one itself, and NaN where branches say where that goes.
func (p *pen) beside(f feature) float64 {
	switch {
	case f.missing && p.random.IntN(8) == 0:
		return math.NaN()
	case len(f.thresholds) == 0:
		return p.random.NormFloat64()
	}
	at := f.thresholds[p.random.IntN(len(f.thresholds))]
	if p.random.IntN(4) == 0 {
		return at
	}
	wide := (slices.Max(f.thresholds) - slices.Min(f.thresholds)) / float64(len(f.thresholds))
	if wide == 0 {
		wide = max(math.Abs(at)/4, 0x1p-10)
	}
	return at + wide*p.random.NormFloat64()
}
