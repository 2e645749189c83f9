package op

import (
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/internal/sat"
	"github.com/petrify-ml/petrify/onnx/pb"
)

func pools() map[string]Rule {
	return map[string]Rule{
		"AveragePool":       rulePool,
		"GlobalAveragePool": ruleGlobalPool,
		"GlobalLpPool":      ruleGlobalPool,
		"GlobalMaxPool":     ruleGlobalPool,
		"LpPool":            rulePool,
		"MaxPool":           rulePool,
		"MaxRoiPool":        ruleRoi,
		"MaxUnpool":         ruleMaxUnpool,
		"RoiAlign":          ruleRoi,
	}
}

func rulePool(n *Node) {
	x := n.dims(0)
	if x == nil || !n.rank(0, 3, anyRank) {
		return
	}
	w, ok := n.window(len(x) - 2)
	if !ok {
		return
	}
	if w.kernel == nil {
		n.wrong("attribute-range", "attribute \"kernel_shape\" is missing")
		return
	}
	dims := []onnx.Dim{x[0], x[1]}
	taps := int64(1)
	for i, d := range x[2:] {
		dims = append(dims, w.out(n, i, d, n.flag("ceil_mode")))
		taps = sat.Mul(taps, w.kernel[i])
	}
	if n.failed {
		return
	}
	n.shape(0, dims)
	n.set(1, pb.TensorProto_INT64, dims)
	n.host.Spend(sat.Mul(LeastElements(dims), taps))
}

func ruleGlobalPool(n *Node) {
	x := n.dims(0)
	if x == nil || !n.rank(0, 2, anyRank) {
		return
	}
	dims := slices.Clone(x)
	for i := range dims[2:] {
		dims[2+i] = onnx.Fixed(1)
	}
	n.shape(0, dims)
}

func ruleRoi(n *Node) {
	x, rois := n.dims(0), n.dims(1)
	if x == nil || rois == nil || !n.rank(0, 4, 4) || !n.rank(1, 2, 2) {
		return
	}
	h, w := n.int("output_height"), n.int("output_width")
	if v, ok := n.ints("pooled_shape"); ok {
		if len(v) != 2 {
			n.wrong("attribute-range", "attribute \"pooled_shape\" is %s, want two lengths", onnx.Few(v))
			return
		}
		h, w = v[0], v[1]
	}
	n.like(2, rois[0])
	n.shape(0, []onnx.Dim{rois[0], x[1], onnx.Fixed(h), onnx.Fixed(w)})
}

func ruleMaxUnpool(n *Node) {
	x := n.dims(0)
	if x == nil || !n.rank(0, 3, anyRank) {
		return
	}
	n.like(1, x...)
	w, ok := n.window(len(x) - 2)
	if !ok {
		return
	}
	if n.given(2) {
		if d, ok := n.shapeInput(2); ok {
			n.shape(0, d)
		}
		return
	}
	if w.kernel == nil {
		return
	}
	dims := []onnx.Dim{x[0], x[1]}
	for i, d := range x[2:] {
		if !d.Known() {
			dims = append(dims, onnx.Unknown())
			continue
		}
		size := spread(d.Size, w.strides[i], w.kernel[i]) - w.pads[i] - w.pads[len(x)-2+i]
		dims = append(dims, onnx.Fixed(max(size, 0)))
	}
	n.shape(0, dims)
}
