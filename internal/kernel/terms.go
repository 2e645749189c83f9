package kernel

import "math"

// AbsoluteError returns the sum of |y - target| over len(y).
//
// As in every sum of this file, the terms are added in float64: those of a part
// of 2048 elements from the first to the last, then the parts. float32 and
// float64 input differ in nothing else.
func AbsoluteError[T Float](y, target []T) (sum float64) {
	need("absolute error", "target", len(target), len(y))
	return sumTerms(lossAbsolute, y, target[:len(y)])
}

// AbsoluteErrorGrad writes the gradient of scale times AbsoluteError with
// respect to y into dy: scale times the sign of y - target, 0 where they are
// equal, NaN where one of them is. dy may be y or target.
func AbsoluteErrorGrad[T Float](dy, y, target []T, scale float64) {
	const fn = "gradient of the absolute error"
	need(fn, "y", len(y), len(dy))
	need(fn, "target", len(target), len(dy))
	gradTerms(lossAbsolute, dy, y[:len(dy)], target[:len(dy)], scale)
}

// CrossEntropy returns the sum over len(z) of the binary cross-entropy between
// sigmoid(z) and target, softplus(z) - target z. In float32 a term is as
// accurate as softplus.
func CrossEntropy[T Float](z, target []T) (sum float64) {
	need("cross-entropy", "target", len(target), len(z))
	return sumTerms(lossEntropy, z, target[:len(z)])
}

// CrossEntropyGrad writes the gradient of scale times CrossEntropy with respect
// to z, scale (sigmoid(z) - target), into dz. dz must not be target, but may be
// z.
func CrossEntropyGrad[T Float](dz, z, target []T, scale float64) {
	const fn = "gradient of the cross-entropy"
	need(fn, "z", len(z), len(dz))
	need(fn, "target", len(target), len(dz))
	gradTerms(lossEntropy, dz, z[:len(dz)], target[:len(dz)], scale)
}

// Divergence returns the Kullback-Leibler divergence of normal distributions
// with these means and log-variances from the standard one, summed over
// len(mean): (mean mean + e^logvar - 1 - logvar) / 2 (Kingma and Welling 2014,
// appendix B).
func Divergence[T Float](mean, logvar []T) (sum float64) {
	need("divergence", "logvar", len(logvar), len(mean))
	return sumTerms(lossDivergence, mean, logvar[:len(mean)])
}

// DivergenceGrad writes the gradient of scale times Divergence with respect to
// logvar, scale (e^logvar - 1) / 2, into dlogvar, which may be logvar. The
// gradient with respect to the mean is scale mean.
func DivergenceGrad[T Float](dlogvar, logvar []T, scale float64) {
	need("gradient of the divergence", "logvar", len(logvar), len(dlogvar))
	logvar = logvar[:len(dlogvar)]
	gradTerms(lossDivergence, dlogvar, logvar, logvar, scale)
}

// Scale writes alpha x into y, elementwise over len(y). y may be x.
func Scale[T Float](y []T, alpha T, x []T) {
	need("scale", "x", len(x), len(y))
	for i, v := range x[:len(y)] {
		y[i] = alpha * v
	}
}

// Reparameterize writes mean + e^(logvar/2) noise into z, elementwise over
// len(z): draws from normal distributions with those means and log-variances,
// where the noise is standard normal (Kingma and Welling 2014, section 2.4). z
// must not overlap the others.
func Reparameterize[T Float](z, mean, logvar, noise []T) {
	const fn = "reparameterize"
	need(fn, "mean", len(mean), len(z))
	need(fn, "logvar", len(logvar), len(z))
	need(fn, "noise", len(noise), len(z))
	Scale(z, 0.5, logvar)
	Exp(z, z)
	mean, noise = mean[:len(z)], noise[:len(z)]
	for i, deviation := range z {
		z[i] = mean[i] + T(deviation*noise[i])
	}
}

// ReparameterizeGrad writes the gradient with respect to logvar into dlogvar,
// dz e^(logvar/2) noise / 2, where dz is the gradient with respect to z, which
// is the one with respect to the mean, too. dlogvar must not overlap the others.
func ReparameterizeGrad[T Float](dlogvar, dz, logvar, noise []T) {
	const fn = "gradient of reparameterize"
	n := len(dlogvar)
	need(fn, "dz", len(dz), n)
	need(fn, "logvar", len(logvar), n)
	need(fn, "noise", len(noise), n)
	Scale(dlogvar, 0.5, logvar)
	Exp(dlogvar, dlogvar)
	dz, noise = dz[:n], noise[:n]
	for i, deviation := range dlogvar {
		dlogvar[i] = dz[i] * T(deviation*noise[i]) / 2
	}
}

// loss names the terms of a sum.
type loss uint8

const (
	lossAbsolute loss = iota
	lossEntropy
	lossDivergence
)

