package onnx

import (
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/onnx/pb"
)

func sparseOf(dims []int64, indices *Tensor, values ...float32) *pb.SparseTensorProto {
	p := &pb.SparseTensorProto{Dims: dims, Values: (&Tensor{Name: "w", Dims: []int{len(values)}, Data: Slice[float32](values)}).Proto()}
	if indices != nil {
		p.Indices = indices.Proto()
	}
	return p
}

func TestDense(t *testing.T) {
	list := func(dims []int, at ...int64) *Tensor { return &Tensor{Dims: dims, Data: Slice[int64](at)} }
	for _, c := range []struct {
		name string
		p    *pb.SparseTensorProto
		want []float32 // nil where it is an error
		says string
	}{
		{"places in a row", sparseOf([]int64{2, 3}, list([]int{2}, 1, 5), 7, 8), []float32{0, 7, 0, 0, 0, 8}, ""},
		{"places along axes", sparseOf([]int64{2, 3}, list([]int{2, 2}, 0, 1, 1, 2), 7, 8), []float32{0, 7, 0, 0, 0, 8}, ""},
		{"one axis", sparseOf([]int64{3}, list([]int{1, 1}, 2), 7), []float32{0, 0, 7}, ""},
		{"no values", sparseOf([]int64{3}, nil), []float32{0, 0, 0}, ""},
		{"a place that is not there", sparseOf([]int64{2, 3}, list([]int{1}, 6), 7), nil, "index 0 is 6, want 0 to 5"},
		{"a place beyond its axis", sparseOf([]int64{2, 3}, list([]int{1, 2}, 0, 3), 7), nil, "want 0 to 2"},
		{"too few places", sparseOf([]int64{2, 3}, list([]int{1}, 1), 7, 8), nil, "1 indices for 2 values"},
		{"places that are not integers", sparseOf([]int64{3}, &Tensor{Dims: []int{1}, Data: Slice[float32]{1}}, 7), nil, "want int64"},
		{"too large to write out", sparseOf([]int64{1 << 20, 1 << 20}, list([]int{1}, 0), 7), nil, "1099511627776 elements"},
		{"a count that overflows", sparseOf([]int64{1 << 40, 1 << 40}, list([]int{1}, 0), 7), nil, "w"},
	} {
		got, err := Dense(c.p)
		if c.want == nil {
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: error is %v, want one with %q", c.name, err, c.says)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if x := []float32(got.Data.(Slice[float32])); got.Name != "w" || !slices.Equal(x, c.want) {
			t.Errorf("%s: %s is %v, want %v", c.name, got.Name, x, c.want)
		}
	}
}
