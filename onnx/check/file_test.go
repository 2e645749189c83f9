package check

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/infer"
	"github.com/petrify-ml/petrify/onnx/rule"
	"github.com/petrify-ml/petrify/onnx/wire"
)

// A fileCase is a file that is not a model at all.
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
		m, found, err := File(path, Options{})
		if m != nil || err != nil || len(found) != 1 || found[0].Severity != rule.Error || found[0].Code != c.code || found[0].Where != c.where || !strings.Contains(found[0].Message, c.what) {
			t.Errorf("%s: got %v%s, want %s: %s", c.name, err, onnxtest.Lines(found), c.where, c.what)
		}
	}
}

func TestCheckFromReadsUpToTheLimit(t *testing.T) {
	b := onnxtest.Bytes(t, onnxtest.DenseModel(t))
	m, found, err := From("pipe", bytes.NewReader(b), Options{})
	if err != nil || len(found) > 0 || m == nil || !bytes.Equal(m.Bytes, b) {
		t.Errorf("got %v%s", err, onnxtest.Lines(found))
	}
	if _, _, err := From("pipe", bytes.NewReader(b), Options{Limits: wire.Limits{Size: int64(len(b)) - 1}}); !unsupported(err) || !strings.Contains(err.Error(), "pipe") {
		t.Errorf("got %v, want an UnsupportedError that names the pipe", err)
	}
}

func TestCheckFileLooksAtExternalDataWhenAsked(t *testing.T) {
	dir := t.TempDir()
	m := onnxtest.DenseModel(t)
	onnxtest.External("location", "w")(m)
	path := filepath.Join(dir, "m.onnx")
	if err := os.WriteFile(path, onnxtest.Bytes(t, m), 0o644); err != nil {
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
		_, found, err := File(path, Options{External: c.asked})
		if c.code == "" && (err != nil || len(found) > 0) || c.code != "" && (err != nil || len(found) != 1 || found[0].Code != c.code) {
			t.Errorf("asked %t, file there %t: got %v%s, want %q", c.asked, c.lay, err, onnxtest.Lines(found), c.code)
		}
	}
}

func TestWeightsMustBeFiniteWhereThatIsAsked(t *testing.T) {
	m := onnxtest.DenseModel(t)
	m.Graph.Initializer[0] = onnxtest.Floats("net.fc1.weight", []int64{3, 2}, 1, 2, float32(math.NaN()), float32(math.Inf(1)), 5, 6)
	for asked, want := range map[bool]rule.Severity{false: rule.Warning, true: rule.Error} {
		_, found, err := From("m.onnx", bytes.NewReader(onnxtest.Bytes(t, m)), Options{Finite: asked})
		if err != nil || len(found) != 2 || found[0].Severity != want || found[1].Severity != want || !strings.Contains(found[0].Where, "net.fc1.weight") {
			t.Errorf("asked %t: got %v%s, want two of %v", asked, err, onnxtest.Lines(found), want)
		}
	}
}

func TestABudgetIsHeld(t *testing.T) {
	m := onnxtest.DenseModel(t)
	for _, c := range []struct {
		budget infer.Budget
		code   string
	}{
		{infer.Budget{}, ""}, {infer.Budget{Elements: 1}, "value-too-large"}, {infer.Budget{Memory: 8}, "memory-too-large"}, {infer.Budget{Work: 1}, "work-too-large"}, {infer.Budget{Steps: 2}, "inference-budget"},
	} {
		found := Within(m, c.budget)
		if c.code == "" && len(found) > 0 || c.code != "" && (len(found) == 0 || found[0].Code != c.code) {
			t.Errorf("%+v: got %s, want %q", c.budget, onnxtest.Lines(found), c.code)
		}
	}
}

func unsupported(err error) bool {
	_, ok := errors.AsType[*onnx.UnsupportedError](err)
	return ok
}
