package kernel

// Runs are stretches of memory within which one channel lies. What follows works
// on one of them, on the caller's goroutine.

// sumsOf returns the sums of a and of a (x - mean).
func sumsOf[T Float](a, x []T, mean T) (sum, dot float64) {
	if a, ok := any(a).([]float32); ok && simd {
		return sumsFast(a, any(x).([]float32), float32(mean))
	}
	for i, v := range a {
		sum += float64(v)
		dot += float64(v) * float64(x[i]-mean)
	}
	return sum, dot
}

// squaresOf returns the sum of (x - mean)^2.
func squaresOf[T Float](x []T, mean T) (sum float64) {
	if x, ok := any(x).([]float32); ok && simd {
		return squaresFast(x, float32(mean))
	}
	for _, v := range x {
		d := float64(v - mean)
		sum += d * d
	}
	return sum
}

// scaleAbout computes y = (x - mean) scale + shift.
func scaleAbout[T Float](y, x []T, mean, scale, shift T) {
	if y, ok := any(y).([]float32); ok && simd {
		scaleAboutFast(y, any(x).([]float32), float32(mean), float32(scale), float32(shift))
		return
	}
	for i, v := range x {
		y[i] = T((v-mean)*scale) + shift
	}
}

// combine computes y = scale y + slope (x - mean) + shift.
func combine[T Float](y, x []T, scale, slope, mean, shift T) {
	if y, ok := any(y).([]float32); ok && simd {
		combineFast(y, any(x).([]float32), float32(scale), float32(slope), float32(mean), float32(shift))
		return
	}
	for i, v := range x {
		y[i] = T(scale*y[i]) + T(slope*(v-mean)) + shift
	}
}

// activateRun is Activate in place.
func activateRun[T Float](act Activation, y []T) {
	if act.Func == Identity || len(y) == 0 {
		return
	}
	if y, ok := any(y).([]float32); ok && simd {
		activateRows(act, 1, len(y), len(y), y)
		return
	}
	activate(act, y, y)
}

// activateGradRun is ActivateGrad.
func activateGradRun[T Float](act Activation, dx, y, dy []T) {
	if dx, ok := any(dx).([]float32); ok && simd && len(dx) > 0 {
		activateGradFast(act, dx, any(y).([]float32), any(dy).([]float32))
		return
	}
	activateGrad(act, dx, y, dy)
}
