package export_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/export"
	"github.com/petrify-ml/petrify/internal/witnesstest"
	"github.com/petrify-ml/petrify/load"
	"github.com/petrify-ml/petrify/models"
	"github.com/petrify-ml/petrify/onnx"
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

// TestWhichRuntimeLoadsWhichExport writes the table of docs/loading.md, or holds its first rows: the batches at which a runtime
// computes what an export says.
func TestWhichRuntimeLoadsWhichExport(t *testing.T) {
	node, web, opencv := child.Node(), child.Web(), child.OpenCV()
	node.Program, web.Program = witnesstest.Node(t, "onnxruntime-node"), witnesstest.Node(t, "onnxruntime-web")
	opencv.Program = witnesstest.Python(t, "numpy", "cv2")
	list := []witness.Runtime{load.Runtime{}, gorgonnx.Runtime{}, node, web, opencv}
	var b strings.Builder
	b.WriteString("\n| model | file |")
	for _, rt := range list {
		fmt.Fprintf(&b, " %s |", rt.Name())
	}
	b.WriteString("\n|---|---|" + strings.Repeat("---|", len(list)) + "\n")
	for _, own := range models.All() {
		if !*update && own.Name != "gan" {
			continue
		}
		m := small(t, own.Name)
		dir := t.TempDir()
		files, err := export.Folder(dir, m, trained(t, m), export.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			fmt.Fprintf(&b, "| %s | %s |%s\n", m.Name, filepath.Base(f.Model), batches(t, f.Model, list))
		}
	}
	b.WriteString("\n")
	text, err := os.ReadFile(loadingPage)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), loadingBegin)
	old, after, ok2 := strings.Cut(rest, loadingEnd)
	switch {
	case !ok || !ok2:
		t.Fatalf("%s has no place for the table", loadingPage)
	case *update:
		if err := os.WriteFile(loadingPage, []byte(before+loadingBegin+b.String()+loadingEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
	case !strings.HasPrefix(old, strings.TrimSuffix(b.String(), "\n")):
		t.Errorf("%s is not what the test finds:\n%s", loadingPage, b.String())
	}
}

// batches are the cells of a model: per runtime the batches, of 1 and 2, at which it computes what the reference does.
func batches(t *testing.T, model string, list []witness.Runtime) string {
	t.Helper()
	file, err := wire.Read(model, wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "model.onnx"), file.Bytes, 0o644); err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 2; n++ {
		set := filepath.Join(dir, fmt.Sprintf("test_data_set_%d", n))
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
			random.New(uint64(n), p.Name).Normal(data)
			x.Data = data
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
		good := map[string][]verify.Verdict{}
		for _, r := range report.Models[0].Rows {
			if r.Runtime == rt.Name() {
				good[r.Set] = append(good[r.Set], r.Verdict)
			}
		}
		var at []string
		for n := 1; n <= 2; n++ {
			v := good[fmt.Sprintf("test_data_set_%d", n)]
			if len(v) > 0 && !slices.ContainsFunc(v, func(v verify.Verdict) bool { return v != verify.Equal }) {
				at = append(at, fmt.Sprint(n))
			}
			for _, w := range v {
				if w == verify.Different || w == verify.Failed {
					t.Errorf("%s: %s is %s at batch %d", model, rt.Name(), w, n)
				}
			}
		}
		if len(at) == 0 {
			at = []string{"no"}
		}
		cells += " " + strings.Join(at, ", ") + " |"
	}
	return cells
}
