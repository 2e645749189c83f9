package verify

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/reference"
	"golang.org/x/sys/cpu"
	"google.golang.org/protobuf/proto"
)

// weights draws bytes; of those with a sign 7 bits, so that no pair of products
// overflows 16, which it may on processors without VNNI.
func (s *singleNode) weights(signed bool, dims ...int) *onnx.Tensor {
	if signed {
		return elements[int8](s, -64, 63, dims...)
	}
	return elements[uint8](s, 0, 255, dims...)
}

// bytes draws bytes over their range, with or without a sign.
func (s *singleNode) bytes(signed bool, dims ...int) *onnx.Tensor {
	if signed {
		return elements[int8](s, -128, 127, dims...)
	}
	return elements[uint8](s, 0, 255, dims...)
}

// scale draws a scale about so large, now and then a power of two, so that results
// end half-way between integers.
func (s *singleNode) scale(about float64, dims ...int) *onnx.Tensor {
	dyadic := s.IntN(3) == 0
	return s.of(f32, dims, func() float64 {
		v := about * math.Exp2(2*s.Float64()-1)
		if dyadic {
			v = math.Exp2(math.Round(math.Log2(v)))
		}
		return v
	})
}

// quantized adds constants: a scale and a zero point.
func (s *singleNode) quantized(about float64, signed bool) {
	s.constant(s.scale(about), s.bytes(signed))
}

// geometry draws the attributes of a sliding kernel over so many spatial axes.
func (s *singleNode) geometry(rank int, dilated bool) []onnx.Attr {
	var kernel, strides, dilations, begin, end []int64
	for range rank {
		k, d := s.between(1, 3), 1
		if dilated {
			d = s.between(1, 2)
		}
		kernel, strides, dilations = append(kernel, int64(k)), append(strides, int64(s.between(1, 2))), append(dilations, int64(d))
		begin, end = append(begin, int64(s.IntN(k))), append(end, int64(s.IntN(k)))
	}
	attrs := []onnx.Attr{onnx.Ints("kernel_shape", kernel...), onnx.Ints("strides", strides...)}
	if s.IntN(4) == 0 { // which the runtime has without dilations only
		return append(attrs, onnx.String("auto_pad", one(s, "SAME_UPPER", "SAME_LOWER", "VALID")))
	}
	if dilated {
		attrs = append(attrs, onnx.Ints("dilations", dilations...))
	}
	return append(attrs, onnx.Ints("pads", append(begin, end...)...))
}

// image is the shape of one: batch 2, channels first or last.
func (s *singleNode) image(last bool, channels, rank, length int) []int {
	dims := []int{2}
	if !last {
		dims = append(dims, channels)
	}
	for range rank {
		dims = append(dims, length)
	}
	if last {
		dims = append(dims, channels)
	}
	return dims
}

func switched(name string, on bool) onnx.Attr {
	if on {
		return onnx.Int(name, 1)
	}
	return onnx.Int(name, 0)
}

// codes draws elements of a type that numbers are quantized to, over its range.
func (s *singleNode) codes(t pb.TensorProto_DataType, dims ...int) *onnx.Tensor {
	n := lengthOf(dims)
	x := &onnx.Tensor{Dims: append([]int{}, dims...)}
	switch t {
	case pb.TensorProto_INT8:
		return s.bytes(true, dims...)
	case pb.TensorProto_UINT8:
		return s.bytes(false, dims...)
	case pb.TensorProto_INT16:
		return elements[int16](s, -1<<15, 1<<15-1, dims...)
	case pb.TensorProto_UINT16:
		return elements[uint16](s, 0, 1<<16-1, dims...)
	case pb.TensorProto_INT32:
		return elements[int32](s, -1<<31, 1<<31-1, dims...)
	case pb.TensorProto_INT4:
		x.Data = drawn(n, func() onnx.Int4 { return onnx.Int4(s.between(-8, 7)) })
	case pb.TensorProto_UINT4:
		x.Data = drawn(n, func() onnx.UInt4 { return onnx.UInt4(s.between(0, 15)) })
	default:
		return s.of(t, dims, func() float64 { return 3 * s.NormFloat64() })
	}
	return x
}

// granularity is the shape of the scales of a tensor: one for all, one for each
// place along an axis, or one for each block.
func (s *singleNode) granularity(dims []int, blocks bool) []int {
	axis := s.IntN(len(dims))
	switch {
	case blocks && s.IntN(2) == 0:
		block := s.between(2, 4)
		s.attr(onnx.Int("axis", int64(axis)), onnx.Int("block_size", int64(block)))
		dims = append([]int{}, dims...)
		dims[axis] = (dims[axis] + block - 1) / block
		return dims
	case s.IntN(2) == 0:
		s.attr(onnx.Int("axis", int64(axis)))
		return []int{dims[axis]}
	}
	return []int{}
}

