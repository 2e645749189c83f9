package gop

import (
	"fmt"
	"math"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/petrify-ml/petrify/internal/kernel"
)

// Pool takes windows of x together: x is (N, C, ...), and windows has, for each of the axes behind, the places in x that each
// place of the output looks at. f is ReduceMax, ReduceMean or ReduceSum; count, where it is not nil, is what a sum is divided by for each
// place of the output, so that padding may count or not. It serves inference and has no derivative.
func Pool(name string, f Reduction, x *G.Node, windows [][][]int, count []float64) (*G.Node, error) {
	if err := present(name, "pooling", x); err != nil {
		return nil, err
	}
	xs := x.Shape()
	if len(xs) != len(windows)+2 || len(windows) == 0 {
		return nil, fmt.Errorf("%s: pooling of %v over %d axes", name, xs, len(windows))
	}
	steps := Strides(xs)
	shape, places := xs[:2].Clone(), [][]int{{0}}
	for k, axis := range windows {
		var all [][]int
		for _, have := range places {
			for _, window := range axis {
				var both []int
				for _, base := range have {
					for _, i := range window {
						if i < 0 || i >= xs[k+2] {
							return nil, fmt.Errorf("%s: pooling takes place %d of %d", name, i, xs[k+2])
						}
						both = append(both, base+i*steps[k+2])
					}
				}
				all = append(all, both)
			}
		}
		places = all
		shape = append(shape, len(axis))
	}
	if count != nil && len(count) != len(places) {
		return nil, fmt.Errorf("%s: pooling with %d divisors for %d places", name, len(count), len(places))
	}
	size := tensor.Shape(xs[2:]).TotalSize()
	return build(name, "pooling", shape,
		&pool[float32]{f: f, size: size, places: places, count: count},
		&pool[float64]{f: f, size: size, places: places, count: count}, x)
}

type pool[T kernel.Float] struct {
	op
	loop
	f      Reduction
	size   int // of a channel of x
	places [][]int
	count  []float64
	y, x   []T
}

func (o *pool[T]) bind(b *binding) {
	take(b, &o.x)
	o.y = output[T](b)
	o.loop = parts(len(o.y), len(o.places), 1024, o.channels)
}

func (o *pool[T]) channels(lo, hi int) {
	for r := lo; r < hi; r++ {
		x, y := o.x[r*o.size:(r+1)*o.size], o.y[r*len(o.places):(r+1)*len(o.places)]
		for i, window := range o.places {
			if len(window) == 0 { // nothing but padding
				y[i] = 0
				if o.f == ReduceMax {
					y[i] = T(math.Inf(-1))
				}
				continue
			}
			v := reduce(o.f, x, window)
			if o.count != nil {
				v /= o.count[i]
			}
			y[i] = T(v)
		}
	}
}
