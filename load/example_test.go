package load_test

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"log"
	"os"
	"slices"
	"sync"

	"github.com/petrify-ml/petrify/load"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/random"
)

// A generator that petrify has exported makes 16 images of seed 7: those of "petrify sample --seed 7".
func Example() {
	generator, err := load.GeneratorFile("generator.onnx")
	if err != nil {
		log.Fatal(err)
	}
	defer generator.Close()

	images, err := generator.Sample(context.Background(), 7, 16)
	if err != nil {
		log.Fatal(err)
	}
	for i, m := range images {
		f, err := os.Create(fmt.Sprintf("digit-%d.png", i))
		if err != nil {
			log.Fatal(err)
		}
		if err := errors.Join(png.Encode(f, m), f.Close()); err != nil {
			log.Fatal(err)
		}
	}
}

// A generator that has learnt classes makes images of the one that it is asked for: sevens, where digits were learnt.
func ExampleGenerator_SampleClass() {
	generator, err := load.GeneratorFile("generator.onnx")
	if err != nil {
		log.Fatal(err)
	}
	defer generator.Close()

	seven := slices.Index(generator.Classes(), "7")
	images, err := generator.SampleClass(context.Background(), 1, 16, seven)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(images))
}

// Images of any noise go into the caller's memory, here those from number 100 of the seed on, of less noise than usual.
func ExampleGenerator_Pixels() {
	generator, err := load.OpenGenerator(flat())
	if err != nil {
		log.Fatal(err)
	}
	defer generator.Close()
	pixels := make([]byte, 5*generator.Channels()*generator.Bounds().Dx()*generator.Bounds().Dy())
	if err := generator.Pixels(context.Background(), pixels, random.Noise{Seed: 7, Truncation: 0.5}, 100); err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(pixels), slices.Max(pixels) <= 191, slices.Min(pixels) >= 64)
	// Output: 5 true true
}

// Requests that come at the same time go through the model together.
func ExampleBatcher() {
	generator, err := load.OpenGenerator(flat())
	if err != nil {
		log.Fatal(err)
	}
	defer generator.Close()
	batcher, err := load.NewBatcher(generator, load.BatcherOptions{})
	if err != nil {
		log.Fatal(err)
	}
	var requests sync.WaitGroup
	made := make([][]image.Image, 8)
	for i := range made {
		requests.Go(func() {
			images, err := batcher.Sample(context.Background(), int64(i), 2)
			if err != nil {
				log.Print(err)
			}
			made[i] = images
		})
	}
	requests.Wait()
	alone, err := generator.Sample(context.Background(), 3, 2)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(made[3]), made[3][1].At(0, 0) == alone[1].At(0, 0))
	// Output: 2 true
}

// An encoder makes codes of pictures, and the decoder pictures of codes. These are of two pixels, which are their own codes.
func ExampleAutoencoder() {
	encoder, err := load.OpenEncoder(pixels(true))
	if err != nil {
		log.Fatal(err)
	}
	defer encoder.Close()
	decoder, err := load.OpenGenerator(pixels(false))
	if err != nil {
		log.Fatal(err)
	}
	defer decoder.Close()
	autoencoder, err := load.NewAutoencoder(encoder, decoder)
	if err != nil {
		log.Fatal(err)
	}
	picture := image.NewGray(encoder.Bounds())
	picture.Pix[0] = 255
	codes, err := encoder.Encode(context.Background(), []image.Image{picture})
	if err != nil {
		log.Fatal(err)
	}
	again, err := autoencoder.Reconstruct(context.Background(), []image.Image{picture})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(codes, again[0].(*image.Gray).Pix)
	// Output: [[1 -1]] [255 0]
}

// pixels is a model from images of two pixels to two numbers, or the other way.
func pixels(encodes bool) *onnx.Model {
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "g", Opset: 13, IR: 8})
	image, code := []onnx.Dim{onnx.Symbolic("N"), onnx.Fixed(1), onnx.Fixed(1), onnx.Fixed(2)}, []onnx.Dim{onnx.Symbolic("N"), onnx.Fixed(2)}
	in, out, dims := image, code, []int64{0, 2}
	if !encodes {
		in, out, dims = code, image, []int64{0, 1, 1, 2}
	}
	x := e.Input("x", pb.TensorProto_FLOAT, in...)
	shape, err := onnx.NewTensor("shape", dims, len(dims))
	if err != nil {
		log.Fatal(err)
	}
	e.Step("y", "y")
	e.Output(e.Node("Reshape", "", []onnx.Value{x, e.Const("shape", shape)}), pb.TensorProto_FLOAT, out...)
	m, err := e.Model()
	if err != nil {
		log.Fatal(err)
	}
	return &onnx.Model{Proto: m}
}

// A loop that runs a model again and again gives it the same tensors to fill.
func ExampleSession_RunInto() {
	s, err := load.Open(flat())
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	z, err := onnx.NewTensor("z", []float32{1, 2}, 2, 1)
	if err != nil {
		log.Fatal(err)
	}
	in := []*onnx.Tensor{z}
	out, err := s.Run(context.Background(), in)
	if err != nil {
		log.Fatal(err)
	}
	for i := range 2 {
		z.Data.(onnx.Slice[float32])[0] = float32(10 * i)
		if err := s.RunInto(context.Background(), in, out); err != nil {
			log.Fatal(err)
		}
		fmt.Println(out[0].Data, out[0].Dims)
	}
	// Output:
	// [0 2] [2 1 1 1]
	// [10 2] [2 1 1 1]
}

// flat makes images of one pixel, the noise itself.
func flat() *onnx.Model {
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "g", Opset: 13, IR: 8})
	z := e.Input("z", pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(1))
	shape, err := onnx.NewTensor("shape", []int64{0, 1, 1, 1}, 4)
	if err != nil {
		log.Fatal(err)
	}
	e.Step("image", "image")
	e.Output(e.Node("Reshape", "", []onnx.Value{z, e.Const("shape", shape)}), pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(1), onnx.Fixed(1), onnx.Fixed(1))
	m, err := e.Model()
	if err != nil {
		log.Fatal(err)
	}
	return &onnx.Model{Proto: m}
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
