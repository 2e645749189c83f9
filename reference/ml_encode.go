package reference

import (
	"fmt"
	"math"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// opBinarizer is 1 where an element is greater than the threshold, else 0. ai.onnx.ml
// Binarizer, opset 1.
var opBinarizer = operator{
	name: "Binarizer", domain: machineLearning,
	eval: single(func(c *call) *Value {
		x, threshold := c.in[0], c.float("threshold")
		out := c.zeros(x.Type, floats&setOf(x) != 0, x.Dims...)
		for i := range out.Len() {
			n := x.at(i)
			above := 0.0
			if n.v > threshold {
				above = 1
			}
			if d, ok := out.Data.(onnx.Slice[float64]); ok {
				d[i] = above
				out.setFigures(i, flips(n, exact(threshold)))
			} else {
				out.setFloat(i, above)
			}
		}
		return out
	}),
}

// opArrayFeatureExtractor picks elements along the last axis. ai.onnx.ml
// ArrayFeatureExtractor, opset 1.
var opArrayFeatureExtractor = operator{
	name: "ArrayFeatureExtractor", domain: machineLearning, in: []port{moves},
	eval: single(func(c *call) *Value {
		x := c.in[0]
		index, _ := c.intInput(1)
		if len(x.Dims) == 0 || len(index) == 0 {
			fail(fmt.Errorf("input of shape %v, %d indices", x.Dims, len(index)))
		}
		n := lastOf(x)
		for _, k := range index {
			if k < 0 || k >= n {
				fail(fmt.Errorf("index %d into an axis of %d", k, n))
			}
		}
		dims := []int{1, len(index)}
		if len(x.Dims) > 1 {
			dims = append(slices.Clone(x.Dims[:len(x.Dims)-1]), len(index))
		}
		return c.pick(x, dims, func(i int) int { return i/len(index)*n + index[i%len(index)] })
	}),
}

// opImputer replaces elements that equal a value, which may be NaN, by one of each
// feature or of all. ai.onnx.ml Imputer, opset 1.
var opImputer = operator{
	name: "Imputer", domain: machineLearning, in: []port{blind},
	eval: single(func(c *call) *Value {
		x := c.in[0]
		isFloat := floats&setOf(x) != 0
		by := convert(c.step.attrs["imputed_value_int64s"].GetInts(), func(v int64) float64 { return float64(v) })
		old := float64(c.int("replaced_value_int64"))
		if isFloat {
			by = convert(c.step.attrs["imputed_value_floats"].GetFloats(), func(v float32) float64 { return float64(v) })
			old = c.float("replaced_value_float")
		}
		if n := lastOf(x); len(by) != 1 && len(by) != n || len(by) == 0 {
			fail(fmt.Errorf("%d values for %d features", len(by), n))
		}
		out := c.pick(x, x.Dims, func(i int) int { return i })
		for i := range out.Len() {
			if v := x.Float(i); v == old || math.IsNaN(v) && math.IsNaN(old) {
				out.setFloat(i, by[i%lastOf(x)%len(by)])
			}
		}
		return out
	}),
}

// opFeatureVectorizer puts (N, features) beside each other, as float32. ai.onnx.ml
// FeatureVectorizer, opset 1.
var opFeatureVectorizer = operator{
	name: "FeatureVectorizer", domain: machineLearning,
	eval: single(func(c *call) *Value {
		widths := c.intList("inputdimensions")
		if len(widths) != len(c.in) {
			fail(fmt.Errorf("%d widths for %d inputs", len(widths), len(c.in)))
		}
		rows, total := 0, 0
		for i, x := range c.in {
			n, features := tableOf(x)
			if i > 0 && n != rows || widths[i] != features {
				fail(fmt.Errorf("input %d of shape %v, want %d rows of %d", i, x.Dims, rows, widths[i]))
			}
			rows, total = n, total+features
		}
		out := c.numbers(pb.TensorProto_FLOAT, rows, total)
		at := 0
		for _, x := range c.in {
			n := lastOf(x)
			for i := range x.Len() {
				out.set(i/n*total+at+i%n, c.feature(x, i))
			}
			at += n
		}
		return out
	}),
}

// opOneHotEncoder has a new last axis with a 1 at the place of the element among the
// categories. ai.onnx.ml OneHotEncoder, opset 1.
var opOneHotEncoder = operator{
	name: "OneHotEncoder", domain: machineLearning, in: []port{blind},
	eval: single(func(c *call) *Value {
		x := c.in[0]
		words, list := c.step.attrs["cats_strings"].GetStrings(), c.step.attrs["cats_int64s"].GetInts()
		isText := x.Type == pb.TensorProto_STRING
		n := len(list)
		if isText {
			n = len(words)
		}
		if n == 0 {
			fail(fmt.Errorf("no categories for %s", x))
		}
		out := c.zeros(pb.TensorProto_FLOAT, false, append(slices.Clone(x.Dims), n)...)
		place := map[any]int{}
		for i := range n {
			if isText {
				place[string(words[i])] = i
			} else {
				place[list[i]] = i
			}
		}
		for i := range x.Len() {
			var key any = toInt64(x, i)
			if isText {
				key = elems[string](x)[i]
			}
			k, ok := place[key]
			if !ok && c.int("zeros") == 0 {
				fail(fmt.Errorf("element %d is %v, which is not a category", i, key))
			}
			if ok {
				out.floats()[i*n+k] = 1
			}
		}
		return out
	}),
}

// opCategoryMapper changes strings to integers and back. ai.onnx.ml CategoryMapper,
// opset 1.
var opCategoryMapper = operator{
	name: "CategoryMapper", domain: machineLearning,
	eval: single(func(c *call) *Value {
		words := convert(c.step.attrs["cats_strings"].GetStrings(), func(b []byte) string { return string(b) })
		list := c.step.attrs["cats_int64s"].GetInts()
		if len(words) != len(list) {
			fail(fmt.Errorf("%d strings for %d integers", len(words), len(list)))
		}
		keys, values := vector(pb.TensorProto_STRING, words), vector(pb.TensorProto_INT64, list)
		if c.in[0].Type == pb.TensorProto_INT64 {
			keys, values = values, keys
		}
		return c.encode(keys, values, c.defaultLabel(values.Type))
	}),
}

// opLabelEncoder maps keys to values, and what is not a key to a default. Version 1 has
// classes: a string to its place, and back. ai.onnx.ml LabelEncoder, opset 1, 2, 4.
var opLabelEncoder = operator{
	name: "LabelEncoder", domain: machineLearning, in: []port{blind},
	eval: single(func(c *call) *Value {
		x := c.in[0]
		if c.opset < 2 {
			words := convert(c.step.attrs["classes_strings"].GetStrings(), func(b []byte) string { return string(b) })
			places := make([]int64, len(words))
			for i := range places {
				places[i] = int64(i)
			}
			keys, values := vector(pb.TensorProto_STRING, words), vector(pb.TensorProto_INT64, places)
			if x.Type == pb.TensorProto_INT64 {
				keys, values = values, keys
			}
			return c.encode(keys, values, c.defaultLabel(values.Type))
		}
		keys := c.encoding("keys")
		values := c.encoding("values")
		if keys.Len() != values.Len() {
			fail(fmt.Errorf("%d keys for %d values", keys.Len(), values.Len()))
		}
		otherwise := c.tensorAttr("default_tensor")
		if otherwise == nil {
			otherwise = c.defaultLabel(values.Type)
		}
		return c.encode(keys, values, otherwise)
	}),
}

// encoding is one of the lists of a LabelEncoder.
func (c *call) encoding(name string) *Value {
	if t := c.tensorAttr(name + "_tensor"); t != nil {
		return t
	}
	var v *Value
	switch a := c.step.attrs; {
	case a[name+"_strings"] != nil:
		v = vector(pb.TensorProto_STRING, convert(a[name+"_strings"].GetStrings(), func(b []byte) string { return string(b) }))
	case a[name+"_int64s"] != nil:
		v = vector(pb.TensorProto_INT64, a[name+"_int64s"].GetInts())
	case a[name+"_floats"] != nil:
		v = vector(pb.TensorProto_FLOAT, convert(a[name+"_floats"].GetFloats(), func(x float32) float64 { return float64(x) }))
	default:
		fail(fmt.Errorf("no attribute %s_strings, %s_int64s or %s_floats", name, name, name))
	}
	c.take(cost(v))
	return v
}

// defaultLabel is what a LabelEncoder gives where no key fits.
func (c *call) defaultLabel(t pb.TensorProto_DataType) *Value {
	v := &Value{Type: t, Dims: []int{1}, Data: widest[t].Make(1)}
	switch set := setOf(v); {
	case set&texts != 0:
		elems[string](v)[0] = c.text("default_string")
	case set&floats != 0:
		v.floats()[0] = c.float("default_float")
	case set&signed != 0:
		elems[int64](v)[0] = wrap(t, int64(c.int("default_int64")))
	default:
		v.setFloat(0, float64(c.int("default_int64")))
	}
	return v
}

// encode maps every element of input 0: the last of equal keys counts, and NaN equals
// itself.
func (c *call) encode(keys, values, otherwise *Value) *Value {
	x := c.in[0]
	if keys.Type != x.Type || otherwise.Type != values.Type || otherwise.Len() != 1 || keys.Len() != values.Len() {
		fail(fmt.Errorf("%s with %d keys of %s, %d values of %s and a default of %s", x, keys.Len(), typeName(keys.Type), values.Len(), typeName(values.Type), otherwise))
	}
	out := c.zeros(values.Type, false, x.Dims...)
	place := make(map[any]int, keys.Len())
	for i := range keys.Len() {
		place[keys.key(i)] = i
	}
	for i := range x.Len() {
		if k, ok := place[x.key(i)]; ok {
			out.Data.Copy(i, values.Data, k, 1)
		} else {
			out.Data.Copy(i, otherwise.Data, 0, 1)
		}
		if _, ok := place[keyOfNaN{}]; ok && c.opset < 4 && x.key(i) == any(keyOfNaN{}) {
			c.undefined(out, i, keyNaN)
		}
	}
	return out
}
