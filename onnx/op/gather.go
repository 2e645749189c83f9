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
		"ReverseSequence":   ruleReverseSequence,
		"Scatter":           ruleScatterElements,
		"ScatterElements":   ruleScatterElements,
		"ScatterND":         ruleScatterND,
		"TensorScatter":     ruleTensorScatter,
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
	axis, ok := n.axis(n.int("axis"), len(d))
	if !ok {
		return
	}
	n.shape(0, join(d[:axis], indices, d[axis+1:]))
	n.indices(1, d[axis])
	picks, ok := n.knownInts(1)
	if !ok || !d[axis].Known() || n.failed {
		return
	}
	from := n.arg(0).Ints
	var chosen []Number
	for _, p := range picks {
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
	n.within(1, 0, n.int("axis"))
}

// within sees that indices, input i, of elements have as many axes as the data,
// input 0, that they are no longer than it but along the axis, and that those
// which are known exist.
func (n *Node) within(i, data int, along int64) {
	indices, d := n.dims(i), n.dims(data)
	if indices == nil || d == nil {
		return
	}
	if len(d) != len(indices) {
		n.wrong("shape-mismatch", "indices %v into %v", n.arg(i), n.arg(data))
		return
	}
	axis, ok := n.axis(along, len(d))
	if !ok {
		return
	}
	for j := range d {
		if j != axis && d[j].Known() && indices[j].Known() && indices[j].Size > d[j].Size {
			n.wrong("shape-mismatch", "indices %v into %v along axis %d: axis %d is longer", n.arg(i), n.arg(data), axis, j)
			return
		}
	}
	n.indices(i, d[axis])
}

func ruleGatherND(n *Node) {
	d, indices := n.dims(0), n.dims(1)
	if d == nil || indices == nil || !n.rank(0, 1, anyRank) || !n.rank(1, 1, anyRank) {
		return
	}
	last := indices[len(indices)-1]
	batch := n.int("batch_dims")
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
	if last.Size < 1 {
		n.wrong("shape-mismatch", "indices %v of no axes", n.arg(1))
		return
	}
	for j := range batch {
		n.equal(d[j], indices[j], "axis %d of the batch of %v and %v", j, n.arg(0), n.arg(1))
	}
	if n.failed {
		return
	}
	n.tuples(1, d[batch:batch+last.Size])
	n.shape(0, join(indices[:len(indices)-1], d[batch+last.Size:]))
}

// tuples sees that the elements of input i, where they are known, are places in
// axes, as many in a row as there are.
func (n *Node) tuples(i int, axes []onnx.Dim) {
	list, ok := n.constantInts(i)
	if !ok {
		return
	}
	for j, v := range list {
		if axis := axes[j%len(axes)]; axis.Known() && (v < -axis.Size || v >= axis.Size) {
			n.wrong("attribute-range", "index %d, in input %d, %s, into an axis of %d", v, i, onnx.Quote(n.proto.Input[i]), axis.Size)
			return
		}
	}
}

// ruleScatterElements puts updates at indices of the same shape.
func ruleScatterElements(n *Node) {
	n.shape(0, n.dims(0))
	n.within(1, 0, n.int("axis"))
	if d := n.dims(1); d != nil {
		n.like(2, d...)
	}
}

// ruleScatterND puts updates at tuples of indices.
func ruleScatterND(n *Node) {
	d, indices := n.dims(0), n.dims(1)
	n.shape(0, d)
	if d == nil || indices == nil || !n.rank(0, 1, anyRank) || !n.rank(1, 1, anyRank) {
		return
	}
	last := indices[len(indices)-1]
	if !last.Known() {
		return
	}
	if last.Size < 1 || last.Size > int64(len(d)) {
		n.wrong("shape-mismatch", "indices %v with %d axes into %v", n.arg(1), last.Size, n.arg(0))
		return
	}
	n.tuples(1, d[:last.Size])
	n.like(2, join(indices[:len(indices)-1], d[last.Size:])...)
}

// ruleTensorScatter writes into a cache along an axis of sequences.
func ruleTensorScatter(n *Node) {
	d, update := n.dims(0), n.dims(1)
	n.shape(0, d)
	if len(d) == 0 {
		return
	}
	axis, ok := n.axis(n.int("axis"), len(d))
	if !ok {
		return
	}
	if axis == 0 {
		n.wrong("attribute-range", "axis 0 is the batch")
		return
	}
	want := slices.Clone(d)
	want[axis] = onnx.Unknown()
	n.like(1, want...)
	if update != nil && len(update) == len(d) && update[axis].Known() && d[axis].Known() && update[axis].Size > d[axis].Size {
		n.wrong("shape-mismatch", "an update %v of %v: axis %d is longer", n.arg(1), n.arg(0), axis)
	}
	n.like(2, d[0])
}

// ruleReverseSequence turns the beginning of each sequence of a batch round.
func ruleReverseSequence(n *Node) {
	d := n.dims(0)
	n.shape(0, d)
	batch, time := n.int("batch_axis"), n.int("time_axis")
	if batch == time {
		n.wrong("attribute-range", "attributes \"batch_axis\" and \"time_axis\" are both %d", batch)
		return
	}
	if d != nil && n.rank(0, 2, anyRank) {
		n.like(1, d[batch])
	}
}

func ruleOneHot(n *Node) {
	indices := n.dims(0)
	if indices == nil {
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
	axis, ok := n.axis(n.int("axis"), len(indices)+1)
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
	axis, ok := n.axis(n.int("axis"), len(d))
	if !ok {
		return
	}
	k := onnx.Unknown()
	if n.Since < 10 {
		k = onnx.Dim{Size: max(n.int("k"), -1)}
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

// ruleCompress gives some of the slices along an axis or, without one, some of the elements.
func ruleCompress(n *Node) {
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

func ruleUnique(n *Node) {
	for i := 1; i < len(n.out); i++ {
		n.set(i, pb.TensorProto_INT64, []onnx.Dim{onnx.Unknown()})
	}
	ruleCompress(n)
}

func ruleNonMaxSuppression(n *Node) {
	if boxes := n.dims(0); boxes != nil {
		n.like(1, boxes[0], onnx.Unknown(), boxes[1])
	}
	n.set(0, pb.TensorProto_INT64, []onnx.Dim{onnx.Unknown(), onnx.Fixed(3)})
}

func ruleTrilu(n *Node) {
	if n.dims(0) != nil && n.rank(0, 2, anyRank) {
		n.shape(0, n.dims(0))
	}
}
