package gop

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/petrify-ml/petrify/internal/kernel"
)

// Transpose reorders the axes of x: axis i of the output is axis perm[i] of x. It serves inference and has no derivative.
func Transpose(name string, x *G.Node, perm ...int) (*G.Node, error) {
	if x == nil {
		return nil, fmt.Errorf("%s: input of transpose is missing", name)
	}
	xs := x.Shape()
	if len(perm) != len(xs) {
		return nil, fmt.Errorf("%s: transpose of %v by %v: want %d axes", name, xs, perm, len(xs))
	}
	// step[i] is how far axis i of the output moves in x.
	shape, step := make(tensor.Shape, len(perm)), make([]int, len(perm))
	seen := make([]bool, len(perm))
	for i, p := range perm {
		if p < 0 || p >= len(xs) || seen[p] {
			return nil, fmt.Errorf("%s: %v is no order of %d axes", name, perm, len(xs))
		}
		seen[p] = true
		shape[i], step[i] = xs[p], 1
		for _, d := range xs[p+1:] {
			step[i] *= d
		}
	}
	var axes []axis
	for i, n := range shape {
		if n == 1 {
			continue
		}
		if k := len(axes) - 1; k >= 0 && axes[k].a == n*step[i] {
			axes[k] = axis{n: axes[k].n * n, a: step[i]}
			continue
		}
		axes = append(axes, axis{n: n, a: step[i]})
	}
	if axes == nil {
		axes = []axis{{n: 1}}
	}
	o, err := byType(x,
		func() operator { return &transpose[float32]{axes: axes} },
		func() operator { return &transpose[float64]{axes: axes} })
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return apply(o, name, "transpose", shape, x)
}

type transpose[T kernel.Float] struct {
	op
	axes []axis
	y, x []T
	part func(lo, hi int)
}

func (o *transpose[T]) Do(in ...G.Value) (G.Value, error) { return do(o, in) }

func (o *transpose[T]) bind(in []G.Value) (out G.Value, err error) {
	if o.x, err = elements[T](in[0], o.shape.TotalSize()); err != nil {
		return nil, err
	}
	out, o.y = newOutput[T](o.shape)
	o.part = o.rows
	return out, nil
}

func (o *transpose[T]) run() {
	inner := o.axes[len(o.axes)-1].n
	kernel.Parallel(len(o.y)/inner, max(1, 4096/inner), o.part)
}

func (o *transpose[T]) rows(lo, hi int) {
	inner := o.axes[len(o.axes)-1]
	outer := o.axes[:len(o.axes)-1]
	for r := lo; r < hi; r++ {
		rest, from := r, 0
		for k := len(outer) - 1; k >= 0; k-- {
			from += rest % outer[k].n * outer[k].a
			rest /= outer[k].n
		}
		y := o.y[r*inner.n : (r+1)*inner.n]
		if inner.a == 1 {
			copy(y, o.x[from:])
			continue
		}
		for i := range y {
			y[i] = o.x[from+i*inner.a]
		}
	}
}

// Concat joins its inputs along an axis; all other axes have the same lengths. It serves inference and has no derivative.
func Concat(name string, along int, xs ...*G.Node) (*G.Node, error) {
	if len(xs) == 0 || slices.Contains(xs, nil) {
		return nil, fmt.Errorf("%s: an input of concat is missing", name)
	}
	shape := xs[0].Shape().Clone()
	if along < 0 || along >= len(shape) {
		return nil, fmt.Errorf("%s: concat of %v along axis %d", name, shape, along)
	}
	shape[along] = 0
	for _, x := range xs {
		s := x.Shape().Clone()
		if len(s) != len(shape) {
			return nil, fmt.Errorf("%s: concat of %v and %v", name, xs[0].Shape(), s)
		}
		shape[along] += s[along]
		s[along] = shape[along]
		if !slices.Equal(s, shape) {
			return nil, fmt.Errorf("%s: concat of %v and %v along axis %d", name, xs[0].Shape(), x.Shape(), along)
		}
	}
	rows := tensor.Shape(shape[:along]).TotalSize() // 1 for no axes
	o, err := byType(xs[0],
		func() operator { return &concat[float32]{rows: rows} },
		func() operator { return &concat[float64]{rows: rows} })
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return apply(o, name, "concat", shape, xs...)
}

type concat[T kernel.Float] struct {
	op
	rows int // the product of the axes before the joined one
	y    []T
	xs   [][]T
}

func (o *concat[T]) Do(in ...G.Value) (G.Value, error) { return do(o, in) }

func (o *concat[T]) bind(in []G.Value) (G.Value, error) {
	o.xs = make([][]T, len(in))
	for i, v := range in {
		x, err := elements[T](v, v.Shape().TotalSize())
		if err != nil {
			return nil, err
		}
		o.xs[i] = x
	}
	out, y := newOutput[T](o.shape)
	o.y = y
	return out, nil
}

func (o *concat[T]) run() {
	y := o.y
	for r := range o.rows {
		for _, x := range o.xs {
			n := len(x) / o.rows
			copy(y, x[r*n:(r+1)*n])
			y = y[n:]
		}
	}
}
