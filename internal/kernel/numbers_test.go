package kernel

import "math/rand/v2"

// numbers are n values in [-1, 1) that depend on the seed alone.
func numbers(seed uint64, n int) []float32 {
	r := rand.New(rand.NewPCG(seed, 0))
	x := make([]float32, n)
	for i := range x {
		x[i] = 2*r.Float32() - 1
	}
	return x
}
