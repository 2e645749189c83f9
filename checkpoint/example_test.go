package checkpoint_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/petrify-ml/petrify/checkpoint"
)

// A checkpoint is read completely or not at all.
func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "step-000010.safetensors")
	err = checkpoint.WriteFile(path, &checkpoint.Snapshot{
		Step:    10,
		Meta:    map[string]string{"note": "an example"},
		Tensors: []checkpoint.Tensor{{Name: "fc.weight", Dims: []int{2, 2}, Data: []float32{1, 2, 3, 4}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := checkpoint.ReadFile(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.Step, s.Tensors[0].Name, s.Tensors[0].Data)

	b, err := os.ReadFile(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	b[len(b)-1] ^= 1
	if err := os.WriteFile(path, b, 0o644); err != nil {
		fmt.Println(err)
		return
	}
	_, err = checkpoint.ReadFile(path)
	_, damaged := errors.AsType[*checkpoint.FormatError](err)
	fmt.Println("damaged:", damaged)
	// Output:
	// 10 fc.weight [1 2 3 4]
	// damaged: true
}
