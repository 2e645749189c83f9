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
		"LRN":                       ruleLRN,
		"LayerNormalization":        ruleLayerNorm,
		"LpNormalization":           ruleAxisSame,
		"MeanVarianceNormalization": ruleMeanVariance,
		"RMSNormalization":          ruleRMSNorm,

		"SimplifiedLayerNormalization": ruleLayerNorm,
	}
}

func ruleBatchNorm(n *Node) {
	given := 0
	for _, name := range n.proto.Output {
		if name != "" {
			given++
		}
	}
	switch all := len(n.Schema.Out); {
	case len(n.out) != 1 && len(n.out) != all:
		n.wrong("output-count", "%d outputs, want 1 or %d", len(n.out), all)
		return
	case n.Since >= 14 && n.flag("training_mode"):
		n.host.Report("training-mode", "the batch is normalized by its own mean and variance (training_mode 1)")
	case n.Since >= 14 && given > 1:
		n.wrong("output-count", "%d outputs, want 1 where training_mode is 0", given)
		return
	case given > 1:
		n.host.Report("training-mode", "mean and variance of the batch are given out, as in training")
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
	spatial := n.int("spatial", 1) != 0
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
		want := x[1]
		if perGroup && n.Since < 21 {
			want = onnx.Fixed(groups)
		}
		n.like(i, want)
	}
}

func ruleLayerNorm(n *Node) {
	x := n.dims(0)
	n.shape(0, x)
	if x == nil {
		return
	}
	axis, ok := n.axis(n.int("axis"), len(x))
	if !ok {
		return
	}
	n.fits(1, x)
	n.fits(2, x)
	reduced := slices.Clone(x)
	for i := axis; i < len(x); i++ {
		reduced[i] = onnx.Fixed(1)
	}
	elem := n.elemAttr("stash_type", pb.TensorProto_UNDEFINED)
	n.set(1, elem, reduced)
	n.set(2, elem, reduced)
}

func ruleRMSNorm(n *Node) {
	x := n.dims(0)
	n.shape(0, x)
	if x == nil {
		return
	}
	if _, ok := n.axis(n.int("axis"), len(x)); ok {
		n.fits(1, x)
	}
}

// ruleMeanVariance has axes, of which the default is made for images.
func ruleMeanVariance(n *Node) {
	x := n.dims(0)
	n.shape(0, x)
	axes, ok := n.ints("axes")
	if !ok {
		axes = []int64{0, 2, 3}
	}
	if x != nil && n.Since < 9 {
		n.rank(0, 4, 4)
	} else if x != nil {
		n.axisSet(axes, len(x))
	}
}

// ruleLRN goes over the channels.
func ruleLRN(n *Node) {
	n.shape(0, n.dims(0))
	if n.dims(0) != nil {
		n.rank(0, 2, anyRank)
	}
}
