package op

import (
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/internal/sat"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// The operators of com.microsoft that are neither of transformers nor quantised: those that ONNX has now, and those that
// it has not, as exporters and ONNX Runtime's own tools wrote and write them.
func microsoftGeneral() map[string]Rule {
	return map[string]Rule{
		"CDist":               ruleDistances,
		"CausalConvWithState": ruleCausalConvOfMicrosoft,
		"ExpandDims":          ruleExpandDims,
		"GatherND":            ruleGatherND,
		"GridSample":          ruleGridSample,
		"Inverse":             ruleInverse,
		"LinearAttention":     ruleLinearAttention,
		"MurmurHash3":         ruleHash,
		"NGramRepeatBlock":    ruleNGrams,
		"Pad":                 rulePad,
		"Range":               ruleRange,
		"Trilu":               ruleTrilu,
		"UnfoldTensor":        ruleUnfold,
		"Unique":              ruleUniqueOfList,
	}
}

// ruleDistances are those between the rows of two matrices.
func ruleDistances(n *Node) {
	a, b := n.dims(0), n.dims(1)
	if len(a) != 2 || len(b) != 2 {
		return
	}
	n.equal(a[1], b[1], "the widths of the rows of %v and %v differ", n.arg(0), n.arg(1))
	n.shape(0, []onnx.Dim{a[0], b[0]})
	n.host.Spend(sat.Mul(LeastElements(a), LeastElements(b[:1])))
}

// ruleCausalConvOfMicrosoft is over one axis, of images that have their channels, in any
// number of axes, first or last.
func ruleCausalConvOfMicrosoft(n *Node) {
	x, w := n.dims(0), n.dims(1)
	n.shape(0, x)
	if n.int("ndim") != 1 || n.int("state_window") != 0 || x == nil || len(w) != 3 {
		return
	}
	n.equal(w[1], onnx.Fixed(1), "the middle axis of the kernels")
	n.like(2, w[0])
	held := onnx.Unknown()
	if w[2].Known() {
		if w[2].Size < 1 {
			n.wrong("shape-mismatch", "kernels without an element, %v", n.arg(1))
			return
		}
		held = onnx.Fixed(sat.Mul(w[2].Size-1, n.int("dilation")))
	}
	state := slices.Clone(x)
	if n.flag("channels_last") {
		if !n.rank(0, 3, anyRank) {
			return
		}
		state[1] = held
	} else {
		if !n.rank(0, 3, 3) {
			return
		}
		n.equal(x[1], w[0], "channels and kernels")
		state[2] = held
	}
	n.like(3, state...)
	n.shape(1, state)
}

// ruleExpandDims inserts an axis.
func ruleExpandDims(n *Node) {
	d := n.dims(0)
	if d == nil {
		return
	}
	axis, ok := n.knownInts(1)
	if !ok || len(axis) != 1 {
		n.shape(0, unknownDims(len(d)+1))
		return
	}
	if a, ok := n.axis(axis[0], len(d)+1); ok {
		n.shape(0, slices.Insert(slices.Clone(d), a, onnx.Fixed(1)))
	}
}

func ruleInverse(n *Node) {
	d := n.dims(0)
	if d == nil || !n.rank(0, 2, anyRank) {
		return
	}
	n.equal(d[len(d)-2], d[len(d)-1], "the sides of the matrices differ")
	n.shape(0, d)
}

// ruleHash gives 32 bits for each element, with or without a sign.
func ruleHash(n *Node) {
	elem := pb.TensorProto_UINT32
	if !n.flag("positive") {
		elem = pb.TensorProto_INT32
	}
	n.set(0, elem, n.dims(0))
}

// ruleNGrams has a score for each token of the vocabulary, in each sequence.
func ruleNGrams(n *Node) {
	ids, scores := n.dims(0), n.dims(1)
	n.shape(0, scores)
	if len(ids) == 2 && len(scores) == 2 {
		n.equal(ids[0], scores[0], "the numbers of sequences and of rows of scores differ")
	}
}

// ruleUnfold makes windows along an axis, in a further axis at the end.
func ruleUnfold(n *Node) {
	d := n.dims(0)
	if d == nil || !n.rank(0, 1, anyRank) {
		return
	}
	axis, ok := n.axis(n.int("dim"), len(d))
	if !ok {
		return
	}
	width, step := n.int("size"), n.int("step")
	if width < 1 || step < 1 {
		return // which is reported already
	}
	dims := append(slices.Clone(d), onnx.Fixed(width))
	if dims[axis] = onnx.Unknown(); d[axis].Known() {
		if d[axis].Size < width {
			n.wrong("shape-mismatch", "windows of %d along an axis of %d", width, d[axis].Size)
			return
		}
		dims[axis] = onnx.Fixed((d[axis].Size-width)/step + 1)
	}
	n.shape(0, dims)
}

// ruleUniqueOfList has three outputs, of which the second is as long as the list.
func ruleUniqueOfList(n *Node) {
	different := []onnx.Dim{onnx.Unknown()}
	n.shape(0, different)
	n.set(1, pb.TensorProto_INT64, n.dims(0))
	n.set(2, pb.TensorProto_INT64, different)
}
