package train

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/petrify-ml/petrify/dataset"
	"github.com/petrify-ml/petrify/internal/witnesstest"
	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/model"
)

// A hundred iterations of a dense GAN, without classes and with them, from the same weights, batches and noise end where PyTorch ends
// by Keras's rules: as near to its float64 as its own float32 is.
func TestGANIsPyTorchs(t *testing.T) {
	python := witnesstest.Python(t, "torch", "numpy")
	for _, classes := range []int{0, dataset.SyntheticClasses} {
		t.Run(fmt.Sprintf("%d classes", classes), func(t *testing.T) { isPyTorchs(t, python, classes) })
	}
}

func isPyTorchs(t *testing.T, python string, classes int) {
	t.Helper()
	const iterations, alpha, noise = 100, 0.01, 20
	hidden := layer.LeakyReLU{Alpha: alpha}
	m := model.Model{
		Name: "gan",
		Nets: []layer.Net{
			{Name: "generator", Input: layer.Input{Name: "z", Shape: layer.Shape{noise}, Noise: true}, Rows: []layer.Row{
				{Name: "fc1", Layer: layer.Dense{Out: 32}}, {Name: "act1", Layer: hidden},
				{Name: "fc2", Layer: layer.Dense{Out: 784}}, {Name: "tanh", Layer: layer.Tanh{}}, {Name: "image", Layer: layer.Reshape{To: images}}}},
			{Name: "discriminator", Input: layer.Input{Name: "x", Shape: images}, Rows: []layer.Row{
				{Name: "flat", Layer: layer.Flatten{}}, {Name: "fc1", Layer: layer.Dense{Out: 32}}, {Name: "act1", Layer: hidden},
				{Name: "logit", Layer: layer.Dense{Out: 1}}, {Name: "p", Layer: layer.Sigmoid{}}}},
		},
		Objective: Adversarial{Generator: "generator", Discriminator: "discriminator", Logit: "logit"},
		Recipe:    model.Recipe{Steps: iterations, Batch: 16, Adam: recipe.Adam, Pixels: model.Pixels{Low: -1, High: 1}},
	}
	if classes > 0 {
		for i, of := range []string{"z", "flat"} {
			n := &m.Nets[i]
			n.Class = layer.Class{Name: "class", Count: classes}
			n.Rows = slices.Insert(n.Rows, i,
				layer.Row{Name: "embedding", Layer: layer.Dense{Out: 6, NoBias: true, Init: layer.Normal(0, 1)}, From: []string{"class"}},
				layer.Row{Name: "joined", Layer: layer.Concat{}, From: []string{of, "embedding"}})
		}
	}
	tr := trainer(t, m, nil)
	weights := func() (flat []float32) {
		for _, n := range tr.nets {
			for _, p := range n.params {
				flat = append(flat, p.w...)
			}
		}
		return flat
	}
	dir := t.TempDir()
	write := func(name string, x any) {
		t.Helper()
		var b bytes.Buffer
		if err := binary.Write(&b, binary.LittleEndian, x); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	read := func(name string) []float64 {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		x := make([]float64, len(b)/8)
		if err := binary.Read(bytes.NewReader(b), binary.LittleEndian, x); err != nil {
			t.Fatal(err)
		}
		return x
	}
	var shapes [2][]layer.Shape
	for i, n := range tr.nets {
		for _, p := range n.params {
			shapes[i] = append(shapes[i], p.Shape)
		}
	}
	adam := tr.config.Adam
	settings, err := json.Marshal(map[string]any{
		"nets": shapes, "iterations": iterations, "batch": tr.config.Batch, "alpha": alpha,
		"noise": noise, "classes": classes, "lr": adam.LR, "beta1": adam.Beta1, "beta2": adam.Beta2, "epsilon": adam.Epsilon,
	})
	if err != nil {
		t.Fatal(err)
	}
	write("settings.json", settings)
	write("weights.f32", weights())
	var inputs []float32
	var losses []float64
	s := tr.iteration.(*separate)
	for ev, err := range tr.Steps(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		inputs = append(inputs, slices.Concat(s.x, s.zFake, s.zGen, s.cReal, s.cFake, s.cGen)...)
		losses = append(losses, ev.Metrics[0].Value, ev.Metrics[2].Value)
	}
	write("inputs.f32", inputs)
	if out, err := exec.CommandContext(t.Context(), python, "testdata/gan.py", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var final []float64
	for _, w := range weights() {
		final = append(final, float64(w))
	}
	for _, c := range []struct {
		what  string
		have  []float64
		peers string
	}{{"losses", losses, "losses"}, {"weights", final, "weights"}} {
		exact, rounded := read(c.peers+".64"), read(c.peers+".32")
		ours, theirs := distance(t, c.have, exact), distance(t, rounded, exact)
		t.Logf("%s: %.3g from float64, PyTorch in float32 %.3g", c.what, ours, theirs)
		if !(ours <= 4*theirs) {
			t.Errorf("%s are %.3g from PyTorch's in float64, its own in float32 are %.3g", c.what, ours, theirs)
		}
	}
}

// distance is the root mean square of the differences.
func distance(t *testing.T, a, b []float64) float64 {
	t.Helper()
	if len(a) != len(b) {
		t.Fatalf("%d values, want %d", len(a), len(b))
	}
	sum := 0.0
	for i := range a {
		sum += (a[i] - b[i]) * (a[i] - b[i])
	}
	return math.Sqrt(sum / float64(len(a)))
}
