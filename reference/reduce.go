package reference

import (
	"math"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
)

// A reduction folds the elements along axes into one.
type reduction struct {
	name   string
	number func(f format, x []number) number
	// The same for integers, which are exact.
	ints  func(x []int64) int64
	uints func(x []uint64) uint64
	empty identity // of no element at all
	plain bool     // a sum, at most scaled
	lacks typeSet  // types that the specification allows besides
	// orders says that the result is one of the elements, which NaN has no place
	// among.
	orders bool
}

// An identity is what a reduction gives of nothing, by element type.
type identity int

const (
	zero       identity = iota
	one                 // of products
	lowest              // minus infinity, the least integer, false: of maxima
	highest             // infinity, the largest integer, true: of minima
	noIdentity          // means have none
)

// store writes the identity as element i of v; false if there is none.
func (id identity) store(v *Value, i int) bool {
	lo, _ := integerRange(v.Type)
	switch d := v.Data.(type) {
	case onnx.Slice[float64]:
		d[i] = [...]float64{0, 1, math.Inf(-1), math.Inf(1), math.NaN()}[id]
	case onnx.Slice[int64]:
		d[i] = [...]int64{0, 1, int64(lo), -1 - int64(lo), 0}[id]
	case onnx.Slice[uint64]:
		d[i] = [...]uint64{0, 1, 0, wrap(v.Type, uint64(math.MaxUint64)), 0}[id]
	case onnx.Slice[bool]:
		d[i] = id == highest
	}
	return id != noIdentity
}

// reducer is the operator of a reduction. Its axes are an attribute in older
// versions, and input 1 in newer ones.
func reducer(r reduction) operator {
	return operator{
		name: r.name,
		in:   []port{lacking(r.lacks)},
		eval: single(func(c *call) *Value {
			x := c.in[0]
			axes, _ := c.axesAt(1)
			axes = axesOf(axes, len(x.Dims))
			// Without axes every element is reduced on its own, or all of them are.
			if len(axes) == 0 && c.int("noop_with_empty_axes") == 0 {
				for a := range x.Dims {
					axes = append(axes, a)
				}
			}
			return c.reduce(x, axes, c.int("keepdims") == 1, r)
		}),
	}
}

func (c *call) reduce(x *Value, axes []int, keep bool, r reduction) *Value {
	var dims, outer, inner []int // of the result, of what stays, of what is folded
	var outerStep, innerStep []int
	own := strides(x.Dims)
	for a, d := range x.Dims {
		if slices.Contains(axes, a) {
			inner, innerStep = append(inner, d), append(innerStep, own[a])
			if keep {
				dims = append(dims, 1)
			}
			continue
		}
		outer, outerStep = append(outer, d), append(outerStep, own[a])
		dims = append(dims, d)
	}
	isFloat := floats&setOf(x) != 0
	out := c.zeros(x.Type, isFloat, dims...)
	n := size(inner)
	if isFloat && r.plain {
		out.sums(n, c.format(out))
	}
	c.take(int64(n))
	offsets, at := make([]int, n), make([]int, len(inner))
	for k := range offsets {
		unravel(k, inner, at)
		offsets[k] = ravel(at, innerStep)
	}
	fold := func(i int) {
		at := make([]int, len(outer))
		unravel(i, outer, at)
		r.fold(c, out, i, x, ravel(at, outerStep), offsets)
	}
	if n == 0 { // which may be undefined, and integers have no room for that
		for i := range out.Len() {
			fold(i)
		}
		return out
	}
	c.each(out.Len(), n, fold)
	return out
}

// fold stores the reduction of x at base + offsets as element i of out.
func (r reduction) fold(c *call, out *Value, i int, x *Value, base int, offsets []int) {
	if len(offsets) == 0 {
		if !r.empty.store(out, i) {
			c.undefined(out, i, emptyMean)
		}
		return
	}
	switch d := out.Data.(type) {
	case onnx.Slice[float64]:
		terms := convert(offsets, func(o int) number { return x.at(base + o) })
		f := c.format(out)
		if f.own = x.own(); c.step.statistic {
			f.own = ownInNormalisation
		}
		out.set(i, r.number(f, terms))
		if r.orders && hasNaN(terms) {
			c.undefined(out, i, orderOfNaN)
		}
	case onnx.Slice[int64]:
		d[i] = foldOffsets(x, base, offsets, r.ints)
	case onnx.Slice[uint64]:
		d[i] = foldOffsets(x, base, offsets, r.uints)
	case onnx.Slice[bool]:
		var any, all uint64 = 0, 1
		for _, o := range offsets {
			if elems[bool](x)[base+o] {
				any = 1
			} else {
				all = 0
			}
		}
		d[i] = r.uints([]uint64{any, all}) != 0
	}
}

func foldOffsets[T integer](x *Value, base int, offsets []int, f func([]T) T) T {
	d := elems[T](x)
	return wrap(x.Type, f(convert(offsets, func(o int) T { return d[base+o] })))
}

func total[T integer](x []T) T {
	var s T
	for _, v := range x {
		s += v
	}
	return s
}

func absolute(x []number) []number {
	return convert(x, func(n number) number { n.v = math.Abs(n.v); return n })
}
