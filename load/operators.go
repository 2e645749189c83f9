package load

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// operator says how an operator of ONNX becomes operators of Gorgonia.
type operator struct {
	since    int64 // the first opset whose definition this is
	min, max int   // inputs
	outs     int   // outputs, where there may be more than one
	takes    types // of the input that of names
	of       int
	gives    pb.TensorProto_DataType // UNDEFINED for the type that it takes
	attrs    []string
	build    func(*builder, call) error
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

const many = math.MaxInt

// operators are filled in by init because building one may look at the next.
var operators map[string]operator

func init() {
	operators = map[string]operator{
		"BatchNormalization":        {since: 6, min: 5, max: 5, outs: 5, attrs: []string{"epsilon", "is_test", "momentum", "spatial", "training_mode"}, build: batchNormalization},
		"Cast":                      {since: 6, takes: anything, min: 1, max: 1, attrs: []string{"to", "saturate", "round_mode"}, build: castTo},
		"Clip":                      {since: 6, takes: numbers, min: 1, max: 3, attrs: []string{"min", "max"}, build: clip},
		"Concat":                    {since: 4, takes: anything, min: 1, max: many, attrs: []string{"axis"}, build: concat},
		"Constant":                  {since: 1, takes: anything, attrs: []string{"value", "value_float", "value_floats", "value_int", "value_ints"}},
		"ConstantOfShape":           {since: 9, takes: anything, min: 1, max: 1, attrs: []string{"value"}, build: constantOfShape},
		"DepthToSpace":              {since: 1, takes: anything, min: 1, max: 1, attrs: []string{"blocksize", "mode"}, build: depthToSpace},
		"Dropout":                   {since: 6, takes: anything, min: 1, max: 3, outs: 2, attrs: []string{"is_test", "ratio", "seed"}, build: dropout},
		"Expand":                    {since: 8, takes: anything, min: 2, max: 2, build: expand},
		"Flatten":                   {since: 1, takes: anything, min: 1, max: 1, attrs: []string{"axis"}, build: flatten},
		"Gather":                    {since: 1, takes: anything, min: 2, max: 2, attrs: []string{"axis"}, build: gather},
		"Gelu":                      {since: 20, min: 1, max: 1, attrs: []string{"approximate"}, build: unary},
		"Gemm":                      {since: 6, min: 2, max: 3, attrs: []string{"alpha", "beta", "broadcast", "transA", "transB"}, build: gemm},
		"GlobalAveragePool":         {since: 1, min: 1, max: 1, build: globalPool(gop.ReduceMean)},
		"GlobalMaxPool":             {since: 1, min: 1, max: 1, build: globalPool(gop.ReduceMax)},
		"GroupNormalization":        {since: 18, min: 3, max: 3, attrs: []string{"epsilon", "num_groups", "stash_type"}, build: groupNormalization},
		"Identity":                  {since: 1, takes: anything, min: 1, max: 1, build: identity},
		"InstanceNormalization":     {since: 6, min: 3, max: 3, attrs: []string{"epsilon"}, build: instanceNormalization},
		"IsInf":                     {since: 10, min: 1, max: 1, gives: pb.TensorProto_BOOL, attrs: []string{"detect_negative", "detect_positive"}, build: unary},
		"IsNaN":                     {since: 9, min: 1, max: 1, gives: pb.TensorProto_BOOL, build: unary},
		"LayerNormalization":        {since: 17, min: 2, max: 3, outs: 3, attrs: []string{"axis", "epsilon", "stash_type"}, build: layerNormalization},
		"LogSoftmax":                {since: 1, min: 1, max: 1, attrs: []string{"axis"}, build: softmax},
		"MatMul":                    {since: 1, min: 2, max: 2, build: matMul},
		"MeanVarianceNormalization": {since: 9, min: 1, max: 1, attrs: []string{"axes"}, build: meanVarianceNormalization},
		"Mod":                       {since: 10, takes: numbers, min: 2, max: 2, attrs: []string{"fmod"}, build: modulo},
		"Pad":                       {since: 2, takes: anything, min: 1, max: 4, attrs: []string{"mode", "pads", "value"}, build: pad},
		"Range":                     {since: 11, takes: numbers, min: 3, max: 3, build: span},
		"Reshape":                   {since: 5, takes: anything, min: 2, max: 2, attrs: []string{"allowzero"}, build: reshape},
		"Resize":                    {since: 10, takes: anything, min: 1, max: 4, attrs: []string{"antialias", "axes", "coordinate_transformation_mode", "cubic_coeff_a", "exclude_outside", "extrapolation_value", "keep_aspect_ratio_policy", "mode", "nearest_mode"}, build: resize},
		"Shape":                     {since: 1, takes: anything, min: 1, max: 1, gives: pb.TensorProto_INT64, attrs: []string{"end", "start"}, build: shapeOf},
		"Size":                      {since: 1, takes: anything, min: 1, max: 1, gives: pb.TensorProto_INT64, build: sizeOf},
		"Slice":                     {since: 1, takes: anything, min: 1, max: 5, attrs: []string{"axes", "ends", "starts"}, build: slice},
		"Softmax":                   {since: 1, min: 1, max: 1, attrs: []string{"axis"}, build: softmax},
		"SpaceToDepth":              {since: 1, takes: anything, min: 1, max: 1, attrs: []string{"blocksize"}, build: spaceToDepth},
		"Split":                     {since: 2, takes: anything, min: 1, max: 2, outs: many, attrs: []string{"axis", "num_outputs", "split"}, build: split},
		"Squeeze":                   {since: 1, takes: anything, min: 1, max: 2, attrs: []string{"axes"}, build: squeeze},
		"Tile":                      {since: 6, takes: anything, min: 2, max: 2, build: tile},
		"Transpose":                 {since: 1, takes: anything, min: 1, max: 1, attrs: []string{"perm"}, build: transpose},
		"Unsqueeze":                 {since: 1, takes: anything, min: 1, max: 2, attrs: []string{"axes"}, build: unsqueeze},
		"Upsample":                  {since: 7, takes: anything, min: 1, max: 2, attrs: []string{"mode", "scales"}, build: resize},
		"Where":                     {since: 9, takes: anything, of: 1, min: 3, max: 3, build: where},
	}
	window := []string{"auto_pad", "dilations", "kernel_shape", "pads", "strides"}
	operators["Conv"] = operator{since: 1, min: 2, max: 3, attrs: append([]string{"group"}, window...), build: convolution}
	operators["ConvTranspose"] = operator{since: 1, min: 2, max: 3, attrs: append([]string{"group", "output_padding", "output_shape"}, window...), build: convolution}
	operators["AveragePool"] = operator{since: 1, min: 1, max: 1, attrs: append([]string{"ceil_mode", "count_include_pad"}, window...), build: pool}
	operators["MaxPool"] = operator{since: 1, min: 1, max: 1, attrs: append([]string{"ceil_mode", "storage_order"}, window...), build: pool}
	for name, attrs := range map[string][]string{
		"Abs": nil, "Acos": nil, "Acosh": nil, "Asin": nil, "Asinh": nil, "Atan": nil, "Atanh": nil, "Ceil": nil, "Celu": {"alpha"},
		"Cos": nil, "Cosh": nil, "Elu": {"alpha"}, "Erf": nil, "Exp": nil, "Floor": nil, "HardSigmoid": {"alpha", "beta"}, "HardSwish": nil,
		"LeakyRelu": {"alpha"}, "Log": nil, "Mish": nil, "Neg": nil, "Not": nil, "Reciprocal": nil, "Relu": nil, "Round": nil,
		"Selu": {"alpha", "gamma"}, "Shrink": {"bias", "lambd"}, "Sigmoid": nil, "Sign": nil, "Sin": nil, "Sinh": nil, "Softplus": nil,
		"Softsign": nil, "Sqrt": nil, "Swish": {"alpha"}, "Tan": nil, "Tanh": nil, "ThresholdedRelu": {"alpha"},
	} {
		o := operator{since: 6, min: 1, max: 1, attrs: attrs, build: unary}
		switch name {
		case "Not", "Softplus", "Softsign":
			o.since = 1
		}
		if integerFunctions[name] != nil {
			o.takes = numbers
		}
		operators[name] = o
	}
	for name, f := range pairs {
		o := operator{since: 6, min: 2, max: 2, takes: numbers, attrs: []string{"axis", "broadcast"}, build: combine}
		switch {
		case name == "Sum", name == "Mean", name == "Max", name == "Min":
			o.min, o.max, o.attrs = 1, many, nil
		case name == "PRelu":
			o.attrs = nil
		}
		if f.logical {
			o.gives = pb.TensorProto_BOOL
		}
		operators[name] = o
	}
	for name := range reductions {
		operators[name] = operator{since: 1, min: 1, max: 2, takes: numbers, attrs: []string{"axes", "keepdims", "noop_with_empty_axes"}, build: reduction}
	}
	for _, name := range []string{"ArgMax", "ArgMin"} {
		operators[name] = operator{since: 1, min: 1, max: 1, gives: pb.TensorProto_INT64, attrs: []string{"axis", "keepdims", "select_last_index"}, build: argument}
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
	if axis < -int64(rank) || axis >= int64(rank) {
		return 0, fmt.Errorf("%s: axis %d of %d axes", name, axis, rank)
	}
	if axis < 0 {
		axis += int64(rank)
	}
	return int(axis), nil
}
