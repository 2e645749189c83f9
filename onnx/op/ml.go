package op

import (
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// machineLearning are the rules of ai.onnx.ml: the lengths of the lists that make a model, which must fit each other and the
// features.
func machineLearning() map[string]Rule {
	return map[string]Rule{
		"ArrayFeatureExtractor": ruleFeatureExtractor,
		"Binarizer":             ruleSame,
		"CastMap":               ruleCastMap,
		"CategoryMapper":        ruleCategoryMapper,
		"DictVectorizer": func(n *Node) {
			n.shape(0, []onnx.Dim{onnx.Fixed(1), onnx.Fixed(n.count("string_vocabulary") + n.count("int64_vocabulary"))})
		},
		"FeatureVectorizer": ruleFeatureVectorizer,
		"Imputer":           ruleSame,
		"LabelEncoder":      ruleLabelEncoder,
		"LinearClassifier":  ruleLinearClassifier,
		"LinearRegressor":   ruleLinearRegressor,
		"Normalizer":        ruleSame,
		"OneHotEncoder":     ruleOneHotEncoder,
		"SVMClassifier":     ruleSVMClassifier,
		"SVMRegressor":      ruleSVMRegressor,
		"Scaler":            ruleScaler,
		"TreeEnsemble":      func(n *Node) { n.shape(0, n.table(n.int("n_targets", 1))) },
		"TreeEnsembleClassifier": func(n *Node) {
			labels := n.classes("classlabels_int64s")
			n.trees("class", labels)
			n.labels(labels)
		},
		"ZipMap": func(n *Node) {
			if d := n.dims(0); len(d) > 0 && d[len(d)-1].Known() && d[len(d)-1].Size != n.classes("classlabels_int64s") {
				n.wrong("attribute-range", "%d labels for %v columns of input 0", n.classes("classlabels_int64s"), d[len(d)-1])
			}
		},
		"TreeEnsembleRegressor": func(n *Node) {
			n.trees("target", n.int("n_targets"))
			n.shape(0, n.table(n.int("n_targets", 1)))
		},
	}
}

// classes is the number of labels: of those in an attribute of integers, or in
// classlabels_strings.
func (n *Node) classes(integers string) int64 {
	return max(n.count(integers), n.count("classlabels_strings"))
}

// table is the shape of so many results for every row of input 0, (N, features) or
// (features).
func (n *Node) table(width int64) []onnx.Dim {
	row := onnx.Unknown()
	if d := n.dims(0); len(d) == 2 {
		row = d[0]
	} else if len(d) == 1 {
		row = onnx.Fixed(1)
	}
	last := onnx.Unknown()
	if width > 0 {
		last = onnx.Fixed(width)
	}
	return []onnx.Dim{row, last}
}

// labels says that output 0 is a label for every row, of the type of the labels, and
// output 1 so many scores.
func (n *Node) labels(scores int64) {
	if n.failed {
		return
	}
	elem := pb.TensorProto_INT64
	if n.count("classlabels_strings") > 0 {
		elem = pb.TensorProto_STRING
	}
	n.set(0, elem, n.table(scores)[:1])
	n.shape(1, n.table(scores))
}

func ruleFeatureExtractor(n *Node) {
	d, index := n.dims(0), n.dims(1)
	if d == nil || index == nil || len(d) == 0 {
		return
	}
	count := onnx.Fixed(1)
	for _, i := range index {
		if !i.Known() {
			count = onnx.Unknown()
			break
		}
		count.Size *= i.Size
	}
	if len(d) == 1 {
		n.shape(0, []onnx.Dim{onnx.Fixed(1), count})
		return
	}
	n.shape(0, append(slices.Clone(d[:len(d)-1]), count))
}

func ruleOneHotEncoder(n *Node) {
	if d := n.dims(0); d != nil {
		n.shape(0, append(slices.Clone(d), onnx.Fixed(n.count("cats_int64s")+n.count("cats_strings"))))
	}
}

// ruleCastMap makes a row of a map, of all its entries or of as many places.
func ruleCastMap(n *Node) {
	length := onnx.Unknown()
	if string(n.attr("map_form").GetS()) == "SPARSE" {
		if length = onnx.Fixed(n.int("max_map")); length.Size < 0 {
			n.wrong("attribute-range", "attribute \"max_map\" is %d, want a number of places", length.Size)
			return
		}
	}
	elem := pb.TensorProto_FLOAT
	switch string(n.attr("cast_to").GetS()) {
	case "TO_STRING":
		elem = pb.TensorProto_STRING
	case "TO_INT64":
		elem = pb.TensorProto_INT64
	}
	n.set(0, elem, []onnx.Dim{onnx.Fixed(1), length})
}

// ruleCategoryMapper changes strings to integers, and back.
func ruleCategoryMapper(n *Node) {
	switch n.arg(0).Elem {
	case pb.TensorProto_STRING:
		n.set(0, pb.TensorProto_INT64, n.dims(0))
	case pb.TensorProto_INT64:
		n.set(0, pb.TensorProto_STRING, n.dims(0))
	}
}

func ruleLabelEncoder(n *Node) {
	if n.Since < 2 {
		ruleCategoryMapper(n)
		return
	}
	switch {
	case n.attr("values_tensor") != nil:
		n.set(0, pb.TensorProto_DataType(n.attr("values_tensor").GetT().GetDataType()), n.dims(0))
	case n.attr("values_strings") != nil:
		n.set(0, pb.TensorProto_STRING, n.dims(0))
	case n.attr("values_int64s") != nil:
		n.set(0, pb.TensorProto_INT64, n.dims(0))
	case n.attr("values_floats") != nil:
		n.set(0, pb.TensorProto_FLOAT, n.dims(0))
	}
}

// count is the length of an attribute that is a list or a tensor, 0 where it is not given.
func (n *Node) count(name string) int64 { return entries(n.attr(name)) }

// entries is the length of an attribute that is a list or a tensor.
func entries(a *pb.AttributeProto) int64 {
	if t := a.GetT(); t != nil {
		count := int64(1)
		for _, d := range t.Dims {
			count *= d
		}
		return count
	}
	return int64(len(a.GetInts()) + len(a.GetFloats()) + len(a.GetStrings()))
}

// features is the number of features in input 0, (N, features) or (features), 0 where it is unknown.
func (n *Node) features() int64 {
	if d := n.dims(0); len(d) > 0 && d[len(d)-1].Known() {
		return d[len(d)-1].Size
	}
	return 0
}

// entry sees that a list has as many entries as it must, where it is given.
func (n *Node) entry(name string, want int64, of string) {
	if have := n.count(name); have > 0 && have != want && !n.failed {
		n.wrong("attribute-range", "attribute %q has %d entries, want %d, %s", name, have, want, of)
	}
}

// atLeast sees that a list has as many entries as are read of it, where it is given.
func (n *Node) atLeast(name string, want int64, of string) {
	if have := n.count(name); have > 0 && have < want && !n.failed {
		n.wrong("attribute-range", "attribute %q has %d entries, want %d, %s", name, have, want, of)
	}
}

func ruleFeatureVectorizer(n *Node) {
	n.entry("inputdimensions", int64(len(n.in)), "one for each input")
	width := int64(0)
	widths, _ := n.ints("inputdimensions")
	for _, w := range widths {
		width += w
	}
	n.shape(0, n.table(width))
}

func ruleScaler(n *Node) {
	offsets, scales := n.count("offset"), n.count("scale")
	if offsets != scales {
		n.wrong("attribute-range", "attribute \"offset\" has %d entries, and \"scale\" %d", offsets, scales)
		return
	}
	if f := n.features(); f > 0 && scales > 1 {
		n.entry("scale", f, "one for each feature")
	}
	n.shape(0, n.dims(0))
}

func ruleLinearRegressor(n *Node) {
	n.atLeast("coefficients", n.int("targets")*n.features(), "one for each target and feature")
	n.shape(0, n.table(n.int("targets")))
}

func ruleLinearClassifier(n *Node) {
	labels := max(n.count("classlabels_ints"), n.count("classlabels_strings"))
	classes := n.count("intercepts")
	coefficients := n.count("coefficients")
	switch {
	case classes == 0: // not given
	case coefficients%classes != 0:
		n.wrong("attribute-range", "attribute \"coefficients\" has %d entries, which is not a multiple of the %d of \"intercepts\"", coefficients, classes)
	case labels > 0 && classes > labels:
		n.wrong("attribute-range", "attribute \"intercepts\" has %d entries for %d labels", classes, labels)
	default:
		n.atLeast("coefficients", classes*n.features(), "one for each class and feature")
	}
	if labels == 2 {
		classes = 2
	}
	n.labels(classes)
}

// svm compares the support vectors with their number, and what both machines share.
func (n *Node) svm(vectors int64) {
	if have := n.count("support_vectors"); vectors > 0 && (have%vectors != 0 || have == 0) {
		n.wrong("attribute-range", "attribute \"support_vectors\" has %d entries, which is not a multiple of %d vectors", have, vectors)
		return
	}
	n.entry("kernel_params", 3, "gamma, coef0 and degree")
	if a, b := n.count("prob_a"), n.count("prob_b"); a != b && !n.failed {
		n.wrong("attribute-range", "attribute \"prob_a\" has %d entries, and \"prob_b\" %d", a, b)
	}
}

func ruleSVMRegressor(n *Node) {
	vectors := n.int("n_supports")
	n.svm(vectors)
	if n.atLeast("coefficients", max(vectors, 1), "one for each support vector"); vectors == 0 {
		n.atLeast("coefficients", n.features(), "one for each feature")
	}
	n.shape(0, n.table(1))
}

func ruleSVMClassifier(n *Node) {
	if n.count("prob_a") > 0 {
		n.labels(n.classes("classlabels_ints")) // probabilities
	} else {
		n.labels(0)
	}
	each, given := n.ints("vectors_per_class")
	if !given || len(each) == 0 {
		n.svm(0)
		return // a linear one
	}
	vectors, classes := int64(0), int64(len(each))
	for _, v := range each {
		if v < 0 || v > 1<<31 {
			n.wrong("attribute-range", "attribute \"vectors_per_class\" is %s, want numbers of vectors", onnx.Few(each))
			return
		}
		vectors += v
	}
	n.svm(vectors)
	for _, labels := range []string{"classlabels_ints", "classlabels_strings"} {
		n.entry(labels, classes, "one for each class")
	}
	n.entry("coefficients", (classes-1)*vectors, "one for each support vector and other class")
	for _, name := range []string{"rho", "prob_a", "prob_b"} {
		n.atLeast(name, classes*(classes-1)/2, "one for each pair of classes")
	}
}

// trees sees that the nodes of every tree are there that others lead to, that no way leads back, and that weights belong to
// leaves and to one of so many classes or targets.
func (n *Node) trees(what string, outputs int64) {
	list := func(name string) []int64 { v, _ := n.ints(name); return v }
	trees, ids, yes, no := list("nodes_treeids"), list("nodes_nodeids"), list("nodes_truenodeids"), list("nodes_falsenodeids")
	modes := n.attr("nodes_modes").GetStrings()
	if len(ids) != len(trees) || len(yes) != len(trees) || len(no) != len(trees) || len(modes) != len(trees) {
		return // said of the lists
	}
	type place struct{ tree, node int64 }
	at := make(map[place]int, len(trees))
	for i := range trees {
		p := place{trees[i], ids[i]}
		if _, twice := at[p]; twice {
			n.wrong("attribute-range", "node %d of tree %d appears twice", p.node, p.tree)
			return
		}
		at[p] = i
	}
	parents := make([]int, len(trees))
	for i := range trees {
		if string(modes[i]) == "LEAF" {
			continue
		}
		for _, child := range []int64{yes[i], no[i]} {
			c, ok := at[place{trees[i], child}]
			if !ok {
				n.wrong("attribute-range", "node %d of tree %d leads to node %d, which it does not have", ids[i], trees[i], child)
				return
			}
			parents[c]++
		}
	}
	// Nodes that none leads to go first; what is left in the end lies on a circle, or after one.
	var free []int
	for i, p := range parents {
		if p == 0 {
			free = append(free, i)
		}
	}
	for k := 0; k < len(free); k++ {
		i := free[k]
		if string(modes[i]) == "LEAF" {
			continue
		}
		for _, child := range []int64{yes[i], no[i]} {
			c := at[place{trees[i], child}]
			if parents[c]--; parents[c] == 0 {
				free = append(free, c)
			}
		}
	}
	if i := slices.IndexFunc(parents, func(p int) bool { return p > 0 }); i >= 0 {
		n.wrong("attribute-range", "tree %d leads from node %d back to it, or to one that does", trees[i], ids[i])
		return
	}
	leafTrees, leaves := list(what+"_treeids"), list(what+"_nodeids")
	for i := range min(len(leafTrees), len(leaves)) {
		if _, ok := at[place{leafTrees[i], leaves[i]}]; !ok {
			n.wrong("attribute-range", "a weight belongs to node %d of tree %d, which it does not have", leaves[i], leafTrees[i])
			return
		}
	}
	for _, id := range list(what + "_ids") {
		if outputs > 0 && (id < 0 || id >= outputs) {
			n.wrong("attribute-range", "attribute %q has %d, want 0 to %d", what+"_ids", id, outputs-1)
			return
		}
	}
	if base := n.count("base_values"); outputs > 1 || what == "target" {
		if outputs > 0 && base > 0 && base != outputs && !(what == "class" && outputs == 2 && base == 1) {
			n.entry("base_values", outputs, "one for each "+what)
		}
	}
}
