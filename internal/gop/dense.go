package gop

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/petrify-ml/petrify/internal/kernel"
)

// Dense is a fully connected layer with its activation: y = act(x w + b).
// x is (N, In), w is (In, Out), b is (Out) or nil, y is (N, Out).
func Dense(name string, x, w, b *G.Node, act kernel.Activation, need Need) (*G.Node, error) {
	if err := present(name, "dense", x, w); err != nil {
		return nil, err
	}
	xs, ws := x.Shape(), w.Shape()
	if xs.Dims() != 2 || ws.Dims() != 2 || xs[1] != ws[0] {
		return nil, fmt.Errorf("%s: dense of %v by %v: want (N, In) by (In, Out)", name, xs, ws)
	}
	m, k, n := xs[0], xs[1], ws[1]
	if b != nil && b.Shape().TotalSize() != n {
		return nil, fmt.Errorf("%s: bias has shape %v, want (%d)", name, b.Shape(), n)
	}
	return build(name, "dense", tensor.Shape{m, n},
		&dense[float32]{m: m, k: k, n: n, act: act, need: need},
		&dense[float64]{m: m, k: k, n: n, act: act, need: need}, optional(x, w, b)...)
}

type dense[T kernel.Float] struct {
	op
	m, k, n    int
	act        kernel.Activation
	need       Need
	kept       *kernel.Panels // of weights that never change
	y, x, w, b []T
}

func (o *dense[T]) bind(b *binding) {
	take(b, &o.x, &o.w, &o.b)
	o.y = output[T](b)
}

func (o *dense[T]) run() { kernel.DenseKept(o.kept, o.y, o.x, o.w, o.b, o.m, o.n, o.k, o.act) }

// mostKept is the number of weights up to which they are kept twice.
const mostKept = 1 << 20

func (o *dense[T]) keepWeights() {
	if o.k*o.n <= mostKept {
		o.kept = new(kernel.Panels)
	}
}

func (o *dense[T]) DiffWRT(inputs int) []bool {
	return []bool{o.need.Input, o.need.Params, o.need.Params}[:inputs]
}

func (o *dense[T]) SymDiff(in G.Nodes, out, grad *G.Node) (grads G.Nodes, err error) {
	name := out.Name()
	pre, err := beforeActivation[T](out, grad, o.act)
	if err != nil {
		return nil, err
	}
	grads = make(G.Nodes, len(in))
	if o.need.Input { // dx = dpre wᵀ, (N, Out) by (Out, In)
		if grads[0], err = matMul[T](name+".dx", pre, in[1], false, true, o.m, o.k, o.n); err != nil {
			return nil, err
		}
	}
	if o.need.Params { // dw = xᵀ dpre, (In, N) by (N, Out)
		if grads[1], err = matMul[T](name+".dw", in[0], pre, true, false, o.k, o.n, o.m); err != nil {
			return nil, err
		}
		if len(in) > 2 {
			c := &colSum[T]{rows: o.m, cols: o.n}
			if grads[2], err = apply(c, name+".db", "column sum", in[2].Shape(), pre); err != nil {
				return nil, err
			}
		}
	}
	return grads, nil
}

// matMul is C = op(A) op(B) with C of (m, n) and k terms in each sum, where op transposes or does not.
func matMul[T kernel.Float](name string, a, b *G.Node, ta, tb bool, m, n, k int) (*G.Node, error) {
	return apply(&gemm[T]{ta: ta, tb: tb, m: m, n: n, k: k}, name, "matrix product", tensor.Shape{m, n}, a, b)
}

type gemm[T kernel.Float] struct {
	op
	ta, tb  bool
	m, n, k int
	c, a, b []T
}

func (o *gemm[T]) bind(b *binding) {
	take(b, &o.a, &o.b)
	o.c = output[T](b)
}

func (o *gemm[T]) run() {
	lda, ldb := o.k, o.n
	if o.ta {
		lda = o.m
	}
	if o.tb {
		ldb = o.k
	}
	kernel.Gemm(o.ta, o.tb, o.m, o.n, o.k, o.a, lda, o.b, ldb, o.c, o.n, false)
}

type colSum[T kernel.Float] struct {
	op
	rows, cols int
	y, x       []T
}

func (o *colSum[T]) bind(b *binding) {
	take(b, &o.x)
	o.y = output[T](b)
}

func (o *colSum[T]) run() { kernel.ColSum(o.y, o.x, o.rows, o.cols) }
