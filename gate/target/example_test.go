package target_test

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/gate/target"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// A model with a node that OpenCV has no layer for.
func Example() {
	m := &pb.ModelProto{
		IrVersion:   proto.Int64(8),
		OpsetImport: []*pb.OperatorSetIdProto{{Version: proto.Int64(13)}},
		Graph: &pb.GraphProto{
			Name:   proto.String("g"),
			Input:  []*pb.ValueInfoProto{value("x")},
			Output: []*pb.ValueInfoProto{value("y")},
			Node: []*pb.NodeProto{
				{Name: proto.String("activation"), OpType: proto.String("Relu"), Input: []string{"x"}, Output: []string{"h"}},
				{Name: proto.String("determinant"), OpType: proto.String("Det"), Input: []string{"h"}, Output: []string{"y"}},
			},
		},
	}
	t, err := target.Parse("opencv>=4.8")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, v := range t.Judge(m) {
		fmt.Printf("%s: %s\n", v.Where, v.Class)
	}
	// Output:
	// node "activation" (Relu): supported
	// node "determinant" (Det): unsupported
}

func value(name string) *pb.ValueInfoProto {
	return &pb.ValueInfoProto{Name: &name, Type: &pb.TypeProto{Value: &pb.TypeProto_TensorType{TensorType: &pb.TypeProto_Tensor{
		ElemType: proto.Int32(int32(pb.TensorProto_FLOAT)),
		Shape: &pb.TensorShapeProto{Dim: []*pb.TensorShapeProto_Dimension{
			{Value: &pb.TensorShapeProto_Dimension_DimValue{DimValue: 2}}, {Value: &pb.TensorShapeProto_Dimension_DimValue{DimValue: 2}},
		}},
	}}}}
}
