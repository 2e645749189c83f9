package onnx

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/internal/witnesstest"
)

// worldModels returns the models of ONNX's back-end tests.
func worldModels(t testing.TB) []string {
	t.Helper()
	models, err := filepath.Glob(filepath.Join(witnesstest.ONNXTestData(t), "*", "*", "model.onnx"))
	if err != nil || len(models) < 1000 {
		t.Fatalf("%d models (%v), want 1000 at least", len(models), err)
	}
	return models
}

// long reports whether tests are to take minutes instead of seconds: with larger
// files, and more of them.
func long() bool { return os.Getenv("PETRIFY_LONG") == "1" }

// python runs a script of testdata with the lines on its stdin.
func python(t *testing.T, script string, lines []string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), witnesstest.Python(t, "onnx", "numpy"), filepath.Join("testdata", script))
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, stderr.String())
	}
	return string(out)
}

func TestEveryModelOfONNXComesBackAsTheSameMessage(t *testing.T) {
	models := worldModels(t)
	dir := t.TempDir()
	var lines []string
	for i, path := range models {
		m, err := Read(path, Limits{})
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		b, err := Marshal(m.Proto)
		if err != nil {
			t.Fatal(err)
		}
		copied := filepath.Join(dir, fmt.Sprintf("%04d.onnx", i))
		if err := os.WriteFile(copied, b, 0o644); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, path+"\t"+copied)
	}
	if out := python(t, "same_models.py", lines); out != "" {
		t.Errorf("models that differ:\n%s", out)
	}
	t.Logf("%d models", len(lines))
}

func TestFromProtoReadsWhatNumpyHelperReads(t *testing.T) {
	out := python(t, "tensors.py", worldModels(t))
	kinds := make(map[string]int)
	for line := range strings.Lines(out) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		kinds[f[1]]++
		if f[1] != "tensor" {
			continue
		}
		got, err := ReadTensorFile(f[0], Limits{})
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		have := fmt.Sprintf("%d\t%s\t%s", got.Type(), strings.ReplaceAll(fmt.Sprint(got.Dims), " ", ","), digest(got))
		if want := strings.Join(f[2:], "\t"); have != want {
			t.Errorf("%s: %s, numpy_helper reads %s", f[0], have, want)
		}
		back, err := FromProto(got.Proto())
		if err != nil || digest(back) != digest(got) || back.Type() != got.Type() {
			t.Errorf("%s: does not come back from Proto as it was (%v)", f[0], err)
		}
	}
	// Sequences and optionals are values of other kinds than Tensor.
	if kinds["tensor"] < 3000 || kinds["tensor"]+kinds["sequence_type"]+kinds["optional_type"] != strings.Count(out, "\n") {
		t.Errorf("read %v", kinds)
	}
	t.Logf("%v", kinds)
}

// digest is the SHA-256 of the elements as testdata/tensors.py computes it.
func digest(t *Tensor) string {
	h := sha256.New()
	switch d := t.Data.(type) {
	case []string:
		for _, s := range d {
			h.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(s))))
			h.Write([]byte(s))
		}
	case []BFloat16:
		wide := make([]float32, len(d))
		for i, v := range d {
			wide[i] = v.Float32()
		}
		h.Write(rawData(wide))
	default:
		h.Write(rawData(t.Data))
	}
	return hex.EncodeToString(h.Sum(nil))
}
