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
	holdRows(t, slices.Concat(transformerRows, quantizedRows))
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
	microsoft("Gelu", func(s *singleNode) { s.give(s.float(f32, 3, 3, s.between(1, 40))) }),
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
