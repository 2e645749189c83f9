package child

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/witness"
)

// TestInitializersThatAreInputsStayWhatTheyAre opens what exporters write for the first versions of ONNX, where each initializer is an
// input, too: OpenCV's importer takes no Identity of one, and a bias has one axis, which no input may have there.
func TestInitializersThatAreInputsStayWhatTheyAre(t *testing.T) {
	port := func(name string, dims ...onnx.Dim) *pb.ValueInfoProto {
		return &pb.ValueInfoProto{Name: &name, Type: onnx.Type{Elem: pb.TensorProto_FLOAT, Dims: dims}.Proto()}
	}
	m := &onnx.Model{Proto: &pb.ModelProto{
		IrVersion: proto.Int64(3), OpsetImport: []*pb.OperatorSetIdProto{{Version: proto.Int64(7)}},
		Graph: &pb.GraphProto{
			Name:        proto.String("g"),
			Input:       []*pb.ValueInfoProto{port("x", onnx.Fixed(1), onnx.Fixed(2)), port("b", onnx.Fixed(2))},
			Output:      []*pb.ValueInfoProto{port("y", onnx.Fixed(1), onnx.Fixed(2))},
			Initializer: []*pb.TensorProto{(&onnx.Tensor{Name: "b", Dims: []int{2}, Data: onnx.Slice[float32]{1, 2}}).Proto()},
			Node:        []*pb.NodeProto{{OpType: proto.String("Add"), Input: []string{"x", "b"}, Output: []string{"y"}}},
		},
	}}
	r := OpenCV()
	if err := r.lacks(witness.SignatureOf(m)); err != nil {
		t.Fatal(err)
	}
	b, aliases, err := r.usable(m)
	if err != nil {
		t.Fatal(err)
	}
	p := &pb.ModelProto{}
	if err := proto.Unmarshal(b, p); err != nil {
		t.Fatal(err)
	}
	if g := p.GetGraph(); len(g.GetInput()) != 1 || g.GetInitializer()[0].GetName() != "b" || aliases["x"] != g.GetInput()[0].GetName() || aliases["b"] != "" {
		t.Errorf("inputs %v, aliases %v", g.GetInput(), aliases)
	}
}
