package export_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/export"
	"github.com/petrify-ml/petrify/internal/witnesstest"
	"github.com/petrify-ml/petrify/load"
	"github.com/petrify-ml/petrify/models"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/wire"
	"github.com/petrify-ml/petrify/random"
	"github.com/petrify-ml/petrify/verify"
	"github.com/petrify-ml/petrify/witness"
	"github.com/petrify-ml/petrify/witness/child"
	"github.com/petrify-ml/petrify/witness/gorgonnx"
)

var update = flag.Bool("update", false, "write the table of docs/loading.md")

const (
	loadingPage  = "../docs/loading.md"
	loadingBegin = "<!-- made by go test ./export -run WhichRuntimeLoads -update -->\n"
	loadingEnd   = "<!-- end -->\n"
)

// TestWhichRuntimeLoadsWhichExport writes the table of docs/loading.md, or holds its rows of the gan, gonnx's column aside: the
// batches at which a runtime computes what an export says, for either way to write dense layers.
func TestWhichRuntimeLoadsWhichExport(t *testing.T) {
	node, web, opencv := child.Node(), child.Web(), child.OpenCV()
	node.Program, web.Program = witnesstest.Node(t, "onnxruntime-node"), witnesstest.Node(t, "onnxruntime-web")
	opencv.Program = witnesstest.Python(t, "numpy", "cv2")
	list := []witness.Runtime{load.Runtime{}, gorgonnx.Runtime{}, node, web, opencv}
	if *update {
		list = append(list, gonnx(t))
	}
	var rows []string
	for _, own := range models.All() {
		if !*update && own.Name != "gan" {
			continue
		}
		m := small(t, own.Name)
		s := trained(t, m)
		for _, dense := range []export.Dense{export.MatMul, export.Gemm} {
			files, err := export.Folder(t.TempDir(), m, s, export.Options{Dense: dense})
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range files {
				rows = append(rows, fmt.Sprintf("| %s | %s | %s |%s\n", m.Name, filepath.Base(f.Model), dense, batches(t, f.Model, list, dense)))
			}
		}
	}
	text, err := os.ReadFile(loadingPage)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), loadingBegin)
	old, after, ok2 := strings.Cut(rest, loadingEnd)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table", loadingPage)
	}
	if *update {
		head := "\n| model | file | dense |"
		for _, rt := range list {
			head += " " + rt.Name() + " |"
		}
		head += "\n|---|---|---|" + strings.Repeat("---|", len(list)) + "\n"
		if err := os.WriteFile(loadingPage, []byte(before+loadingBegin+head+strings.Join(rows, "")+"\n"+loadingEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, row := range rows {
		if !strings.Contains(old, strings.TrimSuffix(row, "\n")) {
			t.Errorf("%s does not say what the test finds:\n%s", loadingPage, row)
		}
	}
}

// gonnx builds the driver of testdata/gonnx, a module of its own.
func gonnx(t *testing.T) witness.Runtime {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for to, from := range map[string]string{"main.go": "testdata/gonnx/main.txt", "go.mod": "go.mod", "go.sum": "go.sum"} {
		b, err := os.ReadFile(filepath.Join(root, from))
		if err != nil {
			t.Fatal(err)
		}
		if to == "go.mod" {
			b = fmt.Appendf(nil, "%s\nrequire github.com/petrify-ml/petrify v0.0.0\nrequire github.com/advancedclimatesystems/gonnx v1.1.0\nreplace github.com/petrify-ml/petrify => %s\n",
				strings.Replace(string(b), "module github.com/petrify-ml/petrify", "module example.org/gonnx", 1), root)
		}
		if err := os.WriteFile(filepath.Join(dir, to), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", "gonnx", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return &child.Runtime{Label: "gonnx", Program: filepath.Join(dir, "gonnx")}
}

// loadingBatches are the batches that runtimes are asked about, one after the other in one session: the last shows whether the first
// has left anything behind.
var loadingBatches = []int{1, 2, 5, 1}

// batches are the cells of a model: per runtime the batches at which it computes what the reference does, and those at which it computes
// something else.
func batches(t *testing.T, model string, list []witness.Runtime, dense export.Dense) string {
	t.Helper()
	file, err := wire.Read(model, wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "model.onnx"), file.Bytes, 0o644); err != nil {
		t.Fatal(err)
	}
	for i, n := range loadingBatches {
		set := filepath.Join(dir, fmt.Sprintf("test_data_set_%d", i))
		if err := os.Mkdir(set, 0o755); err != nil {
			t.Fatal(err)
		}
		for k, p := range witness.SignatureOf(file).Inputs {
			x := &onnx.Tensor{Name: p.Name, Dims: []int{n}}
			elements := n
			for _, d := range p.Type.Dims[1:] {
				x.Dims = append(x.Dims, int(d.Size))
				elements *= int(d.Size)
			}
			data := make(onnx.Slice[float32], elements)
			random.New(uint64(i), p.Name).Normal(data)
			x.Data = data
			if p.Type.Elem == pb.TensorProto_INT64 { // classes
				x.Data = make(onnx.Slice[int64], elements)
			}
			bytes, err := onnx.Marshal(x.Proto())
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(set, fmt.Sprintf("input_%d.pb", k)), bytes, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	report, err := verify.Run(t.Context(), verify.Options{Paths: []string{dir}, Runtimes: list, Named: true})
	if err != nil {
		t.Fatal(err)
	}
	cells := ""
	for _, rt := range list {
		found := map[string][]verify.Verdict{}
		for _, r := range report.Models[0].Rows {
			if r.Runtime == rt.Name() {
				found[r.Set] = append(found[r.Set], r.Verdict)
			}
		}
		right, wrong := map[int]bool{}, map[int]bool{}
		for i, n := range loadingBatches {
			v := found[fmt.Sprintf("test_data_set_%d", i)]
			if len(v) > 0 && !slices.ContainsFunc(v, func(v verify.Verdict) bool { return v != verify.Equal }) {
				right[n] = true
			}
			if slices.Contains(v, verify.Different) {
				wrong[n] = true
			}
			// The way that is the default is never wrong, and what a runtime cannot load it refuses.
			if dense == export.MatMul && (wrong[n] || slices.Contains(v, verify.Failed)) {
				t.Errorf("%s: %s is %v at batch %d", model, rt.Name(), v, n)
			}
		}
		maps.DeleteFunc(right, func(n int, _ bool) bool { return wrong[n] })
		cell := []string{}
		if len(right) > 0 {
			cell = append(cell, join(right))
		}
		if len(wrong) > 0 {
			cell = append(cell, "wrong at "+join(wrong))
		}
		if len(cell) == 0 {
			cell = []string{"no"}
		}
		cells += " " + strings.Join(cell, "; ") + " |"
	}
	return cells
}

// join lists numbers in order.
func join(set map[int]bool) string {
	return strings.Join(strings.Fields(strings.Trim(fmt.Sprint(slices.Sorted(maps.Keys(set))), "[]")), ", ")
}
