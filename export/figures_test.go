package export_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/petrify-ml/petrify/export"
	"github.com/petrify-ml/petrify/internal/witnesstest"
	"github.com/petrify-ml/petrify/models"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/wire"
	"github.com/petrify-ml/petrify/random"
	"github.com/petrify-ml/petrify/run"
	"github.com/petrify-ml/petrify/witness"
	"github.com/petrify-ml/petrify/witness/child"
)

const (
	figuresBegin = "<!-- made by PETRIFY_RUNS=FOLDER go test ./export -run PrecisionFigures -update -->\n"
	figuresEnd   = "<!-- end -->"
)

// The table of docs/loading.md has a row for each net in each precision, and says how large the files are. With -update it is written again
// from the runs of PETRIFY_RUNS, folders that are named as the models are.
func TestPrecisionFigures(t *testing.T) {
	text, err := os.ReadFile(loadingPage)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), figuresBegin)
	old, after, ok2 := strings.Cut(rest, figuresEnd)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the figures", loadingPage)
	}
	if *update {
		runs := os.Getenv("PETRIFY_RUNS")
		if runs == "" {
			t.Skip("PETRIFY_RUNS names no folder of trained models")
		}
		if err := os.WriteFile(loadingPage, []byte(before+figuresBegin+figures(t, runs)+figuresEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	row := func(model, net string, p export.Precision) float64 {
		found := regexp.MustCompile(fmt.Sprintf(`(?m)^\| %s \| %s \| %s \| ([0-9.]+) \|`, model, net, p)).FindStringSubmatch(old)
		if found == nil {
			t.Errorf("no row for %s of %s in %s", net, model, p)
			return math.NaN()
		}
		var kB float64
		fmt.Sscan(found[1], &kB)
		return kB
	}
	for _, m := range models.All() {
		s := drawn(t, m)
		for _, net := range m.Exports() {
			for _, p := range export.Precisions() {
				said := row(m.Name, net.Name, p)
				if m.Name != "gan" && m.Name != "conv-autoencoder" {
					continue
				}
				file, err := export.Model(m, net, s, export.Options{Precision: p, Images: images(t, m)})
				if err != nil {
					t.Fatal(err)
				}
				b, err := onnx.Marshal(file)
				if err != nil {
					t.Fatal(err)
				}
				if is := float64(len(b)) / 1000; !(math.Abs(is-said) <= 0.02*is) { // what a file says of its origin differs
					t.Errorf("%s of %s in %s has %.1f kB, not %g", net.Name, m.Name, p, is, said)
				}
			}
		}
	}
}

// figures are the table.
func figures(t *testing.T, runs string) string {
	t.Helper()
	program := witnesstest.Node(t, "onnxruntime-node")
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s\n\n| model | net | precision | kB | predicted | measured | Fréchet | of two seeds | ms for 1 | ms for 64 |\n|---|---|---|---|---|---|---|---|---|---|\n", machine())
	for _, m := range models.All() {
		f, err := run.Open(filepath.Join(runs, m.Name))
		if err != nil {
			t.Fatal(err)
		}
		files := map[string][]string{}
		cells := map[string][]string{}
		for _, p := range export.Precisions() {
			written, err := f.Export(t.Context(), run.ExportOptions{Out: t.TempDir(), Precision: p})
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range written {
				row := fmt.Sprintf("| %s | %s | %s | %.1f |", m.Name, w.Name, p, float64(w.Bytes)/1000)
				if w.Effects == nil {
					row += " | | | |"
				}
				for _, e := range w.Effects {
					row += fmt.Sprintf(" %.2g | %.2g |", e.Predicted, e.Measured)
					if e.FrechetSeeds > 0 {
						row += fmt.Sprintf(" %.2g | %.2g |", e.Frechet, e.FrechetSeeds)
					} else {
						row += " | |"
					}
				}
				files[w.Name], cells[w.Name] = append(files[w.Name], w.Model), append(cells[w.Name], row)
			}
		}
		for _, net := range m.Exports() {
			one, many := took(t, program, files[net.Name], 1), took(t, program, files[net.Name], 64)
			for i, row := range cells[net.Name] {
				fmt.Fprintf(&b, "%s %.3g | %.3g |\n", row, one[i].Seconds()*1e3, many[i].Seconds()*1e3)
			}
		}
	}
	return b.String() + "\n"
}

// machine says where and when the figures were taken.
func machine() string {
	name := "a processor of unknown name"
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if found := regexp.MustCompile(`(?m)^model name\s*: (.*)$`).FindSubmatch(b); found != nil {
			name = string(found[1])
		}
	}
	load := ""
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		load = ", where " + strings.Fields(string(b))[0] + " processes were busy when it began"
	}
	return fmt.Sprintf("Times are from %d cores of %s%s.", runtime.NumCPU(), name, load)
}

// took is how long a run of each of some models of one input, and perhaps classes, takes in ONNX Runtime for Node, by turns: the median of the best of five rounds.
func took(t *testing.T, program string, files []string, batch int) []time.Duration {
	t.Helper()
	best := make([]time.Duration, len(files))
	node := child.Node()
	node.Program = program
	sessions := make([]*child.Session, len(files))
	var in []*onnx.Tensor
	for i, path := range files {
		file, err := wire.Read(path, wire.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if sessions[i], err = node.Start(t.Context(), file); err != nil {
			t.Fatal(err)
		}
		defer sessions[i].Close()
		inputs := witness.SignatureOf(file).Inputs
		p := inputs[0]
		x := &onnx.Tensor{Name: p.Name, Dims: []int{batch}}
		n := batch
		for _, d := range p.Type.Dims[1:] {
			x.Dims, n = append(x.Dims, int(d.Size)), n*int(d.Size)
		}
		data := make(onnx.Slice[float32], n)
		random.New(1, "figures").Uniform(data)
		x.Data = data
		in = []*onnx.Tensor{x}
		if len(inputs) > 1 {
			in = append(in, &onnx.Tensor{Name: inputs[1].Name, Dims: []int{batch}, Data: make(onnx.Slice[int64], batch)})
		}
	}
	for range 5 {
		for i, s := range sessions {
			_, times, err := s.Time(t.Context(), in, max(200/batch, 7))
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(times)
			if middle := times[len(times)/2]; best[i] == 0 || middle < best[i] {
				best[i] = middle
			}
		}
	}
	return best
}
