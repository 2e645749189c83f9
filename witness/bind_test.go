package witness

import (
	"math"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/internal/race"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

func floats(name string, n int, dims ...int) *onnx.Tensor {
	return &onnx.Tensor{Name: name, Dims: dims, Data: make(onnx.Slice[float32], n)}
}

func TestBindPutsInputsInOrderAndTellsEveryMistake(t *testing.T) {
	tensor := func(dims ...onnx.Dim) onnx.Type { return onnx.Type{Elem: pb.TensorProto_FLOAT, Dims: dims} }
	s := Signature{Inputs: []Port{
		{Name: "a", Type: tensor(onnx.Symbolic("N"), onnx.Fixed(2))},
		{Name: "b", Type: tensor(onnx.Symbolic("N"), onnx.Unknown()), Optional: true},
		{Name: "c", Type: onnx.Type{Elem: pb.TensorProto_FLOAT}},
		{Name: "d", Other: true, Optional: true},
	}}
	c := floats("c", 6, 3, 2)
	for _, test := range []struct {
		claim  string
		inputs []*onnx.Tensor
		want   []string // parts of the error; none is no error
	}{
		{"in any order, an optional one left out", []*onnx.Tensor{c, floats("a", 8, 4, 2)}, nil},
		{"with the optional one", []*onnx.Tensor{c, floats("b", 20, 4, 5), floats("a", 8, 4, 2)}, nil},
		{"of no rows", []*onnx.Tensor{c, floats("a", 0, 0, 2)}, nil},
		{"of no columns", []*onnx.Tensor{floats("c", 0, 2, 0, 4), floats("a", 8, 4, 2), floats("b", 0, 4, 0)}, nil},
		{"a scalar where no shape is declared", []*onnx.Tensor{floats("c", 1), floats("a", 8, 4, 2)}, nil},
		{"missing, all of them", nil, []string{`input "a" is missing`, `input "c" is missing`}},
		{"symbols disagree", []*onnx.Tensor{c, floats("a", 8, 4, 2), floats("b", 10, 2, 5)}, []string{"want 4 on axis 0"}},
		{"another length", []*onnx.Tensor{c, floats("a", 12, 4, 3)}, []string{"want 2 on axis 1"}},
		{"another rank", []*onnx.Tensor{c, floats("a", 8, 8)}, []string{"input a float[N,2]: got dims [8]"}},
		{"more elements than dims say", []*onnx.Tensor{c, floats("a", 9, 4, 2)}, []string{"do not fit 9 elements"}},
		{"elements where dims say none", []*onnx.Tensor{c, floats("a", 1, 0, 2)}, []string{"do not fit 1 elements"}},
		{"dims that overflow", []*onnx.Tensor{c, floats("a", 0, math.MaxInt, math.MaxInt)}, []string{"do not fit 0 elements"}},
		{"negative dims", []*onnx.Tensor{c, floats("a", 8, -4, -2)}, []string{"do not fit 8 elements"}},
		{"no data", []*onnx.Tensor{c, {Name: "a", Dims: []int{1, 2}}}, []string{"got elements of type undefined"}},
		{"no tensor at all", []*onnx.Tensor{c, floats("a", 8, 4, 2), floats("d", 1)}, []string{"input d (no tensor) cannot be given as a tensor"}},
		{"unknown and twice", []*onnx.Tensor{c, c, floats("a", 8, 4, 2), floats("q", 1)}, []string{`"q" is not an input`, `input "c" is given twice`}},
		{"nil", []*onnx.Tensor{c, nil}, []string{"input 1 is nil"}},
	} {
		var b Binding
		for range 2 { // a binding is used again
			err := s.Bind(&b, test.inputs)
			if (err == nil) != (test.want == nil) {
				t.Errorf("%s: error %v", test.claim, err)
			}
			for _, want := range test.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: error %v, want %q in it", test.claim, err, want)
				}
			}
			if err == nil && (b.Ordered[0].Name != "a" || b.Ordered[2].Name != "c" || b.Ordered[1] != nil && b.Ordered[1].Name != "b") {
				t.Errorf("%s: ordered %v", test.claim, b.Ordered)
			}
		}
	}
}

func TestBindAllocatesNothingOnceItHasRun(t *testing.T) {
	s := Signature{Inputs: []Port{{Name: "a", Type: onnx.Type{Elem: pb.TensorProto_FLOAT, Dims: []onnx.Dim{onnx.Symbolic("N"), onnx.Fixed(2)}}}}}
	var b Binding
	in := []*onnx.Tensor{floats("a", 8, 4, 2)}
	if err := s.Bind(&b, in); err != nil {
		t.Fatal(err)
	}
	if n := race.AllocsPerRun(100, func() {
		if err := s.Bind(&b, in); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