// sumTerms adds up the terms of a loss over two slices of one length.
func sumTerms[T Float](l loss, a, b []T) (sum float64) {
	if a, ok := any(a).([]float32); ok {
		return terms{loss: l, a: a, b: any(b).([]float32)}.run()
	}
	for i := 0; i < len(a); i += spanElements {
		end := min(i+spanElements, len(a))
		sum += sumPlain(l, a[i:end], b[i:end])
	}
	return sum
}

// gradTerms writes scale times the derivatives of the terms into d.
func gradTerms[T Float](l loss, d, a, b []T, scale float64) {
	if d, ok := any(d).([]float32); ok {
		terms{loss: l, d: d, a: any(a).([]float32), b: any(b).([]float32), scale: scale}.run()
		return
	}
	gradPlain(l, d, a, b, scale)
}

// terms is the task of a loss over float32: its sum, or its gradient where there
// is a d. A unit is a part of the sum.
type terms struct {
	loss  loss
	d     []float32
	a, b  []float32
	scale float64
	sums  []float64 // of the parts
}

func (t terms) run() (sum float64) {
	units := (len(t.a) + spanElements - 1) / spanElements
	ws := takeWorkspace()
	defer giveWorkspace(ws)
	if len(ws.parts) < units {
		ws.parts = make([]float64, units)
	}
	t.sums = ws.parts[:units]
	if len(t.a) >= smallSpan && workers.lock() {
		workers.terms = t
		workers.run(&workers.terms, units)
	} else {
		t.do(0, units, nil)
	}
	if t.d != nil {
		return 0
	}
	for _, s := range t.sums {
		sum += s
	}
	return sum
}

func (t *terms) do(lo, hi int, _ *workspace) {
	for u := lo; u < hi; u++ {
		i, j := u*spanElements, min((u+1)*spanElements, len(t.a))
		switch {
		case t.d != nil && simd && t.loss == lossEntropy:
			entropyGrad32(t.d[i:j], t.a[i:j], t.b[i:j], float32(t.scale))
		case t.d != nil:
			gradPlain(t.loss, t.d[i:j], t.a[i:j], t.b[i:j], t.scale)
		case simd && t.loss == lossEntropy:
			t.sums[u] = entropy32(t.a[i:j], t.b[i:j])
		default:
			t.sums[u] = sumPlain(t.loss, t.a[i:j], t.b[i:j])
		}
	}
}

// entropy32 is the sum of lossEntropy with softplus from the assembly.
func entropy32(z, target []float32) (sum float64) {
	var part [256]float32
	for len(z) > 0 {
		n := min(len(part), len(z))
		y := part[:n]
		for i, v := range z[:n] {
			y[i] = -max(v, -v)
		}
		v := vectors{op: opActivate, act: Activation{Func: Softplus}, y: y, a: y} // log(1 + e^-|z|)
		v.do(0, 1, nil)
		for i, v := range z[:n] {
			x := float64(v)
			sum += max(x, 0) - float64(target[i])*x + float64(y[i])
		}
		z, target = z[n:], target[n:]
	}
	return sum
}

// entropyGrad32 is the gradient of lossEntropy with the sigmoid from the
// assembly.
func entropyGrad32(dz, z, target []float32, scale float32) {
	v := vectors{op: opActivate, act: Activation{Func: Sigmoid}, y: dz, a: z}
	v.do(0, 1, nil)
	for i, y := range dz {
		dz[i] = scale * (y - target[i])
	}
}

func sumPlain[T Float](l loss, a, b []T) (sum float64) {
	b = b[:len(a)]
	switch l {
	case lossAbsolute:
		for i, v := range a {
			sum += math.Abs(float64(v) - float64(b[i]))
		}
	case lossEntropy:
		for i, v := range a {
			x := float64(v)
			sum += max(x, 0) - float64(b[i])*x + math.Log1p(math.Exp(-math.Abs(x)))
		}
	case lossDivergence:
		for i, v := range a {
			x, lv := float64(v), float64(b[i])
			sum += (x*x + math.Expm1(lv) - lv) / 2
		}
	}
	return sum
}

func gradPlain[T Float](l loss, d, a, b []T, scale float64) {
	a, b = a[:len(d)], b[:len(d)]
	switch l {
	case lossAbsolute:
		up, down := T(scale), T(-scale)
		for i, v := range a {
			switch delta := v - b[i]; {
			case delta > 0:
				d[i] = up
			case delta < 0:
				d[i] = down
			default: // 0, or NaN
				d[i] = delta
			}
		}
	case lossEntropy:
		for i, v := range a {
			d[i] = T(scale * (sigmoid(float64(v)) - float64(b[i])))
		}
	case lossDivergence:
		for i := range d {
			d[i] = T(scale * math.Expm1(float64(b[i])) / 2)
		}
	}
}
