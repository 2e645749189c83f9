package reduce_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/reduce"
	"github.com/petrify-ml/petrify/reference"
	"github.com/petrify-ml/petrify/verify"
	"github.com/petrify-ml/petrify/witness"
)

// A narrow runtime takes no model with a Tanh.
type narrow struct{ reference.Runtime }

func (narrow) Name() string { return "narrow" }

func (r narrow) Open(ctx context.Context, m *onnx.Model) (witness.Session, error) {
	for _, n := range m.Proto.GetGraph().GetNode() {
		if n.GetOpType() == "Tanh" {
			return nil, errors.New("no kernel")
		}
	}
	return r.Runtime.Open(ctx, m)
}

// What a runtime fails on is reduced to what it takes to fail.
func Example() {
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "net"})
	v := e.Input("x", pb.TensorProto_FLOAT, onnx.Fixed(4))
	for i, op := range []string{"Exp", "Sin", "Tanh", "Abs", "Sqrt"} {
		e.Step("step", fmt.Sprint("v", i))
		v = e.Node(op, "", []onnx.Value{v})
	}
	e.Output(v, pb.TensorProto_FLOAT, onnx.Fixed(4))
	m, err := e.Model()
	if err != nil {
		fmt.Println(err)
		return
	}
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	b, err := onnx.Marshal(m)
	if err != nil {
		fmt.Println(err)
		return
	}
	path := filepath.Join(dir, "net.onnx")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		fmt.Println(err)
		return
	}
	r, err := reduce.Run(context.Background(), reduce.Options{Verify: verify.Options{
		Paths: []string{path}, Runtimes: []witness.Runtime{narrow{}}, Named: true, Seed: 1,
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%v: %d of %d nodes\n", r.Failure, r.After.Nodes, r.Before.Nodes)
	fmt.Println(r.Model.Proto.GetGraph().GetNode()[0].GetOpType(), r.Inputs[0].Dims)
	// Output:
	// refused: no kernel: 1 of 5 nodes
	// Tanh [1]
}
