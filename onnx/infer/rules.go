package infer

import (
	"math"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// An inferRule says what the outputs of one operator are, of any of its
// versions. Element types that follow from the operator's type variables are
// there before it is asked.
type inferRule func(n *inferNode)

// inferRules returns the rule of each operator whose shapes can be inferred. Of
// others only the element types are.
func inferRules() map[key]inferRule {
	m := make(map[key]inferRule)
	for _, group := range ruleGroups() {
		for _, name := range group.names {
			m[key{group.domain, name}] = group.rule
		}
	}
	return m
}

// anyRank is a rank without an upper limit.
const anyRank = math.MaxInt

type key struct{ domain, name string }

type ruleGroup struct {
	domain string
	rule   inferRule
	names  []string
}

func ruleGroups() []ruleGroup {
	ai := func(rule inferRule, names ...string) ruleGroup { return ruleGroup{"", rule, names} }
	return []ruleGroup{
		// One output like the first input.
		ai(inferSame, "Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "BitwiseNot", "Ceil", "Celu", "Clip", "Cos", "Cosh",
			"Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish", "IsInf", "IsNaN", "LRN", "LeakyRelu", "Log",
			"MeanVarianceNormalization", "Mish", "Neg", "Not", "Reciprocal", "Relu", "Round", "Selu", "Shrink", "Sigmoid", "Sign",
			"Sin", "Sinh", "Softplus", "Softsign", "Sqrt", "Swish", "Tan", "Tanh", "ThresholdedRelu"),
		ai(inferIdentity, "Identity"),
		ai(inferAxisSame, "Softmax", "LogSoftmax", "Hardmax", "LpNormalization"),
		ai(inferCumSum, "CumSum", "CumProd"),
		ai(inferTrilu, "Trilu"),
		ai(inferCast, "Cast"),
		ai(inferCastLike, "CastLike"),
		ai(inferBitcast, "BitCast"),
		ai(inferDropout, "Dropout"),
		ai(inferQuantize, "QuantizeLinear"),
		ai(inferDequantize, "DequantizeLinear"),
		ai(inferDynamicQuantize, "DynamicQuantizeLinear"),
		ai(inferRandom, "RandomNormal", "RandomUniform"),
		ai(inferRandomLike, "RandomNormalLike", "RandomUniformLike", "Bernoulli"),
		ai(inferEyeLike, "EyeLike"),

		// Broadcasting.
		ai(inferBroadcast, "Add", "Sub", "Mul", "Div", "Mod", "Pow", "And", "Or", "Xor", "BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor",
			"Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Min", "Mean", "Sum", "Where"),
		ai(inferPRelu, "PRelu"),
		ai(inferExpand, "Expand"),

		// Products.
		ai(inferMatMul, "MatMul", "MatMulInteger"),
		ai(inferQLinearMatMul, "QLinearMatMul"),
		ai(inferGemm, "Gemm"),
		ai(inferEinsum, "Einsum"),
		ai(inferDet, "Det"),

		// Windows.
		ai(inferConv, "Conv"),
		ai(inferConvInteger, "ConvInteger"),
		ai(inferQLinearConv, "QLinearConv"),
		ai(inferConvTranspose, "ConvTranspose"),
		ai(inferPool, "MaxPool", "AveragePool", "LpPool"),
		ai(inferGlobalPool, "GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"),
		ai(inferRoi, "MaxRoiPool", "RoiAlign"),
		ai(inferGridSample, "GridSample"),

		// Normalization and recurrence.
		ai(inferBatchNorm, "BatchNormalization"),
		ai(inferChannelNorm, "InstanceNormalization", "GroupNormalization"),
		ai(inferLayerNorm, "LayerNormalization"),
		ai(inferRMSNorm, "RMSNormalization"),
		ai(inferRecurrent, "LSTM", "GRU", "RNN"),

		// Shapes.
		ai(inferShape, "Shape"),
		ai(inferSize, "Size"),
		ai(inferReshape, "Reshape"),
		ai(inferFlatten, "Flatten"),
		ai(inferSqueeze, "Squeeze"),
		ai(inferUnsqueeze, "Unsqueeze"),
		ai(inferTranspose, "Transpose"),
		ai(inferConcat, "Concat"),
		ai(inferSplit, "Split"),
		ai(inferSlice, "Slice"),
		ai(inferPad, "Pad"),
		ai(inferTile, "Tile"),
		ai(inferResize, "Resize", "Upsample"),
		ai(inferDepthToSpace, "DepthToSpace"),
		ai(inferSpaceToDepth, "SpaceToDepth"),
		ai(inferConstant, "Constant"),
		ai(inferConstantOfShape, "ConstantOfShape"),
		ai(inferRange, "Range"),

		// Choosing.
		ai(inferGather, "Gather"),
		ai(inferGatherElements, "GatherElements"),
		ai(inferGatherND, "GatherND"),
		ai(inferScatter, "ScatterElements", "ScatterND", "Scatter", "TensorScatter"),
		ai(inferOneHot, "OneHot"),
		ai(inferTopK, "TopK"),
		ai(inferNonZero, "NonZero"),
		ai(inferCompress, "Compress"),
		ai(inferUnique, "Unique"),
		ai(inferSame, "ReverseSequence"),
		ai(inferNonMaxSuppression, "NonMaxSuppression"),

		// Reductions.
		ai(inferReduce, "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare"),
		ai(inferArg, "ArgMax", "ArgMin"),
		ai(inferLoss, "NegativeLogLikelihoodLoss"),
		ai(inferCrossEntropy, "SoftmaxCrossEntropyLoss"),

		// Signals and text.
		ai(inferWindow, "BlackmanWindow", "HammingWindow", "HannWindow"),
		ai(inferMel, "MelWeightMatrix"),
		ai(inferDFT, "DFT"),
		ai(inferSTFT, "STFT"),
		ai(inferSame, "RegexFullMatch"),
		ai(inferBroadcast, "StringConcat"),
		ai(inferStringNormalizer, "StringNormalizer"),
		ai(inferTfIdf, "TfIdfVectorizer"),

		// Less common ones.
		ai(inferSame, "RotaryEmbedding"),
		ai(inferBroadcast, "SwiGLU"),
		ai(inferMaxUnpool, "MaxUnpool"),
		ai(inferCol2Im, "Col2Im"),
		ai(inferAffineGrid, "AffineGrid"),
		ai(inferCenterCropPad, "CenterCropPad"),
		ai(inferAttention, "Attention"),
		{"ai.onnx.preview.training", inferOptimizer, []string{"Adagrad", "Adam", "Momentum"}},

		// Sequences and optionals.
		ai(inferSequenceConstruct, "SequenceConstruct"),
		ai(inferSequenceEmpty, "SequenceEmpty"),
		ai(inferSequenceAt, "SequenceAt"),
		ai(inferSequenceKeep, "SequenceInsert", "SequenceErase"),
		ai(inferSequenceLength, "SequenceLength"),
		ai(inferSplitToSequence, "SplitToSequence"),
		ai(inferConcatFromSequence, "ConcatFromSequence"),
		ai(inferSequenceMap, "SequenceMap"),
		ai(inferOptional, "Optional"),
		ai(inferOptionalGet, "OptionalGetElement"),
		ai(inferOptionalHas, "OptionalHasElement"),

		// Control flow.
		ai(inferIf, "If"),
		ai(inferLoop, "Loop"),
		ai(inferScan, "Scan"),
	}
}

func inferSame(n *inferNode) { n.shape(0, n.dims(0)) }

func inferIdentity(n *inferNode) {
	if len(n.out) > 0 && n.arg(0).kind != unknownValue {
		n.out[0] = n.arg(0)
	}
}

// inferAxisSame is for operators that keep the shape and work along an axis.
func inferAxisSame(n *inferNode) {
	n.shape(0, n.dims(0))
	d := n.dims(0)
	if a := n.attr("axis"); a != nil && d != nil && len(d) > 0 {
		if n.op.Since < 13 && a.GetI() == int64(len(d)) { // the axis that flattening begins at
			return
		}
		n.axis(a.GetI(), len(d))
	}
}

func inferCumSum(n *inferNode) {
	n.shape(0, n.dims(0))
	if axes, ok := n.knownInts(1); ok && len(axes) == 1 && n.dims(0) != nil {
		n.axis(axes[0], len(n.dims(0)))
	}
}

func inferTrilu(n *inferNode) {
	if n.dims(0) != nil && n.rank(0, 2, anyRank) {
		n.shape(0, n.dims(0))
	}
}

// elemAttr is an element type that an attribute names.
func (n *inferNode) elemAttr(name string, otherwise pb.TensorProto_DataType) pb.TensorProto_DataType {
	code := n.int(name, int64(otherwise))
	if _, ok := pb.TensorProto_DataType_name[int32(code)]; !ok || code != int64(int32(code)) || code == 0 && otherwise != 0 {
		n.wrong("attribute-range", "attribute %q is %d, which is none of ONNX's data types", name, code)
		return pb.TensorProto_UNDEFINED
	}
	return pb.TensorProto_DataType(code)
}

func inferCast(n *inferNode) {
	if a := n.attr("to"); a != nil && a.S != nil { // opset 1 names the type in words
		code, ok := pb.TensorProto_DataType_value[string(a.S)]
		if ok {
			n.set(0, pb.TensorProto_DataType(code), n.dims(0))
		}
		return
	}
	elem := n.elemAttr("to", pb.TensorProto_UNDEFINED)
	n.set(0, elem, n.dims(0))
	if elem == pb.TensorProto_INT64 || elem == pb.TensorProto_INT32 {
		n.keepInts(n.arg(0).ints)
	}
}

func inferCastLike(n *inferNode) { n.set(0, n.arg(1).elem, n.dims(0)) }

func inferBitcast(n *inferNode) {
	n.set(0, n.elemAttr("to", pb.TensorProto_UNDEFINED), n.dims(0))
}

// keepInts says that the elements of output 0 are known.
func (n *inferNode) keepInts(ints []number) {
	if len(n.out) > 0 && len(n.out[0].dims) <= 1 && len(ints) <= mostKnown {
		n.out[0].ints = ints
	}
}

func inferDropout(n *inferNode) {
	n.set(0, n.arg(0).elem, n.dims(0))
	if n.op.Since < 10 {
		n.set(1, n.arg(0).elem, n.dims(0))
		return
	}
	n.set(1, pb.TensorProto_BOOL, n.dims(0))
}

func inferQuantize(n *inferNode) {
	elem := n.elemAttr("output_dtype", pb.TensorProto_UNDEFINED)
	switch {
	case n.given(2):
		elem = n.arg(2).elem
	case elem == pb.TensorProto_UNDEFINED:
		elem = pb.TensorProto_UINT8
	}
	n.set(0, elem, n.dims(0))
}

func inferDequantize(n *inferNode) {
	elem := n.elemAttr("output_dtype", pb.TensorProto_UNDEFINED)
	if elem == pb.TensorProto_UNDEFINED {
		elem = n.arg(1).elem
	}
	if elem == pb.TensorProto_UNDEFINED && n.op.Since < 19 {
		elem = pb.TensorProto_FLOAT
	}
	n.set(0, elem, n.dims(0))
}

func inferDynamicQuantize(n *inferNode) {
	n.set(0, pb.TensorProto_UINT8, n.dims(0))
	n.set(1, pb.TensorProto_FLOAT, []onnx.Dim{})
	n.set(2, pb.TensorProto_UINT8, []onnx.Dim{})
}

func inferRandom(n *inferNode) {
	shape, ok := n.ints("shape")
	if !ok {
		return
	}
	dims := make([]onnx.Dim, len(shape))
	for i, v := range shape {
		if v < 0 {
			n.wrong("attribute-range", "attribute \"shape\" is %s, which has a negative length", onnx.Few(shape))
			return
		}
		dims[i] = onnx.Fixed(v)
	}
	n.set(0, n.elemAttr("dtype", pb.TensorProto_FLOAT), dims)
}

func inferRandomLike(n *inferNode) {
	n.set(0, n.elemAttr("dtype", n.arg(0).elem), n.dims(0))
}

func inferEyeLike(n *inferNode) {
	elem := n.elemAttr("dtype", n.arg(0).elem)
	if n.dims(0) == nil {
		n.set(0, elem, nil)
	} else if n.rank(0, 2, 2) {
		n.set(0, elem, n.dims(0))
	}
}

func inferBroadcast(n *inferNode) {
	if len(n.in) == 0 {
		return
	}
	if n.op.Since < 7 && n.op.Attrs["broadcast"].Type != 0 { // B is made to fit A, by attributes
		n.shape(0, n.dims(0))
		return
	}
	dims := n.dims(0)
	for i := 1; i < len(n.in); i++ {
		joined, ok := broadcast(dims, n.dims(i))
		if !ok {
			n.wrong("shape-mismatch", "input %d, %s, is %v, which does not broadcast with %v", i, onnx.Quote(n.proto.Input[i]), n.in[i], onnx.Type{Elem: n.in[i].elem, Dims: dims})
			return
		}
		dims = joined
	}
	n.shape(0, dims)
	n.arithmetic()
}

// arithmetic follows the elements of integers that shapes are computed from.
func (n *inferNode) arithmetic() {
	a, b := n.arg(0).ints, n.arg(1).ints
	if len(n.in) != 2 || a == nil || b == nil || len(n.out) == 0 || len(n.out[0].dims) > 1 {
		return
	}
	size := max(len(a), len(b))
	if len(a) == 0 || len(b) == 0 || len(a) != size && len(a) != 1 || len(b) != size && len(b) != 1 {
		return
	}
	out := make([]number, size)
	for i := range out {
		x, y := a[i%len(a)], b[i%len(b)]
		out[i] = apply(n.op.Name, x, y)
	}
	if n.op.Name == "Add" || n.op.Name == "Sub" || n.op.Name == "Mul" || n.op.Name == "Div" {
		n.keepInts(out)
	}
}

// apply computes one element. What overflows is not known.
func apply(op string, x, y number) number {
	switch {
	case op == "Mul" && x == known(1), op == "Add" && x == known(0):
		return y
	case op != "Add" && op != "Sub" && y == known(1), op != "Mul" && op != "Div" && y == known(0):
		return x
	case !x.known || !y.known:
		return number{}
	}
	const most = int64(1) << 31
	a, b := x.value, y.value
	if a > most || a < -most || b > most || b < -most {
		return number{}
	}
	switch op {
	case "Add":
		return known(a + b)
	case "Sub":
		return known(a - b)
	case "Mul":
		return known(a * b)
	case "Div":
		if b != 0 {
			return known(a / b)
		}
	}
	return number{}
}

func inferPRelu(n *inferNode) {
	d := n.dims(0)
	n.shape(0, d)
	if n.op.Since < 7 || d == nil || n.dims(1) == nil {
		return
	}
	if joined, ok := broadcast(d, n.dims(1)); !ok || len(joined) != len(d) {
		n.wrong("shape-mismatch", "the slope is %v, which does not broadcast to %v", n.arg(1), n.arg(0))
	}
}

func inferExpand(n *inferNode) {
	target, ok := n.shapeInput(1)
	if !ok {
		return
	}
	dims, ok := broadcast(n.dims(0), target)
	if !ok {
		n.wrong("shape-mismatch", "%v does not broadcast to %v", n.arg(0), onnx.Type{Elem: n.arg(0).elem, Dims: target})
		return
	}
	n.shape(0, dims)
}

// shapeInput reads a shape out of input i: its elements where they are known,
// its rank where only that is. It is false when not even that is.
func (n *inferNode) shapeInput(i int) ([]onnx.Dim, bool) {
	v := n.arg(i)
	if v.dims != nil && !n.rank(i, 1, 1) {
		return nil, false
	}
	if v.ints == nil {
		if len(v.dims) == 1 && v.dims[0].Known() && v.dims[0].Size <= mostKnown {
			return unknownDims(int(v.dims[0].Size)), true
		}
		return nil, false
	}
	dims := make([]onnx.Dim, len(v.ints))
	for j, e := range v.ints {
		if e.known && e.value < 0 {
			n.wrong("attribute-range", "input %d, %s, is a shape with the negative length %d", i, onnx.Quote(n.proto.Input[i]), e.value)
			return nil, false
		}
		dims[j] = e.dim()
	}
	return dims, true
}

// sameRank reports whether two shapes are known and of one rank.
func sameRank(a, b []onnx.Dim) bool { return a != nil && b != nil && len(a) == len(b) }

// permuted applies a permutation.
func permuted(d []onnx.Dim, perm []int64) []onnx.Dim {
	out := make([]onnx.Dim, len(d))
	for i, p := range perm {
		out[i] = d[p]
	}
	return out
}

// isPermutation reports whether p has each of 0..n-1 once.
func isPermutation(p []int64, n int) bool {
	if len(p) != n {
		return false
	}
	for i, v := range slices.Sorted(slices.Values(p)) {
		if v != int64(i) {
			return false
		}
	}
	return true
}
