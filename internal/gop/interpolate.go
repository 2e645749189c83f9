package gop

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/petrify-ml/petrify/internal/kernel"
)

// Tap is a share that an element of the input has in one of the output.
type Tap struct {
	Index  int
	Weight float64
}

// Interpolate gives one axis of x other places: place i of the output is the sum of its taps on x, or filler where it has none.
// It serves inference and has no derivative.
func Interpolate(name string, x *G.Node, along int, places [][]Tap, filler float64) (*G.Node, error) {
	if err := present(name, "interpolation", x); err != nil {
		return nil, err
	}
	shape := x.Shape().Clone()
	if along < 0 || along >= len(shape) {
		return nil, fmt.Errorf("%s: interpolation of %v along axis %d", name, shape, along)
	}
	n := shape[along]
	for i, taps := range places {
		for _, t := range taps {
			if t.Index < 0 || t.Index >= n {
				return nil, fmt.Errorf("%s: place %d takes element %d of %d", name, i, t.Index, n)
			}
		}
	}
	inner := tensor.Shape(shape[along+1:]).TotalSize() // 1 for no axes
	shape[along] = len(places)
	return build(name, "interpolation", shape,
		&interpolation[float32]{n: n, inner: inner, places: places, filler: filler},
		&interpolation[float64]{n: n, inner: inner, places: places, filler: filler}, x)
}

type interpolation[T kernel.Float] struct {
	op
	loop
	n, inner int
	places   [][]Tap
	filler   float64
	y, x     []T
}

func (o *interpolation[T]) bind(b *binding) {
	take(b, &o.x)
	o.y = output[T](b)
	o.loop = parts(len(o.y), o.inner, 2048, o.rows)
}

// rows does those of the output, each of inner neighbours.
func (o *interpolation[T]) rows(lo, hi int) {
	for r := lo; r < hi; r++ {
		y := o.y[r*o.inner : (r+1)*o.inner]
		image := o.x[r/len(o.places)*o.n*o.inner:]
		taps := o.places[r%len(o.places)]
		if len(taps) == 0 {
			for i := range y {
				y[i] = T(o.filler)
			}
			continue
		}
		if len(taps) == 2 {
			w0, w1 := T(taps[0].Weight), T(taps[1].Weight)
			x0, x1 := image[taps[0].Index*o.inner:][:len(y)], image[taps[1].Index*o.inner:][:len(y)]
			for i := range y {
				y[i] = T(w0*x0[i]) + T(w1*x1[i])
			}
			continue
		}
		clear(y)
		for _, t := range taps {
			w := T(t.Weight)
			for i, v := range image[t.Index*o.inner:][:len(y)] {
				y[i] += T(w * v)
			}
		}
	}
}
