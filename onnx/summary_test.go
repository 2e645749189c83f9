package onnx_test

import (
	"math"
	"slices"
	"testing"

	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"google.golang.org/protobuf/proto"
)

func TestSummarizeCountsWhatIsThere(t *testing.T) {
	m := onnxtest.DenseModel(t)
	onnxtest.WithIf(m)
	s := onnx.Summarize(m)
	want := []onnx.OperatorCount{{"", "Relu", 2}, {"", "Add", 1}, {"", "If", 1}, {"", "MatMul", 1}}
	if !slices.Equal(s.Operators, want) || s.Tensors != 2 || s.Parameters != 8 || s.Bytes != 32 {
		t.Errorf("got %+v", s)
	}
	m.Graph.Initializer[0].Dims = []int64{1 << 40, 1 << 40}
	if s := onnx.Summarize(m); s.Tensors != 2 || s.Parameters != 2 {
		t.Errorf("a tensor without sense: got %+v", s)
	}
}

func TestStatisticsOfEachFloatType(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	want := onnx.Statistics{Count: 7, NaN: 1, Infinite: 1, Subnormal: 1, Zero: 1, Min: -1, Max: 3}
	for _, tensor := range []*onnx.Tensor{
		{Dims: []int{7}, Data: onnx.Slice[float32]{nan, inf, 1e-40, 0, -1, 3, 2}},
		{Dims: []int{7}, Data: onnx.Slice[float64]{math.NaN(), math.Inf(-1), 1e-310, 0, -1, 3, 2}},
		{Dims: []int{7}, Data: onnx.Slice[onnx.Float16]{0x7e00, 0x7c00, 1, 0, 0xbc00, 0x4200, 0x4000}},
		{Dims: []int{7}, Data: onnx.Slice[onnx.BFloat16]{0x7fc0, 0x7f80, 1, 0, 0xbf80, 0x4040, 0x4000}},
	} {
		for _, p := range []*pb.TensorProto{tensor.Proto(), onnx.Typed(tensor)} {
			got, ok := onnx.StatisticsOf(p)
			if !ok || math.Abs(got.Mean-0.8) > 1e-6 || math.Abs(got.Deviation-math.Sqrt(2.16)) > 1e-6 {
				t.Errorf("%v: mean %g, deviation %g, %t; want 0.8, %g", tensor.Type(), got.Mean, got.Deviation, ok, math.Sqrt(2.16))
			}
			if got.Mean, got.Deviation = 0, 0; got != want {
				t.Errorf("%v: got %+v, want %+v", tensor.Type(), got, want)
			}
		}
	}
	for _, p := range []*pb.TensorProto{
		{DataType: proto.Int32(7), Dims: []int64{1}, Int64Data: []int64{1}},
		{DataType: proto.Int32(1), Dims: []int64{2}, FloatData: onnx.Slice[float32]{1}},
	} {
		if _, ok := onnx.StatisticsOf(p); ok {
			t.Errorf("%v has statistics", p)
		}
	}
}
