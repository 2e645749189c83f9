package pass_test

import (
	"fmt"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pass"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// The model that is passed stays as it is.
func ExampleApply() {
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "g", Opset: 13, IR: 8})
	x := e.Input("x", pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(3))
	e.Step("one", "one")
	one, err := onnx.NewTensor("one", []float32{1}, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	c := e.Node("Constant", "", nil, onnx.TensorAttr("value", one))
	e.Step("y", "y")
	e.Output(e.Node("Add", "", []onnx.Value{x, c}), pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(3))
	m, err := e.Model()
	if err != nil {
		fmt.Println(err)
		return
	}
	n := pass.Apply(m, pass.ConstantsToData)
	fmt.Println(len(m.GetGraph().GetNode()), "nodes, then", len(n.GetGraph().GetNode()), "and", len(n.GetGraph().GetInitializer()), "initializer")
	// Output: 2 nodes, then 1 and 1 initializer
}
