package reference

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// opTreeEnsemble adds up, averages, or takes the least or greatest of the leaves that
// trees lead every row of (N, features) to: (N, targets). ai.onnx.ml TreeEnsemble,
// opset 5.
var opTreeEnsemble = operator{
	name: "TreeEnsemble", domain: machineLearning,
	eval: single(func(c *call) *Value {
		e := c.newFlatEnsemble()
		transforms, ways := []string{"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"}, []string{"AVERAGE", "SUM", "MIN", "MAX"}
		transform, way := c.int("post_transform"), c.int("aggregate_function")
		if transform < 0 || transform >= len(transforms) || way < 0 || way >= len(ways) {
			fail(fmt.Errorf("attribute post_transform is %d, aggregate_function %d", transform, way))
		}
		return c.regress(e, c.in[0].Type, ways[way], transforms[transform])
	}),
}

// opTreeEnsembleRegressor is TreeEnsemble as older versions write it; its result is
// float32. ai.onnx.ml TreeEnsembleRegressor, opset 1, 3.
var opTreeEnsembleRegressor = operator{
	name: "TreeEnsembleRegressor", domain: machineLearning,
	eval: single(func(c *call) *Value {
		e := c.newEnsemble("target", c.int("n_targets", 1))
		return c.regress(e, pb.TensorProto_FLOAT, c.text("aggregate_function"), c.text("post_transform"))
	}),
}

// opTreeEnsembleClassifier is the class with the greatest sum of the leaves' weights
// for every row of (N, features), and the sums, (N, classes). ai.onnx.ml
// TreeEnsembleClassifier, opset 1, 3.
var opTreeEnsembleClassifier = operator{
	name: "TreeEnsembleClassifier", domain: machineLearning,
	eval: func(c *call) []*Value {
		labels := c.labels("classlabels_int64s")
		e := c.newEnsemble("class", labels.Len())
		return c.classifyByTrees(e, labels)
	},
}

// An ensemble is trees whose leaves vote for targets.
type ensemble struct {
	nodes    []treeNode
	roots    []int
	targets  int
	base     []float64
	votesFor []bool // targets that any leaf votes for
	positive bool   // no vote is negative
	seen     []int  // the walk that came to a node last
	walks    int
}

// A treeNode is a question about a feature, or a leaf.
type treeNode struct {
	mode    string // LEAF, or BRANCH_ and LEQ, LT, GTE, GT, EQ, NEQ, MEMBER
	feature int
	value   float64
	members []float64
	missing bool // NaN goes the way of yes
	yes, no int
	votes   []vote
}

type vote struct {
	target int
	weight float64
}

// answer is the answer of a node for a number.
func (n *treeNode) answer(x float64) bool {
	if math.IsNaN(x) && n.missing {
		return true
	}
	switch n.mode {
	case "BRANCH_LEQ":
		return x <= n.value
	case "BRANCH_LT":
		return x < n.value
	case "BRANCH_GTE":
		return x >= n.value
	case "BRANCH_GT":
		return x > n.value
	case "BRANCH_EQ":
		return x == n.value
	case "BRANCH_NEQ":
		return x != n.value
	}
	return slices.Contains(n.members, x)
}

// open reports whether the answer may be another one for a number within r of x.
func (n *treeNode) open(x, r float64) bool {
	switch {
	case r == 0:
		return false
	case math.IsNaN(x), math.IsInf(r, 0):
		return true
	}
	near := func(v float64) bool { return math.Abs(x-v) <= r }
	switch n.mode {
	case "BRANCH_EQ", "BRANCH_NEQ":
		return near(n.value)
	case "BRANCH_MEMBER":
		return slices.ContainsFunc(n.members, near)
	}
	return n.answer(x-r) != n.answer(x+r)
}

