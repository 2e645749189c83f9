package gop

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/petrify-ml/petrify/internal/kernel"
)

// Elementwise applies a function of one real variable: y = f(x), of the shape of x, evaluated in float64 and rounded once.
// kind names the function. It serves inference and has no derivative.
func Elementwise(name, kind string, x *G.Node, f func(float64) float64) (*G.Node, error) {
	if err := present(name, kind, x); err != nil {
		return nil, err
	}
	return build(name, kind, x.Shape(), &elementwise[float32]{f: f}, &elementwise[float64]{f: f}, x)
}

type elementwise[T kernel.Float] struct {
	op
	loop
	f    func(float64) float64
	y, x []T
}

func (o *elementwise[T]) bind(b *binding) {
	take(b, &o.x)
	o.y = output[T](b)
	o.loop = parts(len(o.y), 1, 1024, func(lo, hi int) {
		for i, v := range o.x[lo:hi] {
			o.y[lo+i] = T(o.f(float64(v)))
		}
	})
}

// Exp is e^x, element by element. It serves inference and has no derivative.
func Exp(name string, x *G.Node) (*G.Node, error) {
	if err := present(name, "exponential", x); err != nil {
		return nil, err
	}
	return build(name, "exponential", x.Shape(), &exponential[float32]{}, &exponential[float64]{}, x)
}

type exponential[T kernel.Float] struct {
	op
	y, x []T
}

func (o *exponential[T]) bind(b *binding) {
	take(b, &o.x)
	o.y = output[T](b)
}

func (o *exponential[T]) run() { kernel.Exp(o.y, o.x) }

// Convert gives the elements of x another type, after f where that is not nil. It serves inference and has no derivative.
func Convert(name string, x *G.Node, to tensor.Dtype, f func(float64) float64) (*G.Node, error) {
	if err := present(name, "conversion", x); err != nil {
		return nil, err
	}
	if f == nil {
		f = func(x float64) float64 { return x }
	}
	var o operator
	switch from := x.Dtype(); {
	case from == to:
		return Elementwise(name, "conversion", x, f)
	case from == tensor.Float32 && to == tensor.Float64:
		o = &conversion[float64, float32]{f: f}
	case from == tensor.Float64 && to == tensor.Float32:
		o = &conversion[float32, float64]{f: f}
	default:
		return nil, fmt.Errorf("%s: conversion from %v to %v", name, from, to)
	}
	return applyAs(o, name, "conversion", to, x.Shape(), x)
}

type conversion[To, From kernel.Float] struct {
	op
	loop
	f func(float64) float64
	y []To
	x []From
}

func (o *conversion[To, From]) bind(b *binding) {
	take(b, &o.x)
	o.y = output[To](b)
	o.loop = parts(len(o.y), 1, 1024, func(lo, hi int) {
		for i, v := range o.x[lo:hi] {
			o.y[lo+i] = To(o.f(float64(v)))
		}
	})
}

// Select is x where c is not zero, and y elsewhere; all three have one shape. It serves inference and has no derivative.
func Select(name string, c, x, y *G.Node) (*G.Node, error) {
	if err := present(name, "select", c, x, y); err != nil {
		return nil, err
	}
	if !c.Shape().Eq(x.Shape()) || !c.Shape().Eq(y.Shape()) {
		return nil, fmt.Errorf("%s: select between %v and %v by %v", name, x.Shape(), y.Shape(), c.Shape())
	}
	return build(name, "select", x.Shape(), &selection[float32]{}, &selection[float64]{}, c, x, y)
}

type selection[T kernel.Float] struct {
	op
	loop
	z, c, x, y []T
}

func (o *selection[T]) bind(b *binding) {
	take(b, &o.c, &o.x, &o.y)
	o.z = output[T](b)
	o.loop = parts(len(o.z), 1, 4096, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			if o.z[i] = o.y[i]; o.c[i] != 0 {
				o.z[i] = o.x[i]
			}
		}
	})
}

// Arithmetic is an operation of two operands.
type Arithmetic uint8

// The operations of Broadcast.
const (
	Plus Arithmetic = iota
	Minus
	Times
	Over
)

func (a Arithmetic) String() string {
	return [...]string{"sum", "difference", "product", "quotient"}[a]
}

// BroadcastShape is the shape that two shapes have together under the rule of NumPy and ONNX: aligned at the last axis, an axis of
// length 1, or one that is not there, is repeated to the length of the other.
func BroadcastShape(a, b []int) ([]int, error) {
	n := max(len(a), len(b))
	shape := make([]int, n)
	for i := range shape {
		da, db := 1, 1
		if j := i - n + len(a); j >= 0 {
			da = a[j]
		}
		if j := i - n + len(b); j >= 0 {
			db = b[j]
		}
		if da != db && da != 1 && db != 1 {
			return nil, fmt.Errorf("shapes %v and %v do not broadcast", a, b)
		}
		shape[i] = da
		if da == 1 {
			shape[i] = db
		}
	}
	return shape, nil
}

// Broadcast is a sum, difference, product or quotient, element by element, of two operands that are broadcast to one shape.
// It serves inference and has no derivative.
func Broadcast(name string, f Arithmetic, a, b *G.Node) (*G.Node, error) {
	return broadcastTogether(name, f.String(), f, nil, a, b)
}

