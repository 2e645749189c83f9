package op

import (
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

func norms() map[string]Rule {
	return map[string]Rule{
		"BatchNormalization":        ruleBatchNorm,
		"GroupNormalization":        ruleChannelNorm,
		"InstanceNormalization":     ruleChannelNorm,
		"LRN":                       ruleSame,
		"LayerNormalization":        ruleLayerNorm,
		"LpNormalization":           ruleAxisSame,
		"MeanVarianceNormalization": ruleSame,
		"RMSNormalization":          ruleRMSNorm,
	}
}

func ruleBatchNorm(n *Node) {
	if all := len(n.out); len(n.out) != 1 && len(n.out) != all {
		n.wrong("output-count", "%d outputs, want 1 or %d", len(n.out), all)
		return
	}
	x := n.dims(0)
	n.shape(0, x)
	if x == nil {
		return
	}
	channels := onnx.Unknown()
	if len(x) > 1 {
		channels = x[1]
	} else if len(x) == 1 {
		channels = onnx.Fixed(1)
	}
	spatial := n.flag("spatial", true)
	for i := 1; i < 5; i++ {
		d := n.dims(i)
		if d == nil || !spatial {
			continue
		}
		if !n.rank(i, 1, 1) {
			return
		}
		channels = n.equal(channels, d[0], "input %d, %s, and the channels of %v differ", i, onnx.Quote(n.proto.Input[i]), n.arg(0))
	}
	for i := 1; i < len(n.out); i++ {
		n.shape(i, []onnx.Dim{channels})
	}
}

func ruleChannelNorm(n *Node) {
	x := n.dims(0)
	if x == nil {
		return
	}
	if !n.rank(0, 2, anyRank) {
		return
	}
	n.shape(0, x)
	perGroup := n.Name == "GroupNormalization"
	groups := n.int("num_groups", 1)
	if perGroup && (groups < 1 || x[1].Known() && x[1].Size%groups != 0) {
		n.wrong("attribute-range", "attribute \"num_groups\" is %d, which does not divide the %v channels", groups, x[1])
		return
	}
	for i := 1; i < 3; i++ {
		if d := n.dims(i); d != nil && n.rank(i, 1, 1) && !perGroup {
			n.equal(x[1], d[0], "input %d, %s, and the channels of %v differ", i, onnx.Quote(n.proto.Input[i]), n.arg(0))
		}
	}
}

func ruleLayerNorm(n *Node) {
	x := n.dims(0)
	n.shape(0, x)
	if x == nil {
		return
	}
	axis, ok := n.axis(n.int("axis", -1), len(x))
	if !ok {
		return
	}
	n.scaleFits(x, axis)
	reduced := slices.Clone(x)
	for i := axis; i < len(x); i++ {
		reduced[i] = onnx.Fixed(1)
	}
	elem := n.elemAttr("stash_type", pb.TensorProto_FLOAT)
	n.set(1, elem, reduced)
	n.set(2, elem, reduced)
}

func ruleRMSNorm(n *Node) {
	x := n.dims(0)
	n.shape(0, x)
	if x == nil {
		return
	}
	if axis, ok := n.axis(n.int("axis", -1), len(x)); ok {
		n.scaleFits(x, axis)
	}
}

// scaleFits holds scale and bias against the axes that are normalized.
func (n *Node) scaleFits(x []onnx.Dim, axis int) {
	for i := 1; i < len(n.in); i++ {
		joined, ok := Broadcast(x[axis:], n.dims(i))
		if n.dims(i) != nil && (!ok || len(joined) > len(x)) {
			n.wrong("shape-mismatch", "input %d, %s, is %v, which does not broadcast to %v from axis %d on", i, onnx.Quote(n.proto.Input[i]), n.arg(i), n.arg(0), axis)
		}
	}
}
