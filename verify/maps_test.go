package verify

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/load"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/witness"
	"google.golang.org/protobuf/proto"
)

// pipeline is what converters of scikit-learn write: features scaled, trees, and maps
// of the classes to their scores.
func pipeline(t *testing.T) string {
	node := func(op string, in, out []string, attrs ...onnx.Attr) *pb.NodeProto {
		n := &pb.NodeProto{OpType: proto.String(op), Domain: proto.String("ai.onnx.ml"), Input: in, Output: out}
		for _, a := range attrs {
			n.Attribute = append(n.Attribute, a.Proto())
		}
		return n
	}
	tensor := func(name string, elem pb.TensorProto_DataType, dims ...onnx.Dim) *pb.ValueInfoProto {
		return &pb.ValueInfoProto{Name: proto.String(name), Type: onnx.Type{Elem: elem, Dims: dims}.Proto()}
	}
	maps := &pb.TypeProto{Value: &pb.TypeProto_SequenceType{SequenceType: &pb.TypeProto_Sequence{ElemType: &pb.TypeProto{
		Value: &pb.TypeProto_MapType{MapType: &pb.TypeProto_Map{KeyType: proto.Int32(int32(pb.TensorProto_STRING)), ValueType: onnx.Type{Elem: pb.TensorProto_FLOAT}.Proto()}},
	}}}}
	b, err := onnx.Marshal(&pb.ModelProto{
		IrVersion:   proto.Int64(8),
		OpsetImport: []*pb.OperatorSetIdProto{{Version: proto.Int64(15)}, {Domain: proto.String("ai.onnx.ml"), Version: proto.Int64(3)}},
		Graph: &pb.GraphProto{
			Name:   proto.String("pipeline"),
			Input:  []*pb.ValueInfoProto{tensor("x", pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(2))},
			Output: []*pb.ValueInfoProto{tensor("label", pb.TensorProto_STRING, onnx.Symbolic("N")), {Name: proto.String("maps"), Type: maps}},
			Node: []*pb.NodeProto{
				node("Scaler", []string{"x"}, []string{"scaled"}, onnx.Floats("offset", 0.1, -0.2), onnx.Floats("scale", 2, 0.7)),
				node("TreeEnsembleClassifier", []string{"scaled"}, []string{"label", "scores"},
					onnx.Ints("nodes_treeids", 0, 0, 0, 0, 0), onnx.Ints("nodes_nodeids", 0, 1, 2, 3, 4), onnx.Ints("nodes_featureids", 0, 1, 0, 0, 0),
					onnx.Strings("nodes_modes", "BRANCH_LEQ", "BRANCH_LEQ", "LEAF", "LEAF", "LEAF"), onnx.Floats("nodes_values", 0.5, -0.25, 0, 0, 0),
					onnx.Ints("nodes_truenodeids", 1, 3, 0, 0, 0), onnx.Ints("nodes_falsenodeids", 2, 4, 0, 0, 0),
					onnx.Ints("class_treeids", 0, 0, 0, 0, 0, 0, 0, 0, 0), onnx.Ints("class_nodeids", 2, 2, 2, 3, 3, 3, 4, 4, 4),
					onnx.Ints("class_ids", 0, 1, 2, 0, 1, 2, 0, 1, 2), onnx.Floats("class_weights", 0.7, 0.2, 0.1, 0.1, 0.8, 0.1, 0.25, 0.25, 0.5),
					onnx.Strings("classlabels_strings", "setosa", "versicolor", "virginica")),
				node("ZipMap", []string{"scores"}, []string{"maps"}, onnx.Strings("classlabels_strings", "setosa", "versicolor", "virginica")),
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "pipeline.onnx")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestMapsAreJudgedByTheirScores(t *testing.T) {
	r, err := Run(t.Context(), Options{Paths: []string{pipeline(t)}, Runtimes: []witness.Runtime{ortNode(t), load.Runtime{}}})
	if err != nil {
		t.Fatal(err)
	}
	m := r.Models[0]
	if m.Problem != "" || !strings.Contains(strings.Join(m.Notes, "\n"), `judged by the scores "scores"`) {
		t.Errorf("problem %q, notes %q", m.Problem, m.Notes)
	}
	seen := map[string]bool{}
	for _, row := range m.Rows {
		if row.Runtime == "load" {
			if row.Verdict != Skipped {
				t.Errorf("load, which has no trees: %s %s", row.Verdict, row.Reason)
			}
			continue
		}
		if row.Verdict != Equal {
			t.Errorf("%s: %s %s", row.Output, row.Verdict, row.Reason)
		}
		seen[row.Output] = true
	}
	if !seen["label"] || !seen["scores"] {
		t.Errorf("outputs %v are judged, want label and scores", seen)
	}
}

// A pipeline that begins with a map of words to numbers is judged by the rows that
// DictVectorizer makes of them.
func TestMapsAreReplacedByTheirRows(t *testing.T) {
	words := &pb.TypeProto{Value: &pb.TypeProto_MapType{MapType: &pb.TypeProto_Map{KeyType: proto.Int32(int32(pb.TensorProto_STRING)), ValueType: onnx.Type{Elem: pb.TensorProto_FLOAT}.Proto()}}}
	node := func(op, in, out string, attrs ...onnx.Attr) *pb.NodeProto {
		n := &pb.NodeProto{OpType: proto.String(op), Domain: proto.String("ai.onnx.ml"), Input: []string{in}, Output: []string{out}}
		for _, a := range attrs {
			n.Attribute = append(n.Attribute, a.Proto())
		}
		return n
	}
	b, err := onnx.Marshal(&pb.ModelProto{
		IrVersion:   proto.Int64(8),
		OpsetImport: []*pb.OperatorSetIdProto{{Version: proto.Int64(15)}, {Domain: proto.String("ai.onnx.ml"), Version: proto.Int64(3)}},
		Graph: &pb.GraphProto{
			Name:   proto.String("words"),
			Input:  []*pb.ValueInfoProto{{Name: proto.String("words"), Type: words}},
			Output: []*pb.ValueInfoProto{{Name: proto.String("y"), Type: onnx.Type{Elem: pb.TensorProto_FLOAT, Dims: []onnx.Dim{onnx.Symbolic("N"), onnx.Fixed(1)}}.Proto()}},
			Node: []*pb.NodeProto{
				node("DictVectorizer", "words", "row", onnx.Strings("string_vocabulary", "age", "city", "height")),
				node("LinearRegressor", "row", "y", onnx.Floats("coefficients", 0.5, -2, 3), onnx.Floats("intercepts", 1)),
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "words.onnx")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := Run(t.Context(), Options{Paths: []string{path}, Runtimes: []witness.Runtime{ortNode(t)}})
	if err != nil {
		t.Fatal(err)
	}
	m := r.Models[0]
	if m.Problem != "" || len(m.Rows) == 0 || m.Rows[0].Verdict != Equal || !strings.Contains(strings.Join(m.Notes, "\n"), `in its place is the row "row"`) {
		t.Errorf("problem %q, rows %v, notes %q", m.Problem, m.Rows, m.Notes)
	}
}

// TestRecordedMapsHoldRuntimes records a pipeline that ends in maps: what is written are maps, as the graph says, and runtimes are held to
// the scores in them.
func TestRecordedMapsHoldRuntimes(t *testing.T) {
	rt := ortNode(t)
	r, err := Record(t.Context(), Options{Paths: []string{pipeline(t)}, Runtimes: []witness.Runtime{rt}, Seed: 1}, 2, "test")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	paths, err := r.Write(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	judge := func() map[string]Verdict {
		worst := map[string]Verdict{}
		for _, row := range report(t, Options{Paths: []string{dir}, Runtimes: []witness.Runtime{rt}}).Models[0].Rows {
			worst[row.Runtime] = worse(worst[row.Runtime], row.Verdict)
		}
		return worst
	}
	if got := judge(); got[Recorded] != Equal || got[rt.Name()] != Equal {
		t.Errorf("as it was recorded: %v", got)
	}
	file := filepath.Join(paths[1], "output_1.pb")
	for name, change := range map[string]func(m *pb.MapProto){
		"another score": func(m *pb.MapProto) { m.Values.TensorValues[1].RawData[3] ^= 0x80 },
		"another class": func(m *pb.MapProto) { m.StringKeys[1] = []byte("tulip") },
	} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s := &pb.SequenceProto{}
		if err := proto.Unmarshal(b, s); err != nil || len(s.MapValues) == 0 {
			t.Fatalf("%d maps: %v", len(s.MapValues), err)
		}
		change(s.MapValues[0])
		other, err := proto.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, other, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := judge(); got[Recorded] != Different {
			t.Errorf("%s: %v", name, got)
		}
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