// dequantize draws a DequantizeLinear, of ONNX's own domain with more types, and with
// blocks.
func (s *singleNode) dequantize(standard bool) {
	types := []pb.TensorProto_DataType{pb.TensorProto_INT8, pb.TensorProto_UINT8, pb.TensorProto_INT16, pb.TensorProto_UINT16, pb.TensorProto_INT32, pb.TensorProto_INT4, pb.TensorProto_UINT4}
	if standard {
		types = append(types, pb.TensorProto_FLOAT8E4M3FN, pb.TensorProto_FLOAT8E4M3FNUZ, pb.TensorProto_FLOAT8E5M2, pb.TensorProto_FLOAT8E5M2FNUZ)
	}
	t := one(s, types...)
	dims := one(s, []int{3, s.between(1, 20)}, []int{s.between(5, 20)}, []int{2, 3, 2, s.between(1, 5)})
	small := t >= pb.TensorProto_FLOAT8E4M3FN && t <= pb.TensorProto_FLOAT8E5M2FNUZ
	if x := s.codes(t, dims...); t == pb.TensorProto_INT4 || t == pb.TensorProto_UINT4 || small {
		s.constant(x) // which does not travel to the runtime
	} else {
		s.give(x)
	}
	scales := s.granularity(dims, standard)
	about := one(s, 0.1, 0.1, 1e-5) // so that halves are subnormal
	s.constant(s.of(one(s, f32, f16), scales, func() float64 { return about * math.Exp2(2*s.Float64()-1) }))
	if t != pb.TensorProto_INT32 && !small && s.IntN(3) > 0 {
		s.constant(s.codes(t, scales...))
	}
}

// quantize draws a QuantizeLinear.
func (s *singleNode) quantize(standard bool) {
	t := one(s, pb.TensorProto_INT8, pb.TensorProto_UINT8, pb.TensorProto_INT16, pb.TensorProto_UINT16)
	dims := one(s, []int{3, s.between(1, 20)}, []int{s.between(5, 20)}, []int{2, 3, 2, s.between(1, 5)})
	of := one(s, f32, f16)
	s.give(s.float(of, 3, dims...))
	scales := s.granularity(dims, standard)
	about := 0.05
	if t == pb.TensorProto_INT16 || t == pb.TensorProto_UINT16 {
		about = 0.0002
	}
	s.constant(s.of(of, scales, func() float64 { return about * math.Exp2(2*s.Float64()-1) }), s.codes(t, scales...))
}

// convolveBytes draws a QLinearConv.
func (s *singleNode) convolveBytes(last bool) {
	signs := one(s, [2]bool{false, false}, [2]bool{false, true}, [2]bool{true, true})
	rank, group := s.between(1, 2), s.between(1, 2)
	in, out := group*s.between(1, 4), group*s.between(1, 4)
	s.give(s.bytes(signs[0], s.image(last, in, rank, 7)...))
	s.quantized(0.02, signs[0])
	s.attr(s.geometry(rank, true)...)
	w := []int{out, in / group}
	for _, k := range s.attrs[0].Proto().Ints {
		w = append(w, int(k))
	}
	dims := one(s, []int{}, []int{out})
	s.constant(s.weights(signs[1], w...), s.scale(0.02, dims...))
	zero := s.bytes(signs[1], dims...) // the same for all, as the runtime wants it
	switch d := zero.Data.(type) {
	case onnx.Slice[int8]:
		for i := range d {
			d[i] = d[0]
		}
	case onnx.Slice[uint8]:
		for i := range d {
			d[i] = d[0]
		}
	}
	s.constant(zero)
	s.quantized(0.5, signs[0])
	if s.IntN(2) == 0 {
		s.constant(elements[int32](s, -9000, 9000, out))
	}
	s.attr(onnx.Int("group", int64(group)))
	if s.domain != "" {
		s.attr(switched("channels_last", last))
	}
}

// binaryBytes are A and B, which broadcast, with scales and zero points.
func binaryBytes(scaleOfResult float64) func(s *singleNode) {
	return func(s *singleNode) {
		signed := s.IntN(2) == 0
		a, b := []int{2, 3, s.between(1, 40)}, []int{3, 1}
		if s.IntN(2) == 0 {
			b = a
		}
		if s.IntN(3) == 0 {
			a, b = b, a
		}
		s.give(s.bytes(signed, a...))
		s.quantized(0.02, signed)
		s.give(s.bytes(signed, b...))
		s.quantized(0.02, signed)
		s.quantized(scaleOfResult, signed)
	}
}

