package onnxtest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/internal/witnesstest"
)

// Models returns the models of ONNX's back-end tests.
func Models(t testing.TB) []string {
	t.Helper()
	models, err := filepath.Glob(filepath.Join(witnesstest.ONNXTestData(t), "*", "*", "model.onnx"))
	if err != nil || len(models) < 1000 {
		t.Fatalf("%d models (%v), want 1000 at least", len(models), err)
	}
	return models
}

// Long reports whether tests are to take minutes instead of seconds: with larger
// files, and more of them.
func Long() bool { return os.Getenv("PETRIFY_LONG") == "1" }

// Python runs a script of testdata with the lines on its stdin.
func Python(t *testing.T, script string, lines []string) string {
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
