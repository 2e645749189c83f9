package load

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// An integer is a type in which integers are computed. Arithmetic on it wraps round, as Go's does, and what is cut to the bits of
// a narrower type is what that type's own arithmetic gives.
type integer interface{ int64 | uint64 }

// ofIntegers does what fits the kind of the integers that d holds; of other types it reports false.
func ofIntegers(d onnx.Data, signed func([]int64) onnx.Data, unsigned func([]uint64) onnx.Data) (r onnx.Data, ok bool) {
	if _, _, ok := onnx.IntegerRange(d.Type()); !ok {
		return nil, false
	}
	switch w := d.Wide().(type) {
	case onnx.Slice[int64]:
		r = signed(w)
	case onnx.Slice[uint64]:
		r = unsigned(w)
	}
	if r == nil || r.Type() == pb.TensorProto_BOOL {
		return r, true
	}
	return onnx.Narrow(d.Type(), r)
}

// each is a function of one variable, element by element.
func each(b *builder, c call) {
	x := c.tensor(0)
	if d, ok := ofIntegers(x.Data, eachOf[int64](c), eachOf[uint64](c)); ok {
		if d == nil {
			fail(c.unsupported("elements of type %v", x.Type()))
		}
		b.put(c, 0, d, x.Dims...)
		return
	}
	f := realOf(c.op)
	r, ok := reals(x)
	if !ok {
		fail(c.unsupported("elements of type %v", x.Type()))
	}
	y := make([]float64, len(r))
	for i, v := range r {
		y[i] = f(v)
	}
	b.putReals(c, 0, y, x.Dims...)
}

// eachOf is a function of one variable on integers of a type, nil where there is none.
func eachOf[T integer](c call) func([]T) onnx.Data {
	var f func(T) T
	switch c.op.name {
	case "Abs":
		f = func(x T) T {
			if x < 0 {
				return -x
			}
			return x
		}
	case "Neg":
		f = func(x T) T { return -x }
	case "BitwiseNot":
		f = func(x T) T { return ^x }
	case "Relu":
		f = func(x T) T { return max(x, 0) }
	case "Sign":
		f = func(x T) T { return T(cmp.Compare(x, 0)) }
	default:
		return func([]T) onnx.Data { return nil }
	}
	return func(x []T) onnx.Data {
		y := make(onnx.Slice[T], len(x))
		for i, v := range x {
			y[i] = f(v)
		}
		return y
	}
}

// pairwise is a function of two variables or more, broadcast together from left to right.
func pairwise(b *builder, c call) {
	y := c.tensor(0)
	for k := 1; k < len(c.in); k++ {
		x := b.legacy(c, k)
		y = b.joint(c, y, x.fixed)
	}
	if n := len(c.in); c.op.name == "Mean" && n > 1 {
		r, _ := reals(y)
		r = slices.Clone(r)
		for i := range r {
			r[i] /= float64(n)
		}
		b.putReals(c, 0, r, y.Dims...)
		return
	}
	named := *y
	b.setFixed(c.name(), &named)
}

// joint applies the function of an operation to two tensors.
func (b *builder) joint(c call, x, y *onnx.Tensor) *onnx.Tensor {
	both, dims := b.aligned(c, x, y)
	x, y = both[0], both[1]
	f, known := pairs[c.op.name]
	if c.op.name == "Mod" {
		f, known = pair{reals: math.Mod}, true
	}
	elem := x.Type()
	if f.logical {
		elem = pb.TensorProto_BOOL
	}
	if x.Type() == y.Type() {
		if d, ok := ofIntegers(x.Data, joinOf[int64](c, y), joinOf[uint64](c, y)); ok {
			return must(onnx.TensorOf("", d, dims...))
		}
	}
	if s, ok := x.Data.(onnx.Slice[string]); ok && c.op.name == "Equal" {
		same := make(onnx.Slice[bool], len(s))
		for i, v := range y.Data.(onnx.Slice[string]) {
			same[i] = s[i] == v
		}
		return must(onnx.TensorOf("", same, dims...))
	}
	if xi, ok := wide(x); ok && c.op.name == "Pow" {
		if yi, ok := wide(y); ok { // integers of two types
			z := make([]int64, len(xi))
			for i := range z {
				z[i] = power(xi[i], yi[i])
			}
			return must(narrow(elem, z, dims))
		}
	}
	xs, okX := reals(x)
	ys, okY := reals(y)
	if !okX || !okY || !known {
		fail(c.unsupported("elements of types %v and %v", x.Type(), y.Type()))
	}
	z := make([]float64, len(xs))
	for i := range z {
		z[i] = f.reals(xs[i], ys[i])
	}
	return must(fromReals(elem, z, dims))
}

