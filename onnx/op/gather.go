package op

import (
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

func gathers() map[string]Rule {
	return map[string]Rule{
		"Compress":          ruleCompress,
		"Gather":            ruleGather,
		"GatherElements":    ruleGatherElements,
		"GatherND":          ruleGatherND,
		"NonMaxSuppression": ruleNonMaxSuppression,
		"NonZero":           ruleNonZero,
		"OneHot":            ruleOneHot,
		"ReverseSequence":   ruleSame,
		"Scatter":           ruleScatter,
		"ScatterElements":   ruleScatter,
		"ScatterND":         ruleScatter,
		"TensorScatter":     ruleScatter,
		"TopK":              ruleTopK,
		"Trilu":             ruleTrilu,
		"Unique":            ruleUnique,
	}
}

func ruleGather(n *Node) {
	d, indices := n.dims(0), n.dims(1)
	if d == nil || indices == nil || !n.rank(0, 1, anyRank) {
		return
	}
	axis, ok := n.axis(n.int("axis", 0), len(d))
	if !ok {
		return
	}
	n.shape(0, join(d[:axis], indices, d[axis+1:]))
	picks, ok := n.knownInts(1)
	if !ok || !d[axis].Known() {
		return
	}
	from := n.arg(0).Ints
	var chosen []Number
	for _, p := range picks {
		if p < -d[axis].Size || p >= d[axis].Size {
			n.wrong("attribute-range", "index %d into axis %d of %v", p, axis, n.arg(0))
			return
		}
		if p < 0 {
			p += d[axis].Size
		}
		if len(d) == 1 && int64(len(from)) == d[0].Size {
			chosen = append(chosen, from[p])
		}
	}
	if chosen != nil {
		n.keepInts(chosen)
	}
}

func ruleGatherElements(n *Node) {
	d, indices := n.dims(0), n.dims(1)
	if indices != nil {
		n.shape(0, indices)
	}
	if d == nil || indices == nil {
		return
	}
	if len(d) != len(indices) {
		n.wrong("shape-mismatch", "indices %v into %v", n.arg(1), n.arg(0))
		return
	}
	n.axis(n.int("axis", 0), len(d))
}

func ruleGatherND(n *Node) {
	d, indices := n.dims(0), n.dims(1)
	if d == nil || indices == nil || !n.rank(0, 1, anyRank) || !n.rank(1, 1, anyRank) {
		return
	}
	last := indices[len(indices)-1]
	batch := n.int("batch_dims", 0)
	if batch < 0 || batch >= int64(min(len(d), len(indices))) {
		n.wrong("attribute-range", "attribute \"batch_dims\" is %d for %v and %v", batch, n.arg(0), n.arg(1))
		return
	}
	if !last.Known() {
		return
	}
	if last.Size > int64(len(d))-batch {
		n.wrong("shape-mismatch", "indices %v with %d axes into %v", n.arg(1), last.Size, n.arg(0))
		return
	}
	n.shape(0, join(indices[:len(indices)-1], d[batch+last.Size:]))
}

func ruleScatter(n *Node) { n.shape(0, n.dims(0)) }

func ruleOneHot(n *Node) {
	indices := n.dims(0)
	if indices == nil {
		return
	}
	if d := n.dims(1); len(d) > 1 || len(d) == 1 && d[0].Known() && d[0].Size != 1 {
		n.wrong("shape-mismatch", "the depth is %v, want one element", n.arg(1))
		return
	}
	depth := onnx.Unknown()
	if v, ok := n.knownInts(1); ok && len(v) == 1 {
		if v[0] < 0 {
			n.wrong("attribute-range", "a depth of %d", v[0])
			return
		}
		depth = onnx.Fixed(v[0])
	}
	axis, ok := n.axis(n.int("axis", -1), len(indices)+1)
	if !ok {
		return
	}
	n.set(0, n.arg(2).Elem, slices.Insert(slices.Clone(indices), axis, depth))
}

func ruleTopK(n *Node) {
	d := n.dims(0)
	if d == nil {
		return
	}
	axis, ok := n.axis(n.int("axis", -1), len(d))
	if !ok {
		return
	}
	k := onnx.Unknown()
	if n.Since < 10 {
		k = onnx.Dim{Size: max(n.int("k", -1), -1)}
	} else if v, ok := n.knownInts(1); ok && len(v) == 1 {
		if v[0] < 0 {
			n.wrong("attribute-range", "k is %d", v[0])
			return
		}
		k = onnx.Fixed(v[0])
	}
	if k.Known() && d[axis].Known() && k.Size > d[axis].Size {
		n.wrong("shape-mismatch", "the top %d of axis %d of %v", k.Size, axis, n.arg(0))
		return
	}
	dims := slices.Clone(d)
	dims[axis] = k
	n.shape(0, dims)
	n.set(1, pb.TensorProto_INT64, dims)
}

func ruleNonZero(n *Node) {
	rank := onnx.Unknown()
	if d := n.dims(0); d != nil {
		rank = onnx.Fixed(int64(max(len(d), 1)))
		if len(d) == 0 {
			rank = onnx.Unknown() // runtimes do not agree on scalars
		}
	}
	n.shape(0, []onnx.Dim{rank, onnx.Unknown()})
}

func ruleCompress(n *Node) {
	d := n.dims(0)
	a := n.attr("axis")
	if a == nil {
		n.shape(0, []onnx.Dim{onnx.Unknown()})
		return
	}
	if d == nil {
		return
	}
	if axis, ok := n.axis(a.GetI(), len(d)); ok {
		dims := slices.Clone(d)
		dims[axis] = onnx.Unknown()
		n.shape(0, dims)
	}
}

func ruleUnique(n *Node) {
	for i := 1; i < len(n.out); i++ {
		n.set(i, pb.TensorProto_INT64, []onnx.Dim{onnx.Unknown()})
	}
	a := n.attr("axis")
	if a == nil {
		n.shape(0, []onnx.Dim{onnx.Unknown()})
		return
	}
	d := n.dims(0)
	if d == nil {
		return
	}
	if axis, ok := n.axis(a.GetI(), len(d)); ok {
		dims := slices.Clone(d)
		dims[axis] = onnx.Unknown()
		n.shape(0, dims)
	}
}

func ruleNonMaxSuppression(n *Node) {
	n.set(0, pb.TensorProto_INT64, []onnx.Dim{onnx.Unknown(), onnx.Fixed(3)})
}

func ruleTrilu(n *Node) {
	if n.dims(0) != nil && n.rank(0, 2, anyRank) {
		n.shape(0, n.dims(0))
	}
}
