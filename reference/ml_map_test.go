package reference

import (
	"slices"
	"testing"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"google.golang.org/protobuf/proto"
)

// classicalModel is one node of ai.onnx.ml with an input of a type, and output y.
func classicalModel(op string, in *pb.TypeProto, attrs ...onnx.Attr) *onnx.Model {
	n := &pb.NodeProto{OpType: proto.String(op), Domain: proto.String("ai.onnx.ml"), Input: []string{"x"}, Output: []string{"y"}}
	for _, a := range attrs {
		n.Attribute = append(n.Attribute, a.Proto())
	}
	return &onnx.Model{Proto: &pb.ModelProto{
		IrVersion: proto.Int64(8), OpsetImport: []*pb.OperatorSetIdProto{{Version: proto.Int64(15)}, {Domain: proto.String("ai.onnx.ml"), Version: proto.Int64(3)}},
		Graph: &pb.GraphProto{
			Name: proto.String("g"), Node: []*pb.NodeProto{n},
			Input:  []*pb.ValueInfoProto{{Name: proto.String("x"), Type: in}},
			Output: []*pb.ValueInfoProto{{Name: proto.String("y")}},
		},
	}}
}

func mapType(key, value pb.TensorProto_DataType) *pb.TypeProto {
	return &pb.TypeProto{Value: &pb.TypeProto_MapType{MapType: &pb.TypeProto_Map{KeyType: proto.Int32(int32(key)), ValueType: onnx.Type{Elem: value, Dims: []onnx.Dim{}}.Proto()}}}
}