// unaryBytes is X of bytes, to another scale.
func unaryBytes(about float64, attrs func(s *singleNode)) func(s *singleNode) {
	return func(s *singleNode) {
		signed := s.IntN(2) == 0
		s.give(s.bytes(signed, 3, s.between(1, 60)))
		s.quantized(0.03, signed)
		s.quantized(about, signed)
		if attrs != nil {
			attrs(s)
		}
	}
}

// fusedMatrices are A and B as FusedMatMul transposes them.
func fusedMatrices(s *singleNode) {
	t := one(s, f32, f16, pb.TensorProto_DOUBLE)
	m, k, n := s.between(1, 9), s.between(1, 70), s.between(1, 9)
	batch := one(s, nil, []int{3}, []int{2, 3})
	for i, name := range []string{"A", "B"} {
		rows, cols := m, k
		if i == 1 {
			rows, cols = k, n
		}
		trans, transBatch := s.IntN(2) == 0, len(batch) > 0 && s.IntN(3) == 0
		if trans {
			rows, cols = cols, rows
		}
		dims := append(append([]int{}, batch...), rows, cols)
		if transBatch {
			dims = append(append([]int{rows}, batch...), cols)
		}
		if i == 0 {
			s.give(s.float(t, 1, dims...))
		} else {
			s.constant(s.float(t, 1, dims...))
		}
		s.attr(switched("trans"+name, trans), switched("transBatch"+name, transBatch))
	}
	s.sometimes(onnx.Float("alpha", one[float32](s, 0.125, 0.3, -1.7)))
}

