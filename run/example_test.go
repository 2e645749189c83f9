package run_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/petrify-ml/petrify/models"
	"github.com/petrify-ml/petrify/run"
)

// A run is begun, stopped, gone on with, sampled and exported.
func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	dir = filepath.Join(dir, "gan")

	r, err := run.Create(context.Background(), dir, run.Config{
		Settings: run.Settings{
			Model: "gan", Sizes: models.Options{Width: 16},
			Data: run.Data{Source: "mnist"}, Seed: 1, Batch: 8, SampleEvery: 2,
		},
		Steps: 4,
	})
	if err != nil {
		log.Fatal(err)
	}
	for ev, err := range r.Steps(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		if ev.Reported {
			fmt.Printf("step %d of %d\n", ev.Step, r.Description().Steps)
		}
	}
	if err := r.Close(); err != nil {
		log.Fatal(err)
	}

	r, err = run.Resume(context.Background(), dir, run.ResumeOptions{Steps: 6})
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	for ev, err := range r.Steps(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		if ev.Reported {
			fmt.Printf("step %d of %d\n", ev.Step, r.Description().Steps)
		}
	}
	images, err := r.Sample(7, 3)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d samples of %dx%d\n", images.N, images.H, images.W)
	files, err := r.Export(context.Background(), run.ExportOptions{})
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range files {
		fmt.Println(f.Name, filepath.Base(f.Model))
	}
	// Output:
	// step 2 of 4
	// step 4 of 4
	// step 6 of 6
	// 3 samples of 28x28
	// generator generator.onnx
	// discriminator discriminator.onnx
}
