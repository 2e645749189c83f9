package load

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/internal/kernel"
	"github.com/petrify-ml/petrify/onnx"
)

// operator says how an operator of ONNX becomes operators of Gorgonia.
type operator struct {
	since    int64 // the first opset whose definition this is
	min, max int   // inputs
	moves    bool  // elements of any type, without arithmetic
	attrs    []string
	build    func(*builder, call) error
}

const many = math.MaxInt

// operators are filled in by init because building one may look at the next.
var operators map[string]operator

func init() {
	operators = map[string]operator{
		"Add":       {since: 7, min: 2, max: 2, build: arithmetic(gop.Plus)},
		"Sub":       {since: 7, min: 2, max: 2, build: arithmetic(gop.Minus)},
		"Mul":       {since: 7, min: 2, max: 2, build: arithmetic(gop.Times)},
		"Div":       {since: 7, min: 2, max: 2, build: arithmetic(gop.Over)},
		"Concat":    {since: 4, moves: true, min: 1, max: many, attrs: []string{"axis"}, build: concat},
		"Constant":  {since: 1, moves: true, attrs: []string{"value", "value_float", "value_floats", "value_int", "value_ints"}},
		"Elu":       {since: 6, min: 1, max: 1, attrs: []string{"alpha"}, build: activation},
		"Exp":       {since: 6, min: 1, max: 1, build: exponential},
		"Flatten":   {since: 1, moves: true, min: 1, max: 1, attrs: []string{"axis"}, build: flatten},
		"Gemm":      {since: 7, min: 2, max: 3, attrs: []string{"alpha", "beta", "transA", "transB"}, build: gemm},
		"Identity":  {since: 1, moves: true, min: 1, max: 1, build: identity},
		"LeakyRelu": {since: 6, min: 1, max: 1, attrs: []string{"alpha"}, build: activation},
		"MatMul":    {since: 1, min: 2, max: 2, build: matMul},
		"Relu":      {since: 6, min: 1, max: 1, build: activation},
		"Reshape":   {since: 5, moves: true, min: 2, max: 2, attrs: []string{"allowzero"}, build: reshape},
		"Sigmoid":   {since: 6, min: 1, max: 1, build: activation},
		"Softplus":  {since: 1, min: 1, max: 1, build: activation},
		"Squeeze":   {since: 1, moves: true, min: 1, max: 2, attrs: []string{"axes"}, build: squeeze},
		"Tanh":      {since: 6, min: 1, max: 1, build: activation},
		"Transpose": {since: 1, min: 1, max: 1, attrs: []string{"perm"}, build: transpose},
		"Unsqueeze": {since: 1, moves: true, min: 1, max: 2, attrs: []string{"axes"}, build: unsqueeze},
	}
}

// Operators are the operators of ONNX that this package has, in alphabetical order.
func Operators() []string { return slices.Sorted(maps.Keys(operators)) }

func list() string { return strings.Join(Operators(), ", ") }

// attribute reads an attribute, or its default. The reader has checked its type, so another here is onnx-go's doing.
func attribute[T any](op *operation, name string, otherwise T) (T, error) {
	a, ok := op.attrs[name]
	if !ok {
		return otherwise, nil
	}
	v, ok := a.(T)
	if !ok {
		return otherwise, fmt.Errorf("%s: attribute %s is %v, want a %T", op.out[0], name, a, otherwise)
	}
	return v, nil
}

// ints are the elements of a constant list of integers: a shape, or axes.
func (c call) ints(k int) ([]int64, error) {
	if c.in[k].fixed == nil {
		return nil, c.unsupported("%q is computed, load wants a constant", c.op.in[k])
	}
	v, ok := c.in[k].fixed.Data.([]int64)
	if !ok || len(c.in[k].dims) > 1 {
		return nil, fmt.Errorf("%s: %q is %v of dims %v, want a list of int64", c.name(), c.op.in[k], c.in[k].fixed.Type(), c.in[k].dims)
	}
	return v, nil
}

// axisOf settles an axis that may count from the end, of a value of the given rank.
func axisOf(name string, axis int64, rank int) (int, error) {
	if axis < -int64(rank) || axis >= int64(rank) {
		return 0, fmt.Errorf("%s: axis %d of %d axes", name, axis, rank)
	}
	if axis < 0 {
		axis += int64(rank)
	}
	return int(axis), nil
}

func arithmetic(f gop.Arithmetic) func(*builder, call) error {
	return func(b *builder, c call) error {
		dims, err := gop.BroadcastShape(c.in[0].dims, c.in[1].dims)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name(), err)
		}
		in, err := b.nodes(c)
		if err != nil {
			return err
		}
		n, err := gop.Broadcast(c.name(), f, in[0], in[1])
		return b.set(c.name(), n, err, dims...)
	}
}

