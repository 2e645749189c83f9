package models_test

import (
	"fmt"

	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/models"
)

func ExampleBuild() {
	m, err := models.Build("dcgan", models.Options{Image: layer.Shape{3, 64, 64}, Depth: 4, Width: 32})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, n := range m.Nets {
		plan, err := n.Plan()
		if err != nil {
			fmt.Println(err)
			return
		}
		last := plan.Steps[plan.Outputs[0]]
		fmt.Printf("%s: %v to %v, %d parameters\n", n.Name, n.Input.Shape, last.Out, plan.ParamCount())
	}
	_, err = models.Build("dcgan", models.Options{Image: layer.Shape{3, 60, 64}, Depth: 4})
	fmt.Println(err)
	// Output:
	// generator: 100 to 3x64x64, 3576707 parameters
	// discriminator: 3x64x64 to 1, 694689 parameters
	// dcgan: image is 3x60x64, want height and width that 16 divides, for 4 steps of halving
}
