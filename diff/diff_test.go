package diff

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/wire"
	"github.com/petrify-ml/petrify/verify"
)

func value(name string, elem pb.TensorProto_DataType, dims ...onnx.Dim) *pb.ValueInfoProto {
	return &pb.ValueInfoProto{Name: proto.String(name), Type: onnx.Type{Elem: elem, Dims: dims}.Proto()}
}

// model is y = Relu(x w + b) for x (N,3), changed as change says.
func model(t *testing.T, change func(*pb.ModelProto)) *onnx.Model {
	t.Helper()
	weights := []float32{1, 2, 3, 4, 5, 6}
	m := &pb.ModelProto{
		IrVersion: proto.Int64(8), OpsetImport: []*pb.OperatorSetIdProto{{Domain: proto.String(""), Version: proto.Int64(13)}},
		Graph: &pb.GraphProto{
			Name:  proto.String("g"),
			Input: []*pb.ValueInfoProto{value("x", pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(3))}, Output: []*pb.ValueInfoProto{value("y", pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(2))},
			Initializer: []*pb.TensorProto{
				{Name: proto.String("w"), DataType: proto.Int32(1), Dims: []int64{3, 2}, FloatData: weights},
				{Name: proto.String("b"), DataType: proto.Int32(1), Dims: []int64{2}, FloatData: []float32{0.5, -0.5}},
			},
			Node: []*pb.NodeProto{
				{Name: proto.String("fc"), OpType: proto.String("Gemm"), Input: []string{"x", "w", "b"}, Output: []string{"s"}},
				{OpType: proto.String("Relu"), Input: []string{"s"}, Output: []string{"y"}},
			},
		},
	}
	if change != nil {
		change(m)
	}
	b, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "model.onnx")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	read, err := wire.Read(path, wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func TestParts(t *testing.T) {
	attribute := func(name string, x float32) *pb.AttributeProto {
		return &pb.AttributeProto{Name: proto.String(name), Type: pb.AttributeProto_FLOAT.Enum(), F: proto.Float32(x)}
	}
	old := model(t, nil)
	for _, tt := range []struct {
		name   string
		change func(*pb.ModelProto)
		want   []Part
		says   string
	}{
		{"nothing", nil, nil, "no difference"},
		{"an input of another type", func(m *pb.ModelProto) {
			m.Graph.Input[0] = value("x", pb.TensorProto_DOUBLE, onnx.Symbolic("N"), onnx.Fixed(3))
		}, []Part{Interface}, `BREAKS CALLERS input "x": float[N,3] -> double[N,3] (another element type)`},
		{"a batch that is fixed", func(m *pb.ModelProto) {
			m.Graph.Input[0] = value("x", pb.TensorProto_FLOAT, onnx.Fixed(1), onnx.Fixed(3))
		}, []Part{Interface}, "(axis 0 is 1, was free)"},
		{"an output that is fixed", func(m *pb.ModelProto) {
			m.Graph.Output[0] = value("y", pb.TensorProto_FLOAT, onnx.Fixed(1), onnx.Fixed(2))
		}, nil, "(axis 0 is 1, was free)"},
		{"another name of an axis", func(m *pb.ModelProto) {
			m.Graph.Input[0] = value("x", pb.TensorProto_FLOAT, onnx.Symbolic("batch"), onnx.Fixed(3))
		}, nil, "axes have other names"},
		{"an output more", func(m *pb.ModelProto) {
			m.Graph.Output = append(m.Graph.Output, value("s", pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(2)))
		}, nil, `output "s"`},
		{"an output less", func(m *pb.ModelProto) {
			m.Graph.Output[0] = value("s", pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(2))
			m.Graph.Node = m.Graph.Node[:1]
		}, []Part{Interface, Graph}, `BREAKS CALLERS output "y"`},
		{"an opset", func(m *pb.ModelProto) { m.OpsetImport[0].Version = proto.Int64(14) }, []Part{Versions}, "opset of ai.onnx: 13 -> 14"},
		{"metadata", func(m *pb.ModelProto) { m.ProducerName = proto.String("me") }, []Part{Metadata, Sizes}, "producer: me"},
		{"an attribute", func(m *pb.ModelProto) {
			m.Graph.Node[0].Attribute = []*pb.AttributeProto{attribute("alpha", 2)}
		}, []Part{Graph, Sizes, Computed}, `node "fc", attribute "alpha"`},
		{"an operator", func(m *pb.ModelProto) { m.Graph.Node[1].OpType = proto.String("Tanh") }, []Part{Graph, Computed}, "Relu -> Tanh (another operator)"},
		{"another node of the same meaning", func(m *pb.ModelProto) {
			m.Graph.Node[1].OpType = proto.String("LeakyRelu")
			m.Graph.Node[1].Attribute = []*pb.AttributeProto{attribute("alpha", 0)}
		}, []Part{Graph, Sizes}, "no more than rounding"},
		{"one unit in the last place", func(m *pb.ModelProto) {
			w := m.Graph.Initializer[0].FloatData
			w[2] = math.Nextafter32(w[2], 4)
		}, []Part{Weights}, "w: 1 of 6 elements differ, by at most 2.38e-07 (4e-08 of the largest); ulps 1: 1, to 4: 0"},
		{"a large weight", func(m *pb.ModelProto) { m.Graph.Initializer[0].FloatData[2] = 3.5 }, []Part{Weights, Computed}, "more: 1"},
		{"another shape of a weight", func(m *pb.ModelProto) {
			m.Graph.Initializer[1].Dims = []int64{1, 2}
		}, []Part{Weights, Sizes}, "b: float[2] -> float[1,2]"},
	} {
		now := model(t, tt.change)
		r := Models(old, now)
		if err := r.Run(t.Context(), old, now, verify.Options{Seed: 1}); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		var changed []Part
		for _, p := range Parts() {
			if r.Changed(p) && !(p == Sizes && !slices.Contains(tt.want, Sizes)) {
				changed = append(changed, p)
			}
		}
		var text, markdown strings.Builder
		if err := r.Text(&text); err != nil {
			t.Fatal(err)
		}
		if err := r.Markdown(&markdown); err != nil {
			t.Fatal(err)
		}
		if tt.name == "an input of another type" || tt.name == "an output less" {
			changed = slices.DeleteFunc(changed, func(p Part) bool { return p == Computed }) // not comparable
		}
		if !slices.Equal(changed, tt.want) {
			t.Errorf("%s: changed %v, want %v:\n%s", tt.name, changed, tt.want, text.String())
		}
		if tt.name != "nothing" && (!strings.Contains(text.String(), tt.says) || !strings.Contains(markdown.String(), strings.ReplaceAll(tt.says, "`", "'"))) {
			t.Errorf("%s: lacks %q:\n%s", tt.name, tt.says, text.String())
		}
	}
}

// Units in the last place are counted over zero and between the signs.
func TestOrdered(t *testing.T) {
	for _, tt := range []struct {
		a, b float32
		want int64
	}{
		{1, math.Nextafter32(1, 2), 1}, {-1, math.Nextafter32(-1, -2), 1}, {0, math.SmallestNonzeroFloat32, 1},
		{-math.SmallestNonzeroFloat32, math.SmallestNonzeroFloat32, 2}, {0, float32(math.Copysign(0, -1)), 0}, {1, 2, 1 << 23},
	} {
		if got := ordered(tt.b) - ordered(tt.a); got != tt.want && -got != tt.want {
			t.Errorf("from %v to %v: %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

// What the outputs come to is said of each data set: what the new model does not take, and an equal that is worth nothing.
func TestTextOfOutputs(t *testing.T) {
	r := &Report{Outputs: &Outputs{Verdict: verify.Equal, Model: &verify.ModelReport{Rows: []verify.Comparison{
		{Set: "seed 1, batch 3", Verdict: verify.Failed, Reason: "want 1 on axis 0"},
		{Output: "y", Set: "seed 1", Verdict: verify.Equal, Caveat: "every element is NaN", Measure: &verify.Measure{Worst: &verify.Deviation{}}},
	}}}}
	var b strings.Builder
	if err := r.Text(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"  seed 1, batch 3: want 1 on axis 0\n", "y of seed 1: differs by at most 0, 0 spreads of rounding; no more than rounding, but every element is NaN\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("lacks %q:\n%s", want, b.String())
		}
	}
}
