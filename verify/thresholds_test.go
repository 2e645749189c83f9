package verify

import (
	"math"
	"testing"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/witness"
)

// A tree of an income and a ratio, whose second comparison says where NaN goes.
func TestTreesSeeBothSidesOfTheirThresholds(t *testing.T) {
	rt := ortNode(t)
	s := sketch{inputs: []witness.Port{port("x", float, 64, 3)}, imports: map[string]int64{"ai.onnx.ml": 3}, outputs: []witness.Port{port("y", float, 64, 1)},
		nodes: []node{{"y", "ai.onnx.ml.TreeEnsembleRegressor", []string{"x"}, []onnx.Attr{
			onnx.Ints("nodes_treeids", 0, 0, 0, 0, 0), onnx.Ints("nodes_nodeids", 0, 1, 2, 3, 4), onnx.Ints("nodes_featureids", 0, 2, 0, 0, 0),
			onnx.Strings("nodes_modes", "BRANCH_LEQ", "BRANCH_LEQ", "LEAF", "LEAF", "LEAF"), onnx.Floats("nodes_values", 52000, 0.25, 0, 0, 0),
			onnx.Ints("nodes_truenodeids", 1, 3, 0, 0, 0), onnx.Ints("nodes_falsenodeids", 2, 4, 0, 0, 0), onnx.Ints("nodes_missing_value_tracks_true", 0, 1, 0, 0, 0),
			onnx.Int("n_targets", 1), onnx.Ints("target_treeids", 0, 0, 0), onnx.Ints("target_nodeids", 2, 3, 4), onnx.Ints("target_ids", 0, 0, 0), onnx.Floats("target_weights", 1, 2, 3)}}}}
	set, err := drawnFor(t, s.model(t), Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	x, _ := valueNamed(t, set, "x")
	for column, threshold := range map[int]float64{0: 52000, 2: 0.25} {
		below, at, above, missing := 0, 0, 0, 0
		for row := range 64 {
			switch v := x.Float(row*3 + column); {
			case math.IsNaN(v):
				missing++
			case v < threshold:
				below++
			case v == threshold:
				at++
			default:
				above++
			}
		}
		if below < 8 || at < 4 || above < 8 || missing > 0 != (column == 2) {
			t.Errorf("column %d: %d below the threshold, %d at it, %d above, %d missing", column, below, at, above, missing)
		}
	}
	leaves := map[float64]bool{}
	for row := range 64 {
		leaves[set.want[0].Float(row)] = true
	}
	if len(leaves) != 3 {
		t.Errorf("leaves %v, want all three", leaves)
	}
	r := report(t, Options{Paths: []string{writeModel(t, t.TempDir(), s.model(t))}, Runtimes: []witness.Runtime{rt}})
	if r.ExitCode(true) != 0 {
		t.Errorf("exit code %d: %+v", r.ExitCode(true), r.Models[0])
	}
}