// quantizedRows are the operators that quantisers write, and ONNX Runtime's
// optimiser.
var quantizedRows = []nodeRow{
	microsoft("DequantizeLinear", func(s *singleNode) { s.dequantize(false) }),
	microsoft("DynamicQuantizeLSTM", func(s *singleNode) {
		steps, batch, in, hidden := s.between(1, 5), s.between(1, 3), s.between(1, 9), s.between(1, 9)
		direction := one(s, "forward", "reverse", "bidirectional")
		dirs := 1
		if direction == "bidirectional" {
			dirs = 2
		}
		signed := s.IntN(2) == 0
		s.give(s.float(f32, 1, steps, batch, in))
		s.constant(s.weights(signed, dirs, in, 4*hidden), s.weights(signed, dirs, hidden, 4*hidden))
		maybe := func(x *onnx.Tensor) {
			if s.IntN(2) == 0 {
				x = nil
			}
			s.constant(x)
		}
		maybe(s.float(f32, 0.5, dirs, 8*hidden))
		maybe(elements[int32](s, 0, steps, batch))
		maybe(s.float(f32, 0.5, dirs, batch, hidden))
		maybe(s.float(f32, 0.5, dirs, batch, hidden))
		maybe(s.float(f32, 0.5, dirs, 3*hidden))
		for range 2 {
			dims := one(s, []int{dirs}, []int{dirs, 4 * hidden})
			zero := elements[int8](s, 0, 0, dims...)
			if !signed {
				zero = elements[uint8](s, 128, 128, dims...)
			}
			s.constant(s.scale(0.005, dims...), zero)
		}
		s.attr(onnx.Int("hidden_size", int64(hidden)), onnx.String("direction", direction))
		s.sometimes(onnx.Int("input_forget", 1))
		s.outs = 3
	}),
	microsoft("DynamicQuantizeMatMul", func(s *singleNode) {
		m, k, n := s.between(1, 9), s.between(1, 70), s.between(1, 9)
		signed := s.IntN(2) == 0
		s.give(s.float(f32, 2, 2, m, k))
		s.constant(s.weights(signed, k, n))
		dims := one(s, []int{}, []int{n})
		s.constant(s.scale(0.02, dims...))
		if s.IntN(2) == 0 {
			s.constant(s.bytes(signed, dims...))
		} else {
			s.constant(nil)
		}
		if s.IntN(2) == 0 {
			s.constant(s.float(f32, 1, n))
		}
	}),
	microsoft("FusedConv", func(s *singleNode) {
		if s.IntN(3) == 0 { // a sum
			c := s.between(1, 4)
			dims := s.image(false, c, 2, 6)
			s.give(s.float(f32, 1, dims...))
			s.constant(s.float(f32, 0.5, c, c, 3, 3), s.float(f32, 1, c))
			s.give(s.float(f32, 1, dims...))
			s.attr(onnx.Ints("pads", 1, 1, 1, 1))
			s.sometimes(onnx.String("activation", "Relu"))
			return
		}
		rank, group := s.between(1, 2), s.between(1, 2)
		in, out := group*s.between(1, 4), group*s.between(1, 4)
		s.give(s.float(f32, 1, s.image(false, in, rank, 7)...))
		s.attr(s.geometry(rank, true)...)
		kernel := s.attrs[0].Proto().Ints
		w := []int{out, in / group}
		for _, k := range kernel {
			w = append(w, int(k))
		}
		s.constant(s.float(f32, 0.5, w...))
		if s.IntN(2) == 0 {
			s.constant(s.float(f32, 1, out))
		} else {
			s.constant(nil)
		}
		s.attr(onnx.Int("group", int64(group)))
		switch a := one(s, "Relu", "Tanh", "Sigmoid", "LeakyRelu", "Clip", "HardSigmoid", "HardSwish"); a {
		case "LeakyRelu":
			s.attr(onnx.String("activation", a), onnx.Floats("activation_params", 0.2))
		case "Clip":
			s.attr(onnx.String("activation", a), onnx.Floats("activation_params", -0.5, 1.5))
		case "HardSigmoid":
			s.attr(onnx.String("activation", a), onnx.Floats("activation_params", 0.3, 0.4))
		default:
			s.attr(onnx.String("activation", a))
		}
	}),
	microsoft("FusedGemm", func(s *singleNode) {
		m, k, n := s.between(1, 9), s.between(1, 70), s.between(1, 9)
		transA, transB := s.IntN(2) == 0, s.IntN(2) == 0
		a, b := []int{m, k}, []int{k, n}
		if transA {
			a = []int{k, m}
		}
		if transB {
			b = []int{n, k}
		}
		s.give(s.float(f32, 0.5, a...))
		s.constant(s.float(f32, 0.5, b...))
		if s.IntN(3) > 0 {
			s.constant(s.float(f32, 1, one(s, []int{n}, []int{m, 1}, []int{m, n}, []int{})...))
		}
		s.attr(switched("transA", transA), switched("transB", transB), onnx.Float("alpha", one[float32](s, 1, 0.5, 1.3)), onnx.Float("beta", one[float32](s, 1, 0.7)))
		s.attr(onnx.String("activation", one(s, "Elu", "HardSigmoid", "LeakyRelu", "Softplus", "Relu", "Sigmoid", "Softsign", "Tanh", "ThresholdedRelu", "Selu", "Celu", "ParametricSoftplus", "ScaledTanh")),
			onnx.Float("activation_alpha", 0.3), onnx.Float("activation_beta", 0.6), onnx.Float("activation_gamma", 1.2))
	}),
	microsoft("FusedMatMul", fusedMatrices),
	microsoft("MatMulInteger16", func(s *singleNode) {
		m, k, n := s.between(1, 9), s.between(1, 30), s.between(1, 9)
		s.give(elements[int16](s, -5000, 5000, 2, m, k))
		s.constant(elements[int16](s, -5000, 5000, k, n))
	}),
	microsoft("MatMulIntegerToFloat", func(s *singleNode) {
		m, k, n := s.between(1, 9), s.between(1, 70), s.between(1, 9)
		signs := one(s, [2]bool{false, false}, [2]bool{false, true}, [2]bool{true, true})
		s.give(s.bytes(signs[0], 2, m, k))
		shape, dims := []int{k, n}, one(s, []int{}, []int{n})
		if s.IntN(3) == 0 {
			shape, dims = []int{2, k, n}, one(s, []int{}, []int{2, 1, n})
		}
		s.constant(s.weights(signs[1], shape...), s.scale(0.02), s.scale(0.02, dims...))
		if s.IntN(2) == 0 {
			s.constant(s.bytes(signs[0]), s.bytes(signs[1], dims...))
		} else {
			s.constant(nil, nil)
		}
		if s.IntN(2) == 0 {
			s.constant(s.float(f32, 1, n))
		}
	}),
	microsoft("NhwcMaxPool", func(s *singleNode) {
		s.give(s.bytes(s.IntN(2) == 0, s.image(true, s.between(1, 5), 2, 7)...))
		s.attr(s.geometry(2, true)...)
		s.sometimes(onnx.Int("ceil_mode", 1))
	}),
	microsoft("QAttention", func(s *singleNode) {
		batch, rows, heads, width, in := s.between(1, 2), s.between(1, 5), s.between(1, 3), one(s, 4, 8), s.between(3, 20)
		signed, past, cols := s.IntN(2) == 0, 0, 3*heads*width
		if s.IntN(2) == 0 {
			past = s.between(1, 4)
		}
		s.give(s.bytes(false, batch, rows, in))
		dims := one(s, []int{}, []int{cols})
		s.constant(s.weights(signed, in, cols), s.float(f32, 0.5, cols), s.scale(0.01), s.scale(0.005, dims...))
		s.give(s.keyMask(batch, rows, past+rows, true))
		s.constant(elements[uint8](s, 110, 140))
		zero := elements[int8](s, -5, 5, dims...)
		if !signed {
			zero = elements[uint8](s, 120, 135, dims...)
		}
		s.constant(zero)
		if past > 0 {
			s.give(s.float(f32, 1, 2, batch, heads, past, width))
			s.outs = 2
		}
		s.attr(onnx.Int("num_heads", int64(heads)))
		s.unidirectional()
		s.sometimes(onnx.Float("scale", 0.3))
	}),
	microsoft("QEmbedLayerNormalization", func(s *singleNode) {
		batch, length, width, signed := s.between(1, 3), s.between(1, 5), one(s, 8, 24), s.IntN(2) == 0
		segments := s.IntN(2) == 0
		s.give(elements[int32](s, 0, 19, batch, length), nil)
		s.constant(s.bytes(signed, 20, width), s.bytes(signed, length+2, width), nil, s.bytes(signed, width), s.bytes(signed, width), nil)
		if segments {
			s.in[1], s.in[4] = elements[int32](s, 0, 1, batch, length), s.bytes(signed, 2, width)
		}
		if s.IntN(2) == 0 {
			s.in[7] = elements[int32](s, 0, 1, batch, length)
		}
		for range 5 {
			s.constant(s.scale(0.02))
		}
		for range 5 {
			s.constant(s.bytes(signed))
		}
		if !segments {
			s.in[10], s.in[15] = nil, nil
		}
		s.outs = 2
	}),
	microsoft("QGemm", func(s *singleNode) {
		m, k, n := s.between(1, 9), s.between(1, 70), s.between(1, 9)
		signs := one(s, [2]bool{false, false}, [2]bool{false, true}, [2]bool{true, true})
		transA, transB := s.IntN(2) == 0, s.IntN(2) == 0
		a, b := []int{m, k}, []int{k, n}
		if transA {
			a = []int{k, m}
		}
		if transB {
			b = []int{n, k}
		}
		s.give(s.bytes(signs[0], a...))
		s.quantized(0.02, signs[0])
		dims := one(s, []int{}, []int{n})
		s.constant(s.weights(signs[1], b...), s.scale(0.02, dims...), s.bytes(signs[1], dims...))
		s.attr(switched("transA", transA), switched("transB", transB), onnx.Float("alpha", one[float32](s, 1, 0.5, 1.3)))
		if s.IntN(2) == 0 {
			s.constant(elements[int32](s, -9000, 9000, one(s, []int{n}, []int{m, 1}, []int{m, n}, []int{1})...))
		} else {
			s.constant(nil)
		}
		if s.IntN(2) == 0 {
			s.quantized(0.5, signs[0])
		}
	}),
	microsoft("QLinearAdd", binaryBytes(0.04)),
	microsoft("QLinearAveragePool", func(s *singleNode) {
		signed, last, rank := s.IntN(2) == 0, s.IntN(2) == 0, s.between(1, 3)
		s.give(s.bytes(signed, s.image(last, s.between(1, 5), rank, 6)...))
		s.quantized(0.02, signed)
		s.quantized(0.02, signed)
		s.attr(s.geometry(rank, false)...)
		s.attr(switched("channels_last", last))
		s.sometimes(onnx.Int("count_include_pad", 1))
		s.sometimes(onnx.Int("ceil_mode", 1))
	}),
	microsoft("QLinearConcat", func(s *singleNode) {
		signed, axis := s.IntN(2) == 0, s.IntN(3)
		s.quantized(0.03, signed)
		for range s.between(1, 4) {
			dims := []int{2, 3, 4}
			dims[axis] = s.between(1, 5)
			s.give(s.bytes(signed, dims...))
			if s.IntN(3) == 0 {
				s.constant(&onnx.Tensor{Dims: []int{}, Data: s.in[0].Data}, &onnx.Tensor{Dims: []int{}, Data: s.in[1].Data})
			} else {
				s.quantized(0.03, signed)
			}
		}
		s.attr(onnx.Int("axis", int64(axis-one(s, 0, 3))))
	}),
	microsoft("QLinearConv", func(s *singleNode) { s.convolveBytes(s.IntN(2) == 0) }),
	microsoft("QLinearGlobalAveragePool", func(s *singleNode) {
		signed, last, rank := s.IntN(2) == 0, s.IntN(2) == 0, s.between(1, 3)
		s.give(s.bytes(signed, s.image(last, s.between(1, 20), rank, s.between(1, 6))...))
		s.quantized(0.02, signed)
		s.quantized(0.02, signed)
		s.attr(switched("channels_last", last))
	}),
	microsoft("QLinearLeakyRelu", unaryBytes(0.02, func(s *singleNode) { s.sometimes(onnx.Float("alpha", one[float32](s, 0.25, 0.3))) })),
	microsoft("QLinearMul", binaryBytes(0.04)),
	microsoft("QLinearSigmoid", unaryBytes(0.004, nil)),
	microsoft("QLinearSoftmax", func(s *singleNode) {
		signed, opset := s.IntN(2) == 0, one(s, 11, 13)
		s.give(s.bytes(signed, 3, 4, s.between(4, 20))) // with fewer the runtime's exponentials overflow
		s.quantized(0.03, signed)
		if signed {
			s.constant(s.of(f32, []int{}, func() float64 { return one(s, 1./255, 0.0043) }), elements[int8](s, -128, -128))
		} else {
			s.constant(s.of(f32, []int{}, func() float64 { return one(s, 1./256, 1./255, 0.0037) }), elements[uint8](s, 0, 0))
		}
		s.attr(onnx.Int("opset", int64(opset)))
		s.sometimes(onnx.Int("axis", int64(s.IntN(3))))
	}),
	microsoft("QLinearWhere", func(s *singleNode) {
		signed := s.IntN(2) == 0
		n := s.between(1, 20)
		s.give(&onnx.Tensor{Dims: []int{3, 1}, Data: drawn(3, func() bool { return s.IntN(2) == 0 })})
		s.give(s.bytes(signed, 2, 3, n))
		s.quantized(0.02, signed)
		s.give(s.bytes(signed, 3, n))
		s.quantized(0.02, signed)
		s.quantized(0.03, signed)
	}),
	microsoft("QuantizeLinear", func(s *singleNode) { s.quantize(false) }),
	microsoft("TransposeMatMul", func(s *singleNode) {
		m, k, n := s.between(1, 9), s.between(1, 70), s.between(1, 9)
		s.give(s.float(f32, 1, 2, k, m))
		s.constant(s.float(f32, 1, n, k))
		s.attr(onnx.Int("transA", 1), onnx.Int("transB", 1))
		s.sometimes(onnx.Float("alpha", 0.3))
	}),
}

