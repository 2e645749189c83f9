package wire

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/onnx"
)

func TestEveryModelOfONNXComesBackAsTheSameMessage(t *testing.T) {
	models := onnxtest.Models(t)
	dir := t.TempDir()
	var lines []string
	for i, path := range models {
		m, err := Read(path, Limits{})
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		b, err := onnx.Marshal(m.Proto)
		if err != nil {
			t.Fatal(err)
		}
		copied := filepath.Join(dir, fmt.Sprintf("%04d.onnx", i))
		if err := os.WriteFile(copied, b, 0o644); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, path+"\t"+copied)
	}
	if out := onnxtest.Python(t, "same_models.py", lines); out != "" {
		t.Errorf("models that differ:\n%s", out)
	}
	t.Logf("%d models", len(lines))
}
