package random_test

import (
	"fmt"

	"github.com/petrify-ml/petrify/random"
)

func Example() {
	s := random.New(7, "noise")
	first := make([]float32, 2)
	s.Normal(first)
	at := s.Offset()
	s.Normal(make([]float32, 1000))

	again := random.New(7, "noise") // the same seed and name: the same stream
	second := make([]float32, 2)
	again.Normal(second)
	fmt.Println(at, first[0] == second[0], first[1] == second[1])
	// Output: 2 true true
}