// Combine is Broadcast with a function of two real variables, evaluated in float64 and rounded once. kind names it.
func Combine(name, kind string, a, b *G.Node, f func(a, b float64) float64) (*G.Node, error) {
	return broadcastTogether(name, kind, 0, f, a, b)
}

func broadcastTogether(name, kind string, f Arithmetic, own func(a, b float64) float64, a, b *G.Node) (*G.Node, error) {
	if err := present(name, kind, a, b); err != nil {
		return nil, err
	}
	shape, err := BroadcastShape(a.Shape(), b.Shape())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	axes := walk(shape, a.Shape(), b.Shape())
	return build(name, kind, shape, &broadcast[float32]{f: f, own: own, axes: axes}, &broadcast[float64]{f: f, own: own, axes: axes}, a, b)
}

// axis is one axis of a walk over an output and two operands: its length, and how far a step along it moves in each operand.
type axis struct{ n, a, b int }

// walk describes how the operands move while the output is written in order, in as few axes as will do.
func walk(shape, a, b []int) []axis {
	axes := make([]axis, len(shape))
	stepA, stepB := 1, 1
	for i := len(shape) - 1; i >= 0; i-- {
		axes[i].n = shape[i]
		if j := i - len(shape) + len(a); j >= 0 && a[j] != 1 {
			axes[i].a = stepA
			stepA *= a[j]
		}
		if j := i - len(shape) + len(b); j >= 0 && b[j] != 1 {
			axes[i].b = stepB
			stepB *= b[j]
		}
	}
	var merged []axis
	for _, x := range axes {
		if x.n == 1 {
			continue
		}
		if k := len(merged) - 1; k >= 0 && merged[k].a == x.n*x.a && merged[k].b == x.n*x.b {
			merged[k] = axis{merged[k].n * x.n, x.a, x.b}
			continue
		}
		merged = append(merged, x)
	}
	if merged == nil {
		merged = []axis{{n: 1}}
	}
	return merged
}

type broadcast[T kernel.Float] struct {
	op
	loop
	f       Arithmetic
	own     func(a, b float64) float64 // instead of f
	axes    []axis
	y, a, b []T
}

func (o *broadcast[T]) bind(b *binding) {
	take(b, &o.a, &o.b)
	o.y = output[T](b)
	if len(o.axes) == 1 {
		o.loop = parts(len(o.y), 1, 4096, o.stretch)
	} else {
		o.loop = parts(len(o.y), o.axes[len(o.axes)-1].n, 4096, o.rows)
	}
}

// stretch is the whole work where one axis is left, between two positions on it.
func (o *broadcast[T]) stretch(lo, hi int) {
	x := o.axes[0]
	o.along(o.y[lo:hi], o.a[lo*x.a:], o.b[lo*x.b:], x.a, x.b)
}

// rows is the work on some runs along the innermost axis, counted over all others.
func (o *broadcast[T]) rows(lo, hi int) {
	inner := o.axes[len(o.axes)-1]
	outer := o.axes[:len(o.axes)-1]
	for r := lo; r < hi; r++ {
		rest, ia, ib := r, 0, 0
		for k := len(outer) - 1; k >= 0; k-- {
			i := rest % outer[k].n
			rest /= outer[k].n
			ia += i * outer[k].a
			ib += i * outer[k].b
		}
		o.along(o.y[r*inner.n:(r+1)*inner.n], o.a[ia:], o.b[ib:], inner.a, inner.b)
	}
}

// along computes along one axis, where each operand steps by 1, or by 0 when it is repeated.
func (o *broadcast[T]) along(y, a, b []T, stepA, stepB int) {
	if o.own == nil {
		arithmetic(o.f, y, a, b, stepA, stepB)
		return
	}
	for i := range y {
		y[i] = T(o.own(float64(a[i*stepA]), float64(b[i*stepB])))
	}
}

func arithmetic[T kernel.Float](f Arithmetic, y, a, b []T, stepA, stepB int) {
	switch {
	case stepA == 0:
		c := a[0]
		b = b[:len(y)]
		switch f {
		case Plus:
			for i := range y {
				y[i] = c + b[i]
			}
		case Minus:
			for i := range y {
				y[i] = c - b[i]
			}
		case Times:
			for i := range y {
				y[i] = c * b[i]
			}
		case Over:
			for i := range y {
				y[i] = c / b[i]
			}
		}
	case stepB == 0:
		c := b[0]
		a = a[:len(y)]
		switch f {
		case Plus:
			for i := range y {
				y[i] = a[i] + c
			}
		case Minus:
			for i := range y {
				y[i] = a[i] - c
			}
		case Times:
			for i := range y {
				y[i] = a[i] * c
			}
		case Over:
			for i := range y {
				y[i] = a[i] / c
			}
		}
	default:
		a, b = a[:len(y)], b[:len(y)]
		switch f {
		case Plus:
			kernel.Add(y, a, b)
		case Minus:
			for i := range y {
				y[i] = a[i] - b[i]
			}
		case Times:
			kernel.Mul(y, a, b)
		case Over:
			for i := range y {
				y[i] = a[i] / b[i]
			}
		}
	}
}
