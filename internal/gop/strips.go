package gop

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/petrify-ml/petrify/internal/kernel"
)

// StripWidth is the number of columns in a strip of weights.
const StripWidth = 512

// Strips are, one after the other, the strips of StripWidth columns in which DenseRow wants the weights (k, n), each of k rows.
// Transposed weights lie as (n, k).
func Strips(k, n int, transposed bool) (strips []Moves) {
	row, col := n, 1
	if transposed {
		row, col = 1, k
	}
	for j := 0; j < n; j += StripWidth {
		columns := Every(min(StripWidth, n-j), col)
		for i := range columns {
			columns[i] += j * col
		}
		strips = append(strips, Moves{Shape: []int{k, len(columns)}, Offsets: [][]int{Every(k, row), columns}})
	}
	return strips
}

// DenseRow is Dense for one row x, (1, k), and weights in the order of Strips. Their rows lie side by side in memory, not one row of a wide
// matrix apart, which is what a single product with them spends its time on. b is (n). It serves inference and has no derivative.
func DenseRow(name string, x, strips, b *G.Node, act kernel.Activation) (*G.Node, error) {
	if err := present(name, "dense", x, strips); err != nil {
		return nil, err
	}
	xs, size := x.Shape(), strips.Shape().TotalSize()
	if len(xs) != 2 || xs[0] != 1 || size%xs[1] != 0 {
		return nil, fmt.Errorf("%s: dense of one row %v by %d weights", name, xs, size)
	}
	n := size / xs[1]
	if b != nil && b.Shape().TotalSize() != n {
		return nil, fmt.Errorf("%s: bias has shape %v, want (%d)", name, b.Shape(), n)
	}
	return build(name, "dense", tensor.Shape{1, n}, &denseRow[float32]{act: act}, &denseRow[float64]{act: act}, optional(x, strips, b)...)
}

type denseRow[T kernel.Float] struct {
	op
	loop
	act        kernel.Activation
	y, x, w, b []T
}

func (o *denseRow[T]) bind(b *binding) {
	take(b, &o.x, &o.w, &o.b)
	o.y = output[T](b)
	o.loop = parts(len(o.y), 1, StripWidth, o.columns)
}

func (o *denseRow[T]) redirect(y []T) { o.y = y }

func (o *denseRow[T]) columns(lo, hi int) {
	k := len(o.x)
	for j := lo; j < hi; j += StripWidth {
		end := min(j+StripWidth, hi)
		var b []T
		if o.b != nil {
			b = o.b[j:end]
		}
		kernel.Dense(o.y[j:end], o.x, o.w[j*k:end*k], b, 1, end-j, k, o.act)
	}
}