// standardRows are those of ONNX's own that quantise.
var standardRows = []nodeRow{
	ofONNX("DequantizeLinear", 21, func(s *singleNode) { s.dequantize(true) }),
	ofONNX("ConvInteger", 21, func(s *singleNode) {
		signed, rank, group := s.IntN(2) == 0, s.between(1, 2), s.between(1, 2)
		in, out := group*s.between(1, 4), group*s.between(1, 4)
		s.give(s.bytes(false, s.image(false, in, rank, 7)...))
		s.attr(s.geometry(rank, true)...)
		w := []int{out, in / group}
		for _, k := range s.attrs[0].Proto().Ints {
			w = append(w, int(k))
		}
		s.constant(s.weights(signed, w...), s.bytes(false))
		if s.IntN(2) == 0 {
			s.constant(s.weights(signed))
		}
		s.attr(onnx.Int("group", int64(group)))
	}),
	ofONNX("DynamicQuantizeLinear", 21, func(s *singleNode) {
		s.give(s.float(f32, 3, 3, s.between(1, 40)))
		s.outs = 3
	}),
	ofONNX("MatMulInteger", 21, func(s *singleNode) {
		m, k, n := s.between(1, 9), s.between(1, 70), s.between(1, 9)
		signs := one(s, [2]bool{false, false}, [2]bool{false, true}, [2]bool{true, true})
		s.give(s.bytes(signs[0], 2, m, k))
		s.constant(s.weights(signs[1], k, n), s.bytes(signs[0]))
		if s.IntN(2) == 0 {
			s.constant(s.bytes(signs[1], one(s, []int{}, []int{n})...))
		}
	}),
	ofONNX("QLinearConv", 21, func(s *singleNode) { s.convolveBytes(false) }),
	ofONNX("QLinearMatMul", 21, func(s *singleNode) {
		m, k, n := s.between(1, 9), s.between(1, 70), s.between(1, 9)
		signs := one(s, [2]bool{false, false}, [2]bool{false, true}, [2]bool{true, true})
		s.give(s.bytes(signs[0], 2, m, k))
		s.quantized(0.02, signs[0])
		dims := one(s, []int{}, []int{n})
		s.constant(s.weights(signs[1], k, n), s.scale(0.02, dims...), s.bytes(signs[1], dims...))
		s.quantized(0.5, signs[0])
	}),
	ofONNX("QuantizeLinear", 21, func(s *singleNode) { s.quantize(true) }),
}

