package gop

import (
	"fmt"
	"math"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/petrify-ml/petrify/internal/kernel"
)

// MaxPool takes the greatest element of every window: x is (N, C, H, W), y is (N, C, OH, OW). The gradient goes to the first of
// the greatest.
func MaxPool(name string, x *G.Node, win kernel.Window) (*G.Node, error) {
	return poolImages(name, ReduceMax, x, win)
}

// AveragePool takes the mean of every window, of what lies in the image: x is (N, C, H, W), y is (N, C, OH, OW).
func AveragePool(name string, x *G.Node, win kernel.Window) (*G.Node, error) {
	return poolImages(name, ReduceMean, x, win)
}

// GlobalAveragePool takes the mean of every channel: x is (N, C, H, W), y is (N, C, 1, 1).
func GlobalAveragePool(name string, x *G.Node) (*G.Node, error) {
	var win kernel.Window
	if x != nil && x.Dims() == 4 {
		win.Kernel = [2]int{x.Shape()[2], x.Shape()[3]}
	}
	return poolImages(name, ReduceMean, x, win)
}

func poolImages(name string, f Reduction, x *G.Node, win kernel.Window) (*G.Node, error) {
	if x == nil || x.Dims() != 4 {
		return nil, fmt.Errorf("%s: pooling takes (N, C, H, W), got %v", name, shapeOf(x))
	}
	h, w := x.Shape()[2], x.Shape()[3]
	if _, _, err := win.Output(h, w); err != nil {
		return nil, fmt.Errorf("%s: pooling: %w", name, err)
	}
	return Pool(name, f, x, [][][]int{win.Places(0, h), win.Places(1, w)}, nil)
}

// shapeOf is the shape of a node for a message, which may be about none.
func shapeOf(x *G.Node) any {
	if x == nil {
		return "nothing"
	}
	return x.Shape()
}

// Pool takes windows of x together: x is (N, C, ...), and windows has, for each of the other axes, the places in x that each
// place of the output looks at. f is ReduceMax, ReduceMean or ReduceSum; count, where it is not nil, is what a sum is divided by for each
// place of the output, so that padding may count or not. ReduceMax and ReduceMean have a derivative.
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

// DiffWRT says that the greatest and the mean have a gradient.
func (o *pool[T]) DiffWRT(int) []bool { return []bool{o.f == ReduceMax || o.f == ReduceMean} }

func (o *pool[T]) SymDiff(in G.Nodes, out, grad *G.Node) (G.Nodes, error) {
	d, err := apply(&poolGrad[T]{pool: o}, out.Name()+".dx", "gradient of "+o.kind, in[0].Shape(), in[0], grad)
	return G.Nodes{d}, err
}

type poolGrad[T kernel.Float] struct {
	op
	loop
	pool      *pool[T]
	dx, x, dy []T
}

func (o *poolGrad[T]) bind(b *binding) {
	take(b, &o.x, &o.dy)
	o.dx = output[T](b)
	o.loop = parts(len(o.dx), o.pool.size, 1024, o.channels)
}

func (o *poolGrad[T]) channels(lo, hi int) {
	size, places := o.pool.size, o.pool.places
	for r := lo; r < hi; r++ {
		dx, x, dy := o.dx[r*size:(r+1)*size], o.x[r*size:(r+1)*size], o.dy[r*len(places):(r+1)*len(places)]
		clear(dx)
		for i, window := range places {
			if o.pool.f == ReduceMean {
				for _, at := range window {
					dx[at] += dy[i] / T(len(window))
				}
			} else if len(window) > 0 {
				dx[greatest(x, window)] += dy[i]
			}
		}
	}
}

// greatest is the place of the first of the greatest elements of a window, or of the first NaN.
func greatest[T kernel.Float](x []T, window []int) int {
	best := window[0]
	for _, at := range window[1:] {
		if v := x[at]; v > x[best] || v != v && x[best] == x[best] {
			best = at
		}
	}
	return best
}
