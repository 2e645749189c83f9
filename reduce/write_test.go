package reduce

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/internal/witnesstest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/reference"
	"github.com/petrify-ml/petrify/verify"
)

var setup = Setup{Command: "petrify verify --runtime planted", Optimization: "off", Threads: 2, Tool: "petrify test"}

func written(t *testing.T) (*Result, string) {
	t.Helper()
	r := reduced(t, buried(t, "Softplus"), planted{change: in("Softplus", becomes("Relu"))})
	dir := filepath.Join(t.TempDir(), "report")
	if _, err := r.Write(dir, setup, false); err != nil {
		t.Fatal(err)
	}
	return r, dir
}

// TestTheFolderIsOneOfONNXsTests has the folder verified: the recorded outputs are the model's, and the runtime fails on it.
func TestTheFolderIsOneOfONNXsTests(t *testing.T) {
	r, dir := written(t)
	o := options(dir, planted{change: in("Softplus", becomes("Relu"))})
	found, err := verify.Run(t.Context(), o.Verify)
	if err != nil {
		t.Fatal(err)
	}
	verdicts := map[string]verify.Verdict{}
	for _, row := range found.Models[0].Rows {
		verdicts[row.Runtime] = row.Verdict
	}
	if verdicts[verify.Recorded] != verify.Equal || verdicts["planted"] != verify.Different {
		t.Errorf("the folder's verdicts are %v, want the recorded outputs equal and the runtime different", verdicts)
	}
	if _, err := r.Write(dir, setup, false); err == nil || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("writing there again: %v, want a refusal", err)
	}
	if _, err := r.Write(dir, setup, true); err != nil {
		t.Error(err)
	}
}

// TestTheScriptOfTheReadme runs it with a package onnxruntime that stands in for the real one.
func TestTheScriptOfTheReadme(t *testing.T) {
	python := witnesstest.Python(t, "numpy", "onnx")
	_, dir := written(t)
	readme, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"# planted 1.0 computes something else: Softplus", "| planted 1.0 |", "`n0 (Softplus)`", "petrify verify --runtime planted .", "reduced from | 48 nodes"} {
		if !strings.Contains(strings.ReplaceAll(string(readme), `node "n0" (Softplus)`, "`n0 (Softplus)`"), want) {
			t.Errorf("README.md lacks %q:\n%s", want, readme)
		}
	}
	script := regexp.MustCompile("(?s)```python\n(.*?)```").FindSubmatch(readme)
	if script == nil {
		t.Fatalf("README.md has no script:\n%s", readme)
	}
	for off, equal := range map[string]bool{"0": true, "1": false} {
		t.Run(off, func(t *testing.T) {
			stand := `
import numpy as np
class SessionOptions: pass
class GraphOptimizationLevel: ORT_DISABLE_ALL = 0
class Output:
    name = "y0"
class InferenceSession:
    def __init__(self, path, options, providers):
        assert path == "model.onnx" and options.intra_op_num_threads == 2 and options.graph_optimization_level == 0
    def run(self, names, inputs):
        (x,) = inputs.values()
        return [np.log1p(np.exp(x)) + np.float32(` + off + `)]
    def get_outputs(self): return [Output]
`
			packages := t.TempDir()
			if err := os.WriteFile(filepath.Join(packages, "onnxruntime.py"), []byte(stand), 0o644); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(python, "-c", string(script[1]))
			cmd.Dir, cmd.Env = dir, append(os.Environ(), "PYTHONPATH="+packages)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if got := strings.Contains(string(out), "\nequal"); got != equal || !strings.HasPrefix(string(out), "y0 got float32") {
				t.Errorf("the script says:\n%s", out)
			}
		})
	}
}