// TestCodesThatDoNotTravelToARuntime quantizes to types that no tensor of a runtime's
// interface has, and back.
func TestCodesThatDoNotTravelToARuntime(t *testing.T) {
	rt := ortNode(t)
	for _, domain := range []string{"", "com.microsoft"} {
		for _, to := range []pb.TensorProto_DataType{pb.TensorProto_INT4, pb.TensorProto_UINT4, pb.TensorProto_FLOAT8E4M3FN, pb.TensorProto_FLOAT8E5M2} {
			if domain != "" && to >= pb.TensorProto_FLOAT8E4M3FN && to <= pb.TensorProto_FLOAT8E5M2FNUZ {
				continue // which it does not have
			}
			s := &singleNode{Rand: rand.New(rand.NewPCG(uint64(to), 1)), name: "q", op: "QuantizeLinear", domain: domain, opset: 21, outs: 1}
			x, scale, zero := s.float(f32, 3, 40, 7), s.scale(0.7, 7), s.codes(to, 7)
			if to != pb.TensorProto_INT4 && to != pb.TensorProto_UINT4 {
				zero = s.of(to, []int{7}, func() float64 { return 0 })
			}
			s.give(x)
			s.constant(scale, zero)
			s.attr(onnx.Int("axis", 1))
			for i, v := range s.in {
				v.Name = fmt.Sprintf("x%d", i)
			}
			m := modelOfNodes(t, s)
			back := line("y = DequantizeLinear("+m.Proto.Graph.Node[0].Output[0]+", x1, x2)", intOf("axis", 1))
			back.Domain = proto.String(domain)
			m.Proto.Graph.Node = append(m.Proto.Graph.Node, back)
			m.Proto.Graph.Output = []*pb.ValueInfoProto{{Name: proto.String("y"), Type: onnx.Type{Elem: f32, Dims: []onnx.Dim{onnx.Fixed(40), onnx.Fixed(7)}}.Proto()}}
			b, err := onnx.Marshal(m.Proto)
			if err != nil {
				t.Fatal(err)
			}
			m.Bytes = b
			want, err := reference.Run(m, []*onnx.Tensor{x})
			if err != nil {
				t.Fatalf("%s: %v", onnx.ElemName(to), err)
			}
			got := runOnce(t, rt, m, []*onnx.Tensor{x})["y"]
			if r := measure(want[0], valueOf(got), want[0].Screen); r.Outside > 0 || r.Unbounded > 0 {
				t.Errorf("%q, %s: %d of %d elements are beyond the screen, %d without a limit, the first one %v", domain, onnx.ElemName(to), r.Outside, r.Elements, r.Unbounded, r.First)
			}
		}
	}
}

