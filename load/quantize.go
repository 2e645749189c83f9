package load

import (
	"fmt"
	"math"
	"slices"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/internal/kernel"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// limits are those of the integers of a type.
func limits(elem pb.TensorProto_DataType) (lo, hi float64, ok bool) {
	least, greatest, ok := onnx.IntegerRange(elem)
	return float64(least), float64(greatest), ok
}

// quantized is x in units of scale, a float32, around zero, rounded to even and kept within limits.
func quantized(x, scale float32, zero, lo, hi float64) int64 {
	return int64(min(max(math.RoundToEven(float64(x/scale))+zero, lo), hi))
}

// grain says which element of a scale or zero point, one for all, one for each place of an axis, or one for each block along it,
// stands with element i of a tensor.
func grain(c call, k int) func(i int) int {
	block := int(c.int("block_size"))
	x, s := c.in[0].dims, c.in[k].dims
	if product(s) == 1 && block == 0 {
		return func(int) int { return 0 }
	}
	axis := c.axis(len(x))
	_, n, inner := lines(x, axis)
	if len(s) == 1 && block == 0 {
		if s[0] != n {
			fail(fmt.Errorf("%s: %d scales for %d places of axis %d", c.name(), s[0], n, axis))
		}
		return func(i int) int { return i / inner % n }
	}
	if len(s) != len(x) || block < 1 || s[axis] != (n+block-1)/block {
		fail(fmt.Errorf("%s: scales of dims %v for %v", c.name(), s, x))
	}
	for i := range s {
		if i != axis && s[i] != x[i] {
			fail(fmt.Errorf("%s: scales of dims %v for %v", c.name(), s, x))
		}
	}
	return func(i int) int { return (i/inner/n*s[axis]+i/inner%n/block)*inner + i%inner }
}

// steps are the scales and zero points of a Quantize- or DequantizeLinear, no zero points where there are none, and which of them an
// element of the input has.
func steps(c call) (scale, zero []float64, at func(i int) int) {
	scale = c.numbers(1)
	zero = c.numbers(2)
	at = grain(c, 1)
	if zero != nil && len(zero) != len(scale) {
		fail(fmt.Errorf("%s: %d zero points for %d scales", c.name(), len(zero), len(scale)))
	}
	return scale, zero, at
}

// quantizeNode is quantize in a graph, which holds the integers as floats, where oneStep allows it.
func quantizeNode(b *builder, c call) {
	scale, zero, ok := b.oneStep(c.op)
	if c.in[0].fixed != nil || !ok || c.in[0].elem != pb.TensorProto_FLOAT {
		quantize(b, c)
		return
	}
	lo, hi, _ := limits(c.elem(0))
	b.setAs(c.name(), c.elem(0), must(gop.Slices(c.name(), "quantizing", c.in[0].node, func(y, x []float32) {
		kernel.Quantize(y, x, scale, zero, float32(lo), float32(hi))
	})), c.in[0].dims...)
}

// dequantizeNode is dequantize of what quantizeNode gives.
func dequantizeNode(b *builder, c call) {
	scale, zero, ok := b.oneStep(c.op)
	if c.in[0].fixed != nil || !ok {
		dequantize(b, c)
		return
	}
	b.set(c.name(), must(gop.Slices(c.name(), "dequantizing", c.in[0].node, func(y, x []float32) {
		kernel.Dequantize(y, x, scale, zero)
	})), c.in[0].dims...)
}

// oneStep is the scale and the zero point of a Quantize- or DequantizeLinear between float32 and integers of 8 bits, if each is one
// constant for all elements.
func (r *region) oneStep(o *operation) (scale, zero float32, ok bool) {
	if attribute[int64](o, "block_size") != 0 {
		return 0, 0, false
	}
	s := r.constants[o.in[1]]
	if s == nil || s.Type() != pb.TensorProto_FLOAT || s.Len() != 1 {
		return 0, 0, false
	}
	scale = s.Data.(onnx.Slice[float32])[0]
	if len(o.in) < 3 || o.in[2] == "" {
		return scale, 0, true
	}
	z := r.constants[o.in[2]]
	if z == nil || z.Len() != 1 {
		return 0, 0, false
	}
	switch d := z.Data.(type) {
	case onnx.Slice[uint8]:
		return scale, float32(d[0]), true
	case onnx.Slice[int8]:
		return scale, float32(d[0]), true
	}
	return 0, 0, false
}

// thereAndBack are the values that a QuantizeLinear gives to one DequantizeLinear only, both with oneStep: float32 that a graph can round.
func (r *region) thereAndBack() map[string]bool {
	found := map[string]bool{}
	for i := range r.all.ops {
		o := &r.all.ops[i]
		if o.name != "QuantizeLinear" || r.elem(o.in[0]) != pb.TensorProto_FLOAT {
			continue
		}
		_, next := r.all.reader(o.out[0])
		if next == nil || next.name != "DequantizeLinear" || next.in[0] != o.out[0] || r.elem(next.out[0]) != pb.TensorProto_FLOAT {
			continue
		}
		switch r.elem(o.out[0]) {
		case pb.TensorProto_INT8, pb.TensorProto_UINT8:
			_, _, there := r.oneStep(o)
			_, _, back := r.oneStep(next)
			found[o.out[0]] = there && back
		}
	}
	return found
}

func quantize(b *builder, c call) {
	lo, hi, ok := limits(c.elem(0))
	top := largest(c.elem(0))
	if !ok && top == 0 {
		fail(c.unsupported("to %v", c.elem(0)))
	}
	saturate := c.on("saturate")
	x := c.numbers(0)
	scale, zero, at := steps(c)
	if top > 0 {
		y := make([]float64, len(x))
		for i, v := range x {
			k := at(i)
			if y[i] = float64(float32(v) / float32(scale[k])); zero != nil {
				y[i] += zero[k]
			}
			if saturate {
				y[i] = max(-top, min(top, y[i]))
			}
		}
		b.putReals(c, 0, y, c.in[0].dims...)
		return
	}
	y := make([]int64, len(x))
	for i, v := range x {
		k, z := at(i), 0.0
		if zero != nil {
			z = zero[k]
		}
		y[i] = quantized(float32(v), float32(scale[k]), z, lo, hi)
	}
	b.putInts(c, 0, y, c.in[0].dims...)
}

func dequantize(b *builder, c call) {
	x := c.numbers(0)
	scale, zero, at := steps(c)
	y := make([]float64, len(x))
	for i, v := range x {
		k := at(i)
		if zero != nil {
			v -= zero[k]
		}
		y[i] = float64(float32(v) * float32(scale[k]))
	}
	b.putReals(c, 0, y, c.in[0].dims...)
}

// quantizeByRange takes scale and zero point from the smallest and the largest element, and zero.
func quantizeByRange(b *builder, c call) {
	x := c.numbers(0)
	lo, hi := float32(0), float32(0)
	for _, v := range x {
		lo, hi = min(lo, float32(v)), max(hi, float32(v))
	}
	scale, zero := (hi-lo)/255, 0.0
	if scale != 0 {
		zero = math.RoundToEven(min(max(float64(-lo/scale), 0), 255))
	}
	y := make([]int64, len(x))
	for i, v := range x {
		if scale != 0 {
			y[i] = quantized(float32(v), scale, zero, 0, 255)
		}
	}
	b.putInts(c, 0, y, c.in[0].dims...)
	b.putReals(c, 1, []float64{float64(scale)})
	b.putInts(c, 2, []int64{int64(zero)})
}

// centred is input k less its zero point, input zero: one, one for each row of a matrix, or of a shape that broadcasts.
func (b *builder) centred(c call, k, zero int, rows bool) []int64 {
	x := c.integers(k)
	if !c.has(zero) {
		return x
	}
	t := b.beside(c, k, zero, rows)
	z, ok := wide(t)
	if !ok {
		fail(fmt.Errorf("%s: a zero point of type %v", c.name(), t.Type()))
	}
	x = slices.Clone(x)
	for i := range x {
		x[i] -= z[i]
	}
	return x
}

// beside is input j, a scale or a zero point, repeated to the shape of input k.
func (b *builder) beside(c call, k, j int, rows bool) *onnx.Tensor {
	t, dims := c.tensor(j), c.in[k].dims
	b.account(c.name(), dims, 16)
	if len(t.Dims) == 1 && rows && len(dims) > 1 {
		t = &onnx.Tensor{Dims: []int{t.Dims[0], 1}, Data: t.Data}
	}
	if t.Len() == 1 {
		t = &onnx.Tensor{Data: t.Data}
	}
	t, err := expanded(t, dims)
	if err != nil {
		fail(c.unsupported("%v for %v: %v", c.in[j].dims, dims, err))
	}
	return t
}

// multiplied is the product of matrices, x (..., M, K) by y (..., K, N), lists as rows and columns, into dims.
func multiplied[T float64 | int64 | uint64](b *builder, x []T, xs []int, y []T, ys []int, dims []int) []T {
	if len(xs) == 1 {
		xs = []int{1, xs[0]}
	}
	if len(ys) == 1 {
		ys = []int{ys[0], 1}
	}
	m, k, n := xs[len(xs)-2], xs[len(xs)-1], ys[len(ys)-1]
	batch := dims[:max(len(xs), len(ys))-2]
	xo := must(expansion(xs[:len(xs)-2], batch))
	yo := must(expansion(ys[:len(ys)-2], batch))
	z := make([]T, product(dims))
	b.every(batch, func(i int, at []int) {
		px, py := 0, 0
		for a, p := range at {
			px += xo.Offsets[a][p]
			py += yo.Offsets[a][p]
		}
		for r := range m {
			try(b.pace())
			row, to := x[(px*m+r)*k:][:k], z[(i*m+r)*n:][:n]
			for d, v := range row {
				for j, w := range y[(py*k+d)*n:][:n] {
					to[j] += v * w
				}
			}
		}
	})
	return z
}

// integerProduct is a MatMul, of integers above all.
func integerProduct(b *builder, c call) {
	dims := c.dims(0)
	var z onnx.Data
	switch x := c.tensor(0).Data.Wide().(type) {
	case onnx.Slice[float64]:
		z = productOf(b, c, x, dims)
	case onnx.Slice[int64]:
		z = productOf(b, c, x, dims)
	case onnx.Slice[uint64]:
		z = productOf(b, c, x, dims)
	default:
		fail(c.unsupported("elements of type %v", c.in[0].elem))
	}
	b.put(c, 0, z, dims...)
}

func productOf[T float64 | int64 | uint64](b *builder, c call, x onnx.Slice[T], dims []int) onnx.Data {
	y, ok := c.tensor(1).Data.Wide().(onnx.Slice[T])
	if !ok {
		fail(c.unsupported("elements of types %v and %v", c.in[0].elem, c.in[1].elem))
	}
	return onnx.Slice[T](multiplied(b, x, c.in[0].dims, y, c.in[1].dims, dims))
}

// matMulInteger is the product of integers less their zero points.
func matMulInteger(b *builder, c call) {
	z, dims := b.centredProduct(c, 0, 2, 1, 3)
	accumulated(b, c, z, dims)
}

// centredProduct is the product of the matrices in inputs x and y, less their zero points, and the dims of it.
func (b *builder) centredProduct(c call, x, xZero, y, yZero int) (z []int64, dims []int) {
	dims = c.dims(0)
	left := b.centred(c, x, xZero, true)
	right := b.centred(c, y, yZero, false)
	z = multiplied(b, left, c.in[x].dims, right, c.in[y].dims, dims)
	return z, dims
}

// convInteger is the convolution of integers less their zero points; that of the weights may be one for each of their rows.
func convInteger(b *builder, c call) {
	y, dims := b.centredConvolution(c, 1, 3)
	accumulated(b, c, y, dims)
}

// centredConvolution is the convolution of input 0, less its zero point in input 2, with input k, less that in input zero.
func (b *builder) centredConvolution(c call, k, zero int) (y []int64, dims []int) {
	dims = c.dims(0)
	x := b.centred(c, 0, 2, false)
	w := b.centredKernel(c, k, zero)
	y = correlate(b, c, x, c.in[0].dims, w, c.in[k].dims, dims)
	return y, dims
}

// centredKernel is input k, weights (M, C, ...), less a zero point, input zero, one for all or one for each of M.
func (b *builder) centredKernel(c call, k, zero int) []int64 {
	w := c.integers(k)
	if !c.has(zero) {
		return w
	}
	z := c.integers(zero)
	m := c.in[k].dims[0]
	if len(z) != 1 && len(z) != m {
		fail(fmt.Errorf("%s: %d zero points for %d rows of weights", c.name(), len(z), m))
	}
	w = slices.Clone(w)
	for i := range w {
		w[i] -= z[i/(len(w)/m)%len(z)]
	}
	return w
}

// qLinearMatMul is the product of quantised matrices, quantised.
func qLinearMatMul(b *builder, c call) {
	z, dims := b.centredProduct(c, 0, 2, 3, 5)
	var scales [3][]float64
	for i, k := range []int{1, 4, 6} {
		scales[i] = c.numbers(k)
	}
	rank := len(dims)
	if len(scales[1]) != 1 && (len(c.in[4].dims) != 1 || rank < 1 || len(scales[1]) != dims[rank-1]) || len(scales[0]) != 1 && (len(c.in[1].dims) != 1 || rank < 2 || len(scales[0]) != dims[rank-2]) || len(scales[2]) != 1 {
		fail(c.unsupported("scales of dims %v, %v and %v", c.in[1].dims, c.in[4].dims, c.in[6].dims))
	}
	columns := 1
	if rank > 0 {
		columns = dims[rank-1]
	}
	b.requantized(c, z, 7, dims, func(i int) float32 {
		return float32(scales[0][i/columns%len(scales[0])]) * float32(scales[1][i%columns%len(scales[1])]) / float32(scales[2][0])
	})
}

// qLinearConv is the convolution of quantised values, quantised.
func qLinearConv(b *builder, c call) {
	y, dims := b.centredConvolution(c, 3, 5)
	bias := c.integers(8)
	inner := product(dims[2:])
	if bias != nil {
		for i := range y {
			y[i] += bias[i/inner%dims[1]]
		}
	}
	var scales [3][]float64
	for i, k := range []int{1, 4, 6} {
		scales[i] = c.numbers(k)
	}
	if len(scales[0]) != 1 || len(scales[2]) != 1 || len(scales[1]) != 1 && len(scales[1]) != dims[1] {
		fail(c.unsupported("scales of dims %v, %v and %v", c.in[1].dims, c.in[4].dims, c.in[6].dims))
	}
	b.requantized(c, y, 7, dims, func(i int) float32 {
		return float32(scales[0][0]) * float32(scales[1][i/inner%dims[1]%len(scales[1])]) / float32(scales[2][0])
	})
}

// requantized brings sums to the units of the output, whose zero point is input zero.
func (b *builder) requantized(c call, sums []int64, zero int, dims []int, factor func(i int) float32) {
	lo, hi, ok := limits(c.elem(0))
	if !ok {
		fail(c.unsupported("to %v", c.elem(0)))
	}
	z := c.integers(zero)
	if len(z) != 1 {
		fail(c.unsupported("a zero point of dims %v", c.in[zero].dims))
	}
	for i, v := range sums {
		sums[i] = int64(min(max(math.RoundToEven(float64(float32(v)*factor(i)))+float64(z[0]), lo), hi))
	}
	b.putInts(c, 0, sums, dims...)
}
