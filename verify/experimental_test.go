package verify

import (
	"testing"

	"github.com/petrify-ml/petrify/onnx"
)

// TestExperimentalOperators draws nodes of the operators that opset 1 had as experiments and that ONNX Runtime still runs.
func TestExperimentalOperators(t *testing.T) { holdRows(t, experimentalRows) }

// ofAlphaAndBeta draws a node with both attributes.
func (s *singleNode) ofAlphaAndBeta() {
	s.give(s.float(f32, 2, 3, s.between(1, 40)))
	s.attr(onnx.Float("alpha", float32(s.NormFloat64())), onnx.Float("beta", float32(s.NormFloat64())))
}

var experimentalRows = []nodeRow{
	ofONNX("Affine", 8, func(s *singleNode) {
		s.give(s.float(f32, 3, 3, s.between(1, 40)))
		s.sometimes(onnx.Float("alpha", float32(s.NormFloat64())))
		s.sometimes(onnx.Float("beta", float32(s.NormFloat64())))
	}),
	ofONNX("Crop", 8, func(s *singleNode) {
		height, width, border := s.between(4, 9), s.between(4, 9), [4]int64{}
		for i := range border {
			border[i] = int64(s.IntN(3))
		}
		s.give(s.float(f32, 1, s.between(1, 2), s.between(1, 3), height, width))
		s.attr(onnx.Ints("border", border[:]...))
		if s.IntN(2) == 0 {
			s.attr(onnx.Ints("scale", int64(s.between(1, height-2)), int64(s.between(1, width-2))))
		}
	}),
	ofONNX("DynamicSlice", 8, func(s *singleNode) {
		x := []int{s.between(1, 6), s.between(1, 6), s.between(1, 6)}
		s.give(one(s, s.float(f32, 1, x...), elements[int64](s, -9, 9, x...), s.words(x...)))
		axes := s.Perm(3)[:s.between(1, 3)]
		if n := len(axes); s.IntN(2) == 0 {
			s.constant(elements[int64](s, -7, 3, n), elements[int64](s, 0, 9, n))
			s.constant(one(s, nil, ints(axes...)))
		} else {
			s.constant(elements[int32](s, 0, 3, n), elements[int32](s, -1, 9, n), nil)
		}
	}),
	ofONNX("ImageScaler", 8, func(s *singleNode) {
		x := []int{s.between(1, 2), s.between(1, 4), s.between(1, 6), s.between(1, 6)}
		s.give(s.of(f32, x, func() float64 { return 255 * s.Float64() }))
		bias := make([]float32, x[1])
		for i := range bias {
			bias[i] = float32(-128 * s.Float64())
		}
		s.attr(onnx.Floats("bias", bias...))
		s.sometimes(onnx.Float("scale", float32(s.Float64())))
	}),
	ofONNX("MeanVarianceNormalization", 8, func(s *singleNode) {
		s.give(s.float(f32, 2, s.between(1, 3), s.between(1, 3), s.between(2, 5), s.between(2, 5)))
		s.sometimes(onnx.Int("normalize_variance", 0))
		s.sometimes(onnx.Int("across_channels", 1))
	}),
	ofONNX("ParametricSoftplus", 8, (*singleNode).ofAlphaAndBeta),
	ofONNX("Scale", 8, func(s *singleNode) {
		s.give(s.float(f32, 3, 3, s.between(1, 40)))
		s.sometimes(onnx.Float("scale", float32(s.NormFloat64())))
	}),
	ofONNX("ScaledTanh", 8, (*singleNode).ofAlphaAndBeta),
	ofONNX("ThresholdedRelu", 8, func(s *singleNode) {
		s.give(s.float(f32, 2, 3, s.between(1, 40)))
		s.sometimes(onnx.Float("alpha", one[float32](s, 0, 0.5, -1)))
	}),
}