// mapOf is a message of a map from integers or strings.
func mapOf[T onnx.Element](t *testing.T, keys any, values ...T) *Value {
	m := &pb.MapProto{Name: proto.String("x"), Values: &pb.SequenceProto{}}
	switch k := keys.(type) {
	case []int64:
		m.KeyType, m.Keys = proto.Int32(int32(pb.TensorProto_INT64)), k
	case []string:
		m.KeyType = proto.Int32(int32(pb.TensorProto_STRING))
		m.StringKeys = convert(k, func(s string) []byte { return []byte(s) })
	}
	for _, v := range values {
		m.Values.TensorValues = append(m.Values.TensorValues, tensor(t, "", []T{v}).Proto())
	}
	v, err := FromMap(m)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Worked by hand from the definitions of the operators: runtimes' interfaces other than Python's hand over no maps.
func TestMapsBecomeRows(t *testing.T) {
	for _, c := range []struct {
		name  string
		model *onnx.Model
		x     *Value
		want  any
	}{
		{"a vocabulary of words", classicalModel("DictVectorizer", mapType(pb.TensorProto_STRING, pb.TensorProto_FLOAT), onnx.Strings("string_vocabulary", "b", "z", "a")),
			mapOf(t, []string{"a", "b", "c"}, float32(1.5), 2, 3), []float64{2, 0, 1.5}},
		{"a vocabulary of numbers", classicalModel("DictVectorizer", mapType(pb.TensorProto_INT64, pb.TensorProto_STRING), onnx.Ints("int64_vocabulary", 7, 5, 7)),
			mapOf(t, []int64{7, 3}, "seven", "three"), []string{"seven", "", "seven"}},
		{"in the order of the keys", classicalModel("CastMap", mapType(pb.TensorProto_INT64, pb.TensorProto_FLOAT), onnx.String("cast_to", "TO_INT64")),
			mapOf(t, []int64{9, -4, 2}, float32(1.5), -2.5, 3), []int64{-2, 3, 1}},
		{"at the places of the keys", classicalModel("CastMap", mapType(pb.TensorProto_INT64, pb.TensorProto_STRING), onnx.String("map_form", "SPARSE"), onnx.Int("max_map", 5)),
			mapOf(t, []int64{3, 0}, "1.5", "-2"), []float64{-2, 0, 0, 1.5, 0}},
	} {
		p, err := Compile(c.model, Options{})
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		r, err := p.Run(t.Context(), []*Value{c.x})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		y := r.Outputs[0]
		ok := false
		switch want := c.want.(type) {
		case []float64:
			ok = slices.Equal(y.floats(), want)
		case []int64:
			ok = slices.Equal(elems[int64](y), want)
		case []string:
			ok = slices.Equal(elems[string](y), want)
		}
		if n := y.Len(); !ok || !slices.Equal(y.Dims, []int{1, n}) {
			t.Errorf("%s: got %v of shape %v, want %v in one row", c.name, y.Data, y.Dims, c.want)
		}
	}
}

func TestScoresBecomeMaps(t *testing.T) {
	m := classicalModel("ZipMap", onnx.Type{Elem: pb.TensorProto_FLOAT, Dims: []onnx.Dim{onnx.Fixed(2), onnx.Fixed(2)}}.Proto(), onnx.Strings("classlabels_strings", "no", "yes"))
	y := run(t, m, tensor(t, "x", []float32{0.25, 0.75, 1, 0}, 2, 2))[0]
	if y.Kind != Sequence || len(y.Elems) != 2 {
		t.Fatalf("got %s, want a sequence of 2", y)
	}
	for i, want := range [][]float64{{0.25, 0.75}, {1, 0}} {
		e := y.Elems[i]
		if e.Kind != Map || !slices.Equal(elems[string](e.Elems[0]), []string{"no", "yes"}) || !slices.Equal(e.Elems[1].floats(), want) {
			t.Errorf("element %d is %s of %v to %v, want no and yes to %v", i, e, e.Elems[0].Data, e.Elems[1].Data, want)
		}
	}
	if _, err := Run(m, []*onnx.Tensor{tensor(t, "x", []float32{1, 2, 3}, 1, 3)}); err == nil {
		t.Error("three columns for two labels are taken")
	}
}

func TestMapsThatAreNoneAreRefused(t *testing.T) {
	one := tensor(t, "", []float32{1}).Proto()
	for name, m := range map[string]*pb.MapProto{
		"keys of floats":  {KeyType: proto.Int32(int32(pb.TensorProto_FLOAT)), Keys: []int64{1}, Values: &pb.SequenceProto{TensorValues: []*pb.TensorProto{one}}},
		"keys of no type": {KeyType: proto.Int32(-1), Keys: []int64{1}, Values: &pb.SequenceProto{TensorValues: []*pb.TensorProto{one}}},
		"a key too many":  {KeyType: proto.Int32(int32(pb.TensorProto_INT64)), Keys: []int64{1, 2}, Values: &pb.SequenceProto{TensorValues: []*pb.TensorProto{one}}},
		"two types":       {KeyType: proto.Int32(int32(pb.TensorProto_INT64)), Keys: []int64{1, 2}, Values: &pb.SequenceProto{TensorValues: []*pb.TensorProto{one, tensor(t, "", []int64{1}).Proto()}}},
		"wide values":     {KeyType: proto.Int32(int32(pb.TensorProto_INT64)), Keys: []int64{1}, Values: &pb.SequenceProto{TensorValues: []*pb.TensorProto{tensor(t, "", []float32{1, 2}, 2).Proto()}}},
	} {
		if v, err := FromMap(m); err == nil {
			t.Errorf("%s: got %s, want an error", name, v)
		}
	}
}

// The standard has values of some types only; a file may have others.
func TestLabelEncoderHasADefaultOfEveryType(t *testing.T) {
	keys := tensor(t, "", []int64{3}, 1).Proto()
	for typ, none := range widest {
		if none == nil {
			continue
		}
		data, _ := onnx.MakeData(pb.TensorProto_DataType(typ), 1)
		values, err := onnx.TensorOf("", data, 1)
		if err != nil {
			t.Fatal(err)
		}
		m := classicalModel("LabelEncoder", onnx.Type{Elem: pb.TensorProto_INT64, Dims: []onnx.Dim{onnx.Fixed(2)}}.Proto())
		m.Proto.OpsetImport[1].Version = proto.Int64(4)
		m.Proto.Graph.Node[0].Attribute = []*pb.AttributeProto{
			{Name: proto.String("keys_tensor"), Type: pb.AttributeProto_TENSOR.Enum(), T: keys},
			{Name: proto.String("values_tensor"), Type: pb.AttributeProto_TENSOR.Enum(), T: values.Proto()},
		}
		y, err := Run(m, []*onnx.Tensor{tensor(t, "x", []int64{3, 4}, 2)})
		if err != nil {
			t.Errorf("%v: %v", values.Type(), err)
			continue
		}
		want := map[pb.TensorProto_DataType]any{pb.TensorProto_STRING: "_Unused", pb.TensorProto_INT16: int64(-1), pb.TensorProto_FLOAT: 0.0}[values.Type()]
		if want != nil && y[0].key(1) != want {
			t.Errorf("%v: the default is %v, want %v", values.Type(), y[0].key(1), want)
		}
	}
}
