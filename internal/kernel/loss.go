package kernel

import "math"

// BCEWithLogits returns the mean over z of the binary cross-entropy between
// sigmoid(z) and target, softplus(z) - target z, and writes its gradient with
// respect to z, (sigmoid(z) - target) / len(z), into grad unless that is nil.
// The mean of nothing is zero. grad may be z.
func BCEWithLogits[T Float](grad, z []T, target T) (mean float64) {
	if grad != nil {
		need("bce with logits", "grad", len(grad), len(z))
	}
	if len(z) == 0 {
		return 0
	}
	n, t := float64(len(z)), float64(target)
	var sum float64
	for i, v := range z {
		x := float64(v)
		sum += max(x, 0) - t*x + math.Log1p(math.Exp(-math.Abs(x)))
		if grad != nil {
			grad[i] = T((sigmoid(x) - t) / n)
		}
	}
	return sum / n
}
