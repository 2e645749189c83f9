package onnx

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// A fileCase is a file that is no model at all.
var fileCases = []struct {
	name  string
	bytes []byte
	code  string
	where string
	what  string
}{
	{"a web page", []byte("<html>Sign in</html>"), "file-format", "file", "not ONNX: this is an HTML page"},
	{"a length past the end", []byte{0x12, 0x05, 'a'}, "file-format", "byte 1", "length of 5 bytes, 1 are left"},
	{"nothing", nil, "file-format", "file", "an empty file"},
}

func TestCheckFileFindsWhatIsNoModel(t *testing.T) {
	for _, c := range fileCases {
		path := filepath.Join(t.TempDir(), "m.onnx")
		if err := os.WriteFile(path, c.bytes, 0o644); err != nil {
			t.Fatal(err)
		}
		m, found, err := CheckFile(path, Options{})
		if m != nil || err != nil || len(found) != 1 || found[0].Severity != Error || found[0].Code != c.code || found[0].Where != c.where || !strings.Contains(found[0].Message, c.what) {
			t.Errorf("%s: got %v%s, want %s: %s", c.name, err, lines(found), c.where, c.what)
		}
	}
}

func TestCheckFromReadsUpToTheLimit(t *testing.T) {
	b := bytesOf(t, denseModel(t))
	m, found, err := CheckFrom("pipe", bytes.NewReader(b), Options{})
	if err != nil || len(found) > 0 || m == nil || !bytes.Equal(m.Bytes, b) {
		t.Errorf("got %v%s", err, lines(found))
	}
	if _, _, err := CheckFrom("pipe", bytes.NewReader(b), Options{Limits: Limits{Size: int64(len(b)) - 1}}); !isUnsupported(err) || !strings.Contains(err.Error(), "pipe") {
		t.Errorf("got %v, want an UnsupportedError that names the pipe", err)
	}
}

func TestCheckFileLooksAtExternalDataWhenAsked(t *testing.T) {
	dir := t.TempDir()
	m := denseModel(t)
	external("location", "w")(m)
	path := filepath.Join(dir, "m.onnx")
	if err := os.WriteFile(path, bytesOf(t, m), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		asked bool
		lay   bool
		code  string
	}{{false, false, "external-data"}, {true, false, "external-data-file-missing"}, {true, true, ""}} {
		if c.lay {
			if err := os.WriteFile(filepath.Join(dir, "w"), make([]byte, 24), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		_, found, err := CheckFile(path, Options{External: c.asked})
		if c.code == "" && (err != nil || len(found) > 0) || c.code != "" && (err != nil || len(found) != 1 || found[0].Code != c.code) {
			t.Errorf("asked %t, file there %t: got %v%s, want %q", c.asked, c.lay, err, lines(found), c.code)
		}
	}
}

func TestABudgetIsHeld(t *testing.T) {
	m := denseModel(t)
	for _, c := range []struct {
		budget Budget
		code   string
	}{
		{Budget{}, ""}, {Budget{Elements: 1}, "value-too-large"}, {Budget{Memory: 8}, "memory-too-large"}, {Budget{Work: 1}, "work-too-large"}, {Budget{Steps: 2}, "inference-budget"},
	} {
		found := CheckWithin(m, c.budget)
		if c.code == "" && len(found) > 0 || c.code != "" && (len(found) == 0 || found[0].Code != c.code) {
			t.Errorf("%+v: got %s, want %q", c.budget, lines(found), c.code)
		}
	}
}

// Three values of 2 floats, of which two live at a time; axes without a number
// count as one. 6 products and sums, and an element of each output.
func TestInferSaysWhatARunTakes(t *testing.T) {
	i := InferWithin(denseModel(t), Budget{})
	if i.Memory != 2*2*4 || i.Work < 6 || i.Work > 20 {
		t.Errorf("memory %d, work %d; want 16, and 6 to 20", i.Memory, i.Work)
	}
}

func TestAnnotateDeclaresWhatIsInferred(t *testing.T) {
	m := denseModel(t)
	m.Graph.Output[0].Type = Type{Elem: pb.TensorProto_FLOAT, Dims: unknownDims(2)}.Proto()
	before := bytesOf(t, m)
	types, _ := Infer(m)
	a := Annotate(m, types)
	if !bytes.Equal(bytesOf(t, m), before) {
		t.Error("the model was changed")
	}
	got := make(map[string]string)
	for _, v := range append(a.Graph.ValueInfo, a.Graph.Output...) {
		got[v.GetName()] = TypeText(v.Type)
	}
	for name, want := range map[string]string{"net.fc1.matmul": "float[N,2]", "net.fc1": "float[N,2]", "y": "float[N,2]"} {
		if got[name] != want {
			t.Errorf("%s is declared as %q, want %s", name, got[name], want)
		}
	}
	if len(got) != 3 || len(a.Graph.Node) != 3 || len(Check(a)) > 0 {
		t.Errorf("got %v, %d nodes%s", got, len(a.Graph.Node), lines(Check(a)))
	}
}
