package raster_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/raster"
)

// conditional is a model of noise and classes with some names in its metadata, "" for none.
func conditional(names string, inputs ...*pb.ValueInfoProto) *pb.ModelProto {
	m := &pb.ModelProto{Graph: &pb.GraphProto{Input: inputs}}
	if names != "" {
		m.MetadataProps = []*pb.StringStringEntryProto{{Key: proto.String(raster.MetaClasses), Value: proto.String(names)}}
	}
	return m
}

func input(name string, elem pb.TensorProto_DataType, dims ...onnx.Dim) *pb.ValueInfoProto {
	return &pb.ValueInfoProto{Name: proto.String(name), Type: onnx.Type{Elem: elem, Dims: dims}.Proto()}
}

// The input of classes is found wherever it stands, and what the file says of them.
func TestClass(t *testing.T) {
	n, one := onnx.Symbolic("N"), onnx.Fixed(1)
	z, class := input("z", pb.TensorProto_FLOAT, n, onnx.Fixed(100)), input("label", pb.TensorProto_INT64, n)
	image := input("image", pb.TensorProto_FLOAT, n, one, onnx.Fixed(28), onnx.Fixed(28))
	seed, count := input("seed", pb.TensorProto_INT64, one), input("count", pb.TensorProto_INT64, one)
	for _, c := range []struct {
		claim  string
		names  string
		inputs []*pb.ValueInfoProto
		kind   raster.Kind
		class  string
	}{
		{"behind the noise", `["a"]`, []*pb.ValueInfoProto{z, class}, raster.Points, "label"},
		{"in front of the noise", "", []*pb.ValueInfoProto{class, z}, raster.Points, "label"},
		{"beside images", "", []*pb.ValueInfoProto{image, class}, raster.Images, "label"},
		{"beside a seed", "", []*pb.ValueInfoProto{seed, count, input("truncation", pb.TensorProto_FLOAT, one), class}, raster.Seed, "label"},
		{"none, though names are there", `["a"]`, []*pb.ValueInfoProto{z}, raster.Points, ""},
	} {
		m, err := raster.Of(conditional(c.names, c.inputs...))
		if err != nil || m.Kind != c.kind || m.Class.Input != c.class || m.Class.Taken() != (c.class != "") {
			t.Errorf("%s: kind %v, class %+v, %v", c.claim, m.Kind, m.Class, err)
		}
	}
	if _, err := raster.Of(conditional("", z, class, input("more", pb.TensorProto_INT64, n))); err == nil || !strings.Contains(err.Error(), `3 inputs ("z", "label", "more")`) {
		t.Errorf("two inputs of numbers: %v", err)
	}
	for _, names := range []string{"", "{}", "[]", `[""`, "[1]", "null"} {
		_, err := raster.Of(conditional(names, z, class))
		if (err == nil) != (names == "") {
			t.Errorf("names %q: error is %v", names, err)
		}
	}
}

func TestClassNumber(t *testing.T) {
	named := raster.Class{Input: "class", Names: []string{"cat", "7", "dog\x1b[2J"}}
	long := raster.Class{Input: "class", Names: strings.Split(strings.Repeat("x,", 50)+"y", ",")}
	bare := raster.Class{Input: "class"}
	for _, c := range []struct {
		class  raster.Class
		name   string
		number int64
		want   string
	}{
		{named, "cat", 0, ""},
		{named, "7", 1, ""},
		{named, "1", 0, `unknown class "1", want one of cat, 7, "dog\x1b[2J"`},
		{named, "", 0, `unknown class ""`},
		{long, "y", 50, ""},
		{long, "z", 0, "x, and 11 more"},
		{bare, "7", 7, ""},
		{bare, "-1", 0, `class "-1": want a number`},
		{bare, "cat", 0, `class "cat": want a number`},
		{raster.Class{}, "7", 0, `class "7": the model takes none`},
	} {
		got, err := c.class.Number(c.name)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) || err == nil && got != c.number {
			t.Errorf("%q of %q: %d, %v; want %d, %q", c.name, c.class.Names, got, err, c.number, c.want)
		}
	}
}
