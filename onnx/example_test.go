package onnx_test

import (
	"fmt"
	"os"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// A model is emitted node by node; names come from the step.
func ExampleEmitter() {
	e := onnx.NewEmitter(onnx.EmitterOptions{
		Graph: "doubler", Opset: 13, IR: 8,
		Param: func(full string) (*onnx.Tensor, error) { return onnx.NewTensor(full, []float32{1, 2, 3}, 3) },
	})
	x := e.Input("x", pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(3))
	e.Step("net.scale", "y")
	y := e.Node("Mul", "", []onnx.Value{x, e.Param("weight")})
	e.Output(y, pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(3))
	m, err := e.Model()
	if err == nil {
		err = onnx.Text(os.Stdout, m)
	}
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// ir 8
	// opset ai.onnx 13
	// graph "doubler"
	//   input x float[N,3]
	//   output y float[N,3]
	//   initializer net.scale.weight float[3]{1,2,3}
	//   y = Mul(x, net.scale.weight)
}
