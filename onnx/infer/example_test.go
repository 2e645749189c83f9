package infer_test

import (
	"fmt"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/infer"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// Lengths without a number go by their names.
func ExampleTypes() {
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "g", Opset: 13, IR: 8})
	x := e.Input("x", pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(2), onnx.Fixed(3))
	e.Step("flat", "flat")
	flat := e.Node("Flatten", "", []onnx.Value{x}, onnx.Int("axis", 1))
	e.Output(flat, pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(6))
	m, err := e.Model()
	if err != nil {
		fmt.Println(err)
		return
	}
	types, _ := infer.Types(m)
	fmt.Println(types["flat"])
	// Output: float[N,6]
}
