package infer

import (
	"bytes"
	"testing"

	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// Three values of 2 floats, of which two live at a time; axes without a number
// count as one. 6 products and sums, and an element of each output.
func TestInferSaysWhatARunTakes(t *testing.T) {
	i := Model(onnxtest.DenseModel(t), Budget{})
	if i.Memory != 2*2*4 || i.Work < 6 || i.Work > 20 {
		t.Errorf("memory %d, work %d; want 16, and 6 to 20", i.Memory, i.Work)
	}
}

func TestAnnotateDeclaresWhatIsInferred(t *testing.T) {
	m := onnxtest.DenseModel(t)
	m.Graph.Output[0].Type = onnx.Type{Elem: pb.TensorProto_FLOAT, Dims: []onnx.Dim{onnx.Unknown(), onnx.Unknown()}}.Proto()
	before := onnxtest.Bytes(t, m)
	types, _ := Types(m)
	a := Annotate(m, types)
	if !bytes.Equal(onnxtest.Bytes(t, m), before) {
		t.Error("the model was changed")
	}
	got := make(map[string]string)
	for _, v := range append(a.Graph.ValueInfo, a.Graph.Output...) {
		got[v.GetName()] = onnx.TypeText(v.Type)
	}
	for name, want := range map[string]string{"net.fc1.matmul": "float[N,2]", "net.fc1": "float[N,2]", "y": "float[N,2]"} {
		if got[name] != want {
			t.Errorf("%s is declared as %q, want %s", name, got[name], want)
		}
	}
	if _, found := Types(a); len(got) != 3 || len(a.Graph.Node) != 3 || len(found) > 0 {
		t.Errorf("got %v, %d nodes%s", got, len(a.Graph.Node), onnxtest.Lines(found))
	}
}
