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
		"BifurcationDetector":          ruleBifurcation,
		"CDist":                        ruleDistances,
		"CausalConvWithState":          ruleCausalConvOfMicrosoft,
		"ConvTransposeWithDynamicPads": ruleConvTransposeOfPads,
		"CropAndResize":                ruleCropAndResize,
		"DynamicTimeWarping":           ruleWarping,
		"ExpandDims":                   ruleExpandDims,
		"GatherND":                     ruleGatherND,
		"GridSample":                   ruleGridSample,
		"Inverse":                      ruleInverse,
		"LinearAttention":              ruleLinearAttention,
		"MaxpoolWithMask":              ruleMaskedPool,
		"MurmurHash3":                  ruleHash,
		"NGramRepeatBlock":             ruleNGrams,
		"Pad":                          rulePad,
		"Range":                        ruleRange,
		"SampleOp":                     ruleSame,
		"Tokenizer":                    ruleTokenizer,
		"Trilu":                        ruleTrilu,
		"UnfoldTensor":                 ruleUnfold,
		"Unique":                       ruleUniqueOfList,
		"WordConvEmbedding":            ruleWordConv,
	}
}

// ruleBifurcation gives as many tokens as the values decide, and where they go on.
func ruleBifurcation(n *Node) {
	n.shape(0, unknownDims(1))
	n.shape(1, n.dims(2))
	if least, most := n.int("min_ngram_size"), n.int("max_ngram_size"); least > most {
		n.wrong("attribute-range", "attribute \"min_ngram_size\" is %d, and \"max_ngram_size\" %d", least, most)
	}
}

// ruleConvTransposeOfPads is ConvTranspose, whose pads are an input.
func ruleConvTransposeOfPads(n *Node) {
	n.convTranspose(3, func(w *window) bool {
		if !n.given(2) {
			return true
		}
		n.length(2, len(w.pads))
		pads, ok := n.constantInts(2)
		if ok && len(pads) == len(w.pads) && slices.Min(pads) >= 0 {
			w.pads = pads
			return true
		}
		return false
	})
}

// ruleCropAndResize makes an image of one size of each region.
func ruleCropAndResize(n *Node) {
	x, rois := n.dims(0), n.dims(1)
	if len(x) != 4 || len(rois) != 2 {
		return
	}
	n.like(2, rois[0])
	dims := []onnx.Dim{rois[0], x[1], onnx.Unknown(), onnx.Unknown()}
	if size, ok := n.constantInts(3); ok && len(size) == 2 {
		if slices.Min(size) < 1 {
			n.wrong("attribute-range", "crops of %d by %d", size[0], size[1])
			return
		}
		dims[2], dims[3] = onnx.Fixed(size[0]), onnx.Fixed(size[1])
	}
	n.shape(0, dims)
	n.host.Spend(LeastElements(dims))
}

// ruleWarping gives the two places of each step of a path.
func ruleWarping(n *Node) {
	n.shape(0, []onnx.Dim{onnx.Fixed(2), onnx.Unknown()})
	n.host.Spend(LeastElements(n.dims(0)))
}

// ruleMaskedPool is a pool whose mask is as large as the images.
func ruleMaskedPool(n *Node) {
	rulePool(n)
	x, mask := n.dims(0), n.dims(1)
	if x == nil || mask == nil || !n.rank(1, len(x), len(x)) {
		return
	}
	for a := 2; a < len(x); a++ {
		n.equal(x[a], mask[a], "the mask and the input differ along axis %d", a)
	}
}

// ruleTokenizer gives the tokens of each string along a further axis.
func ruleTokenizer(n *Node) {
	if x := n.dims(0); x != nil {
		n.shape(0, append(slices.Clone(x), onnx.Unknown()))
	}
}

// ruleWordConv makes a vector of each word, which is a row of characters.
func ruleWordConv(n *Node) {
	words, w, table := n.dims(0), n.dims(1), n.dims(3)
	if len(words) != 2 || len(w) != 4 {
		return
	}
	n.like(2, w[0])
	n.equal(w[1], onnx.Fixed(1), "the second axis of the weights")
	if len(table) == 2 {
		n.equal(table[1], w[3], "the width of the kernels and that of the characters differ")
	}
	for _, a := range []struct {
		name string
		of   onnx.Dim
	}{{"embedding_size", w[0]}, {"conv_window_size", w[2]}, {"char_embedding_size", w[3]}} {
		if v := n.int(a.name); v != -1 {
			n.equal(a.of, onnx.Fixed(v), "attribute %q and the weights differ", a.name)
		}
	}
	n.shape(0, []onnx.Dim{words[0], w[0]})
	n.host.Spend(sat.Mul(LeastElements(words), LeastElements(w)))
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