// joinOf is a function of two variables on integers of a type.
func joinOf[T integer](c call, y *onnx.Tensor) func([]T) onnx.Data {
	return func(x []T) onnx.Data {
		y := y.Data.Wide().(onnx.Slice[T])
		if f := compareOf[T](c.op.name); f != nil {
			z := make(onnx.Slice[bool], len(x))
			for i := range z {
				z[i] = f(x[i], y[i])
			}
			return z
		}
		divides := c.op.name == "Div" || c.op.name == "Mod"
		if i := slices.Index(y, 0); divides && i >= 0 {
			fail(fault{fmt.Errorf("%s: element %d is %d / 0", c.name(), i, x[i])})
		}
		f := functionOf[T](c)
		z := make(onnx.Slice[T], len(x))
		for i := range z {
			z[i] = f(x[i], y[i])
		}
		return z
	}
}

func compareOf[T integer](name string) func(x, y T) bool {
	switch name {
	case "Equal":
		return func(x, y T) bool { return x == y }
	case "Greater":
		return func(x, y T) bool { return x > y }
	case "GreaterOrEqual":
		return func(x, y T) bool { return x >= y }
	case "Less":
		return func(x, y T) bool { return x < y }
	case "LessOrEqual":
		return func(x, y T) bool { return x <= y }
	case "And": // of opset 1, on flags only
		return func(x, y T) bool { return x != 0 && y != 0 }
	}
	return nil
}

func functionOf[T integer](c call) func(x, y T) T {
	switch c.op.name {
	case "Add", "Sum", "Mean":
		return func(x, y T) T { return x + y }
	case "Sub":
		return func(x, y T) T { return x - y }
	case "Mul":
		return func(x, y T) T { return x * y }
	case "Div":
		return func(x, y T) T { return x / y }
	case "Mod":
		if c.on("fmod") {
			return func(x, y T) T { return x % y }
		}
		return func(x, y T) T {
			r := x % y
			if r != 0 && (r < 0) != (y < 0) {
				r += y
			}
			return r
		}
	case "Max":
		return func(x, y T) T { return max(x, y) }
	case "Min":
		return func(x, y T) T { return min(x, y) }
	case "Pow":
		return power[T]
	case "PRelu":
		return func(x, s T) T {
			if x < 0 {
				return s * x
			}
			return x
		}
	case "BitwiseAnd":
		return func(x, y T) T { return x & y }
	case "BitwiseOr":
		return func(x, y T) T { return x | y }
	case "BitwiseXor":
		return func(x, y T) T { return x ^ y }
	case "BitShift":
		if c.text("direction") == "LEFT" {
			return func(x, y T) T { return x << uint64(y) }
		}
		return func(x, y T) T { return x >> uint64(y) }
	}
	panic(failure{c.unsupported("elements of type %v", c.in[0].elem)})
}

// power is that of integers, which wraps round; to a negative power it is cut off.
func power[T integer](x, y T) T {
	if y < 0 {
		return T(math.Pow(float64(x), float64(y)))
	}
	p := T(1)
	for ; y > 0; y >>= 1 {
		if y&1 != 0 {
			p *= x
		}
		x *= x
	}
	return p
}

// clipOf bounds every element.
func clipOf(b *builder, c call) {
	if b.opset < 11 {
		lo, hi := c.float("min"), c.float("max")
		x := c.numbers(0)
		x = slices.Clone(x)
		for i, v := range x {
			x[i] = min(max(v, lo), hi)
		}
		b.putReals(c, 0, x, c.in[0].dims...)
		return
	}
	y := c.tensor(0)
	for k, bound := range []string{"Max", "Min"} {
		if !c.has(k + 1) {
			continue
		}
		o := *c.op
		o.name = bound
		one := c
		one.op = &o
		y = b.joint(one, y, c.tensor(k+1))
	}
	named := *y
	b.setFixed(c.name(), &named)
}

// span is the numbers from a start to a limit by a step.
func span(b *builder, c call) {
	elem := c.in[0].elem
	if isInt(elem) {
		v := [3]int64{c.integer(0), c.integer(1), c.integer(2)}
		if v[2] == 0 {
			fail(fault{fmt.Errorf("%s: a range by steps of 0", c.name())})
		}
		n := math.Max(math.Ceil((float64(v[1])-float64(v[0]))/float64(v[2])), 0)
		b.accountRange(c, n)
		all := make([]int64, 0, int(n)+1)
		for x := v[0]; v[2] > 0 && x < v[1] || v[2] < 0 && x > v[1]; x += v[2] {
			if len(all) > int(n) {
				break // beyond int64
			}
			all = append(all, x)
		}
		b.putInts(c, 0, all, len(all))
		return
	}
	v := [3]float64{c.number(0), c.number(1), c.number(2)}
	n := math.Max(math.Ceil((v[1]-v[0])/v[2]), 0)
	b.accountRange(c, n)
	all := make([]float64, int(n))
	for i := range all {
		all[i] = v[0] + float64(i)*v[2]
	}
	b.putReals(c, 0, all, len(all))
}

func (b *builder) accountRange(c call, n float64) {
	if !(n <= math.MaxInt32) {
		fail(fault{fmt.Errorf("%s: a range of %v numbers", c.name(), n)})
	}
	b.account(c.name(), []int{int(n)}, 16)
}
