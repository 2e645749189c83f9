package check

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/rule"
	"github.com/petrify-ml/petrify/onnx/wire"
	"google.golang.org/protobuf/proto"
)

func TestEachRuleIsFoundBroken(t *testing.T) { onnxtest.Rules(t, onnxtest.CheckCases, Model) }

func TestSoundModelsHaveNoFindings(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(m *pb.ModelProto)
	}{
		{"as emitted", func(m *pb.ModelProto) {}},
		{"with a function", onnxtest.WithFunction},
		{"with nested graphs", onnxtest.WithIf},
		{"with a default of an input", func(m *pb.ModelProto) {
			m.Graph.Initializer = append(m.Graph.Initializer, onnxtest.Floats("x", []int64{1, 3}, 1, 2, 3))
		}},
		{"with a private attribute", func(m *pb.ModelProto) {
			m.Graph.Node[2].Attribute = append(m.Graph.Node[2].Attribute, onnx.Int("__tool", 1).Proto())
		}},
		{"with a zero that proto3 leaves out", func(m *pb.ModelProto) { m.Graph.Node[2].Attribute[0].F = nil }},
		{"at IR 3", func(m *pb.ModelProto) {
			m.IrVersion = proto.Int64(3)
			for _, p := range m.Graph.Initializer {
				m.Graph.Input = append(m.Graph.Input, onnxtest.ValueInfo(p.GetName(), pb.TensorProto_FLOAT, []onnx.Dim{onnx.Fixed(p.Dims[0]), onnx.Fixed(p.Dims[1])}))
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := onnxtest.DenseModel(t)
			c.change(m)
			if found := Model(m); len(found) > 0 {
				t.Errorf("got %s", onnxtest.Lines(found))
			}
		})
	}
}

// ofONNX explains what Check has to say about the models of ONNX.
var ofONNX = []struct{ models, code, where, why string }{
	{
		"test_layer_normalization_*_expanded", "node-unused", "_function_Rank\" (Size)",
		"the function body of LayerNormalization in onnx 1.12 computes a rank that it does not use",
	},
	{"test_batchnorm_*_training_mode", "training-mode", "(BatchNormalization)", "they test training"},
}

func TestCheckExplainsAllItFindsInTheModelsOfONNX(t *testing.T) {
	models := onnxtest.Models(t)
	explained := make([]int, len(ofONNX))
	for _, path := range models {
		m, err := wire.Read(path, wire.Limits{})
		if err != nil {
			t.Error(err)
			continue
		}
		for _, f := range Model(m.Proto) {
			i := slices.IndexFunc(ofONNX, func(e struct{ models, code, where, why string }) bool {
				fits, err := filepath.Match(e.models, filepath.Base(filepath.Dir(path)))
				return err == nil && fits && f.Code == e.code && strings.Contains(f.Where, e.where)
			})
			if i < 0 || f.Severity == rule.Error {
				t.Errorf("%s: %v", path, f)
				continue
			}
			explained[i]++
		}
	}
	for i, e := range ofONNX {
		if explained[i] == 0 {
			t.Errorf("nothing is found that is explained by: %s", e.why)
		}
	}
	t.Logf("%d models, %v findings, all explained", len(models), explained)
}

func FuzzCheck(f *testing.F) {
	for _, c := range onnxtest.CheckCases {
		m := onnxtest.DenseModel(f)
		c.Break(m)
		if b, err := onnx.Marshal(m); err == nil && len(b) < 4096 {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := wire.Parse("m.onnx", b, wire.Limits{})
		if err != nil {
			return
		}
		for _, found := range Model(m.Proto) {
			if s, ok := rule.SeverityOf(found.Code); !ok || s != found.Severity || found.Where == "" || found.Message == "" {
				t.Fatalf("finding without a rule: %+v", found)
			}
			for _, r := range found.String() {
				if r < ' ' {
					t.Fatalf("a control character in %q", found.String())
				}
			}
		}
	})
}
