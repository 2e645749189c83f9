package gop

import (
	"fmt"
	"math"

	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/internal/kernel"
)

// Standardize gives every run of n elements of x the mean 0 and the variance 1: y = (x - mean) / sqrt(variance + eps). Both are
// of the run itself, in float64. It serves inference and has no derivative.
func Standardize(name string, x *G.Node, n int, eps float64) (*G.Node, error) {
	if err := present(name, "normalization", x); err != nil {
		return nil, err
	}
	if n < 1 || x.Shape().TotalSize()%n != 0 {
		return nil, fmt.Errorf("%s: normalization of %v by runs of %d", name, x.Shape(), n)
	}
	return build(name, "normalization", x.Shape(), &standardize[float32]{n: n, eps: eps}, &standardize[float64]{n: n, eps: eps}, x)
}

type standardize[T kernel.Float] struct {
	op
	loop
	n    int
	eps  float64
	y, x []T
}

func (o *standardize[T]) bind(b *binding) {
	take(b, &o.x)
	o.y = output[T](b)
	o.loop = parts(len(o.y), o.n, 4096, o.rows)
}

func (o *standardize[T]) rows(lo, hi int) {
	n := float64(o.n)
	for r := lo; r < hi; r++ {
		x, y := o.x[r*o.n:(r+1)*o.n], o.y[r*o.n:(r+1)*o.n]
		mean, square := 0.0, 0.0
		for _, v := range x {
			mean += float64(v)
		}
		mean /= n
		for _, v := range x {
			square += (float64(v) - mean) * (float64(v) - mean)
		}
		scale := 1 / math.Sqrt(square/n+o.eps)
		for i, v := range x {
			y[i] = T((float64(v) - mean) * scale)
		}
	}
}

// Affine is an activation of one linear function for each channel: y = act(a x + b), where x is (N, C, ...) and a and b are (C).
// It serves inference and has no derivative.
func Affine(name string, x, a, b *G.Node, act kernel.Activation) (*G.Node, error) {
	if err := present(name, "affine function", x, a, b); err != nil {
		return nil, err
	}
	xs := x.Shape()
	if len(xs) < 2 || a.Shape().TotalSize() != xs[1] || b.Shape().TotalSize() != xs[1] {
		return nil, fmt.Errorf("%s: affine function of %v with %v and %v, want one of each for every channel", name, xs, a.Shape(), b.Shape())
	}
	return build(name, "affine function", xs, &affine[float32]{channels: xs[1], act: act}, &affine[float64]{channels: xs[1], act: act}, x, a, b)
}

type affine[T kernel.Float] struct {
	op
	channels   int
	act        kernel.Activation
	y, x, a, b []T
	part       func(lo, hi int)
}

func (o *affine[T]) bind(b *binding) {
	take(b, &o.x, &o.a, &o.b)
	o.y = output[T](b)
	o.part = o.rows
}

func (o *affine[T]) run() {
	rows := o.shape[0] * o.channels
	kernel.Parallel(rows, max(1, 4096*rows/len(o.y)), o.part)
	kernel.Activate(o.act, o.y, o.y)
}

func (o *affine[T]) rows(lo, hi int) {
	n := len(o.y) / (o.shape[0] * o.channels)
	for r := lo; r < hi; r++ {
		a, b := o.a[r%o.channels], o.b[r%o.channels]
		y := o.y[r*n : (r+1)*n]
		for i, v := range o.x[r*n : (r+1)*n] {
			y[i] = T(a*v) + b
		}
	}
}

func (o *affine[T]) redirect(y []T) { o.y = y }
