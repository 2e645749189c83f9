package load

import (
	"fmt"
	"math"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/internal/kernel"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// activationOf is the kernel's form of an activation, where it has one: not for a slope that its maximum would not choose.
func activationOf(op *operation) (act kernel.Activation, ok bool) {
	switch op.name {
	case "Relu":
		return kernel.Activation{Func: kernel.ReLU}, true
	case "Tanh":
		return kernel.Activation{Func: kernel.Tanh}, true
	case "Sigmoid":
		return kernel.Activation{Func: kernel.Sigmoid}, true
	case "Softplus":
		return kernel.Activation{Func: kernel.Softplus}, true
	case "LeakyRelu":
		alpha := attribute[float32](op, "alpha")
		return kernel.Activation{Func: kernel.LeakyReLU, Alpha: float64(alpha)}, alpha >= 0 && alpha <= 1
	case "Elu":
		alpha := attribute[float32](op, "alpha")
		return kernel.Activation{Func: kernel.ELU, Alpha: float64(alpha)}, alpha >= 0
	}
	return act, false
}

// A maker makes a function of one variable; number reads one of the attributes.
type maker func(number func(name string) float64) func(x float64) float64

func plain(f func(float64) float64) maker {
	return func(func(string) float64) func(float64) float64 { return f }
}

// functions are those of one variable, after the definitions of ONNX.
var functions = map[string]maker{
	"Abs":   plain(math.Abs),
	"Acos":  plain(math.Acos),
	"Acosh": plain(math.Acosh),
	"Asin":  plain(math.Asin),
	"Asinh": plain(math.Asinh),
	"Atan":  plain(math.Atan),
	"Atanh": plain(math.Atanh),
	"Ceil":  plain(math.Ceil),
	"Celu": func(number func(string) float64) func(float64) float64 {
		alpha := number("alpha")
		return func(x float64) float64 { return max(0, x) + min(0, alpha*math.Expm1(x/alpha)) }
	},
	"Cos":  plain(math.Cos),
	"Cosh": plain(math.Cosh),
	"Elu": func(number func(string) float64) func(float64) float64 {
		alpha := number("alpha")
		return func(x float64) float64 {
			if x < 0 {
				return alpha * math.Expm1(x)
			}
			return x
		}
	},
	"Erf":   plain(math.Erf),
	"Exp":   plain(math.Exp),
	"Floor": plain(math.Floor),
	"HardSigmoid": func(number func(string) float64) func(float64) float64 {
		alpha, beta := number("alpha"), number("beta")
		return func(x float64) float64 { return max(0, min(1, alpha*x+beta)) }
	},
	"HardSwish": plain(func(x float64) float64 { return x * max(0, min(1, x/6+0.5)) }),
	"IsNaN":     plain(func(x float64) float64 { return flag(x != x) }),
	"LeakyRelu": func(number func(string) float64) func(float64) float64 {
		alpha := number("alpha")
		return func(x float64) float64 { return slope(x, alpha) }
	},
	"Log":        plain(math.Log),
	"Mish":       plain(func(x float64) float64 { return x * math.Tanh(max(x, 0)+math.Log1p(math.Exp(-math.Abs(x)))) }),
	"Neg":        plain(func(x float64) float64 { return -x }),
	"Not":        plain(func(x float64) float64 { return flag(x == 0) }),
	"Reciprocal": plain(func(x float64) float64 { return 1 / x }),
	"Relu":       plain(func(x float64) float64 { return max(x, 0) }),
	"Round":      plain(math.RoundToEven),
	"Selu": func(number func(string) float64) func(float64) float64 {
		alpha, gamma := number("alpha"), number("gamma")
		return func(x float64) float64 {
			if x <= 0 {
				return gamma * alpha * math.Expm1(x)
			}
			return gamma * x
		}
	},
	"Shrink": func(number func(string) float64) func(float64) float64 {
		lambda, bias := number("lambd"), number("bias")
		return func(x float64) float64 {
			switch {
			case x < -lambda:
				return x + bias
			case x > lambda:
				return x - bias
			}
			return 0
		}
	},
	"Sign": plain(func(x float64) float64 {
		switch {
		case x > 0:
			return 1
		case x < 0:
			return -1
		}
		return x
	}),
	"Sigmoid":  plain(func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }),
	"Sin":      plain(math.Sin),
	"Sinh":     plain(math.Sinh),
	"Softplus": plain(func(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }),
	"Softsign": plain(func(x float64) float64 { return x / (1 + math.Abs(x)) }),
	"Sqrt":     plain(math.Sqrt),
	"Swish": func(number func(string) float64) func(float64) float64 {
		alpha := number("alpha")
		return func(x float64) float64 { return x / (1 + math.Exp(-alpha*x)) }
	},
	"Tan":  plain(math.Tan),
	"Tanh": plain(math.Tanh),
	"ThresholdedRelu": func(number func(string) float64) func(float64) float64 {
		alpha := number("alpha")
		return func(x float64) float64 {
			if x > alpha {
				return x
			}
			return 0
		}
	},
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// unary is a function of one variable, element by element.
func unary(b *builder, c call) {
	x := c.in[0]
	if c.op.name != "Not" {
		c.real(0)
	}
	n := b.node(c, 0)
	act, ok := activationOf(c.op)
	switch {
	case ok:
		n = must(gop.Activate(c.name(), n, act))
	case c.op.name == "Exp":
		n = must(gop.Exp(c.name(), n))
	default:
		n = must(gop.Elementwise(c.name(), c.op.name, n, realOf(c.op)))
	}
	b.setAs(c.name(), c.elem(0), n, x.dims...)
}

// realOf is the function that an operation of one variable computes.
func realOf(op *operation) func(float64) float64 {
	switch op.name {
	case "Gelu":
		switch how := attribute[string](op, "approximate"); {
		case how == "tanh":
			return func(x float64) float64 { return x / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x))) }
		case how != "none":
			fail(&onnx.FormatError{Offset: -1, Where: op.out[0], What: fmt.Sprintf("attribute approximate is %q", how)})
		}
		return func(x float64) float64 { return x / 2 * (1 + math.Erf(x/math.Sqrt2)) }
	case "IsInf":
		below := attribute[int64](op, "detect_negative")
		above := attribute[int64](op, "detect_positive")
		return func(x float64) float64 {
			return flag(above != 0 && math.IsInf(x, 1) || below != 0 && math.IsInf(x, -1))
		}
	}
	make, ok := functions[op.name]
	if !ok {
		fail(&onnx.UnsupportedError{Op: op.name, Why: op.out[0]})
	}
	return make(func(name string) float64 { return float64(attribute[float32](op, name)) })
}