// newEnsemble reads the trees of versions whose leaves are nodes; what is "class" or
// "target".
func (c *call) newEnsemble(what string, targets int) *ensemble {
	ids, trees, features := c.intList("nodes_nodeids"), c.intList("nodes_treeids"), c.intList("nodes_featureids")
	yes, no, missing := c.intList("nodes_truenodeids"), c.intList("nodes_falsenodeids"), c.intList("nodes_missing_value_tracks_true")
	modes := c.step.attrs["nodes_modes"].GetStrings()
	values := c.floatList("nodes_values")
	count := len(ids)
	for _, n := range []int{len(trees), len(features), len(yes), len(no), len(modes), len(values)} {
		if n != count {
			fail(fmt.Errorf("the lists of nodes have %d and %d entries", count, n))
		}
	}
	if targets < 1 || len(missing) != 0 && len(missing) != count {
		fail(fmt.Errorf("%d nodes, %d ways for missing values, %d targets", count, len(missing), targets))
	}
	c.take(16 * int64(count))
	type place struct{ tree, node int }
	at := make(map[place]int, count)
	for i := range ids {
		at[place{trees[i], ids[i]}] = i
	}
	e := &ensemble{nodes: make([]treeNode, count), targets: targets}
	child := make([]bool, count)
	for i := range e.nodes {
		n := &e.nodes[i]
		*n = treeNode{mode: string(modes[i]), feature: features[i], value: values[i], missing: len(missing) > 0 && missing[i] != 0}
		if n.mode == "LEAF" {
			continue
		}
		var ok [2]bool
		n.yes, ok[0] = at[place{trees[i], yes[i]}]
		n.no, ok[1] = at[place{trees[i], no[i]}]
		if !ok[0] || !ok[1] {
			fail(fmt.Errorf("node %d of tree %d leads to nodes %d and %d, which are not both there", ids[i], trees[i], yes[i], no[i]))
		}
		child[n.yes], child[n.no] = true, true
	}
	for i := range e.nodes {
		if !child[i] {
			e.roots = append(e.roots, i)
		}
	}
	leafTrees, leaves, votes := c.intList(what+"_treeids"), c.intList(what+"_nodeids"), c.intList(what+"_ids")
	weights := c.floatList(what + "_weights")
	if len(leafTrees) != len(weights) || len(leaves) != len(weights) || len(votes) != len(weights) {
		fail(fmt.Errorf("%d weights for %d leaves of %d trees, and %d targets", len(weights), len(leaves), len(leafTrees), len(votes)))
	}
	for i, w := range weights {
		leaf, ok := at[place{leafTrees[i], leaves[i]}]
		if !ok || votes[i] < 0 || votes[i] >= targets {
			fail(fmt.Errorf("a weight for target %d of %d at node %d of tree %d", votes[i], targets, leaves[i], leafTrees[i]))
		}
		e.nodes[leaf].votes = append(e.nodes[leaf].votes, vote{votes[i], w})
	}
	e.base = c.floatList("base_values")
	e.settle()
	return e
}

