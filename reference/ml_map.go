package reference

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// newMap is the map from the keys to the values that stand at their places.
func newMap(keys, values *Value) *Value { return &Value{Kind: Map, Elems: []*Value{keys, values}} }

// opZipMap makes a map of every row of (N, classes): from the label of each column to its
// score. ai.onnx.ml ZipMap, opset 1.
var opZipMap = operator{
	name: "ZipMap", domain: machineLearning, in: []port{moves},
	eval: single(func(c *call) *Value {
		x := c.in[0]
		rows, classes := tableOf(x)
		labels := c.labels("classlabels_int64s")
		if labels.Len() != classes {
			fail(fmt.Errorf("%d labels for %d columns", labels.Len(), classes))
		}
		out := &Value{Kind: Sequence}
		for r := range rows {
			scores := c.pick(x, []int{classes}, func(k int) int { return r*classes + k })
			c.take(2 * valueCost)
			out.Elems = append(out.Elems, newMap(labels, scores))
		}
		return out
	}),
}

// opDictVectorizer is the values of a map in the order of a vocabulary, (1, words); zero,
// or an empty string, where the map lacks a word. ai.onnx.ml DictVectorizer, opset 1.
var opDictVectorizer = operator{
	name: "DictVectorizer", domain: machineLearning, in: []port{moves},
	eval: single(func(c *call) *Value {
		keys, values := c.in[0].Elems[0], c.in[0].Elems[1]
		var words []any
		for _, w := range c.step.attrs["string_vocabulary"].GetStrings() {
			words = append(words, string(w))
		}
		for _, w := range c.step.attrs["int64_vocabulary"].GetInts() {
			words = append(words, w)
		}
		place := map[any]int{}
		for i := range keys.Len() {
			place[keys.key(i)] = i
		}
		return c.pick(values, []int{1, len(words)}, func(i int) int {
			if at, ok := place[words[i]]; ok {
				return at
			}
			return -1
		})
	}),
}

// opCastMap is the values of a map from integers, as another type: in the order of their
// keys, (1, entries), or with map_form SPARSE each at the place that its key says, of
// max_map. ai.onnx.ml CastMap, opset 1.
var opCastMap = operator{
	name: "CastMap", domain: machineLearning, in: []port{moves},
	eval: single(func(c *call) *Value {
		keys, values := c.in[0].Elems[0], c.in[0].Elems[1]
		order := make([]int, keys.Len())
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(toInt64(keys, i), toInt64(keys, j)) })
		if c.text("map_form") == "SPARSE" {
			n := c.int("max_map")
			if n < 0 {
				fail(fmt.Errorf("max_map is %d", n))
			}
			c.take(int64(n))
			places := slices.Repeat([]int{-1}, n)
			for _, i := range order {
				at := toInt64(keys, i)
				if at < 0 || at >= int64(n) {
					fail(fmt.Errorf("key %d of a map with places for %d", at, n))
				}
				places[at] = i
			}
			order = places
		}
		to := map[string]pb.TensorProto_DataType{"TO_FLOAT": pb.TensorProto_FLOAT, "TO_INT64": pb.TensorProto_INT64, "TO_STRING": pb.TensorProto_STRING}[c.text("cast_to")]
		if _, ok := values.Data.(onnx.Slice[string]); ok && to != pb.TensorProto_STRING { // so that there is a number in every place
			numbers := c.cast(values, pb.TensorProto_DOUBLE)
			values = numbers
		}
		row := c.pick(values, []int{1, len(order)}, func(i int) int { return order[i] })
		if row.Type == to {
			return row
		}
		return c.cast(row, to)
	}),
}

// FromMap converts a map message, from integers or strings to single numbers or strings.
func FromMap(p *pb.MapProto) (*Value, error) {
	v, err := fromMap(p)
	if err != nil {
		return nil, fmt.Errorf("map %q: %w", p.GetName(), err)
	}
	v.Name = p.GetName()
	return v, nil
}

func fromMap(p *pb.MapProto) (*Value, error) {
	var keys *Value
	switch t := pb.TensorProto_DataType(p.GetKeyType()); {
	case t < 0 || t >= 62 || (integers|texts)&(1<<t) == 0:
		return nil, &onnx.FormatError{Offset: -1, Where: "its keys", What: "are " + typeName(t) + ", want integers or strings"}
	case t == pb.TensorProto_STRING:
		keys = vector(t, convert(p.GetStringKeys(), func(b []byte) string { return string(b) }))
	case signed&(1<<t) != 0:
		keys = vector(t, p.GetKeys())
	default:
		keys = vector(t, convert(p.GetKeys(), func(k int64) uint64 { return uint64(k) }))
	}
	list := p.GetValues().GetTensorValues()
	if len(list) != keys.Len() {
		return nil, &onnx.FormatError{Offset: -1, Where: "its values", What: fmt.Sprintf("are %d for %d keys", len(list), keys.Len())}
	}
	values := vector(pb.TensorProto_FLOAT, make([]float64, len(list)))
	for i, t := range list {
		e, err := FromProto(t)
		if err != nil {
			return nil, fmt.Errorf("value %d: %w", i, err)
		}
		if e.Len() != 1 {
			return nil, &onnx.UnsupportedError{Why: fmt.Sprintf("a map whose value %d is %s, not a single one", i, e)}
		}
		if i == 0 {
			if values, err = resizedLike(e, len(list)); err != nil {
				return nil, err
			}
		}
		if e.Type != values.Type {
			return nil, &onnx.FormatError{Offset: -1, Where: "its values", What: fmt.Sprintf("are of types %s and %s", typeName(values.Type), typeName(e.Type))}
		}
		values.Data.Copy(i, e.Data, 0, 1)
	}
	return newMap(keys, values), nil
}

// resizedLike is n zeros, false, or empty strings of e's type.
func resizedLike(e *Value, n int) (*Value, error) {
	c := &call{meter: &meter{memory: 1 << 62, work: 1 << 62}}
	v, err := attempt(single(func(c *call) *Value { return c.zeros(e.Type, false, n) }), c)
	if err != nil {
		return nil, err
	}
	return v[0], nil
}
