package gop

import (
	"fmt"
	"math"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/petrify-ml/petrify/internal/kernel"
)

// Reduction makes one number of many.
type Reduction uint8

// The reductions. Sums are carried in float64 and rounded once.
const (
	ReduceSum Reduction = iota
	ReduceMean
	ReduceProd
	ReduceMax
	ReduceMin
	ReduceL1
	ReduceL2
	ReduceSumSquare
	ReduceLogSum
	ReduceLogSumExp
	FirstMax // the place of the largest, the first one of several
	LastMax
	FirstMin
	LastMin
)

// Reduce takes axes of x together. In the output they are 1 long, or gone where keep is not set.
// It serves inference and has no derivative.
func Reduce(name string, f Reduction, x *G.Node, axes []int, keep bool) (*G.Node, error) {
	if err := present(name, "reduction", x); err != nil {
		return nil, err
	}
	xs := x.Shape()
	steps := Strides(xs)
	shape, outputs, terms := tensor.Shape{}, []int{0}, []int{0}
	for i, n := range xs {
		along := &outputs
		if slices.Contains(axes, i) {
			along = &terms
		}
		var all []int
		for _, base := range *along {
			for j := range n {
				all = append(all, base+j*steps[i])
			}
		}
		*along = all
		switch {
		case along == &outputs:
			shape = append(shape, n)
		case keep:
			shape = append(shape, 1)
		}
	}
	if len(shape) == 0 {
		shape = tensor.Shape{1}
	}
	return build(name, "reduction", shape,
		&reduction[float32]{f: f, outputs: outputs, terms: terms},
		&reduction[float64]{f: f, outputs: outputs, terms: terms}, x)
}

type reduction[T kernel.Float] struct {
	op
	loop
	f              Reduction
	outputs, terms []int // offsets in x: element i of the output takes x[outputs[i]+terms[j]] for all j
	y, x           []T
}

func (o *reduction[T]) bind(b *binding) {
	take(b, &o.x)
	o.y = output[T](b)
	o.loop = loop{len(o.y), 4096 / max(1, len(o.terms)), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			o.y[i] = T(reduce(o.f, o.x[o.outputs[i]:], o.terms))
		}
	}}
}

func reduce[T kernel.Float](f Reduction, x []T, terms []int) float64 {
	switch f {
	case ReduceSum, ReduceMean, ReduceLogSum:
		sum := 0.0
		for _, j := range terms {
			sum += float64(x[j])
		}
		switch f {
		case ReduceMean:
			sum /= float64(len(terms))
		case ReduceLogSum:
			sum = math.Log(sum)
		}
		return sum
	case ReduceL1:
		sum := 0.0
		for _, j := range terms {
			sum += math.Abs(float64(x[j]))
		}
		return sum
	case ReduceL2, ReduceSumSquare:
		sum := 0.0
		for _, j := range terms {
			sum += float64(x[j]) * float64(x[j])
		}
		if f == ReduceL2 {
			return math.Sqrt(sum)
		}
		return sum
	case ReduceProd:
		product := 1.0
		for _, j := range terms {
			product *= float64(x[j])
		}
		return product
	case ReduceLogSumExp:
		most := reduce(ReduceMax, x, terms)
		if math.IsInf(most, 0) {
			return most
		}
		sum := 0.0
		for _, j := range terms {
			sum += math.Exp(float64(x[j]) - most)
		}
		return most + math.Log(sum)
	case ReduceMin:
		least := math.Inf(1)
		for _, j := range terms {
			least = min(least, float64(x[j]))
		}
		return least
	case ReduceMax:
		most := math.Inf(-1)
		for _, j := range terms {
			most = max(most, float64(x[j]))
		}
		return most
	}
	place := 0
	for i, j := range terms {
		v, best := x[j], x[terms[place]]
		if f == FirstMax && v > best || f == LastMax && v >= best || f == FirstMin && v < best || f == LastMin && v <= best {
			place = i
		}
	}
	return float64(place)
}

// Softmax is e^x over the sum of those along the middle one of three axes (outer, n, inner) that the elements of x fill, or the
// logarithm of that. It serves inference and has no derivative.
func Softmax(name string, x *G.Node, n, inner int, logarithm bool) (*G.Node, error) {
	if err := present(name, "softmax", x); err != nil {
		return nil, err
	}
	if n < 1 || inner < 1 || x.Shape().TotalSize()%(n*inner) != 0 {
		return nil, fmt.Errorf("%s: softmax of %v in %d by %d", name, x.Shape(), n, inner)
	}
	return build(name, "softmax", x.Shape(),
		&softmax[float32]{n: n, inner: inner, log: logarithm},
		&softmax[float64]{n: n, inner: inner, log: logarithm}, x)
}

type softmax[T kernel.Float] struct {
	op
	loop
	n, inner int
	log      bool
	y, x     []T
}

func (o *softmax[T]) bind(b *binding) {
	take(b, &o.x)
	o.y = output[T](b)
	o.loop = parts(len(o.y), o.n, 1024, o.rows)
}

func (o *softmax[T]) rows(lo, hi int) {
	for r := lo; r < hi; r++ {
		at := r/o.inner*o.n*o.inner + r%o.inner
		most, sum := math.Inf(-1), 0.0
		for i := range o.n {
			most = max(most, float64(o.x[at+i*o.inner]))
		}
		for i := range o.n {
			sum += math.Exp(float64(o.x[at+i*o.inner]) - most)
		}
		shift := most + math.Log(sum)
		for i := range o.n {
			v := float64(o.x[at+i*o.inner])
			if o.log {
				v -= shift
			} else {
				v = math.Exp(v-most) / sum
			}
			o.y[at+i*o.inner] = T(v)
		}
	}
}
