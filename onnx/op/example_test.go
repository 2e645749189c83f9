package op_test

import (
	"fmt"

	"github.com/petrify-ml/petrify/onnx/op"
)

// A model that imports opset 12 gets version 11 of Conv.
func ExampleFind() {
	s := op.Find("", "Conv", 12)
	fmt.Println(s.Name, s.Since, s.Attrs["group"].Type, s.Attrs["group"].Default.GetI())
	for _, in := range s.In {
		fmt.Println(in.Name, in.Type, in.Optional)
	}
	// Output:
	// Conv 11 INT 1
	// X T false
	// W T false
	// B T true
}
