package gop

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/internal/kernel"
)

// Dropout sets elements to zero with probability rate and divides the others by 1 - rate (Srivastava and others 2014, in the inverted
// form). It draws them again in every run by uniform, which fills a slice with numbers from [0, 1). Outside of training it is the
// identity, and uniform may be nil.
func Dropout(name string, x *G.Node, rate float64, uniform func(dst []float32), training bool) (*G.Node, error) {
	if err := present(name, "dropout", x); err != nil {
		return nil, err
	}
	if !(rate >= 0 && rate < 1) {
		return nil, fmt.Errorf("%s: dropout with rate %v, want at least 0 and less than 1", name, rate)
	}
	if !training || rate == 0 {
		return Reshape(name, x, x.Shape()...)
	}
	if uniform == nil {
		return nil, fmt.Errorf("%s: random numbers of dropout are missing", name)
	}
	n := x.Shape().TotalSize()
	return build(name, "dropout", x.Shape(),
		&dropout[float32]{rate: rate, uniform: uniform, draws: make([]float32, n), mask: make([]float32, n)},
		&dropout[float64]{rate: rate, uniform: uniform, draws: make([]float32, n), mask: make([]float64, n)}, x)
}

type dropout[T kernel.Float] struct {
	op
	rate    float64
	uniform func(dst []float32)
	draws   []float32
	mask    []T // 0 or 1 / (1 - rate)
	y, x    []T
}

func (o *dropout[T]) bind(b *binding) {
	take(b, &o.x)
	o.y = output[T](b)
}

func (o *dropout[T]) run() {
	o.uniform(o.draws)
	rate, scale := float32(o.rate), T(1/(1-o.rate))
	for i, u := range o.draws {
		o.mask[i] = 0
		if u >= rate {
			o.mask[i] = scale
		}
	}
	kernel.Mul(o.y, o.x, o.mask)
}

func (o *dropout[T]) DiffWRT(int) []bool { return []bool{true} }

func (o *dropout[T]) SymDiff(in G.Nodes, out, grad *G.Node) (G.Nodes, error) {
	d, err := apply(&dropoutGrad[T]{mask: o.mask}, out.Name()+".dx", "dropout gradient", o.shape, out, grad)
	return G.Nodes{d}, err
}

// dropoutGrad lets through what the last run did. It takes the output as an input so as to come after it.
type dropoutGrad[T kernel.Float] struct {
	op
	mask   []T
	dx, dy []T
}

func (o *dropoutGrad[T]) bind(b *binding) {
	take(b, nil, &o.dy)
	o.dx = output[T](b)
}

func (o *dropoutGrad[T]) run() { kernel.Mul(o.dx, o.dy, o.mask) }
