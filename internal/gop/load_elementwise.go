package gop

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/internal/kernel"
)

// Elementwise applies a function of one real variable: y = f(x), of the shape of x, evaluated in float64 and rounded once.
// kind names the function. It serves inference and has no derivative.
func Elementwise(name, kind string, x *G.Node, f func(float64) float64) (*G.Node, error) {
	if x == nil {
		return nil, fmt.Errorf("%s: input of %s is missing", name, kind)
	}
	o, err := byType(x,
		func() operator { return &elementwise[float32]{f: f} },
		func() operator { return &elementwise[float64]{f: f} })
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return apply(o, name, kind, x.Shape().Clone(), x)
}

type elementwise[T kernel.Float] struct {
	op
	f    func(float64) float64
	y, x []T
	part func(lo, hi int)
}

func (o *elementwise[T]) Do(in ...G.Value) (G.Value, error) { return do(o, in) }

func (o *elementwise[T]) bind(in []G.Value) (out G.Value, err error) {
	if o.x, err = elements[T](in[0], o.shape.TotalSize()); err != nil {
		return nil, err
	}
	out, o.y = newOutput[T](o.shape)
	o.part = func(lo, hi int) {
		for i, v := range o.x[lo:hi] {
			o.y[lo+i] = T(o.f(float64(v)))
		}
	}
	return out, nil
}

func (o *elementwise[T]) run() { kernel.Parallel(len(o.y), 1024, o.part) }

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
	if a == nil || b == nil {
		return nil, fmt.Errorf("%s: an operand of the %v is missing", name, f)
	}
	shape, err := BroadcastShape(a.Shape(), b.Shape())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	axes := walk(shape, a.Shape(), b.Shape())
	o, err := byType(a,
		func() operator { return &broadcast[float32]{f: f, axes: axes} },
		func() operator { return &broadcast[float64]{f: f, axes: axes} })
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return apply(o, name, f.String(), shape, a, b)
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
	f       Arithmetic
	axes    []axis
	y, a, b []T
	part    func(lo, hi int)
}

func (o *broadcast[T]) Do(in ...G.Value) (G.Value, error) { return do(o, in) }

func (o *broadcast[T]) bind(in []G.Value) (out G.Value, err error) {
	if o.a, err = elements[T](in[0], in[0].Shape().TotalSize()); err != nil {
		return nil, err
	}
	if o.b, err = elements[T](in[1], in[1].Shape().TotalSize()); err != nil {
		return nil, err
	}
	out, o.y = newOutput[T](o.shape)
	o.part = o.rows
	if len(o.axes) == 1 {
		o.part = o.stretch
	}
	return out, nil
}

func (o *broadcast[T]) run() {
	inner := o.axes[len(o.axes)-1].n
	if len(o.axes) == 1 {
		kernel.Parallel(inner, 4096, o.part)
		return
	}
	kernel.Parallel(len(o.y)/inner, max(1, 4096/inner), o.part)
}

// stretch is the whole work where one axis is left, between two positions on it.
func (o *broadcast[T]) stretch(lo, hi int) {
	x := o.axes[0]
	arithmetic(o.f, o.y[lo:hi], o.a[lo*x.a:], o.b[lo*x.b:], x.a, x.b)
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
		arithmetic(o.f, o.y[r*inner.n:(r+1)*inner.n], o.a[ia:], o.b[ib:], inner.a, inner.b)
	}
}

// arithmetic computes along one axis, where each operand steps by 1, or by 0 when it is repeated.
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
			for i := range y {
				y[i] = a[i] + b[i]
			}
		case Minus:
			for i := range y {
				y[i] = a[i] - b[i]
			}
		case Times:
			for i := range y {
				y[i] = a[i] * b[i]
			}
		case Over:
			for i := range y {
				y[i] = a[i] / b[i]
			}
		}
	}
}
