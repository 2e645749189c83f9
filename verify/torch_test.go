package verify

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/petrify-ml/petrify/internal/witnesstest"
	"github.com/petrify-ml/petrify/witness"
	"github.com/petrify-ml/petrify/witness/child"
)

// torchRuntime is PyTorch as a Runtime: an interpreter in the test's own Python that
// finds PyTorch's function for a node. It speaks the protocol of child's drivers.
func torchRuntime(t testing.TB) *child.Runtime {
	r := child.Python()
	r.Timeout = patience
	r.Label, r.Program = "torch", witnesstest.Python(t, "torch", "onnx")
	var program string
	for _, file := range []string{"../witness/child/driver.py", "testdata/torch_runtime.py"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		program += string(text)
	}
	r.Args[len(r.Args)-1] = program
	return r
}

// torchOperators are those of the interpreter whose every form that random graphs
// have is plain in PyTorch.
var torchOperators = []string{
	"Abs", "Acos", "Acosh", "Add", "Asin", "Asinh", "Atan", "Atanh", "Attention", "AveragePool", "BatchNormalization", "Ceil", "Celu", "Clip", "Concat", "Conv",
	"ConvTranspose", "Cos", "Cosh", "CumSum", "DepthToSpace", "Div", "Einsum", "Elu", "Erf", "Exp", "Flatten", "Floor", "Gather", "Gelu", "Gemm",
	"GlobalAveragePool", "GlobalMaxPool", "GridSample", "HardSigmoid", "HardSwish", "InstanceNormalization", "LRN", "LSTM", "LayerNormalization",
	"LeakyRelu", "Log", "LogSoftmax", "MatMul", "Max", "MaxPool", "Mean", "Min", "Mish", "Mul", "Neg", "PRelu", "Pad", "Pow", "RMSNormalization", "RNN",
	"Reciprocal", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum",
	"ReduceSumSquare", "Relu", "Round", "Selu", "Sigmoid", "Sign", "Sin", "Sinh", "Slice", "Softmax", "Softplus", "Softsign", "Sqrt", "Sub", "Sum",
	"Tan", "Tanh", "ThresholdedRelu", "Transpose",
}

// TestFilesThatPyTorchExports verifies what PyTorch's exporter makes of modules:
// on ONNX Runtime, on package load where it has the operators, and against the
// outputs of PyTorch itself.
func TestFilesThatPyTorchExports(t *testing.T) {
	if testing.Short() {
		t.Skip("whole networks, which take minutes under the race detector")
	}
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