// TestTheScriptTakesEveryType runs it on inputs of every type that NumPy has, which are the outputs as well. Of the others the
// README says that it is of no use.
func TestTheScriptTakesEveryType(t *testing.T) {
	python := witnesstest.Python(t, "numpy", "onnx")
	nan := math.NaN()
	inputs := []*onnx.Tensor{
		onnxtest.Tensor(t, "float32", []float32{1, float32(nan)}, 2), onnxtest.Tensor(t, "float64", []float64{0.1, nan}, 1, 2), onnxtest.Tensor(t, "float16", []onnx.Float16{0x3c00, 0x7e00}, 2),
		onnxtest.Tensor(t, "int8", []int8{-128, 127}, 2), onnxtest.Tensor(t, "int16", []int16{-1 << 15}, 1), onnxtest.Tensor(t, "int32", []int32{7}), onnxtest.Tensor(t, "int64", []int64{1<<62 + 1, -1}, 2),
		onnxtest.Tensor(t, "uint8", []uint8{255}, 1), onnxtest.Tensor(t, "uint16", []uint16{1<<16 - 1}, 1), onnxtest.Tensor(t, "uint32", []uint32{1<<32 - 1}, 1), onnxtest.Tensor(t, "uint64", []uint64{1<<64 - 1}, 1),
		onnxtest.Tensor(t, "bool", []bool{true, false}, 2), onnxtest.Tensor(t, "str", []string{"", "naïve 世界"}, 2), onnxtest.Tensor(t, "empty", []float32{}, 0),
	}
	result := func(inputs ...*onnx.Tensor) *Result {
		m := onnxtest.DenseModel(t)
		r := &Result{Model: &onnx.Model{Proto: m, Bytes: onnxtest.Bytes(t, m)}, Inputs: inputs, Runtime: "ort", Failure: Failure{Class: Different}}
		for _, x := range inputs {
			v, err := reference.FromTensor(x)
			if err != nil {
				t.Fatal(err)
			}
			r.Want = append(r.Want, v)
		}
		return r
	}
	dir := filepath.Join(t.TempDir(), "report")
	r := result(inputs...)
	if _, err := r.Write(dir, setup, false); err != nil {
		t.Fatal(err)
	}
	for _, change := range []string{"x", "x if x.dtype.kind not in 'iuf' or x.size == 0 else (x + x.dtype.type(1))"} {
		stand := `
class SessionOptions: pass
class GraphOptimizationLevel: ORT_DISABLE_ALL = 0
class Output:
    def __init__(self, name): self.name = name
class InferenceSession:
    def __init__(self, path, options, providers): pass
    def run(self, names, inputs):
        for name, x in inputs.items():
            assert name in ("str", "empty") or x.dtype.name == name, (name, x.dtype)
        assert list(inputs["str"]) == ["", "naïve 世界"] and inputs["int64"][0] == 2**62 + 1
        self.names = list(inputs)
        return [` + change + ` for x in inputs.values()]
    def get_outputs(self): return [Output(n) for n in self.names]
`
		packages := t.TempDir()
		if err := os.WriteFile(filepath.Join(packages, "onnxruntime.py"), []byte(stand), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(python, "-c", r.script(setup))
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "PYTHONPATH="+packages)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		equal, off := strings.Count(string(out), "\nequal\n"), strings.Count(string(out), "\noff by at most ")
		if change == "x" && (equal != len(inputs) || off != 0) || change != "x" && (equal != 3 || off != len(inputs)-3) {
			t.Errorf("%s: %d outputs are equal and %d are off:\n%s", change, equal, off, out)
		}
	}
	for _, x := range []*onnx.Tensor{onnxtest.Tensor(t, "x", []onnx.BFloat16{0x3f80}, 1)} {
		if readme := result(x).Readme(setup); !strings.Contains(readme, "NumPy has no bfloat16") || strings.Contains(readme, "```python") {
			t.Errorf("of a type that NumPy lacks:\n%s", readme)
		}
	}
}

// TestNamesInTheReadmeDoNothing has a failure that hangs on names, which are hostile.
func TestNamesInTheReadmeDoNothing(t *testing.T) {
	const hostile = "x```\n::error::|<script>\x1b[2J`"
	n := newNet()
	n.output(n.node("Softplus", []string{n.input("x", 2)}), 2)
	n.Node[0].Name, n.Output[0].Name, n.Node[0].Output[0] = proto.String(hostile), proto.String(hostile), hostile
	rt := planted{change: func(m *pb.ModelProto) error {
		if m.GetGraph().GetNode()[0].GetName() == hostile {
			return in("Softplus", becomes("Relu"))(m)
		}
		return nil
	}}
	r := reduced(t, n.write(t), rt)
	if got := r.Model.Proto.GetGraph().GetNode()[0].GetName(); got != hostile {
		t.Fatalf("the name is %q, want it as it was", got)
	}
	readme := r.Readme(setup)
	shown := regexp.MustCompile("(?s)```.*?```").ReplaceAllString(readme, "") // in a block tags are text
	if strings.Contains(shown, "<script") {
		t.Errorf("README.md has a tag in it:\n%s", readme)
	}
	for _, bad := range []string{"\x1b", "\n::error", "x```"} {
		if strings.Contains(readme, bad) {
			t.Errorf("README.md has %q in it:\n%s", bad, readme)
		}
	}
	if strings.Count(readme, "```")%2 != 0 {
		t.Errorf("a name ends a block of README.md:\n%s", readme)
	}
}
