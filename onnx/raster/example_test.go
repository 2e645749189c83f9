package raster_test

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/raster"
)

// A decoder takes codes of 20 numbers, for any number N of images, and its white is 1.
func ExampleOf() {
	codes := onnx.Type{Elem: pb.TensorProto_FLOAT, Dims: []onnx.Dim{onnx.Symbolic("N"), onnx.Fixed(20)}}
	m, err := raster.Of(&pb.ModelProto{
		Graph:         &pb.GraphProto{Input: []*pb.ValueInfoProto{{Name: proto.String("z"), Type: codes.Proto()}}},
		MetadataProps: []*pb.StringStringEntryProto{{Key: proto.String(raster.MetaPixels), Value: proto.String("0,1")}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.Kind == raster.Points, m.Input.Name, m.Input.Size)
	c, h, w, layout := m.Output(pb.TensorProto_FLOAT, []int{16, 1, 28, 28})
	fmt.Println(c, h, w, layout)
	// Output:
	// true z 20
	// 1 28 28 nchw
}
