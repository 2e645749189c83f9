package reference

import (
	"fmt"
	"math"
	"slices"
)

// opGemm is alpha A' B' + beta C, where A' is A or its transpose, likewise B',
// and C broadcasts to the product. ONNX Gemm, opset 1, 6, 7, 9, 11, 13.
var opGemm = operator{
	name: "Gemm", asStored: []int{1},
	eval: single(func(c *call) *Value {
		a, b := c.in[0], c.in[1]
		if len(a.Dims) != 2 || len(b.Dims) != 2 {
			fail(fmt.Errorf("operands of shape %v and %v, want matrices", a.Dims, b.Dims))
		}
		if floats&setOf(a) == 0 {
			return c.gemmInts()
		}
		alpha, beta := c.float("alpha"), c.float("beta")
		more := 0 // roundings by the two scalings
		if alpha != 1 {
			more = 1
			a = c.mapNumbers(a, func(x number) number { return scaled(x, alpha) })
		}
		left, right := rowsOf(a, 0, a.Dims[0], a.Dims[1]), columnsOf(b, 0, b.Dims[0], b.Dims[1])
		if c.int("transA") != 0 {
			left = columnsOf(a, 0, a.Dims[0], a.Dims[1])
		}
		if c.int("transB") != 0 {
			right = rowsOf(b, 0, b.Dims[0], b.Dims[1])
		}
		if left.terms != right.terms {
			fail(fmt.Errorf("operands are %dx%d and %dx%d once transposed: %d columns against %d rows", left.lanes, left.terms, right.terms, right.lanes, left.terms, right.terms))
		}
		out := c.numbers(a.Type, left.lanes, right.lanes)
		c.afford(left.lanes, left.terms, right.lanes)
		bias := func(_, _ int, s dot) dot { return s }
		if c.given(2) && beta != 0 {
			if beta != 1 {
				more = 1
			}
			bias = c.gemmBias(out.Dims, beta)
		}
		f := c.products(out)
		out.sums(left.terms, c.format(out))
		products := []matrixProduct{{left, right, func(i, j int, s dot) {
			s = bias(i, j, s)
			out.set(i*right.lanes+j, s.sum(f, more))
		}}}
		c.multiply(f, products)
		out.origin = originOf(products)
		return out
	}),
}

// gemmBias adds element (i, j) of beta C to a sum.
func (c *call) gemmBias(dims []int, beta float64) func(i, j int, s dot) dot {
	bias := c.in[2]
	if got, err := broadcast(bias.Dims, dims); err != nil || !slices.Equal(got, dims) {
		fail(fmt.Errorf("input 2 of shape %v does not stretch to %v", bias.Dims, dims))
	}
	s := newStretch(bias.Dims, dims)
	return func(i, j int, sum dot) dot {
		sum.term(scaled(bias.at(s.index(i*dims[1]+j)), beta))
		return sum
	}
}

// gemmInts computes Gemm for integers by MatMul's rule; alpha and beta are
// then whole numbers.
func (c *call) gemmInts() *Value {
	alpha, beta := c.float("alpha"), c.float("beta")
	if alpha != math.Floor(alpha) || beta != math.Floor(beta) {
		fail(fmt.Errorf("alpha %v and beta %v, want whole numbers for integers", alpha, beta))
	}
	operands := []*Value{c.in[0], c.in[1]}
	for i, name := range []string{"transA", "transB"} {
		if c.int(name, 0) == 0 {
			continue
		}
		v := operands[i]
		t := c.pick(v, []int{v.Dims[1], v.Dims[0]}, func(k int) int {
			return k%v.Dims[0]*v.Dims[1] + k/v.Dims[0]
		})
		operands[i] = t
	}
	p := c.matMul(operands[0], operands[1])
	p = c.mapInts(p, func(x int64) int64 { return x * int64(alpha) }, func(x uint64) uint64 { return x * uint64(int64(alpha)) })
	if !c.given(2) {
		return p
	}
	return c.zipInts(p, c.in[2],
		func(x, y int64) int64 { return x + y*int64(beta) },
		func(x, y uint64) uint64 { return x + y*uint64(int64(beta)) })
}
