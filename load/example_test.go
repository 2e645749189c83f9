package load_test

import (
	"context"
	"fmt"
	"log"
	"math/rand/v2"

	"github.com/petrify-ml/petrify/load"
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
