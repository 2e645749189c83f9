package load

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/onnx/op"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// operator says how an operator of ONNX becomes operators of Gorgonia, and what of it is lacking here.
type operator struct {
	since  int64 // the first opset whose definition this is, 0 for the first there is
	takes  types // of input 0, where it is built
	build  func(*builder, call)
	eval   func(*builder, call) // on tensors, where it is not built, or not on such elements
	any    bool                 // eval takes elements of all types
	random bool                 // each run gives other values
}

// has reports whether input k may have elements of a type.
func (o operator) has(k int, elem pb.TensorProto_DataType) bool {
	number := isFloat(elem) || isInt(elem) || isHalf(elem)
	if k > 0 {
		return number || o.any || o.takes == anything
	}
	return o.build != nil && (o.takes.has(elem) || isHalf(elem)) || o.eval != nil && (number || o.any)
}

// types are the element types of input 0 that an operator is built on. Flags that are computed are floats there, 0 and 1.
type types uint8

const (
	floating types = iota
	anything
)

func (t types) has(elem pb.TensorProto_DataType) bool { return t == anything || isFloat(elem) }

// operators are filled in by init because building one may look at the next.
var operators map[string]operator

func init() {
	operators = map[string]operator{
		"AffineGrid":                {eval: affineGrid},
		"ArgMax":                    {build: argument, eval: argumentOf},
		"ArgMin":                    {build: argument, eval: argumentOf},
		"Attention":                 {eval: attention},
		"AveragePool":               {build: pool},
		"BatchNormalization":        {since: 6, build: batchNormalization, eval: batchTraining},
		"BitCast":                   {eval: bitCast},
		"BitShift":                  {eval: pairwise},
		"BitwiseAnd":                {eval: pairwise},
		"BitwiseNot":                {eval: each},
		"BitwiseOr":                 {eval: pairwise},
		"BitwiseXor":                {eval: pairwise},
		"BlackmanWindow":            {eval: cosineWindow(0.42, 0.5, 0.08)},
		"Cast":                      {since: 6, takes: anything, build: castTo},
		"CastLike":                  {eval: castLike, any: true},
		"CausalConvWithState":       {eval: causalConv},
		"CenterCropPad":             {eval: centerCropPad, any: true},
		"Clip":                      {since: 6, build: clip, eval: clipOf},
		"Col2Im":                    {eval: fold},
		"Compress":                  {eval: compress, any: true},
		"Concat":                    {since: 4, takes: anything, build: concat},
		"ConcatFromSequence":        {eval: concatFromSequence, any: true},
		"Constant":                  {}, // becomes data
		"ConstantOfShape":           {since: 9, takes: anything, build: constantOfShape},
		"Conv":                      {build: convolution, eval: correlation},
		"ConvInteger":               {eval: convInteger},
		"ConvTranspose":             {build: convolution, eval: correlation},
		"CumProd":                   {eval: cumulative},
		"CumSum":                    {eval: cumulative},
		"DFT":                       {eval: dft},
		"DeformConv":                {eval: deformConv},
		"DepthToSpace":              {takes: anything, build: blocks(depthToSpace)},
		"DequantizeLinear":          {build: dequantizeNode, eval: dequantize, any: true},
		"Det":                       {eval: determinant},
		"Dropout":                   {since: 6, takes: anything, build: dropout},
		"DynamicQuantizeLinear":     {eval: quantizeByRange},
		"Einsum":                    {eval: einsum},
		"Expand":                    {since: 8, takes: anything, build: expand},
		"EyeLike":                   {eval: eyeLike},
		"Flatten":                   {takes: anything, build: reshaped},
		"GRU":                       {since: 7, eval: recur},
		"Gather":                    {takes: anything, build: gather},
		"GatherElements":            {eval: gatherElements, any: true},
		"GatherND":                  {eval: gatherND, any: true},
		"Gemm":                      {since: 6, build: gemm},
		"GlobalAveragePool":         {build: globalPool(gop.ReduceMean)},
		"GlobalLpPool":              {since: 2, eval: pooledNorm},
		"GlobalMaxPool":             {build: globalPool(gop.ReduceMax)},
		"GridSample":                {eval: gridSample},
		"GroupNormalization":        {since: 18, build: groupNormalization},
		"HammingWindow":             {eval: cosineWindow(25./46, 21./46, 0)},
		"HannWindow":                {eval: cosineWindow(0.5, 0.5, 0)},
		"Hardmax":                   {eval: hardmax},
		"Identity":                  {takes: anything, build: identity},
		"If":                        {eval: branch, any: true},
		"InstanceNormalization":     {since: 6, build: instanceNormalization},
		"LRN":                       {eval: lrn},
		"LSTM":                      {since: 7, eval: recur},
		"LayerNormalization":        {since: 17, build: layerNormalization},
		"LinearAttention":           {eval: linearAttention},
		"LogSoftmax":                {build: softmax},
		"Loop":                      {eval: loop, any: true},
		"LpNormalization":           {eval: lpNormalization},
		"LpPool":                    {since: 2, eval: pooledNorm},
		"MatMul":                    {build: matMul, eval: integerProduct},
		"MatMulInteger":             {eval: matMulInteger},
		"MaxPool":                   {build: pool, eval: poolOf},
		"MaxUnpool":                 {eval: unpool},
		"MeanVarianceNormalization": {since: 9, build: meanVarianceNormalization},
		"MelWeightMatrix":           {eval: melWeights},
		"Mod":                       {since: 10, build: modulo, eval: pairwise},
		"NegativeLogLikelihoodLoss": {eval: likelihood},
		"NonMaxSuppression":         {eval: nonMaxSuppression},
		"NonZero":                   {eval: nonZero},
		"OneHot":                    {eval: oneHot, any: true},
		"Optional":                  {eval: optional, any: true},
		"OptionalGetElement":        {eval: optionalGetElement, any: true},
		"OptionalHasElement":        {eval: optionalHasElement, any: true},
		"Pad":                       {since: 2, takes: anything, build: pad},
		"QLinearConv":               {eval: qLinearConv},
		"QLinearMatMul":             {eval: qLinearMatMul},
		"QuantizeLinear":            {build: quantizeNode, eval: quantize, any: true},
		"RMSNormalization":          {eval: rmsNormalization},
		"RNN":                       {since: 7, eval: recur},
		"Range":                     {since: 11, eval: span},
		"RegexFullMatch":            {eval: matchStrings, any: true},
		"Reshape":                   {since: 5, takes: anything, build: reshaped},
		"Resize":                    {since: 10, takes: anything, build: resize},
		"ReverseSequence":           {eval: reverseSequence, any: true},
		"RoiAlign":                  {eval: roiAlign},
		"RotaryEmbedding":           {eval: rotaryEmbedding},
		"STFT":                      {eval: stft},
		"Scan":                      {eval: scan, any: true},
		"Scatter":                   {eval: scatterElements, any: true},
		"ScatterElements":           {eval: scatterElements, any: true},
		"ScatterND":                 {eval: scatterND, any: true},
		"SequenceAt":                {eval: sequenceAt, any: true},
		"SequenceConstruct":         {eval: sequenceConstruct, any: true},
		"SequenceEmpty":             {eval: sequenceEmpty, any: true},
		"SequenceErase":             {eval: sequenceErase, any: true},
		"SequenceInsert":            {eval: sequenceInsert, any: true},
		"SequenceLength":            {eval: sequenceLength, any: true},
		"SequenceMap":               {eval: sequenceMap, any: true},
		"Shape":                     {takes: anything, build: counted},
		"Size":                      {takes: anything, build: counted},
		"Slice":                     {takes: anything, build: slice},
		"Softmax":                   {build: softmax},
		"SoftmaxCrossEntropyLoss":   {eval: likelihood},
		"SpaceToDepth":              {takes: anything, build: blocks(spaceToDepth)},
		"Split":                     {since: 2, takes: anything, build: split},
		"SplitToSequence":           {eval: splitToSequence, any: true},
		"Squeeze":                   {takes: anything, build: reshaped},
		"StringConcat":              {eval: concatStrings, any: true},
		"StringNormalizer":          {eval: normalizeStrings, any: true},
		"StringSplit":               {eval: splitStrings, any: true},
		"TensorScatter":             {eval: tensorScatter, any: true},
		"TfIdfVectorizer":           {eval: countGrams, any: true},
		"Tile":                      {since: 6, takes: anything, build: tile},
		"TopK":                      {eval: topK},
		"Transpose":                 {takes: anything, build: transpose},
		"Trilu":                     {eval: triangle, any: true},
		"Unique":                    {eval: unique, any: true},
		"Unsqueeze":                 {takes: anything, build: reshaped},
		"Upsample":                  {since: 7, takes: anything, build: resize},
		"Where":                     {since: 9, takes: anything, build: where},
	}
	for _, name := range strings.Fields(`Abs Acos Acosh Asin Asinh Atan Atanh Ceil Celu Cos Cosh Elu Erf Exp Floor Gelu HardSigmoid HardSwish IsInf IsNaN LeakyRelu
		Log Mish Neg Not Reciprocal Relu Round Selu Shrink Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Swish Tan Tanh ThresholdedRelu`) {
		o := operator{since: 6, build: unary, eval: each}
		switch name {
		case "Not":
			o.since, o.takes = 0, anything
		case "Softplus", "Softsign":
			o.since = 0
		}
		operators[name] = o
	}
	for name, f := range pairs {
		operators[name] = operator{since: 6, build: combine, eval: pairwise, takes: flagged(f.logical)}
	}
	for name := range reductions {
		operators[name] = operator{build: reduction, eval: reduce}
	}
}

