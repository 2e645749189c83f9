package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/wire"
)

// modelFile writes the model y = Relu(x) for x of 1 by 4 into dir, after a change.
func modelFile(t *testing.T, dir, name string, change func(m *pb.ModelProto)) string {
	t.Helper()
	typ := onnx.Type{Elem: pb.TensorProto_FLOAT, Dims: []onnx.Dim{onnx.Symbolic("N"), onnx.Fixed(4)}}.Proto()
	m := &pb.ModelProto{
		IrVersion: proto.Int64(8), OpsetImport: []*pb.OperatorSetIdProto{{Version: proto.Int64(13)}},
		Graph: &pb.GraphProto{
			Name:   proto.String("g"),
			Node:   []*pb.NodeProto{{OpType: proto.String("Add"), Input: []string{"x", "w"}, Output: []string{"s"}}, {OpType: proto.String("Relu"), Input: []string{"s"}, Output: []string{"y"}}},
			Input:  []*pb.ValueInfoProto{{Name: proto.String("x"), Type: typ}},
			Output: []*pb.ValueInfoProto{{Name: proto.String("y"), Type: typ}},
			Initializer: []*pb.TensorProto{{
				Name: proto.String("w"), DataType: proto.Int32(1), Dims: []int64{4}, FloatData: []float32{1, 2, 3, 4},
			}},
		},
	}
	if change != nil {
		change(m)
	}
	b, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// cli runs a command line and returns its exit code and what it wrote.
func cli(t *testing.T, in string, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = Run(t.Context(), &Streams{In: strings.NewReader(in), Out: &o, Err: &e}, args)
	return code, o.String(), e.String()
}

func TestCheckWritesALineForEachFinding(t *testing.T) {
	dir := t.TempDir()
	good := modelFile(t, dir, "good.onnx", nil)
	bad := modelFile(t, dir, "bad.onnx", func(m *pb.ModelProto) {
		m.Graph.Node[1].OpType = proto.String("ReLU\x1b[2J")
		m.Graph.Node[0].Input[1] = "nowhere"
	})
	odd := modelFile(t, dir, "odd.onnx", func(m *pb.ModelProto) {
		m.Graph.ValueInfo = append(m.Graph.ValueInfo, m.Graph.Output[0], m.Graph.Output[0])
	})
	page := filepath.Join(dir, "page.onnx")
	if err := os.WriteFile(page, []byte("<html><body>404</body></html>"), 0o644); err != nil {
		t.Fatal(err)
	}
	bytesOfGood, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		in   string
		args []string
		code int
		out  []string // each is part of the output; none means that there is none
		err  string
	}{
		{"a sound file", "", []string{good}, exitDone, nil, ""},
		{"two faults", "", []string{bad}, exitFinding, []string{
			bad + `: node of "s" (Add): value-undefined: input 1, "nowhere", is defined nowhere` + "\n",
			bad + `: node of "y" ("ReLU\x1b[2J"): operator-not-registered: `,
		}, "findings of lower severity"},
		{"a warning is not shown", "", []string{odd}, exitDone, nil, "1 finding of lower severity"},
		{"a warning that counts", "", []string{odd, "--severity", "warning"}, exitFinding, []string{`value info "y": value-info-repeated: two value infos have this name, and are alike [warning]`}, ""},
		{"a web page", "", []string{page}, exitFinding, []string{"page.onnx: file: file-format: not ONNX: this is an HTML page"}, ""},
		{"a folder", "", []string{dir}, exitFinding, []string{"bad.onnx: ", "page.onnx: "}, ""},
		{"the standard input", string(bytesOfGood), []string{"-"}, exitDone, nil, ""},
		{"a cut standard input", string(bytesOfGood[:20]), []string{"-"}, exitFinding, []string{"standard input: byte "}, ""},
		{"no such file", "", []string{filepath.Join(dir, "none.onnx"), good}, exitProblem, nil, "none.onnx: no such file"},
		{"no such file beside a finding", "", []string{filepath.Join(dir, "none.onnx"), bad}, exitFinding, []string{"bad.onnx: "}, "none.onnx: no such file"},
		{"a file beyond the limit", "", []string{good, "--max-size", "10B"}, exitProblem, nil, "the limit is 10"},
		{"a run beyond the budget", "", []string{good, "--budget", "16B"}, exitFinding, []string{`node of "y" (Relu): memory-too-large`}, ""},
		{"work beyond the budget", "", []string{good, "--budget-work", "3"}, exitFinding, []string{"work-too-large"}, ""},
		{"a severity that is none", "", []string{good, "--severity", "eror"}, exitProblem, nil, `did you mean error?`},
		{"a size that is none", "", []string{good, "--max-size", "much"}, exitProblem, nil, "is not a size"},
		{"no file", "", nil, exitProblem, nil, "want model files"},
		{"external data of a pipe", "", []string{"-", "--external-data"}, exitProblem, nil, "the standard input has no folder"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, out, errs := cli(t, c.in, append([]string{"check"}, c.args...)...)
			if code != c.code || !strings.Contains(errs, c.err) || len(c.out) == 0 && out != "" {
				t.Errorf("exit code %d, want %d; stdout %q, stderr %q, want %q", code, c.code, out, errs, c.err)
			}
			for _, want := range c.out {
				if !strings.Contains(out, want) {
					t.Errorf("stdout %q lacks %q", out, want)
				}
			}
			if strings.ContainsRune(out+errs, '\x1b') {
				t.Errorf("an escape sequence came through: %q %q", out, errs)
			}
		})
	}
}

