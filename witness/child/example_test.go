package child_test

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/witness/child"
)

// none is a driver that runs nothing.
type none struct{}

func (none) Version() string { return "none 1.0" }

func (none) Open([]byte, int) error { return errors.New("not today") }

func (none) Run([]*onnx.Tensor) ([]*onnx.Tensor, error) { return nil, errors.New("not today") }

// A driver speaks first and ends with its input.
func ExampleServe() {
	var out bytes.Buffer
	err := child.Serve(bytes.NewReader(nil), &out, none{})
	fmt.Println(bytes.Contains(out.Bytes(), []byte("none 1.0")), err)
	// Output: true <nil>
}
