package reference

import (
	"fmt"
	"math"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// mapNumbers applies f to every element of a floating-point tensor.
func (c *call) mapNumbers(x *Value, f func(number) number) *Value {
	out := c.numbers(x.Type, x.Dims...)
	out.origin = x.origin
	c.each(out.Len(), 1, func(i int) { out.set(i, f(x.at(i))) })
	return out
}

// mapInts applies s or u to every element of an integer tensor, and wraps the
// results to its type.
func (c *call) mapInts(x *Value, s func(int64) int64, u func(uint64) uint64) *Value {
	out := c.zeros(x.Type, false, x.Dims...)
	if signed&setOf(x) != 0 {
		mapInto(out, x, s)
	} else {
		mapInto(out, x, u)
	}
	return out
}

func mapInto[T integer](out, x *Value, f func(T) T) {
	d := elems[T](out)
	for i, v := range elems[T](x) {
		d[i] = wrap(x.Type, f(v))
	}
}

// unary is an operator that applies one function to floating-point tensors.
func unary(name string, fn function) operator {
	return operator{
		name: name,
		eval: single(func(c *call) *Value {
			f := c.format(c.in[0])
			return c.mapNumbers(c.in[0], func(x number) number { return fn.at(f, x) })
		}),
	}
}

// zip computes a floating-point, boolean or integer tensor of type t from the
// broadcast of a and b; put stores element i, from elements j of a and k of b.
func (c *call) zip(a, b *Value, t pb.TensorProto_DataType, figures bool, put func(out *Value, i, j, k int)) *Value {
	dims := must(broadcast(a.Dims, b.Dims))
	out := c.zeros(t, figures, dims...)
	left, right := newStretch(a.Dims, dims), newStretch(b.Dims, dims)
	for i := range out.Len() {
		put(out, i, left.index(i), right.index(i))
	}
	return out
}

// zipNumbers applies f to the elements of the broadcast of a and b.
func (c *call) zipNumbers(a, b *Value, f func(x, y number) number) *Value {
	dims := must(broadcast(a.Dims, b.Dims))
	out := c.zeros(a.Type, true, dims...)
	out.origin = carried(a, b, out)
	left, right := newStretch(a.Dims, dims), newStretch(b.Dims, dims)
	c.each(out.Len(), 1, func(i int) { out.set(i, f(a.at(left.index(i)), b.at(right.index(i)))) })
	switch {
	case a.Sound == nil && b.Sound == nil:
		out.origin = passed(nil, out, c.format(out).u, nil)
	case b.Sound != nil && b.Len() < a.Len() && a.Len() == out.Len(): // such as the mean of rows
		out.origin = passed(a, out, c.format(out).u, func(i int) float64 { return f(a.at(i), exact(b.Float(right.index(i)))).spread })
	case a.Sound != nil && a.Len() < b.Len() && b.Len() == out.Len():
		out.origin = passed(b, out, c.format(out).u, func(i int) float64 { return f(exact(a.Float(left.index(i))), b.at(i)).spread })
	}
	return out
}

// zipInts is zipNumbers for integers of either kind, wrapped to their type.
func (c *call) zipInts(a, b *Value, s func(x, y int64) int64, u func(x, y uint64) uint64) *Value {
	if signed&setOf(a) != 0 {
		return c.zip(a, b, a.Type, false, pairwise(a, b, func(x, y int64) int64 { return wrap(a.Type, s(x, y)) }))
	}
	return c.zip(a, b, a.Type, false, pairwise(a, b, func(x, y uint64) uint64 { return wrap(a.Type, u(x, y)) }))
}

// pairwise is a way to store f of elements of a and b.
func pairwise[T, R onnx.Element](a, b *Value, f func(x, y T) R) func(out *Value, i, j, k int) {
	x, y := elems[T](a), elems[T](b)
	return func(out *Value, i, j, k int) { elems[R](out)[i] = f(x[j], y[k]) }
}

// legacy is the broadcasting of opsets before 7: with broadcast = 1 the shape
// of b is a run of a's, from attribute axis on; by default it ends where a's
// does. It returns b under dims that broadcast as later opsets do.
func (c *call) legacy(a, b *Value) *Value {
	if c.opset >= 7 {
		return b
	}
	if c.int("broadcast") == 0 {
		if !slices.Equal(a.Dims, b.Dims) {
			fail(fmt.Errorf("shapes %v and %v differ, and broadcast is 0", a.Dims, b.Dims))
		}
		return b
	}
	if !c.has("axis") {
		return b
	}
	axis := axisOf(c.int("axis"), len(a.Dims)+1)
	after := len(a.Dims) - axis - len(b.Dims)
	if after < 0 {
		fail(fmt.Errorf("shape %v does not fit into %v from axis %d on", b.Dims, a.Dims, axis))
	}
	return reshaped(b, slices.Concat(b.Dims, slices.Repeat([]int{1}, after)))
}

// arithmetic is an operator on two tensors of one numeric type.
func arithmetic(name string, float func(f format, x, y number) number, s func(x, y int64) int64, u func(x, y uint64) uint64) operator {
	return operator{
		name: name,
		eval: single(func(c *call) *Value {
			a := c.in[0]
			b := c.legacy(a, c.in[1])
			if floats&setOf(a) == 0 {
				return c.zipInts(a, b, s, u)
			}
			f := c.format(a)
			f.unlike = 1 - similarity(a, b)
			return c.zipNumbers(a, b, func(x, y number) number { return float(f, x, y) })
		}),
	}
}

// additive is arithmetic for a sum or a difference, which has errors of both operands as they are.
func additive(name string, float func(f format, x, y number) number, s func(x, y int64) int64, u func(x, y uint64) uint64) operator {
	o := arithmetic(name, float, s, u)
	eval := o.eval
	o.eval = func(c *call) []*Value {
		out := eval(c)
		if out[0].Sound != nil && (c.in[0].Sound != nil || c.in[1].Sound != nil) {
			out[0].origin = joined(c.in[0], c.in[1], out[0])
		}
		return out
	}
	return o
}

// plainly is a rule for one operation, without the error of a rounding where there is none to do: of exact operands whose
// sum, difference or product is a number of the format, such as 1 - 1.
func plainly(rule func(f format, x, y number) number, of func(x, y float64) float64) func(f format, x, y number) number {
	return func(f format, x, y number) number {
		if z := of(x.v, y.v); x == exact(x.v) && y == exact(y.v) && f.holds(x.v) && f.holds(y.v) && f.holds(z) {
			return exact(z)
		}
		return rule(f, x, y)
	}
}

// comparison is an operator that compares two tensors of one type. gap is how
// far apart the operands may be for their errors to turn the result round.
func comparison(name string, float func(x, y float64) bool, s func(x, y int64) bool, u func(x, y uint64) bool) operator {
	return operator{
		name: name,
		eval: single(func(c *call) *Value {
			a := c.in[0]
			b := c.legacy(a, c.in[1])
			put := func(out *Value, i, j, k int) {
				x, y := a.at(j), b.at(k)
				elems[bool](out)[i] = float(x.v, y.v)
				if out.Sound != nil {
					out.setFigures(i, flips(x, y))
				}
			}
			switch set := setOf(a); {
			case set&signed != 0:
				put = pairwise(a, b, s)
			case set&unsigned != 0:
				put = pairwise(a, b, u)
			case set&texts != 0:
				put = pairwise(a, b, func(x, y string) bool { return x == y })
			}
			return c.zip(a, b, pb.TensorProto_BOOL, !a.exact() || !b.exact(), put)
		}),
	}
}

// flips gives the figures of a comparison: 1 where errors may turn it round.
func flips(x, y number) number {
	var n number
	if math.IsNaN(x.v) && x.sound == 0 || math.IsNaN(y.v) && y.sound == 0 {
		return n // no comparison with NaN holds
	}
	gap := x.v - y.v
	return jump(n, number{sound: x.sound + y.sound, spread: x.spread + y.spread, declared: x.declared + y.declared}, max(gap, -gap), 1)
}

// logical is an operator on two boolean tensors.
func logical(name string, f func(x, y bool) bool) operator {
	return operator{
		name: name, in: []port{moves, moves},
		eval: single(func(c *call) *Value {
			a := c.in[0]
			b := c.legacy(a, c.in[1])
			return c.zip(a, b, pb.TensorProto_BOOL, !a.exact() || !b.exact(), func(out *Value, i, j, k int) {
				elems[bool](out)[i] = f(elems[bool](a)[j], elems[bool](b)[k])
				if out.Sound != nil {
					x, y := a.figures(j), b.figures(k)
					out.setFigures(i, number{sound: min(1, x.sound+y.sound), declared: min(1, x.declared+y.declared)})
				}
			})
		}),
	}
}

// variadic is an operator that folds any number of tensors of one type.
func variadic(name string, eval func(c *call, f format, terms []number) number, s func(x, y int64) int64, u func(x, y uint64) uint64) operator {
	return operator{
		name: name,
		eval: single(func(c *call) *Value {
			dims := c.in[0].Dims
			for _, v := range c.in {
				if v == nil {
					continue
				}
				dims = must(broadcast(dims, v.Dims))
			}
			in := slices.DeleteFunc(slices.Clone(c.in), func(v *Value) bool { return v == nil })
			out := c.zeros(in[0].Type, floats&setOf(in[0]) != 0, dims...)
			stretches := convert(in, func(v *Value) stretch { return newStretch(v.Dims, dims) })
			switch {
			case signed&setOf(out) != 0:
				foldInto(out, in, stretches, s)
			case unsigned&setOf(out) != 0:
				foldInto(out, in, stretches, u)
			default:
				terms := make([]number, len(in))
				for i := range out.Len() {
					for k, v := range in {
						terms[k] = v.at(stretches[k].index(i))
					}
					out.set(i, eval(c, c.format(out), terms))
				}
			}
			return out
		}),
	}
}

// folded takes in one term after the other.
func folded(f func(x, y number) number) func(*call, format, []number) number {
	return func(_ *call, _ format, terms []number) number {
		m := terms[0]
		for _, t := range terms[1:] {
			m = f(m, t)
		}
		return m
	}
}

// foldInto folds integers: the first is what there is of it, and f takes in every other.
func foldInto[T integer](out *Value, in []*Value, stretches []stretch, f func(x, y T) T) {
	d := elems[T](out)
	for k, v := range in {
		terms, s := elems[T](v), stretches[k]
		for i := range d {
			if x := terms[s.index(i)]; k == 0 {
				d[i] = x
			} else {
				d[i] = wrap(v.Type, f(d[i], x))
			}
		}
	}
}
