package child

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// wide is y = x + w + v of n elements, of which w and v are initializers: 1, 2, 3, ... and their opposites.
func wide(t *testing.T, n int) *onnx.Model {
	t.Helper()
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "wide", Opset: 13, IR: 8, Param: func(name string) (*onnx.Tensor, error) {
		w := make([]float32, n)
		for i := range w {
			if w[i] = float32(i + 1); strings.HasSuffix(name, "v") {
				w[i] = -w[i]
			}
		}
		return onnx.NewTensor(name, w, n)
	}})
	x := e.Input("x", pb.TensorProto_FLOAT, onnx.Fixed(int64(n)))
	e.Step("net", "y")
	w, v := e.Param("w"), e.Param("v")
	sum := e.Node("Add", "sum", []onnx.Value{x, w})
	e.Output(e.Node("Add", "", []onnx.Value{sum, v}), pb.TensorProto_FLOAT, onnx.Fixed(int64(n)))
	m, err := e.Model()
	if err != nil {
		t.Fatal(err)
	}
	return &onnx.Model{Proto: m} // without bytes, as one that is too large for a message
}

func TestALargeModelIsOpenedInTheDriversFolder(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r *Runtime) {
		r.inline = 1000
		const n = 301 // elements of 1204 bytes: the second tensor does not begin where the first one ends
		s, err := r.Start(t.Context(), wide(t, n))
		if err != nil {
			t.Fatal(err)
		}
		_, err = os.Stat(filepath.Join(s.cmd.Dir, elementsFile))
		if r.files && err != nil || !r.files && err == nil {
			t.Errorf("elements in a file: %v, want %v", err == nil, r.files)
		}
		in := make([]float32, n)
		in[n-1] = 0.5
		out, err := s.Run(t.Context(), []*onnx.Tensor{onnxtest.Tensor(t, "x", in, n)})
		if err != nil {
			t.Fatal(err)
		}
		for i, y := range out[0].Data.(onnx.Slice[float32]) {
			if y != in[i] {
				t.Fatalf("element %d is %v, want %v", i, y, in[i])
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(s.cmd.Dir); err == nil {
			t.Errorf("%s is left", s.cmd.Dir)
		}
	})
}
