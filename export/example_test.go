package export_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/petrify-ml/petrify/dataset"
	"github.com/petrify-ml/petrify/export"
	"github.com/petrify-ml/petrify/models"
	"github.com/petrify-ml/petrify/train"
)

// Every net of a model becomes a file, with recorded inputs and outputs beside it.
func ExampleFolder() {
	m, err := models.Find("gan")
	if err != nil {
		fmt.Println(err)
		return
	}
	set, err := dataset.Synthetic(1, 16, 1, 28, 28)
	if err != nil {
		fmt.Println(err)
		return
	}
	t, err := train.New(train.Config{Model: m, Data: set, Seed: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	snapshot, err := t.Snapshot() // not trained: a checkpoint of a run would be read from its folder
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
	written, err := export.Folder(dir, m, snapshot, export.Options{Opset: 17})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, e := range written {
		file, _ := filepath.Rel(dir, e.Model)
		fmt.Println(filepath.ToSlash(file))
	}
	// Output:
	// generator/generator.onnx
	// discriminator/discriminator.onnx
}
