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
	if len(xs) == 0 {
		return nil, fmt.Errorf("%s: concat of nothing", name)
	}
	if err := present(name, "concat", xs...); err != nil {
		return nil, err
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
	return build(name, "concat", shape, &concat[float32]{rows: rows}, &concat[float64]{rows: rows}, xs...)
}

type concat[T kernel.Float] struct {
	op
	rows int // the product of the axes before the joined one
	y    []T
	xs   [][]T
}

func (o *concat[T]) bind(b *binding) {
	o.xs = make([][]T, len(b.in))
	into := make([]*[]T, len(b.in))
	for i := range o.xs {
		into[i] = &o.xs[i]
	}
	take(b, into...)
	o.y = output[T](b)
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

// DiffWRT tells that every input of a concat has a gradient.
func (o *concat[T]) DiffWRT(inputs int) []bool { return slices.Repeat([]bool{true}, inputs) }

// SymDiff cuts the gradient into what belongs to each input.
func (o *concat[T]) SymDiff(in G.Nodes, out, grad *G.Node) (G.Nodes, error) {
	grads := make(G.Nodes, len(in))
	from, width := 0, o.shape.TotalSize()/max(o.rows, 1)
	for i, x := range in {
		n := x.Shape().TotalSize() / max(o.rows, 1)
		d, err := apply(&cut[T]{rows: o.rows, width: width, from: from, n: n}, fmt.Sprintf("%s.dx%d", out.Name(), i), "concat gradient", x.Shape(), grad)
		if err != nil {
			return nil, err
		}
		grads[i] = d
		from += n
	}
	return grads, nil
}

// cut copies columns from, from+1, ... of each row.
type cut[T kernel.Float] struct {
	op
	rows, width, from, n int
	y, x                 []T
}

func (o *cut[T]) bind(b *binding) {
	take(b, &o.x)
	o.y = output[T](b)
}

func (o *cut[T]) run() {
	for r := range o.rows {
		copy(o.y[r*o.n:(r+1)*o.n], o.x[r*o.width+o.from:])
	}
}
