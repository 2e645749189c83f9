package witness_test

import (
	"fmt"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/witness"
)

// All runtimes find the same mistakes in what they are given, and word them alike.
func ExampleSignature() {
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "g", Opset: 13, IR: 8})
	x := e.Input("x", pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(3))
	e.Step("y", "y")
	e.Output(e.Node("Relu", "", []onnx.Value{x}), pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(3))
	m, err := e.Model()
	if err != nil {
		fmt.Println(err)
		return
	}
	s := witness.SignatureOf(&onnx.Model{Proto: m})
	for _, in := range s.Inputs {
		fmt.Println(in)
	}
	wrong, err := onnx.NewTensor("x", []float32{1, 2}, 1, 2)
	if err != nil {
		fmt.Println(err)
		return
	}
	var b witness.Binding
	fmt.Println(s.Bind(&b, []*onnx.Tensor{wrong}))
	// Output:
	// x float[N,3]
	// input x float[N,3]: got dims [1 2], want 3 on axis 1
}
