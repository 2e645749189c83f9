package target

import (
	"bytes"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/internal/witnesstest"
	"github.com/petrify-ml/petrify/onnx/pb"
)

func TestTablesAreWhole(t *testing.T) {
	all, err := readTables()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 5 {
		t.Errorf("%d tables, want 5", len(all))
	}
	for _, table := range all {
		if table.source == "" || table.date == "" || len(table.releases) == 0 || len(table.operators) < 50 {
			t.Errorf("%s: source %q, date %q, %d releases, %d operators", table.name, table.source, table.date, len(table.releases), len(table.operators))
		}
	}
}

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"onnxruntime>=1.17":     "1.17.3 to 1.30.0",
		"onnxruntime == 1.30":   "1.30.0",
		"onnxruntime":           "1.30.0",
		"opencv>=4.8":           "4.8.0 to 4.10.0",
		"opencv==4.6":           "4.6.0",
		"tensorrt>=10":          "10.0 to 10.1",
		"coreml":                "mlprogram",
		"onnxruntime-web":       "1.30.0",
		"onnxruntime>=99":       "no such release",
		"onnxruntime<1":         "is not a target",
		"onnxruntime>=":         "is not a target",
		"onnxruntim":            "unknown target",
		"coreml>=5":             "no releases to choose from",
		"":                      "unknown target",
		"onnxruntime>=1.17\x1b": "is not a target",
	} {
		got, err := Parse(text)
		switch {
		case err != nil && !strings.Contains(err.Error(), want):
			t.Errorf("%q: %v, want %q", text, err, want)
		case err == nil && got.Releases() != want:
			t.Errorf("%q: %s, want %s", text, got.Releases(), want)
		}
	}
}

// worst is the worst class that a target has for a model, with the first reason.
func worst(t testing.TB, name string, m *pb.ModelProto) (Class, string) {
	t.Helper()
	target, err := Parse(name)
	if err != nil {
		t.Fatal(err)
	}
	class, reason := Supported, ""
	for _, v := range target.Judge(m) {
		if v.Class > class {
			class, reason = v.Class, v.Where+": "+v.Reason
		}
	}
	return class, reason
}

// What ONNX Runtime refuses to load, of ONNX's own tests, the table does not call supported; and what it loads, not unsupported.
func TestONNXRuntimeAgrees(t *testing.T) {
	witnesstest.Node(t, "onnxruntime-node")
	agree(t, "onnxruntime==1.30", func(models [][]byte) []answer { return ask(t, "onnxruntime-node", models) })
}

// The same of the OpenCV that Debian has, whose release the table has, too.
func TestOpenCVAgrees(t *testing.T) {
	python := witnesstest.Python(t, "cv2")
	agree(t, "opencv==4.6", func(models [][]byte) []answer {
		var in bytes.Buffer
		for _, m := range models {
			in.WriteString(base64.StdEncoding.EncodeToString(m) + "\n")
		}
		cmd := exec.CommandContext(t.Context(), python, filepath.Join("testdata", "load.py"))
		cmd.Stdin = &in
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		var answers []answer
		for line := range strings.Lines(string(out)) {
			answers = append(answers, answer{OK: line == "1\n"})
		}
		return answers
	})
}

func agree(t *testing.T, name string, load func([][]byte) []answer) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(witnesstest.ONNXTestData(t), "*", "*", "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	var models [][]byte
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		models = append(models, b)
	}
	answers := load(models)
	if len(answers) != len(models) {
		t.Fatalf("%d answers about %d models", len(answers), len(models))
	}
	counts := map[Class][2]int{}
	for i, a := range answers {
		m := &pb.ModelProto{}
		if err := proto.Unmarshal(models[i], m); err != nil {
			t.Fatal(err)
		}
		class, reason := worst(t, name, m)
		test := filepath.Base(filepath.Dir(files[i]))
		c := counts[class]
		if a.OK {
			c[0]++
			if class == Unsupported {
				t.Errorf("%s: the runtime loads it, and the table says: %s", test, reason)
			}
		} else {
			c[1]++
			if class == Supported {
				t.Errorf("%s: the table calls it supported, and the runtime says: %.200s", test, a.Message)
			}
		}
		counts[class] = c
	}
	for class := Supported; class <= Unsupported; class++ {
		t.Logf("%s %s: %d loaded, %d refused", name, class, counts[class][0], counts[class][1])
	}
	if counts[Supported][0] < len(models)/4 {
		t.Errorf("%d of %d models are supported: the table says too little", counts[Supported][0], len(models))
	}
}

// Whoever reads that a node is not known to be taken reads on what ground, and of which day.
func TestEachFindingSaysWhatItRestsOn(t *testing.T) {
	m := &pb.ModelProto{
		IrVersion:   proto.Int64(99),
		OpsetImport: []*pb.OperatorSetIdProto{{Version: proto.Int64(99)}},
		Graph: &pb.GraphProto{Node: []*pb.NodeProto{
			{OpType: proto.String("Odd"), Domain: proto.String("own"), Output: []string{"x"}},
			{OpType: proto.String("Conv"), Output: []string{"y"}},
			{OpType: proto.String("Det"), Output: []string{"z"}},
		}},
	}
	for _, name := range Names() {
		target, err := Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		found, note := target.Findings(m)
		if len(found) == 0 {
			t.Errorf("%s: no finding", name)
		}
		for _, f := range found {
			if !strings.HasSuffix(f.Message, " "+target.table.date) {
				t.Errorf("%s: %s: %q, want %s at its end", name, f.Code, f.Message, target.table.date)
			}
		}
		if !strings.Contains(note, "https://") || !strings.Contains(note, target.table.date) {
			t.Errorf("%s: %q has no source or no day", name, note)
		}
	}
}