// newFlatEnsemble reads the trees of opset 5, whose leaves are lists of their own.
func (c *call) newFlatEnsemble() *ensemble {
	features, missing := c.intList("nodes_featureids"), c.intList("nodes_missing_value_tracks_true")
	yes, no, yesLeaf, noLeaf := c.intList("nodes_truenodeids"), c.intList("nodes_falsenodeids"), c.intList("nodes_trueleafs"), c.intList("nodes_falseleafs")
	var tensors [4][]float64
	for i, name := range []string{"nodes_splits", "nodes_modes", "leaf_weights", "membership_values"} {
		v := c.tensorAttr(name)
		for k := range v.lenOrZero() {
			tensors[i] = append(tensors[i], v.Float(k))
		}
	}
	splits, modes, weights, members := tensors[0], tensors[1], tensors[2], tensors[3]
	targets, count := c.intList("leaf_targetids"), len(features)
	for _, n := range []int{len(yes), len(no), len(yesLeaf), len(noLeaf), len(splits), len(modes)} {
		if n != count {
			fail(fmt.Errorf("the lists of nodes have %d and %d entries", count, n))
		}
	}
	e := &ensemble{targets: c.int("n_targets", 1), roots: c.intList("tree_roots")}
	if len(targets) != len(weights) || e.targets < 1 || len(missing) != 0 && len(missing) != count {
		fail(fmt.Errorf("%d weights of leaves for %d targets, and %d ways for missing values of %d nodes", len(weights), len(targets), len(missing), count))
	}
	c.take(16 * int64(count+len(weights)))
	names := []string{"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ", "BRANCH_MEMBER"}
	to := func(i, leaf int) int {
		most := count
		if leaf != 0 {
			most = len(weights)
		}
		if i < 0 || i >= most {
			fail(fmt.Errorf("a node leads to entry %d of %d", i, most))
		}
		if leaf != 0 {
			i += count
		}
		return i
	}
	for i := range features {
		mode := int(modes[i])
		if mode < 0 || mode >= len(names) {
			fail(fmt.Errorf("node %d has mode %d", i, mode))
		}
		n := treeNode{mode: names[mode], feature: features[i], value: splits[i], missing: len(missing) > 0 && missing[i] != 0}
		if n.mode == "BRANCH_MEMBER" {
			end := slices.IndexFunc(members, math.IsNaN)
			if end < 0 {
				fail(fmt.Errorf("node %d has no members", i))
			}
			n.members, members = members[:end], members[end+1:]
		}
		n.yes = to(yes[i], yesLeaf[i])
		n.no = to(no[i], noLeaf[i])
		e.nodes = append(e.nodes, n)
	}
	for i, w := range weights {
		if targets[i] < 0 || targets[i] >= e.targets {
			fail(fmt.Errorf("leaf %d votes for target %d of %d", i, targets[i], e.targets))
		}
		e.nodes = append(e.nodes, treeNode{mode: "LEAF", votes: []vote{{targets[i], w}}})
	}
	for _, r := range e.roots {
		if r < 0 || r >= count {
			fail(fmt.Errorf("a tree begins at node %d of %d", r, count))
		}
	}
	e.settle()
	return e
}

// settle prepares what walks and sums need, and sees that no tree is endless.
func (e *ensemble) settle() {
	e.seen, e.votesFor, e.positive = make([]int, len(e.nodes)), make([]bool, e.targets), true
	for _, n := range e.nodes {
		for _, v := range n.votes {
			e.votesFor[v.target] = true
			e.positive = e.positive && v.weight >= 0
		}
	}
	const under, done = 1, 2
	state := make([]uint8, len(e.nodes))
	for i := range e.nodes {
		stack := []int{i}
		for len(stack) > 0 {
			k := stack[len(stack)-1]
			n := &e.nodes[k]
			if state[k] == done || n.mode == "LEAF" {
				state[k], stack = done, stack[:len(stack)-1]
				continue
			}
			if state[k] == under { // both ways are done
				state[k], stack = done, stack[:len(stack)-1]
				continue
			}
			state[k] = under
			for _, next := range []int{n.yes, n.no} {
				if state[next] == under {
					fail(fmt.Errorf("a tree leads back to node %d of the list", next))
				}
				if state[next] != done {
					stack = append(stack, next)
				}
			}
		}
	}
}

// scores sets terms to the votes of every tree for a row of x, by target. A tree
// whose way an error may turn gives figures.
func (e *ensemble) scores(c *call, x *Value, row, features int, terms [][]number) {
	at := func(n *treeNode) number {
		if n.feature < 0 || n.feature >= features {
			fail(fmt.Errorf("a node asks for feature %d of %d", n.feature, features))
		}
		return x.at(row*features + n.feature)
	}
	for k := range terms {
		terms[k] = terms[k][:0]
	}
	for _, root := range e.roots {
		k := root
		turned := false
		for e.nodes[k].mode != "LEAF" {
			c.spend(1)
			n := &e.nodes[k]
			v := at(n)
			turned = turned || n.open(v.v, max(v.sound, v.screen()))
			if k = n.no; n.answer(v.v) {
				k = n.yes
			}
		}
		if !turned {
			for _, v := range e.nodes[k].votes {
				terms[v.target] = append(terms[v.target], exact(v.weight))
			}
			continue
		}
		e.turned(c, root, k, at, terms)
	}
}