// TestOperatorsWithoutAKernelOnCPUs compares operators that ONNX Runtime has for other
// processors only with what its documents say they are made of.
func TestOperatorsWithoutAKernelOnCPUs(t *testing.T) {
	rt := ortNode(t)
	for _, c := range []struct {
		row   nodeRow
		parts func(s *singleNode, x []string, y string) []*pb.NodeProto
	}{
		{microsoft("QLinearReduceMean", func(s *singleNode) {
			signed := s.IntN(2) == 0
			s.give(s.bytes(signed, 3, 5, 7))
			s.quantized(0.03, signed)
			s.quantized(0.03, signed)
			s.attr(onnx.Ints("axes", one(s, []int64{1}, []int64{-1, 0}, []int64{2, 1, 0})...), onnx.Int("keepdims", int64(s.IntN(2))))
		}), func(s *singleNode, x []string, y string) []*pb.NodeProto {
			return []*pb.NodeProto{
				line(y + ".a = DequantizeLinear(" + x[0] + ", " + x[1] + ", " + x[2] + ")"),
				line(y+".b = ReduceMean("+y+".a)", s.attrs[0].Proto(), s.attrs[1].Proto()),
				line(y + " = QuantizeLinear(" + y + ".b, " + x[3] + ", " + x[4] + ")"),
			}
		}},
		{microsoft("FusedMatMulActivation", func(s *singleNode) {
			s.give(s.float(f32, 1, 2, 6, 3))
			s.constant(s.float(f32, 1, 6, 4))
			s.attr(onnx.String("activation", one(s, "Relu", "Sigmoid", "Tanh", "Softplus", "Softsign")), onnx.Int("transA", 1), onnx.Float("alpha", 0.3))
		}), func(s *singleNode, x []string, y string) []*pb.NodeProto {
			product := line(y+".a = FusedMatMul("+x[0]+", "+x[1]+")", s.attrs[1].Proto(), s.attrs[2].Proto())
			product.Domain = proto.String("com.microsoft")
			return []*pb.NodeProto{product, line(y + " = " + string(s.attrs[0].Proto().S) + "(" + y + ".a)")}
		}},
		{microsoft("NhwcFusedConv", func(s *singleNode) {
			s.give(s.float(f16, 1, 2, 6, 6, 4))
			s.constant(s.float(f16, 0.3, 3, 4, 3, 3), s.float(f16, 1, 3))
			s.give(s.float(f16, 1, 2, 6, 6, 3))
			s.attr(onnx.Ints("pads", 1, 1, 1, 1), onnx.String("activation", one(s, "Relu", "Sigmoid")))
		}), func(s *singleNode, x []string, y string) []*pb.NodeProto {
			return []*pb.NodeProto{
				line(y+".a = Transpose("+x[0]+")", intsOf("perm", 0, 3, 1, 2)),
				line(y+".b = Conv("+y+".a, "+x[1]+", "+x[2]+")", s.attrs[0].Proto()),
				line(y+".c = Transpose("+y+".b)", intsOf("perm", 0, 2, 3, 1)),
				line(y + ".d = Add(" + y + ".c, " + x[3] + ")"),
				line(y + " = " + string(s.attrs[1].Proto().S) + "(" + y + ".d)"),
			}
		}},
	} {
		for seed := range 3 {
			s := c.row.draw(seed)
			s.opset = 17 // where axes are an attribute
			m := modelOfNodes(t, s)
			given := givenTo(s)
			want, err := reference.Run(m, given)
			if err != nil {
				t.Fatalf("%v: %v", s, err)
			}
			n := m.Proto.Graph.Node[0]
			m.Proto.Graph.Node = c.parts(s, n.Input, n.Output[0])
			m.Proto.IrVersion = proto.Int64(8)
			if m.Bytes, err = onnx.Marshal(m.Proto); err != nil {
				t.Fatal(err)
			}
			got := runOnce(t, rt, m, given)[n.Output[0]]
			if err := mismatch(want[0], valueOf(got)); err != nil {
				t.Errorf("%v: %v", s, err)
			} else if r := measure(want[0], valueOf(got), want[0].Screen); r.Outside > 0 || r.Unbounded > 0 {
				t.Errorf("%v: %d of %d elements are beyond the screen, %d without a limit, the first one %v", s, r.Outside, r.Elements, r.Unbounded, r.First)
			}
		}
	}
}

