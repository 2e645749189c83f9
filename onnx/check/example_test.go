package check_test

import (
	"fmt"

	"github.com/petrify-ml/petrify/onnx/check"
	"github.com/petrify-ml/petrify/onnx/pb"
	"google.golang.org/protobuf/proto"
)

func ExampleModel() {
	m := &pb.ModelProto{
		IrVersion:   proto.Int64(8),
		OpsetImport: []*pb.OperatorSetIdProto{{Version: proto.Int64(13)}},
		Graph: &pb.GraphProto{
			Name: proto.String("g"),
			Node: []*pb.NodeProto{{OpType: proto.String("Relu"), Input: []string{"x"}, Output: []string{"y"}}},
		},
	}
	for _, f := range check.Model(m) {
		fmt.Println(f)
	}
	// Output:
	// error: node of "y" (Relu): value-undefined: input 0, "x", is defined nowhere
	// info: node of "y" (Relu): node-unused: nothing reads what the node gives
}
