package gop

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Slices computes the elements of y from those of x, some at a time, by a function that may run on several threads at once. x is float32.
// It serves inference and has no derivative.
func Slices(name, kind string, x *G.Node, f func(y, x []float32)) (*G.Node, error) {
	if err := present(name, kind, x); err != nil {
		return nil, err
	}
	if x.Dtype() != tensor.Float32 {
		return nil, fmt.Errorf("%s: element type is %v, want float32", name, x.Dtype())
	}
	return apply(&sliced{f: f}, name, kind, x.Shape(), x)
}

// Overwrite is Slices with y over x, which nobody else must read, unless f leaves it as it is.
func Overwrite(name, kind string, x *G.Node, f func(y, x []float32)) (*G.Node, error) {
	n, err := Slices(name, kind, x, f)
	if err == nil {
		n.Op().(*sliced).over = true
	}
	return n, err
}

type sliced struct {
	op
	loop
	f    func(y, x []float32)
	over bool // y is x
	y, x []float32
}

func (o *sliced) bind(b *binding) {
	take(b, &o.x)
	if o.y = o.x; o.over {
		show(b, o.y)
	} else {
		o.y = output[float32](b)
	}
	o.loop = parts(len(o.y), 1, 8192, func(lo, hi int) { o.f(o.y[lo:hi], o.x[lo:hi]) })
}
