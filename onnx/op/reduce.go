package op

import (
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

func reductions() map[string]Rule {
	return map[string]Rule{
		"ArgMax":                    ruleArg,
		"ArgMin":                    ruleArg,
		"CumProd":                   ruleCumSum,
		"CumSum":                    ruleCumSum,
		"Hardmax":                   ruleAxisSame,
		"LogSoftmax":                ruleAxisSame,
		"NegativeLogLikelihoodLoss": ruleLoss,
		"ReduceL1":                  ruleReduce,
		"ReduceL2":                  ruleReduce,
		"ReduceLogSum":              ruleReduce,
		"ReduceLogSumExp":           ruleReduce,
		"ReduceMax":                 ruleReduce,
		"ReduceMean":                ruleReduce,
		"ReduceMin":                 ruleReduce,
		"ReduceProd":                ruleReduce,
		"ReduceSum":                 ruleReduce,
		"ReduceSumSquare":           ruleReduce,
		"Softmax":                   ruleAxisSame,
		"SoftmaxCrossEntropyLoss":   ruleCrossEntropy,
	}
}

func ruleReduce(n *Node) {
	d := n.dims(0)
	axes, given, ok := n.axesOf("axes")
	keep := n.int("keepdims") == 1
	if d == nil {
		return
	}
	if !ok {
		if keep {
			n.shape(0, unknownDims(len(d)))
		}
		return
	}
	if len(axes) == 0 && n.flag("noop_with_empty_axes") {
		n.shape(0, d)
		return
	}
	if given && len(axes) == 0 {
		given = false
	}
	set := make([]int, len(d))
	for i := range set {
		set[i] = i
	}
	if given {
		if set, ok = n.axisSet(axes, len(d)); !ok {
			return
		}
	}
	n.shape(0, reduced(d, set, keep))
}

func ruleArg(n *Node) {
	n.set(0, pb.TensorProto_INT64, nil)
	d := n.dims(0)
	if d == nil {
		return
	}
	if axis, ok := n.axis(n.int("axis"), len(d)); ok {
		n.shape(0, reduced(d, []int{axis}, n.int("keepdims") == 1))
	}
}

func ruleCumSum(n *Node) {
	n.shape(0, n.dims(0))
	if axes, ok := n.knownInts(1); ok && len(axes) == 1 && n.dims(0) != nil {
		n.axis(axes[0], len(n.dims(0)))
	}
}

// ruleAxisSame is for operators that keep the shape and work along an axis.
func ruleAxisSame(n *Node) {
	n.shape(0, n.dims(0))
	d := n.dims(0)
	if d == nil {
		return
	}
	n.axis(n.int("axis"), len(d))
}

func ruleLoss(n *Node) {
	if r := n.string("reduction"); r == "none" {
		n.shape(0, n.dims(1))
	} else {
		n.shape(0, []onnx.Dim{})
	}
	x, target := n.dims(0), n.dims(1)
	if x == nil || !n.rank(0, 2, anyRank) {
		return
	}
	if target != nil && len(target) != len(x)-1 {
		n.wrong("shape-mismatch", "scores %v for labels %v, want one axis less", n.arg(0), n.arg(1))
		return
	}
	n.like(1, join(x[:1], x[2:])...)
	n.like(2, x[1])
}

func ruleCrossEntropy(n *Node) {
	ruleLoss(n)
	if !n.failed {
		n.set(1, n.arg(0).Elem, n.dims(0))
	}
}