// TestMatMulFpQ4 needs AVX-512, without which ONNX Runtime refuses the operator.
func TestMatMulFpQ4(t *testing.T) {
	if !cpu.X86.HasAVX512F {
		t.Skip("ONNX Runtime runs MatMulFpQ4 on processors with AVX-512 only")
	}
	holdRows(t, []nodeRow{microsoft("MatMulFpQ4", func(s *singleNode) {
		n, k, kind := s.between(1, 20), one(s, 16, 32, 64, 100), s.IntN(2)
		var packed []byte
		for range n * ((k + 31) / 32) {
			packed = binary.LittleEndian.AppendUint32(packed, math.Float32bits(float32(s.Float64())))
			for range 16 + kind {
				packed = append(packed, byte(s.IntN(256)))
			}
			if kind == 1 {
				packed[len(packed)-17] &= 15
			}
		}
		s.give(s.float(f32, 1, 2, s.between(1, 4), k))
		s.constant(&onnx.Tensor{Dims: []int{len(packed)}, Data: onnx.Slice[uint8](packed)}, &onnx.Tensor{Dims: []int{2}, Data: onnx.Slice[int64]{int64(k), int64(n)}})
		if kind == 0 || s.IntN(2) == 0 {
			s.attr(onnx.Int("blk_quant_type", int64(kind)))
		}
	})})
}
