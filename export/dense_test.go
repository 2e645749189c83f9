package export_test

import (
	"math"
	"testing"

	"github.com/petrify-ml/petrify/export"
	"github.com/petrify-ml/petrify/load"
	"github.com/petrify-ml/petrify/models"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/verify"
	"github.com/petrify-ml/petrify/witness"
)

// Written as Gemm, every dense layer of every model has the weights that it has as MatMul, bit for bit, the other way round, and
// computes the same.
func TestDenseLayersAsGemm(t *testing.T) {
	for _, own := range models.All() {
		m := small(t, own.Name)
		s := trained(t, m)
		dense := 0
		for _, net := range m.Exports() {
			was, err := export.Model(m, net, s, export.Options{Dense: export.MatMul})
			if err != nil {
				t.Fatal(err)
			}
			p, err := export.Model(m, net, s, export.Options{Dense: export.Gemm})
			if err != nil {
				t.Fatal(err)
			}
			before, after := floats(t, was), floats(t, p)
			if len(before) != len(after) {
				t.Errorf("%s, %s: %d tensors, want %d", m.Name, net.Name, len(after), len(before))
			}
			turned := map[string]bool{}
			for _, n := range p.GetGraph().GetNode() {
				switch n.GetOpType() {
				case "MatMul":
					t.Errorf("%s, %s: %s is a MatMul", m.Name, net.Name, n.GetName())
				case "Gemm":
					turned[n.GetInput()[1]] = true
					dense++
				}
			}
			for name, a := range before {
				b := after[name]
				if b == nil || a.Len() != b.Len() {
					t.Errorf("%s, %s: %s is %v, was %v", m.Name, net.Name, name, b, a)
					continue
				}
				x, y := a.Data.(onnx.Slice[float32]), b.Data.(onnx.Slice[float32])
				for i, v := range x {
					at := i
					if turned[name] {
						at = i%a.Dims[1]*a.Dims[0] + i/a.Dims[1]
					}
					if math.Float32bits(v) != math.Float32bits(y[at]) {
						t.Fatalf("%s, %s: element %d of %s is %v, was %v", m.Name, net.Name, i, name, y[at], v)
					}
				}
			}
		}
		if dense == 0 && m.Name != "dcgan" {
			t.Errorf("%s has no dense layer", m.Name)
		}
		dir := t.TempDir()
		written, err := export.Folder(dir, m, s, export.Options{Dense: export.Gemm, Forms: append(formsOf(m.Name), "raw")})
		if err != nil {
			t.Fatal(err)
		}
		verified(t, dir, len(written), []witness.Runtime{load.Runtime{}}, []string{verify.Recorded, "load"})
	}
}

// floats are the initializers of float32 by name.
func floats(t *testing.T, m *pb.ModelProto) map[string]*onnx.Tensor {
	t.Helper()
	list := map[string]*onnx.Tensor{}
	for _, p := range m.GetGraph().GetInitializer() {
		x, err := onnx.FromProto(p)
		if err != nil {
			t.Fatal(err)
		}
		if x.Type() == pb.TensorProto_FLOAT {
			list[x.Name] = x
		}
	}
	return list
}
