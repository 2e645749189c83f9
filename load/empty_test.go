package load

import (
	"math/rand/v2"
	"testing"

	"github.com/petrify-ml/petrify/onnx"
)

// TestOperatorsOnNoElements runs operators on tensors without elements, which no graph of Gorgonia takes.
func TestOperatorsOnNoElements(t *testing.T) {
	d := dice{rand.New(rand.NewPCG(1, 9)), t}
	for _, row := range []struct {
		op  string
		in  []*onnx.Tensor
		att []onnx.Attr
	}{
		{"Relu", []*onnx.Tensor{d.floats(0, 3)}, nil},
		{"Add", []*onnx.Tensor{d.floats(0, 1, 2), d.floats(3, 1)}, nil},
		{"Softmax", []*onnx.Tensor{d.floats(3, 0)}, nil},
		{"LogSoftmax", []*onnx.Tensor{d.floats(0, 2)}, nil},
		{"MatMul", []*onnx.Tensor{d.floats(2, 0), d.floats(0, 3)}, nil},
		{"MatMul", []*onnx.Tensor{d.floats(0, 2), d.floats(2, 3)}, nil},
		{"Gemm", []*onnx.Tensor{d.floats(0, 2), d.floats(2, 3), d.floats(3)}, nil},
		{"Transpose", []*onnx.Tensor{d.floats(2, 0, 3)}, nil},
		{"Concat", []*onnx.Tensor{d.floats(2, 0), d.floats(2, 3)}, []onnx.Attr{onnx.Int("axis", 1)}},
		{"Where", []*onnx.Tensor{d.flags(0, 1), d.floats(1), d.floats(1, 4)}, nil},
		{"ReduceSum", []*onnx.Tensor{d.floats(0, 3), d.list(0)}, nil},
		{"LayerNormalization", []*onnx.Tensor{d.floats(0, 3), d.floats(3)}, nil},
		{"BatchNormalization", []*onnx.Tensor{d.floats(0, 3, 2), d.floats(3), d.floats(3), d.floats(3), d.positive(3)}, nil},
		{"InstanceNormalization", []*onnx.Tensor{d.floats(0, 3, 2), d.floats(3), d.floats(3)}, nil},
		{"Conv", []*onnx.Tensor{d.floats(0, 3, 4, 4), d.floats(2, 3, 2, 2)}, nil},
		{"AveragePool", []*onnx.Tensor{d.floats(0, 3, 4, 4)}, []onnx.Attr{onnx.Ints("kernel_shape", 2, 2)}},
		{"Pow", []*onnx.Tensor{d.positive(0), d.floats()}, nil},
	} {
		t.Run(row.op, func(t *testing.T) {
			m, inputs := drawn{in: row.in, attrs: row.att, known: []int{3, 4}}.model(t, row.op, 17)
			s, err := Open(m)
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.Run(t.Context(), inputs)
			if err != nil {
				t.Fatal(err)
			}
			hold(t, m, inputs, got)
		})
	}
}
