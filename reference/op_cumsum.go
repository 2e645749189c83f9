package reference

import "github.com/petrify-ml/petrify/onnx"

// opCumSum is the running sum along the axis in input 1. ONNX CumSum, opset 11,
// 14.
var opCumSum = operator{
	name: "CumSum",
	eval: single(func(c *call) *Value {
		return c.accumulate(sums)
	}),
}

// An accumulation is what the elements of a line make together: integers begin with
// first and are taken in by s or u, floats go to an accumulator of their own.
type accumulation struct {
	first int64
	s     func(a, b int64) int64
	u     func(a, b uint64) uint64
	begin func(f format) accumulator
}

var sums = accumulation{0, plus[int64], plus[uint64],
	func(f format) accumulator { return &runningSum{f: f, terms: f.dot()} }}

// An accumulator takes the elements of a line one after the other, and tells what
// they make together.
type accumulator interface {
	add(x number)
	result() number
}

// accumulate goes along the axis in input 1, forwards or, by attribute reverse,
// backwards. By attribute exclusive an element itself is left out.
func (c *call) accumulate(what accumulation) *Value {
	x := c.in[0]
	a := c.intScalar(1)
	axis := axisOf(a, len(x.Dims))
	out := c.zeros(x.Type, floats&setOf(x) != 0, x.Dims...)
	outer, n, inner := split(x.Dims, axis)
	exclusive, reverse := c.int("exclusive") != 0, c.int("reverse") != 0
	for o := range outer {
		for i := range inner {
			at := func(k int) int {
				if reverse {
					k = n - 1 - k
				}
				return (o*n+k)*inner + i
			}
			add, store := what.line(c.format(x), x, out)
			for k := range n {
				if !exclusive {
					add(at(k))
				}
				store(at(k))
				if exclusive {
					add(at(k))
				}
			}
		}
	}
	return out
}

// line begins again: add takes in an element of x, store writes what they make together.
func (a accumulation) line(f format, x, out *Value) (add, store func(i int)) {
	switch d := out.Data.(type) {
	case onnx.Slice[int64]:
		return integerLine(x, d, a.first, a.s)
	case onnx.Slice[uint64]:
		return integerLine(x, d, uint64(a.first), a.u)
	}
	floats := a.begin(f)
	return func(i int) { floats.add(x.at(i)) }, func(i int) { out.set(i, floats.result()) }
}

func integerLine[T integer](x *Value, out []T, first T, take func(a, b T) T) (add, store func(i int)) {
	d := elems[T](x)
	return func(i int) { first = wrap(x.Type, take(first, d[i])) }, func(i int) { out[i] = first }
}

// A runningSum is the sum of the elements added so far.
type runningSum struct {
	f     format
	terms dot
}

func (r *runningSum) add(x number)   { r.terms.term(x) }
func (r *runningSum) result() number { return r.terms.sum(r.f, 0) }