// settings are the inputs, by their place, that say how an operator works rather than what it works on. A float input of the model
// that is nothing else has a graph of its own for each of its values, as integers have.
var settings = map[string][]int{"Range": {0, 1, 2}, "Resize": {1, 2}, "Upsample": {1}}

// Operators returns the names of the ONNX operators that this package supports, in alphabetical
// order.
func Operators() []string { return slices.Sorted(maps.Keys(operators)) }

// flagged says what an operator is built on that may take flags.
func flagged(yes bool) types {
	if yes {
		return anything
	}
	return floating
}

// attribute reads an attribute or its default; where there is neither, it is what is given for it, or zero. The reader has checked its
// type, so another here is onnx-go's doing.
func attribute[T any](o *operation, name string, otherwise ...T) (v T) {
	a, ok := o.attrs[name]
	if !ok {
		if a = plainValue(o.schema.Default(name)); a == nil && len(otherwise) > 0 {
			return otherwise[0]
		}
	}
	if v, ok = a.(T); !ok && a != nil {
		fail(fmt.Errorf("%s: attribute %s is %v, want a %T", o.out[0], name, a, v))
	}
	return v
}

// plainValue is an attribute as onnx-go reads one, nil where there is none.
func plainValue(a *pb.AttributeProto) any {
	switch a.GetType() {
	case pb.AttributeProto_FLOAT:
		return a.GetF()
	case pb.AttributeProto_INT:
		return a.GetI()
	case pb.AttributeProto_INTS:
		return a.GetInts()
	case pb.AttributeProto_STRING:
		return string(a.GetS())
	}
	return nil
}