func TestCheckWritesJSONAndSARIF(t *testing.T) {
	dir := t.TempDir()
	bad := modelFile(t, dir, "bad.onnx", func(m *pb.ModelProto) { m.Graph.Node[0].Input[1] = "nowhere" })
	code, out, _ := cli(t, "", "check", "--json", bad, filepath.Join(dir, "none.onnx"))
	var reports []checkReport
	if err := json.Unmarshal([]byte(out), &reports); err != nil || code != exitFinding {
		t.Fatalf("exit code %d, %v in %s", code, err, out)
	}
	if len(reports) != 2 || len(reports[0].Findings) != 1 || reports[0].Findings[0] != (checkFinding{"error", "value-undefined", `node of "s" (Add)`, `input 1, "nowhere", is defined nowhere`}) || reports[1].Problem == "" {
		t.Errorf("got %+v", reports)
	}
	code, out, _ = cli(t, "", "check", "--sarif", bad)
	var log struct {
		Version string
		Runs    []struct {
			Invocations []struct{ ExecutionSuccessful bool }
			Results     []struct{ RuleID, Level string }
		}
	}
	if err := json.Unmarshal([]byte(out), &log); err != nil || code != exitFinding {
		t.Fatalf("exit code %d, %v in %s", code, err, out)
	}
	if run := log.Runs[0]; log.Version != "2.1.0" || len(run.Results) != 1 || !run.Invocations[0].ExecutionSuccessful || run.Results[0].RuleID != "value-undefined" || run.Results[0].Level != "error" {
		t.Errorf("got %s", out)
	}
	file := filepath.Join(dir, "report.xml")
	if code, _, errs := cli(t, "", "check", bad, "--report", "junit="+file); code != exitFinding {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	if b, err := os.ReadFile(file); err != nil || !strings.Contains(string(b), `failures="1"`) {
		t.Errorf("%v: %s", err, b)
	}
	for _, wrong := range []string{"junit", "junit=", "junt=" + file} {
		if code, _, errs := cli(t, "", "check", bad, "--report", wrong); code != exitProblem || !strings.Contains(errs, "--report") {
			t.Errorf("--report %s: exit code %d: %s", wrong, code, errs)
		}
	}
}

func TestCheckInferWritesTheShapes(t *testing.T) {
	dir := t.TempDir()
	good, shapes := modelFile(t, dir, "good.onnx", nil), filepath.Join(dir, "shapes.onnx")
	if code, out, errs := cli(t, "", "check", good, "--infer", shapes); code != exitDone {
		t.Fatalf("exit code %d: %s%s", code, out, errs)
	}
	m, err := wire.Read(shapes, wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if v := m.Proto.Graph.ValueInfo; len(v) != 1 || v[0].GetName() != "s" || onnx.TypeText(v[0].Type) != "float[N,4]" {
		t.Errorf("got %v", v)
	}
	if code, _, errs := cli(t, "", "check", good, shapes, "--infer", shapes); code != exitProblem || !strings.Contains(errs, "--infer writes one file") {
		t.Errorf("exit code %d: %s", code, errs)
	}
}

func TestInspectShowsWhatIsInAFile(t *testing.T) {
	dir := t.TempDir()
	path := modelFile(t, dir, "m.onnx", func(m *pb.ModelProto) {
		m.ProducerName = proto.String("a\x1b[31mb")
		m.MetadataProps = []*pb.StringStringEntryProto{{Key: proto.String("k"), Value: proto.String("v")}}
	})
	code, out, errs := cli(t, "", "inspect", path, "--weights")
	if code != exitDone {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	for _, want := range []string{
		`opset       "ai.onnx" 13`, `producer    "a\x1b[31mb" ""`, `metadata    "k" = "v"`, `input       "x" float[N,4]`, `output      "y" float[N,4]`,
		"parameters  4 in 1 tensors, 16 B", "operator    Relu 1", `"w"      float[4]  1    4    2.5   1.118`, "32 B of values at the same time",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("lacks %q:\n%s", want, out)
		}
	}
	var r inspectReport
	_, out, _ = cli(t, "", "inspect", path, "--json")
	if err := json.Unmarshal([]byte(out), &r); err != nil || r.Parameters != 4 || r.Nodes != 2 || r.Opsets[0] != (inspectOpset{"ai.onnx", 13}) || len(r.SHA256) != 64 {
		t.Errorf("%v, got %+v", err, r)
	}
	if code, out, _ := cli(t, "", "inspect", path, "--text"); code != exitDone || !strings.Contains(out, "y = Relu(s)") {
		t.Errorf("exit code %d: %s", code, out)
	}
	if code, _, errs := cli(t, "\x1f\x8b\x08", "inspect", "-"); code != exitFinding || !strings.Contains(errs, "a gzip file") {
		t.Errorf("exit code %d: %s", code, errs)
	}
}
