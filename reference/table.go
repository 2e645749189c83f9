package reference

import (
	"slices"
	"strings"
	"sync"

	"github.com/petrify-ml/petrify/onnx/op"
)

// operators lists every operator that the reference knows.
func operators() []operator {
	return []operator{
		opAbs, opAcos, opAcosh, opAdagrad, opAdam, opAdd,
		opAnd, opArgMax, opArgMin, opAsin, opAsinh, opAtan,
		opAtanh, opAttention, opAveragePool, opBatchNormalization, opBernoulli, opBitShift,
		opBitwiseAnd, opBitwiseNot, opBitwiseOr, opBitwiseXor, opBlackmanWindow, opCast,
		opCastLike, opCeil, opCelu, opClip, opCompress, opConcat,
		opConcatFromSequence, opConstant, opConstantOfShape, opConv, opConvInteger, opConvTranspose,
		opCos, opCosh, opCumSum, opDepthToSpace, opDequantizeLinear, opDet,
		opDFT, opDiv, opDropout, opDynamicQuantizeLinear, opEinsum, opElu,
		opEqual, opErf, opExp, opExpand, opEyeLike, opFlatten,
		opFloor, opGather, opGatherElements, opGatherND, opGelu, opGemm,
		opGlobalAveragePool, opGlobalLpPool, opGlobalMaxPool, opGreater, opGreaterOrEqual, opGridSample,
		opGroupNormalization, opGRU, opHammingWindow, opHannWindow, opHardmax, opHardSigmoid,
		opHardSwish, opIdentity, opIf, opInstanceNormalization, opIsInf, opIsNaN,
		opLayerNormalization, opLeakyRelu, opLess, opLessOrEqual, opLog, opLogSoftmax,
		opLoop, opLpNormalization, opLpPool, opLRN, opLSTM, opMatMul,
		opMatMulInteger, opMax, opMaxPool, opMaxUnpool, opMean, opMeanVarianceNormalization,
		opMelWeightMatrix, opMin, opMish, opMod, opMomentum, opMul,
		opNeg, opNegativeLogLikelihoodLoss, opNonMaxSuppression, opNonZero, opNot, opOneHot,
		opOptional, opOptionalGetElement, opOptionalHasElement, opOr, opPad, opPow,
		opPRelu, opQLinearConv, opQLinearMatMul, opQuantizeLinear, opRandomNormal, opRandomNormalLike,
		opRandomUniform, opRandomUniformLike, opRange, opReciprocal, opReduceL1, opReduceL2,
		opReduceLogSum, opReduceLogSumExp, opReduceMax, opReduceMean, opReduceMin, opReduceProd,
		opReduceSum, opReduceSumSquare, opRelu, opReshape, opResize, opReverseSequence,
		opRMSNormalization, opRNN, opRoiAlign, opRotaryEmbedding, opRound, opScan,
		opScatter, opScatterElements, opScatterND, opSelu, opSequenceAt, opSequenceConstruct,
		opSequenceEmpty, opSequenceErase, opSequenceInsert, opSequenceLength, opSequenceMap, opShape,
		opShrink, opSigmoid, opSign, opSin, opSinh, opSize,
		opSlice, opSoftmax, opSoftmaxCrossEntropyLoss, opSoftplus, opSoftsign, opSpaceToDepth,
		opSplit, opSplitToSequence, opSqrt, opSqueeze, opSTFT, opStringNormalizer,
		opSub, opSum, opSwish, opTan, opTanh, opTfIdfVectorizer,
		opThresholdedRelu, opTile, opTopK, opTranspose, opTrilu, opUnique,
		opUnsqueeze, opUpsample, opWhere, opXor,
	}
}

// Operators returns the names of the operators that the reference knows, in
// order; those outside of ONNX's own domain are prefixed by theirs.
func Operators() []string {
	names := convert(operators(), func(o operator) string {
		if o.domain != "" {
			return o.domain + "." + o.name
		}
		return o.name
	})
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
	return names
}

// index finds operators by domain and name.
var index = sync.OnceValue(func() map[[2]string]*operator {
	m := map[[2]string]*operator{}
	for _, o := range operators() {
		for _, s := range op.Versions(o.domain, o.name) {
			o.width = max(o.width, len(s.In))
		}
		m[[2]string{o.domain, o.name}] = &o
	}
	return m
})

// find returns an operator, nil if there is none.
func find(domain, name string) *operator { return index()[[2]string{domain, name}] }