// turned adds the votes of a leaf with figures that reach to the votes of every other
// leaf of its tree that errors may lead to.
func (e *ensemble) turned(c *call, root, leaf int, at func(*treeNode) number, terms [][]number) {
	sums := make([]number, e.targets)
	voted := make([]bool, e.targets)
	total := func(k int) []float64 {
		list := make([]float64, e.targets)
		for _, v := range e.nodes[k].votes {
			list[v.target] += v.weight
			voted[v.target] = true
		}
		return list
	}
	for t, w := range total(leaf) {
		sums[t].v = w
	}
	for _, bound := range []struct {
		radius func(number) float64
		into   func(*number) *float64
	}{
		{func(n number) float64 { return n.sound }, func(n *number) *float64 { return &n.sound }},
		{number.screen, func(n *number) *float64 { return &n.declared }},
	} {
		e.walks++
		stack := []int{root}
		for len(stack) > 0 {
			k := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if e.seen[k] == e.walks {
				continue
			}
			e.seen[k] = e.walks
			n := &e.nodes[k]
			if n.mode == "LEAF" {
				c.spend(int64(e.targets))
				for t, w := range total(k) {
					p := bound.into(&sums[t])
					*p = max(*p, math.Abs(w-sums[t].v))
				}
				continue
			}
			c.spend(1)
			v := at(n)
			r, yes := bound.radius(v), n.answer(v.v)
			if yes || n.open(v.v, r) {
				stack = append(stack, n.yes)
			}
			if !yes || n.open(v.v, r) {
				stack = append(stack, n.no)
			}
		}
	}
	for t, s := range sums {
		if voted[t] {
			terms[t] = append(terms[t], s)
		}
	}
}

// tableOf is the number of rows and of features of (N, features), or of one row.
func tableOf(x *Value) (rows, features int) {
	switch len(x.Dims) {
	case 1:
		return 1, x.Dims[0]
	case 2:
		return x.Dims[0], x.Dims[1]
	}
	panic(failure{fmt.Errorf("input of shape %v, want rows of features", x.Dims)})
}

// regress aggregates the votes for every target.
func (c *call) regress(e *ensemble, t pb.TensorProto_DataType, how, transform string) *Value {
	x := c.in[0]
	rows, features := tableOf(x)
	if len(e.base) > 0 && len(e.base) != e.targets {
		fail(fmt.Errorf("%d base values for %d targets", len(e.base), e.targets))
	}
	out := c.numbers(t, rows, e.targets)
	f := c.format(out)
	terms, scores := make([][]number, e.targets), make([]number, e.targets)
	for r := range rows {
		e.scores(c, x, r, features, terms)
		for k, votes := range terms {
			scores[k] = f.aggregate(how, votes, len(e.roots))
			if len(e.base) > 0 && e.base[k] != 0 {
				scores[k] = f.add(scores[k], exact(e.base[k]))
			}
		}
		done := scores
		if e.targets > 1 || transform == "PROBIT" {
			done = f.transform(transform, scores)
		}
		for k, s := range done {
			if t == pb.TensorProto_FLOAT && s == exact(s.v) && !f.has(s.v) { // the one vote of a tree of float64
				s = f.rounded(s, 1)
			}
			switch out.set(r*e.targets+k, s); {
			case e.targets == 1 && transform != "PROBIT" && transform != "NONE":
				c.undefined(out, r, transformOfOne)
			case len(terms[k]) == 0 && len(e.base) > 0 && e.base[k] != 0:
				c.undefined(out, r*e.targets+k, baseOfNone)
			}
		}
	}
	return out
}

// aggregate makes one number of the votes of so many trees.
func (f format) aggregate(how string, votes []number, trees int) number {
	switch {
	case len(votes) == 0:
		return exact(0)
	case how == "SUM":
		return f.sumOf(votes, 0)
	case how == "AVERAGE":
		return f.ratio(f.sumOf(votes, 0), exact(float64(trees)))
	}
	best := votes[0]
	for _, v := range votes[1:] {
		if how == "MIN" {
			best = smaller(best, v)
		} else {
			best = larger(best, v)
		}
	}
	return best
}

