// Sixteen pictures of seed 7 as one PNG, with nothing but this module: go run ./examples/go generator.onnx
package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"log"
	"os"

	"github.com/petrify-ml/petrify/load"
)

func main() {
	generator, err := load.GeneratorFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	defer generator.Close()
	images, err := generator.Sample(context.Background(), 7, 16)
	if err != nil {
		log.Fatal(err)
	}
	size := generator.Bounds().Size()
	grid := image.NewRGBA(image.Rect(0, 0, 4*size.X, 4*size.Y))
	for i, m := range images {
		at := image.Pt(i%4*size.X, i/4*size.Y)
		draw.Draw(grid, image.Rectangle{at, at.Add(size)}, m, image.Point{}, draw.Src)
	}
	f, err := os.Create("pictures.png")
	if err != nil {
		log.Fatal(err)
	}
	if err := errors.Join(png.Encode(f, grid), f.Close()); err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(images), "pictures of", size.X, "x", size.Y)
}
