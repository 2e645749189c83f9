package load

import (
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	gorgonia "gorgonia.org/tensor"

	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// TestWhatOnnxGoReadsIsCompared tampers with the graph between onnx-go's decoder and the comparison.
func TestWhatOnnxGoReadsIsCompared(t *testing.T) {
	weights := onnxtest.Tensor(t, "w", []float32{1, 2, 3, 4}, 2, 2)
	g := &pb.GraphProto{
		Node: []*pb.NodeProto{
			{OpType: proto.String("MatMul"), Input: []string{"x", "w"}, Output: []string{"h"}},
			{OpType: proto.String("LeakyRelu"), Input: []string{"h"}, Output: []string{"y"}, Attribute: []*pb.AttributeProto{{Name: proto.String("alpha")}}},
		},
		Initializer: []*pb.TensorProto{weights.Proto()},
	}
	for _, test := range []struct {
		claim, want string
		tamper      func(b *backend)
	}{
		{"nothing", "", func(*backend) {}},
		{"a lost node", "onnx-go read 1 nodes of 2", func(b *backend) { b.ops = b.ops[:1] }},
		{"another operator", "onnx-go read node 0 as Gemm", func(b *backend) { b.ops[0].name = "Gemm" }},
		{"exchanged inputs", "onnx-go read node 0", func(b *backend) { slices.Reverse(b.ops[0].in) }},
		{"a lost input", "onnx-go read node 0", func(b *backend) { b.ops[0].in = b.ops[0].in[:1] }},
		{"another output", "onnx-go read node 1", func(b *backend) { b.ops[1].out[0] = "z" }},
		{"a lost attribute", "with 0 attributes", func(b *backend) { b.ops[1].attrs = nil }},
		{"no weights", "not at all", func(b *backend) { b.nodes = nil }},
		{"one bit of the weights", "the bits are not the same", func(b *backend) {
			w := b.nodes[0].tensor.Data().([]float32)
			w[3] = math.Float32frombits(math.Float32bits(w[3]) ^ 1)
		}},
		{"weights of another shape", "shape (4), want [2 2]", func(b *backend) {
			b.nodes[0].tensor = gorgonia.New(gorgonia.WithShape(4), gorgonia.WithBacking([]float32{1, 2, 3, 4}))
		}},
		{"weights of another type", "the bits are not the same", func(b *backend) {
			b.nodes[0].tensor = gorgonia.New(gorgonia.WithShape(2, 2), gorgonia.WithBacking([]float64{1, 2, 3, 4}))
		}},
	} {
		b := &backend{
			nodes: []*node{{name: "w", tensor: gorgonia.New(gorgonia.WithShape(2, 2), gorgonia.WithBacking([]float32{1, 2, 3, 4}))}},
			ops: []operation{
				{name: "MatMul", in: []string{"x", "w"}, out: []string{"h"}},
				{name: "LeakyRelu", in: []string{"h"}, out: []string{"y"}, attrs: map[string]any{"alpha": float32(1)}},
			},
		}
		test.tamper(b)
		err := b.compare(g, map[string]*onnx.Tensor{"w": weights})
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%s: %v", test.claim, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: error is %v, want %s", test.claim, err, test.want)
		}
	}
}

// TestWeightsOfEveryType has weights that onnx-go's decoder misreads, which travel beside it.
func TestWeightsOfEveryType(t *testing.T) {
	for _, w := range []*onnx.Tensor{
		onnxtest.Tensor(t, "w", []float32{float32(math.NaN()), float32(math.Copysign(0, -1))}, 2),
		onnxtest.Tensor(t, "w", []float64{1, 2}, 2),
		onnxtest.Tensor(t, "w", []int32{-1, 2}, 2),
		onnxtest.Tensor(t, "w", []int64{-1, 2}, 2),
		onnxtest.Tensor(t, "w", []bool{true, false, true}, 3),
		onnxtest.Tensor(t, "w", []uint8{200}, 1),
		onnxtest.Tensor(t, "w", []int16{-300}, 1),
		onnxtest.Tensor(t, "w", []onnx.Float16{0x3c00}, 1),
		onnxtest.Tensor(t, "w", []float32{1.5}),
		onnxtest.Tensor(t, "w", []int64{}, 0),
	} {
		e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "g"})
		e.Step("s", "y")
		var dims []onnx.Dim
		for _, d := range w.Dims {
			dims = append(dims, onnx.Fixed(int64(d)))
		}
		e.Output(e.Node("Identity", "", []onnx.Value{e.Const("w", w)}), w.Type(), dims...)
		out, err := open(t, finish(t, e)).Run(t.Context(), nil)
		if err != nil {
			t.Errorf("%v%v: %v", w.Type(), w.Dims, err)
			continue
		}
		if got := out[0].Proto(); !slices.Equal(got.GetRawData(), w.Proto().GetRawData()) || out[0].Type() != w.Type() || !slices.Equal(out[0].Dims, w.Dims) {
			t.Errorf("%v%v came back as %v", w.Type(), w.Dims, got)
		}
	}
}
