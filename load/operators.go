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
	since int64    // the first opset whose definition this is, 0 for the first there is
	takes types    // of input 0
	lacks []string // attributes
	outs  int      // outputs, 0 for all
	build func(*builder, call) error
}

// types are the element types that an operator takes. Integers and flags are those that do not depend on floats of the inputs,
// unless the operator says otherwise when the graph is built.
type types uint8

const (
	real types = iota
	numbers
	anything
)

func (t types) has(elem pb.TensorProto_DataType) bool {
	return t == anything || isFloat(elem) || t == numbers && isInt(elem)
}

// operators are filled in by init because building one may look at the next.
var operators map[string]operator

func init() {
	operators = map[string]operator{
		"ArgMax":                    {build: argument},
		"ArgMin":                    {build: argument},
		"AveragePool":               {build: pool},
		"BatchNormalization":        {since: 6, build: batchNormalization},
		"Cast":                      {since: 6, takes: anything, build: castTo},
		"Clip":                      {since: 6, takes: numbers, build: clip},
		"Concat":                    {since: 4, takes: anything, build: concat},
		"Constant":                  {takes: anything, lacks: []string{"sparse_value", "value_string", "value_strings"}},
		"ConstantOfShape":           {since: 9, takes: anything, build: constantOfShape},
		"Conv":                      {build: convolution},
		"ConvTranspose":             {build: convolution},
		"DepthToSpace":              {takes: anything, build: blocks(depthToSpace)},
		"Dropout":                   {since: 6, takes: anything, build: dropout},
		"Expand":                    {since: 8, takes: anything, build: expand},
		"Flatten":                   {takes: anything, build: reshaped},
		"Gather":                    {takes: anything, build: gather},
		"Gemm":                      {since: 6, build: gemm},
		"GlobalAveragePool":         {build: globalPool(gop.ReduceMean)},
		"GlobalMaxPool":             {build: globalPool(gop.ReduceMax)},
		"GroupNormalization":        {since: 18, build: groupNormalization},
		"Identity":                  {takes: anything, build: identity},
		"InstanceNormalization":     {since: 6, build: instanceNormalization},
		"LayerNormalization":        {since: 17, build: layerNormalization},
		"LogSoftmax":                {build: softmax},
		"MatMul":                    {build: matMul},
		"MaxPool":                   {outs: 1, build: pool},
		"MeanVarianceNormalization": {since: 9, build: meanVarianceNormalization},
		"Mod":                       {since: 10, takes: numbers, build: modulo},
		"Pad":                       {since: 2, takes: anything, build: pad},
		"Range":                     {since: 11, takes: numbers, build: span},
		"Reshape":                   {since: 5, takes: anything, build: reshaped},
		"Resize":                    {since: 10, takes: anything, build: resize},
		"Shape":                     {takes: anything, build: counted},
		"Size":                      {takes: anything, build: counted},
		"Slice":                     {takes: anything, build: slice},
		"Softmax":                   {build: softmax},
		"SpaceToDepth":              {takes: anything, build: blocks(spaceToDepth)},
		"Split":                     {since: 2, takes: anything, build: split},
		"Squeeze":                   {takes: anything, build: reshaped},
		"Tile":                      {since: 6, takes: anything, build: tile},
		"Transpose":                 {takes: anything, build: transpose},
		"Unsqueeze":                 {takes: anything, build: reshaped},
		"Upsample":                  {since: 7, takes: anything, build: resize},
		"Where":                     {since: 9, takes: anything, build: where},
	}
	for _, name := range strings.Fields(`Abs Acos Acosh Asin Asinh Atan Atanh Ceil Celu Cos Cosh Elu Erf Exp Floor Gelu HardSigmoid HardSwish IsInf IsNaN LeakyRelu
		Log Mish Neg Not Reciprocal Relu Round Selu Shrink Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Swish Tan Tanh ThresholdedRelu`) {
		o := operator{since: 6, build: unary}
		switch name {
		case "Not", "Softplus", "Softsign":
			o.since = 0
		}
		if integerFunctions[name] != nil {
			o.takes = numbers
		}
		operators[name] = o
	}
	for name := range pairs {
		operators[name] = operator{since: 6, takes: numbers, build: combine}
	}
	for name := range reductions {
		operators[name] = operator{takes: numbers, build: reduction}
	}
}

// settings are the inputs, by their place, that say how an operator works rather than what it works on. A float input of the model
// that is nothing else has a graph of its own for each of its values, as integers have.
var settings = map[string][]int{"Range": {0, 1, 2}, "Resize": {1, 2}, "Upsample": {1}}

// Operators are the operators of ONNX that this package has, in alphabetical order.
func Operators() []string { return slices.Sorted(maps.Keys(operators)) }

func list() string { return strings.Join(Operators(), ", ") }

// attribute reads an attribute, or its default. The reader has checked its type, so another here is onnx-go's doing.
func attribute[T any](op *operation, name string, otherwise T) (T, error) {
	a, ok := op.attrs[name]
	if !ok {
		return otherwise, nil
	}
	v, ok := a.(T)
	if !ok {
		return otherwise, fmt.Errorf("%s: attribute %s is %v, want a %T", op.out[0], name, a, otherwise)
	}
	return v, nil
}

// ints are the elements of a constant list of integers: a shape, or axes.
func (c call) ints(k int) ([]int64, error) {
	if c.in[k].fixed == nil {
		return nil, c.unsupported("%q is computed from the inputs, load wants a constant", c.op.in[k])
	}
	v, ok := wide(c.in[k].fixed)
	if !ok || len(c.in[k].dims) > 1 {
		return nil, fmt.Errorf("%s: %q is %v of dims %v, want a list of integers", c.name(), c.op.in[k], c.in[k].fixed.Type(), c.in[k].dims)
	}
	return v, nil
}

// reals are the elements of a constant list of floats; none where the input is left out, or not looked for.
func (c call) reals(k int, look bool) ([]float64, error) {
	if !look || !c.has(k) {
		return nil, nil
	}
	if c.in[k].fixed == nil {
		return nil, c.unsupported("%q is computed from the inputs, load wants a constant", c.op.in[k])
	}
	v, ok := reals(c.in[k].fixed)
	if !ok {
		return nil, fmt.Errorf("%s: %q is %v, want numbers", c.name(), c.op.in[k], c.in[k].elem)
	}
	return v, nil
}

// real refuses arithmetic on an input that is not of floats.
func (c call) real(k int) error {
	if !isFloat(c.in[k].elem) {
		return c.unsupported("elements of type %v that depend on the inputs", c.in[k].elem)
	}
	return nil
}

// axisOf settles an axis that may count from the end, of a value of the given rank.
func axisOf(name string, axis int64, rank int) (int, error) {
	a, ok := op.Axis(axis, rank)
	if !ok {
		return 0, fmt.Errorf("%s: axis %d of %d axes", name, axis, rank)
	}
	return a, nil
}