// A pair is a function of two variables.
type pair struct {
	plain   bool // one of gop's own
	own     gop.Arithmetic
	reals   func(a, b float64) float64
	logical bool // gives flags
}

func plus(a, b float64) float64 { return a + b }

var pairs = map[string]pair{
	"Add":            {plain: true, own: gop.Plus, reals: plus},
	"Sub":            {plain: true, own: gop.Minus, reals: func(a, b float64) float64 { return a - b }},
	"Mul":            {plain: true, own: gop.Times, reals: func(a, b float64) float64 { return a * b }},
	"Div":            {plain: true, own: gop.Over, reals: func(a, b float64) float64 { return a / b }},
	"Sum":            {plain: true, own: gop.Plus, reals: plus},
	"Mean":           {plain: true, own: gop.Plus, reals: plus},
	"Max":            {reals: func(a, b float64) float64 { return max(a, b) }},
	"Min":            {reals: func(a, b float64) float64 { return min(a, b) }},
	"Pow":            {reals: math.Pow},
	"PRelu":          {reals: slope},
	"And":            {reals: func(a, b float64) float64 { return flag(a != 0 && b != 0) }, logical: true},
	"Or":             {reals: func(a, b float64) float64 { return flag(a != 0 || b != 0) }, logical: true},
	"Xor":            {reals: func(a, b float64) float64 { return flag((a != 0) != (b != 0)) }, logical: true},
	"Equal":          {reals: func(a, b float64) float64 { return flag(a == b) }, logical: true},
	"Greater":        {reals: func(a, b float64) float64 { return flag(a > b) }, logical: true},
	"GreaterOrEqual": {reals: func(a, b float64) float64 { return flag(a >= b) }, logical: true},
	"Less":           {reals: func(a, b float64) float64 { return flag(a < b) }, logical: true},
	"LessOrEqual":    {reals: func(a, b float64) float64 { return flag(a <= b) }, logical: true},
}

func slope(x, s float64) float64 {
	if x < 0 {
		return s * x
	}
	return x
}

