package layer_test

import (
	"fmt"

	"github.com/petrify-ml/petrify/layer"
)

// A block with a way around it, settled to a plan.
func Example() {
	net := layer.Net{
		Name:  "block",
		Input: layer.Input{Name: "image", Shape: layer.Shape{3, 8, 8}},
		Rows: []layer.Row{
			{Name: "conv", Layer: layer.Conv2D{Out: 3, Kernel: [2]int{3, 3}, Pads: [4]int{1, 1, 1, 1}}},
			{Name: "act", Layer: layer.ReLU{}},
			{Name: "sum", Layer: layer.Add{}, From: []string{"act", "image"}},
			{Name: "flat", Layer: layer.Flatten{}},
			{Name: "fc", Layer: layer.Dense{Out: 10}},
		},
	}
	plan, err := net.Plan()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range plan.Steps {
		fmt.Println(s.Name, layer.Describe(s.Layer), s.In, s.Out)
	}
	fmt.Println(plan.ParamCount(), "parameters")
	// Output:
	// block.conv Conv2D(Out: 3, Kernel: [3 3], Pads: [1 1 1 1]) [3x8x8] 3x8x8
	// block.act ReLU [3x8x8] 3x8x8
	// block.sum Add [3x8x8 3x8x8] 3x8x8
	// block.flat Flatten [3x8x8] 192
	// block.fc Dense(Out: 10) [192] 10
	// 2014 parameters
}