func identity(b *builder, c call) error {
	b.values[c.name()] = c.in[0]
	return nil
}

func exponential(b *builder, c call) error {
	x, err := b.node(c, 0)
	if err != nil {
		return err
	}
	n, err := gop.Elementwise(c.name(), "exponential", x, math.Exp)
	return b.set(c.name(), n, err, c.in[0].dims...)
}

// activationOf is the kernel's form of an activation, where it has one: not for a slope that its maximum would not choose.
func activationOf(op *operation) (act kernel.Activation, alpha float32, ok bool, err error) {
	switch op.name {
	case "Relu":
		return kernel.Activation{Func: kernel.ReLU}, 0, true, nil
	case "Tanh":
		return kernel.Activation{Func: kernel.Tanh}, 0, true, nil
	case "Sigmoid":
		return kernel.Activation{Func: kernel.Sigmoid}, 0, true, nil
	case "Softplus":
		return kernel.Activation{Func: kernel.Softplus}, 0, true, nil
	case "LeakyRelu":
		alpha, err := attribute[float32](op, "alpha", 0.01)
		return kernel.Activation{Func: kernel.LeakyReLU, Alpha: float64(alpha)}, alpha, alpha >= 0 && alpha <= 1, err
	case "Elu":
		alpha, err := attribute[float32](op, "alpha", 1)
		return kernel.Activation{Func: kernel.ELU, Alpha: float64(alpha)}, alpha, alpha >= 0, err
	}
	return act, 0, false, nil
}

func activation(b *builder, c call) error {
	x, err := b.node(c, 0)
	if err != nil {
		return err
	}
	act, alpha, ok, err := activationOf(c.op)
	if err != nil {
		return err
	}
	var n *G.Node
	switch {
	case ok:
		n, err = gop.Activate(c.name(), x, act)
	case act.Func == kernel.ELU:
		n, err = gop.Elementwise(c.name(), "elu", x, func(x float64) float64 {
			if x < 0 {
				return float64(alpha) * math.Expm1(x)
			}
			return x
		})
	default:
		n, err = gop.Elementwise(c.name(), "leaky relu", x, func(x float64) float64 {
			if x < 0 {
				return float64(alpha) * x
			}
			return x
		})
	}
	return b.set(c.name(), n, err, c.in[0].dims...)
}

// moved gives the output of an operation the elements of its input under other dimensions.
func (b *builder) moved(c call, dims []int) error {
	x := c.in[0]
	if x.fixed != nil {
		b.values[c.name()] = value{dims: dims, fixed: &onnx.Tensor{Name: c.name(), Dims: dims, Data: x.fixed.Data}}
		return nil
	}
	n, err := gop.Reshape(c.name(), x.node, nodeShape(dims)...)
	if err != nil {
		return err
	}
	b.values[c.name()] = value{dims: dims, node: n} // a view, which takes no memory
	return nil
}

func flatten(b *builder, c call) error {
	axis, err := attribute[int64](c.op, "axis", 1)
	if err != nil {
		return err
	}
	rank := len(c.in[0].dims)
	at := rank
	if axis != int64(rank) {
		if at, err = axisOf(c.name(), axis, rank); err != nil {
			return err
		}
	}
	dims := []int{1, 1}
	for i, d := range c.in[0].dims {
		if i < at {
			dims[0] *= d
		} else {
			dims[1] *= d
		}
	}
	return b.moved(c, dims)
}

func reshape(b *builder, c call) error {
	want, err := c.ints(1)
	if err != nil {
		return err
	}
	allowZero, err := attribute[int64](c.op, "allowzero", 0)
	if err != nil {
		return err
	}
	from := c.in[0].dims
	total := 1
	for _, d := range from {
		total *= d
	}
	dims, open, known := make([]int, len(want)), -1, 1
	for i, d := range want {
		switch {
		case d == -1 && open < 0:
			open = i
			continue
		case d == 0 && allowZero == 0 && i < len(from):
			d = int64(from[i])
		case d <= 0 || d > int64(total):
			return fmt.Errorf("%s: reshape of %v to %v", c.name(), from, want)
		}
		dims[i] = int(d)
		if known *= int(d); known > total {
			return fmt.Errorf("%s: reshape of %v to %v", c.name(), from, want)
		}
	}
	if open >= 0 {
		dims[open] = total / known
		known *= dims[open]
	}
	if known != total {
		return fmt.Errorf("%s: reshape of %v to %v", c.name(), from, want)
	}
	return b.moved(c, dims)
}

