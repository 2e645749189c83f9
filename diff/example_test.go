package diff_test

import (
	"fmt"
	"os"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/diff"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// Two models of one node are compared without running them.
func ExampleModels() {
	model := func(name, operator string) *onnx.Model {
		v := func(name string) []*pb.ValueInfoProto {
			return []*pb.ValueInfoProto{{Name: proto.String(name), Type: onnx.Type{Elem: pb.TensorProto_FLOAT, Dims: []onnx.Dim{onnx.Symbolic("N")}}.Proto()}}
		}
		m := &pb.ModelProto{
			IrVersion: proto.Int64(8), OpsetImport: []*pb.OperatorSetIdProto{{Version: proto.Int64(13)}},
			Graph: &pb.GraphProto{Name: proto.String("g"), Input: v("x"), Output: v("y"), Node: []*pb.NodeProto{{OpType: &operator, Input: []string{"x"}, Output: []string{"y"}}}},
		}
		b, err := onnx.Marshal(m)
		if err != nil {
			fmt.Println(err)
		}
		return &onnx.Model{Path: name, Proto: m, Bytes: b}
	}
	r := diff.Models(model("old.onnx", "Relu"), model("new.onnx", "Selu"))
	r.Text(os.Stdout)
	fmt.Println(r.Changed(diff.Graph), r.Changed(diff.Interface))
	// Output:
	// old.onnx -> new.onnx
	// graph
	//   node of "y": Relu -> Selu (another operator)
	// true false
}
