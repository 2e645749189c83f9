package verify

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/petrify-ml/petrify/internal/witnesstest"
	"github.com/petrify-ml/petrify/witness"
)

// TestFilesThatPyTorchExports verifies what PyTorch's exporter makes of modules:
// on ONNX Runtime, on package load where it has the operators, and against the
// outputs of PyTorch itself.
func TestFilesThatPyTorchExports(t *testing.T) {
	python := witnesstest.Python(t, "torch", "onnx")
	runtimes := []witness.Runtime{ortNode(t), loadRuntime}
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), python, "testdata/export.py", dir).CombinedOutput(); err != nil {
		t.Fatalf("export.py: %v\n%s", err, out)
	}
	r := report(t, Options{Paths: []string{dir}, Runtimes: runtimes, Prove: true})
	compared := map[string]int{}
	for _, m := range r.Models {
		name := filepath.Base(filepath.Dir(m.Path))
		if m.Problem != "" {
			t.Errorf("%s: %s", name, m.Problem)
		}
		for _, row := range m.Rows {
			if row.Verdict != Equal {
				t.Errorf("%s: %s is %s: %s", name, row.Runtime, row.Verdict, row.Reason)
				continue
			}
			if row.Measure != nil && row.Worst != nil && row.Worst.Error > row.Worst.Sound {
				t.Errorf("%s: %s is beyond the sound limit: %v", name, row.Runtime, row.Worst)
			}
			compared[row.Runtime]++
		}
	}
	if len(r.Models) != 14 || compared[Recorded] != 14 || compared["ort-node"] != 14 || compared["load"] < 5 {
		t.Errorf("%d models, compared %v, want all 14 but by load", len(r.Models), compared)
	}
	t.Logf("compared %v", compared)
}
