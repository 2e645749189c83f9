package verify

import (
	"slices"
	"testing"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// TestONNXRuntimesOwnOperators draws nodes of each operator, all of them in one
// model because starting a process takes longer than running it.
func TestONNXRuntimesOwnOperators(t *testing.T) {
	holdRows(t, slices.Concat(transformerRows, quantizedRows, standardRows))
}

// microsoft is a row for an operator of ONNX Runtime's own domain.
func microsoft(op string, fill func(s *singleNode)) nodeRow {
	return nodeRow{op: op, domain: "com.microsoft", opset: 21, fill: fill}
}

const (
	f32 = pb.TensorProto_FLOAT
	f16 = pb.TensorProto_FLOAT16
)

// ofONNX is a row for an operator that ONNX Runtime has in ONNX's domain.
func ofONNX(op string, opset int64, fill func(s *singleNode)) nodeRow {
	return nodeRow{op: op, opset: opset, fill: fill}
}

// transformerRows are the operators that fusions of transformers make.
var transformerRows = []nodeRow{
	microsoft("BiasGelu", func(s *singleNode) {
		n := s.between(1, 40)
		s.give(s.float(f32, 3, 2, 3, n))
		s.constant(s.float(f32, 1, n))
	}),
	microsoft("FastGelu", func(s *singleNode) {
		n := s.between(1, 40)
		s.give(s.float(f32, 3, 2, 3, n))
		if s.IntN(2) == 0 {
			s.constant(s.float(f32, 1, n))
		}
	}),
	microsoft("GatherBlockQuantized", func(s *singleNode) {
		block, bits := one(s, 16, 32), one(s, 4, 8)
		rows, width := s.between(3, 20), one(s, 32, 64, 48)
		s.constant(elements[uint8](s, 0, 255, rows, width*bits/8))
		s.give(elements[int64](s, -rows, rows-1, 2, s.between(1, 5)))
		blocks := (width + block - 1) / block
		t := one(s, f32, f16)
		s.constant(s.float(t, 0.1, rows, blocks))
		if s.IntN(2) == 0 {
			s.constant(elements[uint8](s, 0, 255, rows, (blocks*bits+7)/8))
		}
		s.attr(onnx.Int("bits", int64(bits)), onnx.Int("block_size", int64(block)), onnx.Int("quantize_axis", one[int64](s, 1, -1)))
	}),
	microsoft("Gelu", func(s *singleNode) { s.give(s.float(f32, 3, 3, s.between(1, 40))) }),
	microsoft("MatMulBnb4", func(s *singleNode) {
		n, k, block := s.between(1, 20), one(s, 16, 32, 64, 100), one(s, 16, 32, 64)
		t := one(s, f32, f32, f16)
		s.give(s.float(t, 1, 2, s.between(1, 4), k))
		s.constant(elements[uint8](s, 0, 255, (n*k+1)/2), s.of(t, []int{(n*k + block - 1) / block}, s.Float64))
		s.attr(onnx.Int("N", int64(n)), onnx.Int("K", int64(k)), onnx.Int("block_size", int64(block)), onnx.Int("quant_type", int64(s.IntN(2))))
	}),
	microsoft("MatMulNBits", func(s *singleNode) { s.nBits(one[int64](s, 0, 1, 2, 3)) }),
	{op: "MatMulNBits", form: " of int8 ", domain: "com.microsoft", opset: 21, blur: 0.2, fill: func(s *singleNode) { s.nBits(4) }},
	microsoft("QuickGelu", func(s *singleNode) {
		s.give(s.float(f32, 3, 3, s.between(1, 40)))
		s.sometimes(onnx.Float("alpha", one[float32](s, 0.5, 1, 1.6, -1)))
	}),
	ofONNX("LayerNormalization", 12, func(s *singleNode) {
		n := s.between(3, 40)
		s.give(s.float(f32, 2, 2, 3, n))
		s.constant(s.float(f32, 1, n), s.float(f32, 1, n))
		s.attr(onnx.Int("axis", -1))
		s.sometimes(onnx.Float("epsilon", 0.01))
	}),
	ofONNX("SimplifiedLayerNormalization", 15, func(s *singleNode) {
		n := s.between(3, 40)
		s.give(s.float(f32, 2, 2, 3, n))
		s.constant(s.float(f32, 1, n))
		s.attr(onnx.Int("axis", -1), onnx.Int("stash_type", 1))
		s.sometimes(onnx.Float("epsilon", 0.01))
	}),
	microsoft("SkipLayerNormalization", func(s *singleNode) { s.skipNorm(true) }),
	microsoft("SkipSimplifiedLayerNormalization", func(s *singleNode) { s.skipNorm(false) }),
}

// skipNorm draws a normalization of a sum, with a shift where that is beta.
func (s *singleNode) skipNorm(beta bool) {
	t := one(s, f32, f32, f16)
	b, l, n := s.between(1, 3), s.between(1, 4), s.between(2, 40)
	x := []int{b, l, n}
	s.give(s.float(t, 1, x...), s.float(t, 1, one(s, x, []int{1, l, n}, []int{l, n})...))
	s.constant(s.float(t, 1, n))
	if beta {
		s.constant(one(s, nil, s.float(t, 1, n)))
	}
	s.constant(one(s, nil, s.float(t, 1, n)))
	s.sometimes(onnx.Float("epsilon", 0.1))
	s.outs, s.without = one(s, 1, 4), []int{1, 2}
}

// nBits draws a product with a matrix of numbers of few bits.
func (s *singleNode) nBits(level int64) {
	bits, block := one(s, 4, 4, 4, 8, 2), one(s, 16, 32, 64, 128)
	n, k := s.between(1, 40), one(s, 16, 32, 96, 128, 200)
	blocks := (k + block - 1) / block
	t := one(s, f32, f32, f16)
	s.give(s.float(t, 1, 2, s.between(1, 4), k))
	s.constant(elements[uint8](s, 0, 255, n, blocks, block*bits/8))
	shape := func(each int) []int { return one(s, []int{n * each}, []int{n, each}) }
	s.constant(s.float(t, 0.1, shape(blocks)...))
	groups := bits == 4 && s.IntN(3) == 0
	switch c := s.IntN(4); {
	case c == 0 && bits < 8: // which ONNX Runtime takes in plain blocks only
		s.constant(s.of(t, shape(blocks), func() float64 { return 8 * s.Float64() }))
	case c < 3 && !groups: // ONNX Runtime 1.30 passes over packed zero points beside groups
		s.constant(elements[uint8](s, 0, 255, shape((blocks*bits+7)/8)...))
	default:
		s.constant(nil)
	}
	if groups {
		s.constant(elements[int32](s, 0, blocks-1, k))
	} else {
		s.constant(nil)
	}
	if s.IntN(2) == 0 {
		s.constant(s.float(t, 1, n))
	}
	s.attr(onnx.Int("N", int64(n)), onnx.Int("K", int64(k)), onnx.Int("bits", int64(bits)), onnx.Int("block_size", int64(block)), onnx.Int("accuracy_level", level))
}