// axesOf are the axes of a squeeze or unsqueeze, an attribute before opset 13 and an input since, by rank of the fuller shape.
func axesOf(c call, rank func(axes int) int) (axes []int, given bool, err error) {
	list, err := attribute[[]int64](c.op, "axes", nil)
	if err != nil {
		return nil, false, err
	}
	if c.has(1) {
		if list, err = c.ints(1); err != nil {
			return nil, false, err
		}
	}
	if list == nil {
		return nil, false, nil
	}
	for _, a := range list {
		at, err := axisOf(c.name(), a, rank(len(list)))
		if err != nil {
			return nil, false, err
		}
		if slices.Contains(axes, at) {
			return nil, false, fmt.Errorf("%s: axis %d comes twice in %v", c.name(), at, list)
		}
		axes = append(axes, at)
	}
	return axes, true, nil
}

func squeeze(b *builder, c call) error {
	from := c.in[0].dims
	axes, given, err := axesOf(c, func(int) int { return len(from) })
	if err != nil {
		return err
	}
	dims := []int{}
	for i, d := range from {
		gone := d == 1
		if given {
			gone = slices.Contains(axes, i)
		}
		switch {
		case !gone:
			dims = append(dims, d)
		case d != 1:
			return fmt.Errorf("%s: squeeze of axis %d of %v, which is not 1 long", c.name(), i, from)
		}
	}
	return b.moved(c, dims)
}

func unsqueeze(b *builder, c call) error {
	from := c.in[0].dims
	axes, given, err := axesOf(c, func(axes int) int { return len(from) + axes })
	if err != nil {
		return err
	}
	if !given {
		return fmt.Errorf("%s: unsqueeze without axes", c.name())
	}
	dims := make([]int, 0, len(from)+len(axes))
	for i := range len(from) + len(axes) {
		if slices.Contains(axes, i) {
			dims = append(dims, 1)
			continue
		}
		dims = append(dims, from[i-before(axes, i)])
	}
	return b.moved(c, dims)
}

func before(axes []int, i int) int {
	n := 0
	for _, a := range axes {
		if a < i {
			n++
		}
	}
	return n
}

func transpose(b *builder, c call) error {
	from := c.in[0].dims
	var perm []int
	list, err := attribute[[]int64](c.op, "perm", nil)
	if err != nil {
		return err
	}
	for _, p := range list {
		if p < 0 || p >= int64(len(from)) {
			return fmt.Errorf("%s: perm %v of %d axes", c.name(), list, len(from))
		}
		perm = append(perm, int(p))
	}
	if list == nil {
		for i := range from {
			perm = append(perm, len(from)-1-i)
		}
	}
	if len(perm) != len(from) {
		return fmt.Errorf("%s: perm %v of %d axes", c.name(), list, len(from))
	}
	if len(from) == 0 {
		return identity(b, c)
	}
	x, err := b.node(c, 0)
	if err != nil {
		return err
	}
	dims := make([]int, len(perm))
	for i, p := range perm {
		dims[i] = from[p]
	}
	n, err := gop.Transpose(c.name(), x, perm...)
	return b.set(c.name(), n, err, dims...)
}

func concat(b *builder, c call) error {
	axis, err := attribute[int64](c.op, "axis", math.MinInt64)
	if err != nil {
		return err
	}
	dims := slices.Clone(c.in[0].dims)
	along, err := axisOf(c.name(), axis, len(dims))
	if err != nil {
		return err
	}
	for k := range c.in[1:] {
		if !c.has(k + 1) {
			return fmt.Errorf("%s: input %d of concat is left out", c.name(), k+1)
		}
		if len(c.in[k+1].dims) != len(dims) {
			return fmt.Errorf("%s: concat of %v and %v", c.name(), c.in[0].dims, c.in[k+1].dims)
		}
		dims[along] += c.in[k+1].dims[along]
	}
	if c.in[0].fixed != nil {
		if ints, ok := c.in[0].fixed.Data.([]int64); ok && len(dims) == 1 { // a shape put together from constants
			joined := slices.Clone(ints)
			for k := range c.in[1:] {
				more, err := c.ints(k + 1)
				if err != nil {
					return err
				}
				joined = append(joined, more...)
			}
			b.values[c.name()] = value{dims: dims, fixed: &onnx.Tensor{Name: c.name(), Dims: dims, Data: joined}}
			return nil
		}
	}
	in, err := b.nodes(c)
	if err != nil {
		return err
	}
	n, err := gop.Concat(c.name(), along, in...)
	return b.set(c.name(), n, err, dims...)
}