// ints are the elements of a constant list of integers: a shape, or axes.
func (c call) list(k int) []int64 {
	if c.in[k].fixed == nil {
		fail(c.unsupported("%q is computed from the inputs, load needs a constant", c.op.in[k]))
	}
	v, ok := wide(c.in[k].fixed)
	if !ok || len(c.in[k].dims) > 1 {
		fail(fmt.Errorf("%s: %q is %v of dims %v, want a list of integers", c.name(), c.op.in[k], c.in[k].fixed.Type(), c.in[k].dims))
	}
	return v
}

// reals are the elements of a constant list of floats; none where the input is left out, or not looked for.
func (c call) reals(k int, look bool) []float64 {
	if !look || !c.has(k) {
		return nil
	}
	if c.in[k].fixed == nil {
		fail(c.unsupported("%q is computed from the inputs, load needs a constant", c.op.in[k]))
	}
	v, ok := reals(c.in[k].fixed)
	if !ok {
		fail(fmt.Errorf("%s: %q is %v, want numbers", c.name(), c.op.in[k], c.in[k].elem))
	}
	return v
}

// real refuses arithmetic on an input that is not of floats.
func (c call) real(k int) {
	if !isFloat(c.in[k].elem) {
		fail(c.unsupported("elements of type %v that depend on the inputs", c.in[k].elem))
	}
}

// axisOf settles an axis that may count from the end, of a value of the given rank.
func axisOf(name string, axis int64, rank int) int {
	a, ok := op.Axis(axis, rank)
	if !ok {
		fail(fmt.Errorf("%s: axis %d of %d axes", name, axis, rank))
	}
	return a
}