// combine is a function of two variables or more, broadcast together from left to right.
func combine(b *builder, c call) {
	f := pairs[c.op.name]
	y := c.in[0]
	for k := 1; k < len(c.in); k++ {
		x := b.legacy(c, k)
		name := c.name()
		if k < len(c.in)-1 {
			name = fmt.Sprintf("%s.%d", name, k)
		}
		y = b.together(c, name, f, y, x)
	}
	if n := len(c.in); c.op.name == "Mean" && n > 1 {
		node := b.nodeOf(c.name(), y, dtypeOf(y.elem))
		b.setAs(c.name(), y.elem, must(gop.Elementwise(c.name(), "mean", node, func(x float64) float64 { return x / float64(n) })), y.dims...)
		return
	}
	b.values[c.name()] = y
}

// together applies f to two values.
func (b *builder) together(c call, name string, f pair, x, y value) value {
	dims, err := gop.BroadcastShape(x.dims, y.dims)
	if err != nil {
		fail(fmt.Errorf("%s: %w", name, err))
	}
	elem := x.elem
	if f.logical {
		elem = pb.TensorProto_BOOL
	}
	if !isFloat(x.elem) && !f.logical {
		fail(c.unsupported("arithmetic on elements of type %v that depend on the inputs", x.elem))
	}
	dt := dtypeOf(x.elem)
	if x.node != nil {
		dt = x.node.Dtype()
	} else if y.node != nil && !isFloat(x.elem) {
		dt = y.node.Dtype()
	}
	xn := b.nodeOf(name, x, dt)
	yn := b.nodeOf(name, y, dt)
	var n *G.Node
	if f.plain {
		n = must(gop.Broadcast(name, f.own, xn, yn))
	} else {
		n = must(gop.Combine(name, c.op.name, xn, yn, f.reals))
	}
	b.setAs(name, elem, n, dims...)
	return b.values[name]
}

// legacy is input k, for which opset 6 and earlier may say at which axis of input 0 it starts, and which PRelu aligns at the
// channels there.
func (b *builder) legacy(c call, k int) value {
	x := c.in[k]
	together := c.int("broadcast")
	if b.opset >= 7 {
		return x
	}
	rank := len(c.in[0].dims)
	axis := rank - len(x.dims)
	switch {
	case c.op.name == "PRelu" && len(x.dims) == 1:
		axis = min(1, rank-1)
	case together != 0:
		axis = c.axis(rank+1, int64(axis))
	}
	after := rank - axis - len(x.dims)
	if after < 0 {
		fail(fmt.Errorf("%s: %v from axis %d of %v on", c.name(), x.dims, axis, c.in[0].dims))
	}
	if after == 0 {
		return x
	}
	return b.view(c.op.in[k]+" aligned", x, append(slices.Clone(x.dims), slices.Repeat([]int{1}, after)...))
}

// modulo is the remainder of floats, with the sign of the dividend.
func modulo(b *builder, c call) {
	fmod := c.int("fmod")
	if fmod == 0 {
		fail(fmt.Errorf("%s: mod of floats without fmod", c.name()))
	}
	f := pair{reals: math.Mod}
	b.values[c.name()] = b.together(c, c.name(), f, c.in[0], c.in[1])
}

// clip bounds every element; the bounds are attributes before opset 11 and inputs since.
func clip(b *builder, c call) {
	y := c.in[0]
	if b.opset < 11 {
		lo := c.float("min")
		hi := c.float("max")
		n := b.node(c, 0)
		b.setAs(c.name(), y.elem, must(gop.Elementwise(c.name(), "clip", n, func(x float64) float64 { return min(max(x, lo), hi) })), y.dims...)
		return
	}
	for k, bound := range []string{"Max", "Min"} {
		if !c.has(k + 1) {
			continue
		}
		name := c.name()
		if k == 0 && c.has(2) {
			name += ".lower"
		}
		y = b.together(c, name, pairs[bound], y, c.in[k+1])
	}
	b.values[c.name()] = y
}

// castTo changes the element type. Integers and flags that depend on the inputs are kept as floats with whole values.
func castTo(b *builder, c call) {
	to := castType(c.op)
	x := c.in[0]
	if x.fixed != nil {
		b.setFixed(c.name(), c.converted(to))
		return
	}
	if x.elem == to {
		identity(b, c)
		return
	}
	b.setConverted(c, c.name(), to, x.node, x.dims...)
}

