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
	holdRows(t, slices.Concat(transformerRows))
}

// microsoft is a row for an operator of ONNX Runtime's own domain.
func microsoft(op string, fill func(s *singleNode)) nodeRow {
	return nodeRow{op: op, domain: "com.microsoft", opset: 21, fill: fill}
}

const (
	f32 = pb.TensorProto_FLOAT
	f16 = pb.TensorProto_FLOAT16
)

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
}
