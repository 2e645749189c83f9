package infer

import (
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/internal/sat"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// inferWindow is for the window functions of signal processing.
func inferWindow(n *inferNode) {
	size := onnx.Unknown()
	if v, ok := n.knownInts(0); ok && len(v) == 1 {
		if v[0] < 0 {
			n.wrong("attribute-range", "a window of length %d", v[0])
			return
		}
		size = onnx.Fixed(v[0])
	}
	n.set(0, n.elemAttr("output_datatype", pb.TensorProto_FLOAT), []onnx.Dim{size})
}

func inferMel(n *inferNode) {
	n.set(0, n.elemAttr("output_datatype", pb.TensorProto_FLOAT), unknownDims(2))
}

// inferDFT keeps the shape but for the axis of the signal, and the last axis,
// which has the real and imaginary parts.
func inferDFT(n *inferNode) {
	d := n.dims(0)
	if d == nil || !n.rank(0, 2, anyRank) {
		return
	}
	axis := n.int("axis", 1)
	if n.op.Since >= 20 {
		axis = -2
		if n.given(2) {
			v, ok := n.knownInts(2)
			if !ok || len(v) != 1 {
				n.shape(0, unknownDims(len(d)))
				return
			}
			axis = v[0]
		}
	}
	a, ok := n.axis(axis, len(d))
	if !ok {
		return
	}
	dims := slices.Clone(d)
	onesided := n.flag("onesided", false)
	if n.given(1) || onesided {
		dims[a] = onnx.Unknown()
	}
	dims[len(d)-1] = onnx.Fixed(2)
	if onesided && n.flag("inverse", false) {
		dims[len(d)-1] = onnx.Fixed(1)
	}
	n.shape(0, dims)
}

func inferSTFT(n *inferNode) {
	d := n.dims(0)
	if d != nil && n.rank(0, 2, 3) {
		n.shape(0, []onnx.Dim{d[0], onnx.Unknown(), onnx.Unknown(), onnx.Fixed(2)})
	}
}

func inferMaxUnpool(n *inferNode) {
	x := n.dims(0)
	if x == nil || !n.rank(0, 3, anyRank) {
		return
	}
	if n.given(2) {
		if d, ok := n.shapeInput(2); ok {
			n.shape(0, d)
		}
		return
	}
	w, ok := n.window(len(x) - 2)
	if !ok || w.kernel == nil {
		return
	}
	dims := []onnx.Dim{x[0], x[1]}
	for i, d := range x[2:] {
		if !d.Known() {
			dims = append(dims, onnx.Unknown())
			continue
		}
		size := sat.Add(sat.Mul(w.strides[i], max(d.Size-1, 0)), w.kernel[i]) - w.pads[i] - w.pads[len(x)-2+i]
		dims = append(dims, onnx.Fixed(max(size, 0)))
	}
	n.shape(0, dims)
}

func inferStringNormalizer(n *inferNode) {
	switch d := n.dims(0); {
	case d == nil:
	case len(d) == 1:
		n.shape(0, []onnx.Dim{onnx.Unknown()})
	case len(d) == 2:
		n.equal(d[0], onnx.Fixed(1), "the first of two axes")
		n.shape(0, []onnx.Dim{onnx.Fixed(1), onnx.Unknown()})
	default:
		n.rank(0, 1, 2)
	}
}

func inferTfIdf(n *inferNode) {
	d := n.dims(0)
	indexes, ok := n.ints("ngram_indexes")
	if d == nil || !ok || len(indexes) == 0 || !n.rank(0, 1, 2) {
		return
	}
	most := slices.Max(indexes)
	if most < 0 || most >= 1<<40 {
		n.wrong("attribute-range", "attribute \"ngram_indexes\" goes up to %d", most)
		return
	}
	n.shape(0, append(slices.Clone(d[:len(d)-1]), onnx.Fixed(most+1)))
}

func inferConcatFromSequence(n *inferNode) {
	v := n.arg(0)
	if v.kind != sequenceKind || v.inner.kind != tensorKind {
		return
	}
	n.set(0, v.inner.elem, nil)
	d := v.inner.dims
	if d == nil {
		return
	}
	rank := len(d)
	if n.flag("new_axis", false) {
		rank++
	}
	axis, ok := n.axis(n.int("axis", 0), rank)
	if !ok {
		return
	}
	dims := slices.Clone(d)
	if rank > len(d) {
		dims = slices.Insert(dims, axis, onnx.Unknown())
	}
	dims[axis] = onnx.Unknown()
	n.set(0, v.inner.elem, dims)
}

// inferOptimizer is for the training operators: the new values of parameters
// and of their states are like the old ones. Inputs are R, T, then for all
// parameters X, G and each state; outputs X and each state.
func inferOptimizer(n *inferNode) {
	states := map[string]int{"Adagrad": 1, "Momentum": 1, "Adam": 2}[n.op.Name]
	each := len(n.out) / (1 + states)
	if each == 0 || len(n.out) != each*(1+states) || len(n.in) != 2+each*(2+states) {
		n.wrong("input-count", "%d inputs and %d outputs, want 2 and %d per parameter, and %d per parameter", len(n.in), len(n.out), 2+states, 1+states)
		return
	}
	for i := range n.out {
		from := 2 + i
		if i >= each {
			from += each // past the gradients
		}
		v := n.arg(from)
		v.ints, v.data = nil, nil
		n.out[i] = v
	}
}

func inferCol2Im(n *inferNode) {
	d := n.dims(0)
	if d == nil || !n.rank(0, 3, 3) {
		return
	}
	image, ok := n.shapeInput(1)
	block, known := n.knownInts(2)
	if !ok {
		return
	}
	channels := onnx.Unknown()
	if known {
		taps := int64(1)
		for _, b := range block {
			taps = sat.Mul(taps, max(b, 1))
		}
		if d[1].Known() {
			channels = onnx.Fixed(d[1].Size / taps)
		}
	}
	n.shape(0, append([]onnx.Dim{d[0], channels}, image...))
}

func inferAffineGrid(n *inferNode) {
	size, ok := n.shapeInput(1)
	if !ok || len(size) < 3 {
		return
	}
	n.shape(0, join(size[:1], size[2:], []onnx.Dim{onnx.Fixed(int64(len(size) - 2))}))
}

func inferCenterCropPad(n *inferNode) {
	d := n.dims(0)
	if d == nil {
		return
	}
	target, ok := n.shapeInput(1)
	axes, given := n.ints("axes")
	if !ok {
		n.shape(0, unknownDims(len(d)))
		return
	}
	if !given {
		for i := range d {
			axes = append(axes, int64(i))
		}
	}
	if _, ok := n.axisSet(axes, len(d)); !ok {
		return
	}
	if len(axes) != len(target) {
		n.wrong("shape-mismatch", "%d lengths for %d axes", len(target), len(axes))
		return
	}
	dims := slices.Clone(d)
	for i, v := range axes {
		if a, ok := n.axis(v, len(d)); ok {
			dims[a] = target[i]
		}
	}
	n.shape(0, dims)
}

// inferAttention takes Q, K and V with axes (batch, heads, length, width), or
// with three axes, heads and width in one.
func inferAttention(n *inferNode) {
	q, k, v := n.dims(0), n.dims(1), n.dims(2)
	if q == nil || k == nil || v == nil || !n.rank(0, 3, 4) || !n.rank(1, len(q), len(q)) || !n.rank(2, len(q), len(q)) {
		return
	}
	n.equal(k[len(k)-2], v[len(v)-2], "the lengths of K and V differ")
	if len(q) == 4 {
		n.equal(q[3], k[3], "the widths of Q and K differ")
		n.shape(0, []onnx.Dim{q[0], q[1], q[2], v[3]})
		n.spend(sat.Mul(leastElements(q), leastElements(k[2:3])), n.at)
		return
	}
	qHeads, kvHeads := n.int("q_num_heads", 0), n.int("kv_num_heads", 0)
	if qHeads < 1 || kvHeads < 1 {
		n.wrong("attribute-range", "attributes \"q_num_heads\" and \"kv_num_heads\" are %d and %d, inputs of three axes want 1 or more", qHeads, kvHeads)
		return
	}
	width := onnx.Unknown()
	if v[2].Known() {
		width = onnx.Fixed(sat.Mul(v[2].Size/kvHeads, qHeads))
	}
	n.shape(0, []onnx.Dim{q[0], q[1], width})
	n.spend(sat.Mul(leastElements(q), leastElements(k[1:2])), n.at)
}
