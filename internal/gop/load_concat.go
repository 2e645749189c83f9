package gop

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/petrify-ml/petrify/internal/kernel"
)

// Concat joins its inputs along an axis; all other axes have the same lengths.
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