// setConverted gives a value the elements of a node as those of another type.
func (b *builder) setConverted(c call, name string, to pb.TensorProto_DataType, x *G.Node, dims ...int) {
	var f func(float64) float64
	dt := x.Dtype()
	if isHalf(to) && dt == tensor.Float32 {
		n := must(gop.Slices(name, "rounding to 16 bits", x, roundingTo(to)))
		b.account(name, dims, 4)
		b.values[name] = value{dims: dims, elem: to, node: n}
		return
	}
	switch {
	case isFloat(to):
		dt = dtypeOf(to)
	case to == pb.TensorProto_FLOAT16, to == pb.TensorProto_BFLOAT16:
		dt = tensor.Float32
		f = func(v float64) float64 { return rounded(to, float32(v)) }
	case isInt(to) && !isNibble(to):
		f = func(v float64) float64 { return float64(whole(to, v)) }
		if least, greatest, ok := onnx.IntegerRange(to); ok { // and no bool, it wraps round
			f = func(v float64) float64 {
				return float64(least + int64(uint64(whole(to, v)-least)&(greatest-uint64(least))))
			}
		}
	default:
		fail(c.unsupported("to %v", to))
	}
	b.setAs(name, to, must(gop.Convert(name, x, dt, f)), dims...)
}

func castType(op *operation) pb.TensorProto_DataType {
	return pb.TensorProto_DataType(attribute[int64](op, "to"))
}

// rounded is v with the precision of a type of 16 bits.
func rounded(elem pb.TensorProto_DataType, v float32) float64 {
	if elem == pb.TensorProto_FLOAT16 {
		return float64(onnx.NewFloat16(v).Float32())
	}
	return float64(onnx.NewBFloat16(v).Float32())
}

// where chooses between two values, all three broadcast together.
func where(b *builder, c call) {
	dims := c.dims(0)
	elem := c.in[1].elem
	if c.in[0].fixed != nil && c.in[1].fixed != nil && c.in[2].fixed != nil {
		b.chooseKnown(c, dims)
		return
	}
	if !isFloat(elem) && elem != pb.TensorProto_BOOL {
		fail(c.unsupported("elements of type %v that depend on the inputs", elem))
	}
	dt := dtypeOf(elem)
	var in [3]*G.Node
	for k := range in {
		n := b.nodeOf(fmt.Sprintf("%s.%d", c.name(), k), c.in[k], dt)
		in[k] = b.expandedNode(fmt.Sprintf("%s.%d", c.name(), k), n, c.in[k].dims, dims)
	}
	b.setAs(c.name(), elem, must(gop.Select(c.name(), in[0], in[1], in[2])), dims...)
}

// expandedNode repeats n to dims.
func (b *builder) expandedNode(name string, n *G.Node, from, dims []int) *G.Node {
	if slices.Equal(from, dims) {
		return n
	}
	b.account(name, dims, int64(n.Dtype().Size()))
	m, err := expansion(from, dims)
	if err != nil {
		fail(fmt.Errorf("%s: %w", name, err))
	}
	return must(gop.Take(name, n, m, 0))
}

// chooseKnown is where on what is known, of any type: the elements of both sides lie one after the other, and the flags say which to take.
func (b *builder) chooseKnown(c call, dims []int) {
	b.account(c.name(), dims, 24)
	var in [3]*onnx.Tensor
	for k := range in {
		t, err := expanded(c.in[k].fixed, dims)
		if err != nil {
			fail(fmt.Errorf("%s: %w", c.name(), err))
		}
		in[k] = t
	}
	n := in[0].Len()
	both := must(joined(in[1:], []int{2, n}, 1))
	flags, ok := in[0].Data.(onnx.Slice[bool])
	if !ok {
		fail(fmt.Errorf("%s: where by %v", c.name(), in[0].Type()))
	}
	from := gop.Every(n, 1)
	for i, f := range flags {
		if !f {
			from[i] += n
		}
	}
	b.setFixed(c.name(), must(moveTensor(both, gop.Moves{Shape: []int{n}, Offsets: [][]int{from}}, nil, dims)))
}

// dtypeOf is the type of node that holds elements of a type: floats as they are, all others as float32 with whole values.
func dtypeOf(elem pb.TensorProto_DataType) tensor.Dtype {
	if elem == pb.TensorProto_DOUBLE {
		return tensor.Float64
	}
	return tensor.Float32
}
