package load_test

import (
	"context"
	"fmt"
	"log"
	"math/rand/v2"

	"github.com/petrify-ml/petrify/load"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// A generator that petrify has exported makes 16 images of 28 by 28 pixels, with values from -1 to 1, from 16 vectors of 100
// standard normals.
func Example() {
	generator, err := load.File("generator.onnx")
	if err != nil {
		log.Fatal(err)
	}
	defer generator.Close()

	r := rand.New(rand.NewPCG(7, 0))
	noise := make([]float32, 16*100)
	for i := range noise {
		noise[i] = float32(r.NormFloat64())
	}
	images, dims, err := generator.Apply(context.Background(), noise)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(dims)           // [16 1 28 28]
	fmt.Println(images[:28*28]) // the first image, row by row
}

// A model that is made in memory runs like one from a file.
func ExampleOpen() {
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "g", Opset: 13, IR: 8})
	x := e.Input("x", pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(2))
	e.Step("y", "y")
	e.Output(e.Node("Relu", "", []onnx.Value{x}), pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(2))
	m, err := e.Model()
	if err != nil {
		log.Fatal(err)
	}
	s, err := load.Open(&onnx.Model{Proto: m})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	y, dims, err := s.Apply(context.Background(), []float32{1, -2, 3, -4})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(y, dims)
	// Output: [1 0 3 0] [2 2]
}