// classifyByTrees gives labels and scores. Two classes whose leaves vote for one of
// them alone have one score, which runtimes write as two.
func (c *call) classifyByTrees(e *ensemble, labels *Value) []*Value {
	x, transform := c.in[0], c.text("post_transform")
	rows, features := tableOf(x)
	if e.targets < 2 || len(e.base) > 0 && len(e.base) != e.targets && !(len(e.base) == 1 && e.targets == 2) {
		fail(fmt.Errorf("%d labels, %d base values", e.targets, len(e.base)))
	}
	out, z := c.classes(labels, rows, e.targets)
	one := e.targets == 2 && e.votesFor[0] != e.votesFor[1]
	alone := one && e.votesFor[0] // one score, which becomes two
	f := c.format(z)
	terms, scores := make([][]number, e.targets), make([]number, e.targets)
	for r := range rows {
		e.scores(c, x, r, features, terms)
		for k, votes := range terms {
			if scores[k] = f.sumOf(votes, 0); k < len(e.base) && e.base[k] != 0 {
				scores[k] = f.add(scores[k], exact(e.base[k]))
			}
		}
		if !one {
			c.chooseGreatest(out, r, labels, scores)
			c.alsoOfVotes(out, r, labels, scores, terms)
			c.storeScores(z, r, f.transform(transform, scores))
			if e.targets == 2 {
				c.alsoBySecond(out, r, labels, scores[1])
				if len(e.base) > 0 || len(terms[1]) == 0 {
					c.undefinedRow(z, r, baseOfTwo)
					c.undefined(out, r, baseOfTwo)
				}
			}
			continue
		}
		middle := 0.0
		if e.positive {
			middle = 0.5
		}
		s := scores[1]
		if alone {
			s = scores[0]
		}
		c.chooseAbove(out, r, labels, s, middle)
		switch {
		case !alone:
			c.storeScores(z, r, f.transform(transform, scores))
		default:
			c.storeScores(z, r, f.oneAsTwo(transform, s, e.positive))
		}
		if len(e.base) == 2 || transform == "PROBIT" && alone {
			c.undefinedRow(z, r, baseOfTwo)
			c.undefined(out, r, baseOfTwo)
		}
	}
	return []*Value{out, z}
}

// alsoOfVotes allows for the label of the greatest score among classes that leaves voted for: runtimes take that, or count
// none as 0, as ONNX's text leaves open.
func (c *call) alsoOfVotes(out *Value, row int, labels *Value, scores []number, terms [][]number) {
	best := -1
	for k, votes := range terms {
		if len(votes) > 0 && (best < 0 || scores[k].v > scores[best].v) {
			best = k
		}
	}
	if best >= 0 {
		c.mayBe(out, row, labels, best, number{sound: 1, declared: 1})
	}
}

// oneAsTwo writes the score of the second of two classes as two: by LOGISTIC, or as a
// probability and what is missing to one, or as a number and its negative.
func (f format) oneAsTwo(transform string, s number, probability bool) []number {
	switch {
	case transform == "LOGISTIC":
		return []number{sigmoidFunction.at(f, neg(s)), sigmoidFunction.at(f, s)}
	case probability:
		return []number{f.sub(exact(1), s), s}
	}
	return []number{neg(s), s}
}

// floatList is a list attribute of floats, or the tensor that stands for it.
func (c *call) floatList(name string) []float64 {
	list := convert(c.step.attrs[name].GetFloats(), func(x float32) float64 { return float64(x) })
	v := c.tensorAttr(name + "_as_tensor")
	if v == nil {
		return list
	}
	if floats&setOf(v) == 0 || len(list) > 0 {
		fail(fmt.Errorf("attribute %s_as_tensor is %s beside %d floats", name, v, len(list)))
	}
	return v.floats()
}

// lenOrZero is Len, 0 of nil.
func (v *Value) lenOrZero() int {
	if v == nil {
		return 0
	}
	return v.Len()
}

// labels are the labels of classes: an attribute of integers, or classlabels_strings.
func (c *call) labels(integers string) *Value {
	list, words := c.step.attrs[integers].GetInts(), c.step.attrs["classlabels_strings"].GetStrings()
	if len(words) > 0 {
		v := vector(pb.TensorProto_STRING, convert(words, func(b []byte) string { return string(b) }))
		c.take(cost(v))
		return v
	}
	if len(list) == 0 {
		fail(fmt.Errorf("no labels, in %s or classlabels_strings", strings.TrimSpace(integers)))
	}
	v := vector(pb.TensorProto_INT64, slices.Clone(list))
	c.take(int64(len(list)))
	return v
}
