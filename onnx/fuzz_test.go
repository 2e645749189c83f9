package onnx_test

import (
	"testing"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/wire"
)

// FuzzTensor reads a file of one tensor, as wire.ReadTensorFile does.
func FuzzTensor(f *testing.F) {
	for _, t := range onnx.Samples {
		for _, p := range []*pb.TensorProto{t.Proto(), onnx.Typed(t)} {
			b, err := onnx.Marshal(p)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p := &pb.TensorProto{}
		if wire.ParseMessage("t.pb", b, p, wire.Limits{}) != nil {
			return
		}
		got, err := onnx.FromProto(p)
		if err != nil {
			return
		}
		if _, err := onnx.TensorOf(got.Name, got.Data, got.Dims...); err != nil {
			t.Fatalf("read, and then: %v", err)
		}
		back, err := onnx.FromProto(got.Proto())
		if err != nil || digest(back) != digest(got) {
			t.Fatalf("does not come back as it was: %v", err)
		}
	})
}
