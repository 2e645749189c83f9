package reference

import (
	"fmt"
	"math"
	"slices"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// mapNumbers applies f to every element of a floating-point tensor.
func (c *call) mapNumbers(x *Value, f func(number) number) (*Value, error) {
	out, err := c.numbers(x.Type, x.Dims...)
	if err != nil {
		return nil, err
	}
	return out, c.each(out.Len(), 1, func(i int) { out.set(i, f(x.at(i))) })
}

// mapInts applies s or u to every element of an integer tensor, and wraps the
// results to its type.
func (c *call) mapInts(x *Value, s func(int64) int64, u func(uint64) uint64) (*Value, error) {
	out, err := c.zeros(x.Type, false, x.Dims...)
	if err != nil {
		return nil, err
	}
	switch d := out.Data.(type) {
	case []int64:
		for i, v := range x.Data.([]int64) {
			d[i] = wrapSigned(x.Type, s(v))
		}
	case []uint64:
		for i, v := range x.Data.([]uint64) {
			d[i] = wrapUnsigned(x.Type, u(v))
		}
	}
	return out, nil
}

// wrapSigned and wrapUnsigned keep the low bits that a type has.
func wrapSigned(t pb.TensorProto_DataType, x int64) int64 {
	switch t {
	case pb.TensorProto_INT8:
		return int64(int8(x))
	case pb.TensorProto_INT16:
		return int64(int16(x))
	case pb.TensorProto_INT32:
		return int64(int32(x))
	case pb.TensorProto_INT4:
		return x << 60 >> 60
	case pb.TensorProto_INT2:
		return x << 62 >> 62
	}
	return x
}

func wrapUnsigned(t pb.TensorProto_DataType, x uint64) uint64 {
	switch t {
	case pb.TensorProto_UINT8:
		return uint64(uint8(x))
	case pb.TensorProto_UINT16:
		return uint64(uint16(x))
	case pb.TensorProto_UINT32:
		return uint64(uint32(x))
	case pb.TensorProto_UINT4:
		return x & 15
	case pb.TensorProto_UINT2:
		return x & 3
	}
	return x
}

// unary is an operator that applies one function to floating-point tensors.
func unary(name string, fn function) operator {
	return operator{
		name: name,
		eval: single(func(c *call) (*Value, error) {
			f := c.format(c.in[0])
			return c.mapNumbers(c.in[0], func(x number) number { return fn.at(f, x) })
		}),
	}
}

// zip computes a floating-point, boolean or integer tensor of type t from the
// broadcast of a and b; put stores element i, from elements j of a and k of b.
func (c *call) zip(a, b *Value, t pb.TensorProto_DataType, figures bool, put func(out *Value, i, j, k int) error) (*Value, error) {
	dims, err := broadcast(a.Dims, b.Dims)
	if err != nil {
		return nil, err
	}
	out, err := c.zeros(t, figures, dims...)
	if err != nil {
		return nil, err
	}
	left, right := newStretch(a.Dims, dims), newStretch(b.Dims, dims)
	for i := range out.Len() {
		if err := put(out, i, left.index(i), right.index(i)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// zipNumbers applies f to the elements of the broadcast of a and b.
func (c *call) zipNumbers(a, b *Value, f func(x, y number) number) (*Value, error) {
	dims, err := broadcast(a.Dims, b.Dims)
	if err != nil {
		return nil, err
	}
	out, err := c.zeros(a.Type, true, dims...)
	if err != nil {
		return nil, err
	}
	left, right := newStretch(a.Dims, dims), newStretch(b.Dims, dims)
	return out, c.each(out.Len(), 1, func(i int) { out.set(i, f(a.at(left.index(i)), b.at(right.index(i)))) })
}

// zipInts is zipNumbers for integers of either kind.
func (c *call) zipInts(a, b *Value, s func(x, y int64) (int64, error), u func(x, y uint64) (uint64, error)) (*Value, error) {
	return c.zip(a, b, a.Type, false, func(out *Value, i, j, k int) error {
		switch d := out.Data.(type) {
		case []int64:
			v, err := s(a.Data.([]int64)[j], b.Data.([]int64)[k])
			d[i] = wrapSigned(a.Type, v)
			return err
		case []uint64:
			v, err := u(a.Data.([]uint64)[j], b.Data.([]uint64)[k])
			d[i] = wrapUnsigned(a.Type, v)
			return err
		}
		return nil
	})
}

// legacy is the broadcasting of opsets before 7: with broadcast = 1 the shape
// of b is a run of a's, from attribute axis on; by default it ends where a's
// does. It returns b under dims that broadcast as later opsets do.
func (c *call) legacy(a, b *Value) (*Value, error) {
	if c.opset >= 7 {
		return b, nil
	}
	if c.int("broadcast") == 0 {
		if !slices.Equal(a.Dims, b.Dims) {
			return nil, fmt.Errorf("shapes %v and %v differ, and broadcast is 0", a.Dims, b.Dims)
		}
		return b, nil
	}
	if !c.has("axis") {
		return b, nil
	}
	axis, err := axisOf(c.int("axis", 0), len(a.Dims)+1)
	if err != nil {
		return nil, err
	}
	after := len(a.Dims) - axis - len(b.Dims)
	if after < 0 {
		return nil, fmt.Errorf("shape %v does not fit into %v from axis %d on", b.Dims, a.Dims, axis)
	}
	return reshaped(b, slices.Concat(b.Dims, slices.Repeat([]int{1}, after))), nil
}

// arithmetic is an operator on two tensors of one numeric type.
func arithmetic(name string, float func(f format, x, y number) number, s func(x, y int64) (int64, error), u func(x, y uint64) (uint64, error)) operator {
	return operator{
		name: name,
		eval: single(func(c *call) (*Value, error) {
			a := c.in[0]
			b, err := c.legacy(a, c.in[1])
			if err != nil {
				return nil, err
			}
			if floats&setOf(a) == 0 {
				return c.zipInts(a, b, s, u)
			}
			f := c.format(a)
			return c.zipNumbers(a, b, func(x, y number) number { return float(f, x, y) })
		}),
	}
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
		eval: single(func(c *call) (*Value, error) {
			a := c.in[0]
			b, err := c.legacy(a, c.in[1])
			if err != nil {
				return nil, err
			}
			return c.zip(a, b, pb.TensorProto_BOOL, !a.exact() || !b.exact(), func(out *Value, i, j, k int) error {
				d := out.Data.([]bool)
				switch p := a.Data.(type) {
				case []int64:
					d[i] = s(p[j], b.Data.([]int64)[k])
				case []uint64:
					d[i] = u(p[j], b.Data.([]uint64)[k])
				case []string:
					d[i] = p[j] == b.Data.([]string)[k]
				default:
					x, y := a.at(j), b.at(k)
					d[i] = float(x.v, y.v)
					if out.Sound != nil {
						out.setFigures(i, flips(x, y))
					}
				}
				return nil
			})
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
		eval: single(func(c *call) (*Value, error) {
			a := c.in[0]
			b, err := c.legacy(a, c.in[1])
			if err != nil {
				return nil, err
			}
			return c.zip(a, b, pb.TensorProto_BOOL, !a.exact() || !b.exact(), func(out *Value, i, j, k int) error {
				out.Data.([]bool)[i] = f(a.Data.([]bool)[j], b.Data.([]bool)[k])
				if out.Sound != nil {
					x, y := a.figures(j), b.figures(k)
					out.setFigures(i, number{sound: min(1, x.sound+y.sound), declared: min(1, x.declared+y.declared)})
				}
				return nil
			})
		}),
	}
}

// variadic is an operator that folds any number of tensors of one type.
func variadic(name string, eval func(c *call, f format, terms []number) number, s func(x, y int64) int64, u func(x, y uint64) uint64) operator {
	return operator{
		name: name,
		eval: single(func(c *call) (*Value, error) {
			dims := c.in[0].Dims
			for _, v := range c.in {
				var err error
				if v == nil {
					continue
				}
				if dims, err = broadcast(dims, v.Dims); err != nil {
					return nil, err
				}
			}
			in := slices.DeleteFunc(slices.Clone(c.in), func(v *Value) bool { return v == nil })
			isFloat := floats&setOf(in[0]) != 0
			out, err := c.zeros(in[0].Type, isFloat, dims...)
			if err != nil {
				return nil, err
			}
			stretches := convert(in, func(v *Value) stretch { return newStretch(v.Dims, dims) })
			terms := make([]number, len(in))
			for i := range out.Len() {
				for k, v := range in {
					j := stretches[k].index(i)
					switch d := out.Data.(type) {
					case []int64:
						if x := v.Data.([]int64)[j]; k == 0 {
							d[i] = x
						} else {
							d[i] = wrapSigned(v.Type, s(d[i], x))
						}
					case []uint64:
						if x := v.Data.([]uint64)[j]; k == 0 {
							d[i] = x
						} else {
							d[i] = wrapUnsigned(v.Type, u(d[i], x))
						}
					default:
						terms[k] = v.at(j)
					}
				}
				if isFloat {
					out.set(i, eval(c, c.format(out), terms))
				}
			}
			return out, nil
		}),
	}
}
