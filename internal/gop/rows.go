package gop

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/petrify-ml/petrify/internal/kernel"
)

// MostRows is the longest axis that Rows takes parts of: float32 holds all whole numbers up to there, and one more.
const MostRows = 1<<24 - 1

// Rows takes the parts of x along an axis whose numbers are the elements of at: whole ones, and negative ones count from the end. The
// axis gives way to those of at. A run fails for a number that is none of the axis. It serves inference and has no derivative.
func Rows(name string, along int, x, at *G.Node) (*G.Node, error) {
	if err := present(name, "rows", x, at); err != nil {
		return nil, err
	}
	from := x.Shape()
	if along < 0 || along >= len(from) || from[along] > MostRows {
		return nil, fmt.Errorf("%s: rows of %v along axis %d", name, from, along)
	}
	n, inner := from[along], tensor.Shape(from[along+1:]).TotalSize()
	shape := tensor.Shape(slices.Concat(from[:along], at.Shape(), from[along+1:]))
	return build(name, "rows", shape, &rows[float32]{n: n, inner: inner}, &rows[float64]{n: n, inner: inner}, x, at)
}

type rows[T kernel.Float] struct {
	op
	loop
	n, inner int // the length of the axis, and the product of those after it
	y, x, at []T
}

func (o *rows[T]) bind(b *binding) {
	take(b, &o.x, &o.at)
	o.y = output[T](b)
	o.loop = parts(len(o.y), o.inner, 8192, func(lo, hi int) {
		for r := lo; r < hi; r++ {
			i := int(o.at[r%len(o.at)])
			if i < 0 {
				i += o.n
			}
			copy(o.y[r*o.inner:(r+1)*o.inner], o.x[(r/len(o.at)*o.n+i)*o.inner:])
		}
	})
}

func (o *rows[T]) run() {
	for _, v := range o.at {
		if !(v >= T(-o.n) && v < T(o.n)) {
			panic(fmt.Errorf("number %v of %d", v, o.n))
		}
	}
	o.loop.run()
}
