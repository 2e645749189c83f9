package gop

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/petrify-ml/petrify/internal/kernel"
)

// MatMul is the matrix product of NumPy and ONNX: the last two axes of each operand are matrices, the axes before them are
// broadcast; an operand of one axis is a row on the left, a column on the right, and that axis is gone from the output.
// It serves inference and has no derivative.
func MatMul(name string, a, b *G.Node) (*G.Node, error) {
	if err := present(name, "matrix product", a, b); err != nil {
		return nil, err
	}
	as, bs := slices.Clone([]int(a.Shape())), slices.Clone([]int(b.Shape()))
	row, column := len(as) == 1, len(bs) == 1
	if row {
		as = []int{1, as[0]}
	}
	if column {
		bs = []int{bs[0], 1}
	}
	m, k, n := as[len(as)-2], as[len(as)-1], bs[len(bs)-1]
	if k != bs[len(bs)-2] {
		return nil, fmt.Errorf("%s: matrix product of %v and %v", name, a.Shape(), b.Shape())
	}
	as, bs = as[:len(as)-2], bs[:len(bs)-2]
	batch, err := BroadcastShape(as, bs)
	if err != nil {
		return nil, fmt.Errorf("%s: matrix product of %v and %v: %w", name, a.Shape(), b.Shape(), err)
	}
	axes := walk(batch, as, bs)
	if tensor.Shape(bs).TotalSize() == 1 { // one matrix on the right: all rows on the left are one product
		for _, x := range axes {
			m *= x.n
		}
		axes = []axis{{n: 1}}
	}
	shape := tensor.Shape(batch)
	if !row {
		shape = append(shape, a.Shape()[a.Dims()-2])
	}
	if !column {
		shape = append(shape, n)
	}
	if len(shape) == 0 {
		shape = tensor.Shape{1} // a product of two vectors; values here have an axis at least
	}
	return build(name, "batched matrix product", shape,
		&batchedProduct[float32]{m: m, n: n, k: k, axes: axes},
		&batchedProduct[float64]{m: m, n: n, k: k, axes: axes}, a, b)
}

type batchedProduct[T kernel.Float] struct {
	op
	m, n, k int
	axes    []axis // over the batch; steps count matrices
	y, a, b []T
}

func (o *batchedProduct[T]) bind(b *binding) {
	take(b, &o.a, &o.b)
	o.y = output[T](b)
}

func (o *batchedProduct[T]) run() {
	m, n, k := o.m, o.n, o.k
	for i := range len(o.y) / (m * n) {
		rest, ia, ib := i, 0, 0
		for j := len(o.axes) - 1; j >= 0; j-- {
			at := rest % o.axes[j].n
			rest /= o.axes[j].n
			ia += at * o.axes[j].a
			ib += at * o.axes[j].b
		}
		kernel.Gemm(false, false, m, n, k, o.a[ia*m*k:(ia+1)*m*k], k, o.b[ib*k*n:(ib+1)*k*n], n, o.y[i*m*n:(i+1)*m*n], n, false)
	}
}

// GemmConfig holds the attributes of ONNX's Gemm.
type GemmConfig struct {
	TransA, TransB bool
	Alpha, Beta    float32
}

// Gemm is ONNX's Gemm: y = alpha op(a) op(b) + beta c, where c, which may be nil, is broadcast to (M, N).
// It serves inference and has no derivative.
func Gemm(name string, a, b, c *G.Node, cfg GemmConfig) (*G.Node, error) {
	if err := present(name, "gemm", a, b); err != nil {
		return nil, err
	}
	as, bs := a.Shape(), b.Shape()
	if len(as) != 2 || len(bs) != 2 {
		return nil, fmt.Errorf("%s: gemm of %v and %v: want two matrices", name, as, bs)
	}
	m, k, k2, n := as[0], as[1], bs[0], bs[1]
	if cfg.TransA {
		m, k = k, m
	}
	if cfg.TransB {
		k2, n = n, k2
	}
	if k != k2 {
		return nil, fmt.Errorf("%s: gemm of (%d, %d) by (%d, %d)", name, m, k, k2, n)
	}
	var rowStep, columnStep int // in c
	if c != nil {
		shape, err := BroadcastShape([]int{m, n}, c.Shape())
		if err != nil || !slices.Equal(shape, []int{m, n}) {
			return nil, fmt.Errorf("%s: gemm adds %v to (%d, %d)", name, c.Shape(), m, n)
		}
		if cs := c.Shape(); cs[len(cs)-1] > 1 {
			columnStep = 1
		}
		if cs := c.Shape(); len(cs) == 2 && cs[0] > 1 {
			rowStep = cs[1]
		}
	}
	return build(name, "gemm", tensor.Shape{m, n},
		&onnxGemm[float32]{cfg: cfg, m: m, n: n, k: k, rowStep: rowStep, columnStep: columnStep},
		&onnxGemm[float64]{cfg: cfg, m: m, n: n, k: k, rowStep: rowStep, columnStep: columnStep}, optional(a, b, c)...)
}

type onnxGemm[T kernel.Float] struct {
	op
	cfg                 GemmConfig
	m, n, k             int
	rowStep, columnStep int
	y, a, b, c          []T
	part                func(lo, hi int)
}

func (o *onnxGemm[T]) bind(b *binding) {
	take(b, &o.a, &o.b, &o.c)
	o.y = output[T](b)
	o.part = o.finish
}

func (o *onnxGemm[T]) run() {
	lda, ldb := o.k, o.n
	if o.cfg.TransA {
		lda = o.m
	}
	if o.cfg.TransB {
		ldb = o.k
	}
	kernel.Gemm(o.cfg.TransA, o.cfg.TransB, o.m, o.n, o.k, o.a, lda, o.b, ldb, o.y, o.n, false)
	if o.c != nil || o.cfg.Alpha != 1 {
		kernel.Parallel(o.m, max(1, 4096/o.n), o.part)
	}
}

// finish scales some rows of the product and adds the third operand.
func (o *onnxGemm[T]) finish(lo, hi int) {
	alpha, beta := T(o.cfg.Alpha), T(o.cfg.Beta)
	if o.c == nil {
		for i := lo * o.n; i < hi*o.n; i++ {
			o.y[i] *= alpha
		}
		return
	}
	for r := lo; r < hi; r++ {
		c := o.c[r*o.rowStep:]
		for i, v := range o.y[r*o.n : (r+1)*o.n] {
			o.y[r*o.n+i] = alpha*v + beta*c[i*o.columnStep]
		}
	}
}
