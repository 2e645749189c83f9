package kernel

import "math"

// AdamConfig holds the hyper-parameters of Adam. All of them are used as
// given: the zero value is a step of length zero.
type AdamConfig struct{ LR, Beta1, Beta2, Epsilon float64 }

// rate is the step's learning rate with both bias corrections folded in.
func (c AdamConfig) rate(t int) float64 {
	return c.LR * math.Sqrt(1-math.Pow(c.Beta2, float64(t))) / (1 - math.Pow(c.Beta1, float64(t)))
}

// Adam makes step t, counted from 1, of Adam in Keras's form (Kingma and Ba
// 2015, the remark at the end of section 2, where epsilon is added to the
// uncorrected root):
//
//	m += (1 - beta1) (g - m)
//	v += (1 - beta2) (g g - v)
//	w -= lr sqrt(1 - beta2^t) / (1 - beta1^t) m / (sqrt(v) + epsilon)
//
// over len(w) elements. m and v are zero before the first step.
func Adam[T Float](c AdamConfig, t int, w, g, m, v []T) {
	need("adam", "g", len(g), len(w))
	need("adam", "m", len(m), len(w))
	need("adam", "v", len(v), len(w))
	rate, eps := T(c.rate(t)), T(c.Epsilon)
	b1, b2 := T(1-c.Beta1), T(1-c.Beta2)
	for i := range w {
		m[i] += b1 * (g[i] - m[i])
		v[i] += b2 * (g[i]*g[i] - v[i])
		w[i] -= rate * m[i] / (T(math.Sqrt(float64(v[i]))) + eps)
	}
}
