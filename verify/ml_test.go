package verify

import (
	"math"
	"slices"
	"testing"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// TestClassicalModels draws nodes of the operators of ai.onnx.ml.
func TestClassicalModels(t *testing.T) {
	holdRows(t, slices.Concat(encoderRows, linearRows, treeRows, machineRows))
}

// classical is a row for an operator of ai.onnx.ml, in the version that goes with an
// opset of ai.onnx.
func classical(op string, opset int64, fill func(s *singleNode)) nodeRow {
	return nodeRow{op: op, domain: "ai.onnx.ml", opset: opset, fill: fill}
}

// numeric draws rows of features of one of the types that models take.
func (s *singleNode) numeric(rows, features int) *onnx.Tensor {
	switch s.IntN(4) {
	case 0:
		return elements[int64](s, -9, 9, rows, features)
	case 1:
		return elements[int32](s, -9, 9, rows, features)
	case 2:
		return s.float(pb.TensorProto_DOUBLE, 2, rows, features)
	}
	return s.float(f32, 2, rows, features)
}

// reals draws a list of normal numbers.
func (s *singleNode) reals(n int, scale float64) []float32 {
	return drawn(n, func() float32 { return float32(scale * s.NormFloat64()) })
}

// encoderRows are operators that prepare features.
var encoderRows = []nodeRow{
	classical("Scaler", 13, func(s *singleNode) {
		features := s.between(1, 5)
		s.give(s.numeric(3, features))
		n := one(s, 1, features)
		s.attr(onnx.Floats("offset", s.reals(n, 1)...), onnx.Floats("scale", s.reals(n, 1)...))
	}),
	classical("Normalizer", 13, func(s *singleNode) {
		s.give(s.numeric(4, s.between(1, 6)))
		s.attr(onnx.String("norm", one(s, "MAX", "L1", "L2")))
	}),
	classical("Binarizer", 13, func(s *singleNode) {
		s.give(s.float(f32, 2, 3, 4))
		s.sometimes(onnx.Float("threshold", 0.5))
	}),
	classical("ArrayFeatureExtractor", 13, func(s *singleNode) {
		n := s.between(1, 6)
		s.give(s.numeric(3, n))
		s.constant(elements[int64](s, 0, n-1, s.between(1, 4)))
	}),
	classical("Imputer", 13, func(s *singleNode) {
		n := s.between(1, 5)
		x := s.float(f32, 1, 3, n)
		for i := range 3 {
			x.Data.(onnx.Slice[float32])[i*n] = float32(math.NaN())
		}
		s.give(x)
		s.attr(onnx.Floats("imputed_value_floats", s.reals(one(s, 1, n), 1)...), onnx.Float("replaced_value_float", float32(math.NaN())))
	}),
	classical("FeatureVectorizer", 13, func(s *singleNode) {
		a, b := s.between(1, 4), s.between(1, 4)
		s.give(elements[int64](s, -9, 9, 3, a), elements[int64](s, -9, 9, 3, b))
		s.attr(onnx.Ints("inputdimensions", int64(a), int64(b)))
	}),
	classical("OneHotEncoder", 13, func(s *singleNode) {
		if s.IntN(2) == 0 {
			s.give(elements[int64](s, 0, 5, 3, 2))
			s.attr(onnx.Ints("cats_int64s", 4, 1, 0, 3))
		} else {
			s.give(s.words(4, 2))
			s.attr(onnx.Strings("cats_strings", "a", "", "b", "B"))
		}
	}),
	classical("CategoryMapper", 13, func(s *singleNode) {
		if s.IntN(2) == 0 {
			s.give(s.words(7))
		} else {
			s.give(elements[int64](s, 0, 4, 7))
		}
		s.attr(onnx.Strings("cats_strings", "a", "b", ""), onnx.Ints("cats_int64s", 3, 1, 2))
		s.sometimes(onnx.Int("default_int64", 9))
	}),
	classical("LabelEncoder", 13, func(s *singleNode) {
		switch s.IntN(4) {
		case 0:
			s.give(s.words(3, 4))
			s.attr(onnx.Strings("keys_strings", "a", "b", "a,"), onnx.Floats("values_floats", 1.5, -2, 3), onnx.Float("default_float", 7))
		case 1:
			s.give(elements[int64](s, 0, 4, 5))
			s.attr(onnx.Ints("keys_int64s", 3, 1), onnx.Strings("values_strings", "three", "one"))
		case 2:
			x := s.float(f32, 1, 4)
			x.Data.(onnx.Slice[float32])[1] = 0.5
			s.give(x)
			s.attr(onnx.Floats("keys_floats", 0.5, 7), onnx.Ints("values_int64s", 4, 5), onnx.Int("default_int64", -3))
		default:
			s.give(elements[int64](s, 0, 4, 5))
			s.attr(onnx.Ints("keys_int64s", 3, 1, 0), onnx.Floats("values_floats", 3.5, 1, 2))
		}
	}),
	{op: "LabelEncoder", domain: "ai.onnx.ml", form: "tensors", opset: 22, fill: func(s *singleNode) {
		s.give(s.words(3, 5))
		s.attr(
			onnx.TensorAttr("keys_tensor", &onnx.Tensor{Dims: []int{2}, Data: onnx.Slice[string]{"a", "b"}}),
			onnx.TensorAttr("values_tensor", &onnx.Tensor{Dims: []int{2}, Data: onnx.Slice[int16]{30, 10}}),
			onnx.TensorAttr("default_tensor", &onnx.Tensor{Dims: []int{1}, Data: onnx.Slice[int16]{7}}),
		)
	}},
}

// linearRows are linear models.
var linearRows = []nodeRow{
	{op: "LinearClassifier", domain: "ai.onnx.ml", form: " of defaults ", opset: 13, fill: func(s *singleNode) {
		features, classes := s.between(1, 9), s.between(3, 4)
		s.outs = 2
		s.give(s.numeric(3, features))
		s.attr(onnx.Floats("coefficients", s.reals(features*classes, 1)...), onnx.Floats("intercepts", s.reals(classes, 1)...), onnx.Ints("classlabels_ints", []int64{7, 3, 5, 11}[:classes]...))
		s.sometimes(onnx.Int("multi_class", 1))
	}},
	classical("LinearRegressor", 13, func(s *singleNode) {
		features, targets := s.between(1, 20), s.between(1, 3)
		s.give(s.float(f32, 2, 3, features))
		s.attr(onnx.Floats("coefficients", s.reals(features*targets, 1)...), onnx.Floats("intercepts", s.reals(targets, 1)...), onnx.Int("targets", int64(targets)))
		if targets > 1 {
			s.sometimes(onnx.String("post_transform", one(s, "NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO")))
		}
	}),
	classical("LinearClassifier", 13, func(s *singleNode) {
		features, classes := s.between(1, 20), s.between(2, 4)
		s.give(s.numeric(3, features))
		scores := classes
		s.outs = 2
		transform := one(s, "NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO")
		if classes == 2 && s.IntN(2) == 0 {
			scores, transform = 1, one(s, "NONE", "LOGISTIC")
		}
		s.attr(onnx.Floats("coefficients", s.reals(features*scores, 1)...), onnx.Floats("intercepts", s.reals(scores, 1)...), onnx.String("post_transform", transform))
		if s.IntN(2) == 0 {
			s.attr(onnx.Ints("classlabels_ints", []int64{7, 3, 5, 11}[:classes]...))
		} else {
			s.attr(onnx.Strings("classlabels_strings", []string{"x", "y", "z", "u"}[:classes]...))
		}
	}),
}

// asDoubles gives attributes that are lists of floats as tensors of float64 instead.
func (s *singleNode) asDoubles(names ...string) {
	for i, a := range s.attrs {
		if p := a.Proto(); slices.Contains(names, p.GetName()) {
			data := make(onnx.Slice[float64], len(p.Floats))
			for k, v := range p.Floats {
				data[k] = float64(v) + 1e-9*s.NormFloat64() // which float32 would lose
			}
			s.attrs[i] = onnx.TensorAttr(p.GetName()+"_as_tensor", &onnx.Tensor{Dims: []int{len(data)}, Data: data})
		}
	}
}

// A grove draws trees as the older versions write them.
type grove struct {
	trees, nodes, features, yes, no, missing []int64
	modes                                    []string
	values                                   []float32
	leaves                                   [][2]int64 // tree and node
}

func (s *singleNode) grove(trees, features, depth int) *grove {
	g := &grove{}
	modes := []string{"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"}
	for t := range trees {
		next := int64(0)
		var grow func(depth int) int64
		grow = func(depth int) int64 {
			id, at := next, len(g.nodes)
			next++
			g.trees, g.nodes = append(g.trees, int64(t)), append(g.nodes, id)
			g.features, g.missing = append(g.features, int64(s.IntN(features))), append(g.missing, int64(s.IntN(2)))
			g.values = append(g.values, float32(s.between(-3, 3))/2)
			g.yes, g.no = append(g.yes, 0), append(g.no, 0)
			if depth == 0 || depth < 3 && s.IntN(3) == 0 {
				g.modes = append(g.modes, "LEAF")
				g.leaves = append(g.leaves, [2]int64{int64(t), id})
				return id
			}
			g.modes = append(g.modes, one(s, modes...))
			yes := grow(depth - 1)
			no := grow(depth - 1)
			g.yes[at], g.no[at] = yes, no
			return id
		}
		grow(depth)
	}
	return g
}

// give adds the attributes of the nodes, and votes of the leaves for so many targets.
func (g *grove) give(s *singleNode, what string, targets []int64, scale float64) {
	var trees, nodes, ids []int64
	for i, leaf := range g.leaves {
		for k, t := range targets {
			if k > 0 && (i+k)%3 == 0 && len(targets) > 2 {
				continue // not every leaf votes for all
			}
			trees, nodes, ids = append(trees, leaf[0]), append(nodes, leaf[1]), append(ids, t)
		}
	}
	weights := s.reals(len(ids), scale)
	if scale == 0 { // probabilities
		weights = drawn(len(ids), func() float32 { return s.Float32() / 3 })
	}
	s.attr(
		onnx.Ints("nodes_treeids", g.trees...), onnx.Ints("nodes_nodeids", g.nodes...), onnx.Ints("nodes_featureids", g.features...),
		onnx.Ints("nodes_truenodeids", g.yes...), onnx.Ints("nodes_falsenodeids", g.no...), onnx.Ints("nodes_missing_value_tracks_true", g.missing...),
		onnx.Strings("nodes_modes", g.modes...), onnx.Floats("nodes_values", g.values...),
		onnx.Ints(what+"_treeids", trees...), onnx.Ints(what+"_nodeids", nodes...), onnx.Ints(what+"_ids", ids...), onnx.Floats(what+"_weights", weights...),
	)
}

// rows draws rows some of whose features are on thresholds, and some NaN.
func (s *singleNode) rows(features int) *onnx.Tensor {
	return s.of(f32, []int{6, features}, func() float64 {
		if s.IntN(9) == 0 {
			return math.NaN()
		}
		return float64(s.between(-7, 7)) / 4
	})
}

// treeRows are ensembles of trees.
var treeRows = []nodeRow{
	classical("TreeEnsembleRegressor", 13, func(s *singleNode) {
		features := s.between(1, 4)
		s.give(s.rows(features))
		targets := []int64{0, 1, 2}[:s.between(1, 3)]
		s.grove(s.between(1, 5), features, s.between(1, 4)).give(s, "target", targets, 1)
		s.attr(onnx.Int("n_targets", int64(len(targets))), onnx.String("aggregate_function", one(s, "SUM", "AVERAGE", "MIN", "MAX")))
		if len(targets) < 3 { // of three some leaves do not vote for all
			s.sometimes(onnx.Floats("base_values", s.reals(len(targets), 1)...))
		}
		if len(targets) > 1 {
			s.sometimes(onnx.String("post_transform", one(s, "NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO")))
		}
	}),
	{op: "TreeEnsembleRegressor", domain: "ai.onnx.ml", form: " of float64 ", opset: 19, fill: func(s *singleNode) {
		features := s.between(1, 4)
		s.give(s.of(f64, []int{6, features}, func() float64 { return 2 * s.NormFloat64() }))
		s.grove(s.between(1, 5), features, s.between(1, 4)).give(s, "target", []int64{0}, 1)
		s.attr(onnx.Int("n_targets", 1))
		s.sometimes(onnx.Floats("base_values", s.reals(1, 1)...))
		s.sometimes(onnx.String("aggregate_function", one(s, "AVERAGE", "MIN", "MAX")))
		s.asDoubles("nodes_values", "target_weights", "base_values")
	}},
	{op: "TreeEnsemble", domain: "ai.onnx.ml", opset: 22, fill: (*singleNode).ensemble},
	{op: "TreeEnsembleClassifier", domain: "ai.onnx.ml", form: " boosted ", opset: 13, fill: func(s *singleNode) {
		s.outs = 2
		features := s.between(1, 4)
		s.give(s.rows(features))
		s.grove(s.between(1, 5), features, s.between(1, 4)).give(s, "class", []int64{0}, 1)
		s.attr(onnx.Floats("base_values", s.reals(1, 1)...), onnx.String("post_transform", one(s, "NONE", "LOGISTIC")), onnx.Ints("classlabels_int64s", 0, 1))
	}},
	classical("TreeEnsembleClassifier", 13, func(s *singleNode) {
		s.outs = 2
		features, classes := s.between(1, 4), s.between(2, 4)
		s.give(s.rows(features))
		voted := []int64{0, 1, 2, 3}[:classes]
		transform := one(s, "NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO")
		if classes == 2 && s.IntN(2) == 0 {
			voted, transform = []int64{int64(s.IntN(2))}, one(s, "NONE", "LOGISTIC")
		}
		s.grove(s.between(1, 5), features, s.between(1, 4)).give(s, "class", voted, float64(s.IntN(2)))
		s.attr(onnx.String("post_transform", transform))
		if len(voted) == 2 { // for which ONNX Runtime has these labels, whatever the attribute says
			s.attr(onnx.Ints("classlabels_int64s", 0, 1))
		} else if s.IntN(2) == 0 {
			s.attr(onnx.Ints("classlabels_int64s", []int64{7, 3, 5, 11}[:classes]...))
		} else {
			s.attr(onnx.Strings("classlabels_strings", []string{"x", "y", "z", "u"}[:classes]...))
		}
		if classes > 2 {
			s.sometimes(onnx.Floats("base_values", s.reals(classes, 1)...))
		}
	}),
}

// ensemble draws a TreeEnsemble, whose nodes and leaves are two lists.
func (s *singleNode) ensemble() {
	t, features, targets := one(s, f32, f64), s.between(1, 4), s.between(1, 3)
	s.give(s.of(t, []int{6, features}, func() float64 {
		if s.IntN(9) == 0 {
			return math.NaN()
		}
		return float64(s.between(-7, 7))
	}))
	var splits, members, weights []float64
	var modes []uint8
	var of, missing, votes []int64
	var next, leaf [2][]int64 // where the branches lead, and whether that is a leaf
	var grow func(depth int) (at, isLeaf int64)
	grow = func(depth int) (int64, int64) {
		if depth == 0 || depth < 3 && s.IntN(3) == 0 {
			votes = append(votes, int64(len(votes)%targets))
			weights = append(weights, s.NormFloat64())
			return int64(len(weights) - 1), 1
		}
		at, mode := len(of), s.IntN(7)
		of, missing, modes = append(of, int64(s.IntN(features))), append(missing, int64(s.IntN(2))), append(modes, uint8(mode))
		splits = append(splits, float64(s.between(-5, 5)))
		if mode == 6 { // is it one of these? ONNX Runtime has whole ones from 1 on only
			for range s.between(1, 3) {
				members = append(members, float64(s.between(1, 7)))
			}
			members = append(members, math.NaN())
		}
		for k := range next {
			next[k], leaf[k] = append(next[k], 0), append(leaf[k], 0)
		}
		for k := range next {
			next[k][at], leaf[k][at] = grow(depth - 1)
		}
		return int64(at), 0
	}
	var roots []int64
	for range s.between(1, 4) {
		root, _ := grow(s.between(3, 4))
		roots = append(roots, root)
	}
	tensor := func(name string, list []float64) {
		k := -1
		s.attr(onnx.TensorAttr(name, s.of(t, []int{len(list)}, func() float64 { k++; return list[k] })))
	}
	tensor("nodes_splits", splits)
	tensor("leaf_weights", weights)
	if len(members) > 0 {
		tensor("membership_values", members)
	}
	s.attr(
		onnx.Ints("tree_roots", roots...), onnx.Ints("nodes_featureids", of...), onnx.Ints("leaf_targetids", votes...), onnx.Int("n_targets", int64(targets)),
		onnx.Ints("nodes_truenodeids", next[0]...), onnx.Ints("nodes_falsenodeids", next[1]...), onnx.Ints("nodes_trueleafs", leaf[0]...), onnx.Ints("nodes_falseleafs", leaf[1]...),
		onnx.TensorAttr("nodes_modes", &onnx.Tensor{Dims: []int{len(modes)}, Data: onnx.Slice[uint8](modes)}),
	)
	s.sometimes(onnx.Ints("nodes_missing_value_tracks_true", missing...))
	s.sometimes(onnx.Int("aggregate_function", int64(s.IntN(4))))
	if targets > 1 && t == f32 { // ONNX Runtime 1.30 has it in float32, and takes LOGISTIC for SOFTMAX, and the other way round
		s.sometimes(onnx.Int("post_transform", 3))
	}
}

// kernel draws a kernel with parameters that keep its values moderate.
func (s *singleNode) kernel(features int) {
	kernel := one(s, "LINEAR", "POLY", "RBF", "SIGMOID")
	s.attr(onnx.String("kernel_type", kernel), onnx.Floats("kernel_params", 1/float32(features), 0.5, float32(s.between(1, 3))))
}

// machineRows are support vector machines.
var machineRows = []nodeRow{
	classical("SVMRegressor", 13, func(s *singleNode) {
		features, vectors := s.between(1, 6), s.between(1, 9)
		s.give(s.float(f32, 1, 4, features))
		s.kernel(features)
		s.attr(onnx.Int("n_supports", int64(vectors)), onnx.Floats("support_vectors", s.reals(vectors*features, 1)...),
			onnx.Floats("coefficients", s.reals(vectors, 1)...), onnx.Floats("rho", s.reals(1, 1)...))
		s.sometimes(onnx.Int("one_class", 1))
	}),
	{op: "SVMRegressor", form: " without support vectors ", domain: "ai.onnx.ml", opset: 13, fill: func(s *singleNode) {
		features := s.between(1, 9)
		s.give(s.float(f32, 1, 4, features))
		s.kernel(features)
		s.attr(onnx.Floats("coefficients", s.reals(features, 1)...), onnx.Floats("rho", s.reals(1, 1)...))
		s.sometimes(onnx.Int("one_class", 1))
	}},
	{op: "SVMClassifier", form: " without support vectors ", domain: "ai.onnx.ml", opset: 13, fill: func(s *singleNode) {
		s.outs = 2
		features, classes := s.between(1, 9), s.between(2, 5)
		s.give(s.numeric(4, features))
		s.kernel(features)
		s.attr(onnx.Floats("coefficients", s.reals(features*classes, 1)...), onnx.Floats("rho", s.reals(1, 1)...), onnx.Ints("classlabels_ints", []int64{7, 3, 5, 11, 2}[:classes]...))
		s.sometimes(onnx.String("post_transform", one(s, "LOGISTIC", "SOFTMAX")))
	}},
	classical("SVMClassifier", 13, func(s *singleNode) {
		s.outs = 2
		features, classes := s.between(1, 6), s.between(2, 4)
		s.give(s.numeric(4, features))
		s.kernel(features)
		var each []int64
		vectors := 0
		for range classes {
			each = append(each, int64(s.between(1, 3)))
			vectors += int(each[len(each)-1])
		}
		s.attr(onnx.Ints("vectors_per_class", each...), onnx.Floats("support_vectors", s.reals(vectors*features, 1)...),
			onnx.Floats("coefficients", s.reals(vectors*(classes-1), 1)...), onnx.Floats("rho", s.reals(classes*(classes-1)/2, 1)...))
		if s.IntN(2) == 0 {
			s.attr(onnx.Ints("classlabels_ints", []int64{7, 3, 5, 11}[:classes]...))
		} else {
			s.attr(onnx.Strings("classlabels_strings", []string{"x", "y", "z", "u"}[:classes]...))
		}
		probable := s.IntN(2) == 0
		if pairs := classes * (classes - 1) / 2; probable {
			s.attr(onnx.Floats("prob_a", drawn(pairs, func() float32 { return -2 * s.Float32() })...), onnx.Floats("prob_b", s.reals(pairs, 0.5)...))
		}
		if classes > 2 || probable {
			s.sometimes(onnx.String("post_transform", one(s, "LOGISTIC", "SOFTMAX")))
		}
	}),
}
