package kernel

import "math"

// BCEWithLogits returns the mean over z of the binary cross-entropy between
// sigmoid(z) and target, softplus(z) - target z, and writes its gradient with
// respect to z, (sigmoid(z) - target) / len(z), into grad unless that is nil.
// The mean of nothing is zero. grad may be z.
//
// In float32 a term of the loss is as accurate as softplus, and the terms are
// added in float64, from the first to the last.
func BCEWithLogits[T Float](grad, z []T, target T) (mean float64) {
	if grad != nil {
		need("bce with logits", "grad", len(grad), len(z))
		grad = grad[:len(z)]
	}
	if len(z) == 0 {
		return 0
	}
	if z32, ok := any(z).([]float32); ok && simd {
		return bce32(any(grad).([]float32), z32, float32(target))
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

// bce32 is BCEWithLogits in float32, a part at a time. The parts are shorter
// than a unit and on the stack, hence no call of Activate.
func bce32(grad, z []float32, target float32) (mean float64) {
	var part [256]float32
	n, t := float64(len(z)), float64(target)
	var sum float64
	for lo := 0; lo < len(z); lo += len(part) {
		x := z[lo:min(lo+len(part), len(z))]
		y := part[:len(x)]
		for i, v := range x {
			y[i] = -max(v, -v)
		}
		v := vectors{op: opActivate, act: Activation{Func: Softplus}, y: y, a: y} // log(1 + e^-|x|)
		v.do(0, 1, nil)
		for i, v := range x {
			sum += max(float64(v), 0) - t*float64(v) + float64(y[i])
		}
		if grad == nil {
			continue
		}
		v = vectors{op: opActivate, act: Activation{Func: Sigmoid}, y: y, a: x}
		v.do(0, 1, nil)
		for i, v := range y {
			grad[lo+i] = float32((float64(v) - t) / n)
		}
	}
	return sum / n
}
