package gop

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/internal/kernel"
)

// DiffWRT tells that every input of a concat has a gradient.
func (o *concat[T]) DiffWRT(inputs int) []bool { return slices.Repeat([]bool{true}, inputs) }

// SymDiff cuts the gradient into what belongs to each input.
func (o *concat[T]) SymDiff(in G.Nodes, out, grad *G.Node) (G.Nodes, error) {
	grads := make(G.Nodes, len(in))
	from, width := 0, o.shape.TotalSize()/max(o.rows, 1)
	for i, x := range in {
		n := x.Shape().TotalSize() / max(o.rows, 1)
		d, err := apply(&cut[T]{rows: o.rows, width: width, from: from, n: n}, fmt.Sprintf("%s.dx%d", out.Name(), i), "concat gradient", x.Shape().Clone(), grad)
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

func (o *cut[T]) Do(in ...G.Value) (G.Value, error) { return do(o, in) }

func (o *cut[T]) bind(in []G.Value) (out G.Value, err error) {
	if o.x, err = elements[T](in[0], o.rows*o.width); err != nil {
		return nil, err
	}
	out, o.y = newOutput[T](o.shape)
	return out, nil
}

func (o *cut[T]) run() {
	for r := range o.rows {
		copy(o.y[r*o.n:(r+1)*o.n], o.x[r*o.width+o.from:])
	}
}
