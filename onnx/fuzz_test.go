package onnx

import (
	"testing"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// FuzzTensor reads a file of one tensor, as ReadTensorFile does.
func FuzzTensor(f *testing.F) {
	for _, t := range samples {
		for _, p := range []*pb.TensorProto{t.Proto(), typed(t)} {
			b, err := Marshal(p)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p := &pb.TensorProto{}
		if parse("t.pb", b, p, Limits{}.withDefaults()) != nil {
			return
		}
		got, err := FromProto(p)
		if err != nil {
			return
		}
		if _, err := NewTensor(got.Name, got.Data, got.Dims...); err != nil {
			t.Fatalf("read, and then: %v", err)
		}
		back, err := FromProto(got.Proto())
		if err != nil || digest(back) != digest(got) {
			t.Fatalf("does not come back as it was: %v", err)
		}
	})
}
