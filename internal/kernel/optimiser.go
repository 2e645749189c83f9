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
// over len(w) elements. m and v are zero before the first step. Each operation
// is rounded apart, in every path: the same bits on every machine.
func Adam[T Float](c AdamConfig, t int, w, g, m, v []T) {
	n := len(w)
	need("adam", "g", len(g), n)
	need("adam", "m", len(m), n)
	need("adam", "v", len(v), n)
	g, m, v = g[:n], m[:n], v[:n]
	b1, b2, rate := 1-c.Beta1, 1-c.Beta2, c.rate(t)
	if w, ok := any(w).([]float32); ok {
		vectors{
			op: opAdam, y: w, a: any(g).([]float32), b: any(m).([]float32), c: any(v).([]float32),
			s: [4]float32{float32(b1), float32(b2), float32(rate), float32(c.Epsilon)},
		}.run()
		return
	}
	adam(w, g, m, v, T(b1), T(b2), T(rate), T(c.Epsilon))
}

// adam converts every product, so that no compiler fuses it with a sum.
func adam[T Float](w, g, m, v []T, b1, b2, rate, eps T) {
	for i, d := range g {
		m[i] += T(b1 * (d - m[i]))
		v[i] += T(b2 * (T(d*d) - v[i]))
		w[i] -= T(rate*m[i]) / (root(v[i]) + eps)
	}
}

// root is the square root, rounded once: a float32's taken in float64 rounds to
// the same.
func root[T Float](x T) T { return T(math.Sqrt(float64(x))) }
