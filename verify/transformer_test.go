package verify

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/petrify-ml/petrify/internal/witnesstest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/wire"
	"github.com/petrify-ml/petrify/witness"
)

// TestTheVariantsOfATransformer verifies the variants that published transformers come
// in, and two decoders with keys and values of the past: as they are written, and as
// ONNX Runtime optimises them.
func TestTheVariantsOfATransformer(t *testing.T) {
	if testing.Short() {
		t.Skip("whole networks, which take minutes under the race detector")
	}
	python, node := witnesstest.Python(t, "torch", "onnx"), witnesstest.Node(t, "onnxruntime-node")
	written, optimised := filepath.Join(t.TempDir(), "written"), filepath.Join(t.TempDir(), "optimised")
	command := func(program string, args ...string) {
		if out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	if err := os.Mkdir(written, 0o755); err != nil {
		t.Fatal(err)
	}
	command(python, "testdata/transformer.py", written)
	if err := os.CopyFS(optimised, os.DirFS(written)); err != nil {
		t.Fatal(err)
	}
	models, err := filepath.Glob(filepath.Join(optimised, "*", "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	command(node, append([]string{"testdata/optimize.js", "onnxruntime-node", "extended"}, models...)...)

	names := []string{"bnb4", "fixed", "fp16", "fp32", "gqa", "int8", "merged", "q4", "q4f16", "quantized", "uint8"}
	for _, dir := range []string{written, optimised} {
		compared := map[string]bool{}
		for _, m := range report(t, Options{Paths: []string{dir}, Runtimes: []witness.Runtime{ortNode(t)}}).Models {
			name := filepath.Base(filepath.Dir(m.Path))
			if m.Problem != "" {
				t.Errorf("%s of %s: %s", name, filepath.Base(dir), m.Problem)
			}
			for _, row := range m.Rows {
				if compared[name] = true; row.Verdict != Equal {
					t.Errorf("%s of %s: %s is %s: %s", name, filepath.Base(dir), row.Runtime, row.Verdict, row.Reason)
				}
			}
		}
		if got := slices.Sorted(maps.Keys(compared)); !slices.Equal(got, names) {
			t.Errorf("%s: compared %v, want %v", filepath.Base(dir), got, names)
		}
	}

	// What the optimiser makes must be there, or the second half tests nothing.
	operators := map[string]bool{}
	for _, path := range models {
		m, err := wire.Read(path, wire.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		for n := range onnx.Nodes(m.Proto.Graph.Node) {
			operators[n.GetOpType()] = true
		}
	}
	for _, op := range []string{"BiasGelu", "DynamicQuantizeMatMul", "FusedMatMul", "LayerNormalization", "MatMulIntegerToFloat", "QuickGelu", "SkipLayerNormalization"} {
		if !operators[op] {
			t.Errorf("no optimised model has a %s: %v", op, slices.Sorted(maps.Keys(operators)))
		}
	}
}

// TestPyTorchAgreesWhereONNXRuntimeHasNoKernel compares the reference with PyTorch where ONNX
// Runtime has an operator of its own for GPUs alone.
func TestPyTorchAgreesWhereONNXRuntimeHasNoKernel(t *testing.T) {
	python, dir := witnesstest.Python(t, "torch", "onnx"), t.TempDir()
	if out, err := exec.CommandContext(t.Context(), python, "testdata/microsoft.py", dir).CombinedOutput(); err != nil {
		t.Fatalf("microsoft.py: %v\n%s", err, out)
	}
	models := report(t, Options{Paths: []string{dir}}).Models
	for _, m := range models {
		name := filepath.Base(filepath.Dir(m.Path))
		if m.Problem != "" || len(m.Rows) == 0 {
			t.Errorf("%s: %d outputs were compared: %s", name, len(m.Rows), m.Problem)
		}
		for _, row := range m.Rows {
			if row.Runtime != Recorded || row.Verdict != Equal {
				t.Errorf("%s: %s is %s: %s", name, row.Runtime, row.Verdict, row.Reason)
			}
		}
	}
	if len(models) != 12 {
		t.Errorf("%d models, want 12", len(models))
	}
}
