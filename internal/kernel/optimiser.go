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
	adamStep("adam", opAdam, c, t, 0, w, g, m, v)
}

// AdamW is Adam with decoupled weight decay (Loshchilov and Hutter 2019):
// before the step of Adam, w -= lr decay w.
func AdamW[T Float](c AdamConfig, decay float64, t int, w, g, m, v []T) {
	adamStep("adamw", opAdamW, c, t, c.LR*decay, w, g, m, v)
}

func adamStep[T Float](fn string, op operation, c AdamConfig, t int, decay float64, w, g, m, v []T) {
	n := len(w)
	need(fn, "g", len(g), n)
	need(fn, "m", len(m), n)
	need(fn, "v", len(v), n)
	g, m, v = g[:n], m[:n], v[:n]
	b1, b2, rate := 1-c.Beta1, 1-c.Beta2, c.rate(t)
	if w, ok := any(w).([]float32); ok {
		vectors{
			op: op, y: w, a: any(g).([]float32), b: any(m).([]float32), c: any(v).([]float32),
			s: [5]float32{float32(b1), float32(b2), float32(rate), float32(c.Epsilon), float32(decay)},
		}.run()
		return
	}
	adam(w, g, m, v, T(b1), T(b2), T(rate), T(c.Epsilon), T(decay))
}

// Momentum makes a step of gradient descent with momentum in Keras's form,
// m = momentum m - lr g and w += m, over len(w) elements. With momentum 0 it
// is plain gradient descent. m is zero before the first step.
func Momentum[T Float](lr, mu float64, w, g, m []T) {
	n := len(w)
	need("momentum", "g", len(g), n)
	need("momentum", "m", len(m), n)
	g, m = g[:n], m[:n]
	if w, ok := any(w).([]float32); ok {
		vectors{
			op: opMomentum, y: w, a: any(g).([]float32), b: any(m).([]float32),
			s: [5]float32{float32(lr), float32(mu)},
		}.run()
		return
	}
	momentum(w, g, m, T(lr), T(mu))
}

// RMSProp makes a step of RMSprop (Tieleman and Hinton, lecture 6.5, 2012):
//
//	v += (1 - rho) (g g - v)
//	w -= lr g / (sqrt(v) + epsilon)
//
// over len(w) elements. v is zero before the first step.
func RMSProp[T Float](lr, rho, epsilon float64, w, g, v []T) {
	n := len(w)
	need("rmsprop", "g", len(g), n)
	need("rmsprop", "v", len(v), n)
	g, v = g[:n], v[:n]
	if w, ok := any(w).([]float32); ok {
		vectors{
			op: opRMSProp, y: w, a: any(g).([]float32), b: any(v).([]float32),
			s: [5]float32{float32(lr), float32(1 - rho), float32(epsilon)},
		}.run()
		return
	}
	rmsProp(w, g, v, T(lr), T(1-rho), T(epsilon))
}

// The portable updates convert every product, so that no compiler fuses it with
// a sum.

func adam[T Float](w, g, m, v []T, b1, b2, rate, eps, decay T) {
	for i, d := range g {
		m[i] += T(b1 * (d - m[i]))
		v[i] += T(b2 * (T(d*d) - v[i]))
		step := T(rate*m[i]) / (root(v[i]) + eps)
		w[i] -= T(decay * w[i])
		w[i] -= step
	}
}

func momentum[T Float](w, g, m []T, lr, mu T) {
	for i, d := range g {
		m[i] = T(mu*m[i]) - T(lr*d)
		w[i] += m[i]
	}
}

func rmsProp[T Float](w, g, v []T, lr, rho, eps T) {
	for i, d := range g {
		v[i] += T(rho * (T(d*d) - v[i]))
		w[i] -= T(lr*d) / (root(v[i]) + eps)
	}
}

// root is the square root, rounded once: a float32's taken in float64 rounds to
// the same.
func root[T Float](x T) T { return T(math.Sqrt(float64(x))) }
