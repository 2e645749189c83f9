package gorgonnx_test

import (
	"context"
	"fmt"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/witness/gorgonnx"
)

// A program that calls gorgonnx.Main first may run models on stock onnx-go.
func Example() {
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "g", Opset: 13, IR: 8})
	x := e.Input("x", pb.TensorProto_FLOAT, onnx.Fixed(1), onnx.Fixed(3))
	e.Step("y", "y")
	e.Output(e.Node("Relu", "", []onnx.Value{x}), pb.TensorProto_FLOAT, onnx.Fixed(1), onnx.Fixed(3))
	m, err := e.Model()
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := gorgonnx.Open(context.Background(), &onnx.Model{Proto: m})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	in, err := onnx.NewTensor("x", []float32{1, 0, 2}, 1, 3)
	if err != nil {
		fmt.Println(err)
		return
	}
	out, err := s.Run(context.Background(), []*onnx.Tensor{in})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(out[0].Data)
	// Output: [1 0 2]
}
