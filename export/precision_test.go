package export_test

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/dataset"
	"github.com/petrify-ml/petrify/export"
	"github.com/petrify-ml/petrify/internal/witnesstest"
	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/model"
	"github.com/petrify-ml/petrify/models"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/wire"
)

// images are some that need no file, as a model takes them.
func images(t *testing.T, m model.Model) func() ([]float32, error) {
	t.Helper()
	var shape layer.Shape
	for _, n := range m.Nets {
		if len(n.Input.Shape) == 3 {
			shape = n.Input.Shape
		}
	}
	set, err := dataset.Synthetic(6, 64, shape[0], shape[1], shape[2])
	if err != nil {
		t.Fatal(err)
	}
	px := m.Recipe.Pixels
	var pixels []float32
	for _, b := range set.Pixels {
		pixels = append(pixels, float32(px.Low+float64(b)/255*(px.High-px.Low)))
	}
	return func() ([]float32, error) { return pixels, nil }
}

// In every precision a model is what its recorded data say, in every runtime; the effect is about what the rounding foretells. These are three
// models in form raw, one of them in ONNX Runtime, too; with PETRIFY_FORMS=all every form of all of them, there and in ONNX Runtime Web.
func TestPrecisions(t *testing.T) {
	list, must := runtimes(t)
	whole := os.Getenv("PETRIFY_FORMS") == "all"
	if whole {
		list, must = withWeb(t)
	}
	for _, own := range models.All() {
		if !whole && own.Name != "dcgan" && own.Name != "vae" && own.Name != "cgan" {
			continue
		}
		m := small(t, own.Name)
		s := trained(t, m)
		size := map[string]int{}
		for _, p := range export.Precisions() {
			list, must, forms := list, must, []string{"raw"}
			switch {
			case whole:
				forms = append(forms, formsOf(m.Name)...)
			case m.Name != "dcgan":
				list, must = list[:1], must[:2] // load, and what is recorded
			}
			dir := t.TempDir()
			written, err := export.Folder(dir, m, s, export.Options{Precision: p, Forms: forms, Images: images(t, m)})
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range written {
				if p == export.Float32 {
					size[f.Name] = f.Bytes
					continue
				}
				if f.Form == "raw" && f.Bytes >= size[f.Name] {
					t.Errorf("%s, %s, %s: %d bytes, %d in float32", m.Name, f.Name, p, f.Bytes, size[f.Name])
				}
				if len(f.Effects) == 0 {
					t.Errorf("%s, %s, %s: no effect", m.Name, f.Name, p)
				}
				for _, e := range f.Effects {
					if !foretold(e) || e.Measured > 0.2 {
						t.Errorf("%s, %s of %s: measured %g for %s, predicted %g", p, e.Net, m.Name, e.Measured, e.Inputs, e.Predicted)
					}
					if e.FrechetSeeds > 0 && !(e.Frechet < e.FrechetSeeds) {
						t.Errorf("%s, %s of %s: Fréchet distance %g, between seeds %g", p, e.Net, m.Name, e.Frechet, e.FrechetSeeds)
					}
				}
			}
			verified(t, dir, len(written), list, must)
		}
	}
}

// foretold tells whether the effect is the predicted one, except for what signs are drawn for.
func foretold(e export.Effect) bool {
	return e.Measured > e.Predicted/mostSurprise && e.Measured < e.Predicted*mostSurprise
}

const mostSurprise = 1.5

// The predicted effect is the measured one, in models of several seeds, discriminators of one number out among them: in these all errors of
// a weight or of a value that have one cause add up. With PETRIFY_FORMS=all these are all models, and more seeds.
func TestEffectsAreForetold(t *testing.T) {
	names, seeds := []string{"gan"}, uint64(2)
	if os.Getenv("PETRIFY_FORMS") == "all" {
		names, seeds = nil, 8
		for _, m := range models.All() {
			names = append(names, m.Name)
		}
	}
	least, most := math.Inf(1), 0.0
	for _, name := range names {
		m := small(t, name)
		for seed := range seeds {
			s := trainedFrom(t, m, seed)
			for _, p := range []export.Precision{export.Float16, export.Int8} {
				written, err := export.Folder(t.TempDir(), m, s, export.Options{Precision: p, Images: images(t, m)})
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range written {
					for _, e := range f.Effects {
						least, most = min(least, e.Measured/e.Predicted), max(most, e.Measured/e.Predicted)
						if !foretold(e) {
							t.Errorf("%s of seed %d, %s of %s: measured %g for %s, predicted %g", name, seed, p, e.Net, e.Measured, e.Inputs, e.Predicted)
						}
					}
				}
			}
		}
	}
	t.Logf("measured is %.2f to %.2f of predicted", least, most)
}

// Values of int8 are calibrated on images, where images enter, and never on anything else; weights are so small that no processor's sums of
// pairs of products overflow.
func TestInt8(t *testing.T) {
	m := small(t, "autoencoder")
	s := trained(t, m)
	if _, err := export.Folder(t.TempDir(), m, s, export.Options{Precision: export.Int8}); err == nil || !strings.Contains(err.Error(), "is calibrated on images, and there are none") {
		t.Errorf("without images: %v", err)
	}
	lost := errors.New("the data is gone")
	if _, err := export.Folder(t.TempDir(), m, s, export.Options{Precision: export.Int8, Images: func() ([]float32, error) { return nil, lost }}); !errors.Is(err, lost) {
		t.Errorf("with images that are lost: %v", err)
	}
	if _, err := export.Folder(t.TempDir(), m, s, export.Options{Precision: export.Float16, Images: func() ([]float32, error) { return nil, lost }}); err != nil {
		t.Errorf("float16 needs none: %v", err)
	}
	g := small(t, "gan")
	if _, err := export.Folder(t.TempDir(), g, drawn(t, g), export.Options{Precision: export.Int8, Forms: []string{"sample"}}); err != nil {
		t.Errorf("a generator needs none: %v", err)
	}
	var last map[string]string
	for range 2 {
		dir := t.TempDir()
		written, err := export.Folder(dir, m, s, export.Options{Precision: export.Int8, Images: images(t, m)})
		if err != nil {
			t.Fatal(err)
		}
		sums := digests(t, dir)
		if last != nil && !maps.Equal(sums, last) {
			t.Error("two exports differ")
		}
		last = sums
		weights := 0
		for _, f := range written {
			file, err := wire.Read(f.Model, wire.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range file.Proto.Graph.Initializer {
				w, err := onnx.FromProto(p)
				if err != nil {
					t.Fatal(err)
				}
				if data, ok := w.Data.(onnx.Slice[int8]); ok {
					weights++
					for _, v := range data {
						if v < -64 || v > 64 { // two products with 255 are beyond int16
							t.Fatalf("%s: %s holds %d", f.Name, w.Name, v)
						}
					}
				}
			}
		}
		if weights != 2*4 {
			t.Errorf("%d weights in int8, want those of 8 layers", weights)
		}
	}
}

// A precision that changes more than the user allows writes nothing.
func TestPrecisionIsRefused(t *testing.T) {
	m := small(t, "gan")
	dir := filepath.Join(t.TempDir(), "out")
	for _, limit := range []float64{1e-9, math.SmallestNonzeroFloat64} {
		_, err := export.Folder(dir, m, drawn(t, m), export.Options{Precision: export.Int8Weights, MaxError: limit})
		refused, ok := errors.AsType[*export.PrecisionError](err)
		if !ok || refused.Limit != limit || refused.Effect.Net != "generator" || !(refused.Effect.Predicted > limit) {
			t.Errorf("limit %g: %v", limit, err)
		}
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("files were written")
	}
	if _, err := export.Folder(dir, m, drawn(t, m), export.Options{Precision: export.Int8Weights, MaxError: 0.5}); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		o    export.Options
		want string
	}{
		{export.Options{Precision: "int4"}, `precision is "int4", want one of [float32 float16 float16-weights int8 int8-weights]`},
		{export.Options{MaxError: math.NaN()}, "the largest error is NaN, want 0 or more"},
		{export.Options{MaxError: -1}, "the largest error is -1, want 0 or more"},
	} {
		if _, err := export.Folder(dir, m, drawn(t, m), c.o); err == nil || err.Error() != c.want {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}

// The weights that a file is said to hold are the ones that it holds, in every form.
func TestFileWeights(t *testing.T) {
	m := small(t, "vae")
	s := drawn(t, m)
	for _, p := range []export.Precision{export.Float32, export.Float16, export.Int8} {
		written, err := export.Folder(t.TempDir(), m, s, export.Options{Precision: p, Forms: export.FormsOf(m), Images: images(t, m)})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range written {
			file, err := wire.Read(f.Model, wire.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			dense := export.MatMul
			if p == export.Int8 || p == export.Int8Weights {
				dense = export.Gemm
			}
			weights, err := export.FileWeights(m, f.Name, s, export.Options{Precision: p, Dense: dense})
			if err != nil {
				t.Fatal(err)
			}
			holds := map[string]*pb.TensorProto{}
			for _, w := range file.Proto.Graph.Initializer {
				holds[w.GetName()] = w
			}
			layers := map[string]bool{}
			for _, w := range weights {
				if holds[w.Name] == nil || elements(holds[w.Name].Dims) != len(w.Data) {
					t.Errorf("%s in %s lacks %s", f.Name, p, w.Name)
				}
				layers[strings.Join(strings.Split(w.Name, ".")[:2], ".")] = true
			}
			if f.Name == "encode" && (layers["encoder.logvar"] || !layers["encoder.mean"]) {
				t.Errorf("encode in %s is said to hold %v", p, layers)
			}
		}
	}
	if _, err := export.FileWeights(m, "generator", s, export.Options{}); err == nil {
		t.Error("a file that the model does not have is no error")
	}
}

// The onnx package's own checker, with its shape inference, accepts every precision at the first opset and at the newest that it knows.
func TestOnnxAcceptsEveryPrecision(t *testing.T) {
	python := witnesstest.Python(t, "onnx", "numpy")
	m := small(t, "dcgan")
	s := drawn(t, m)
	var files []string
	for _, p := range export.Precisions() {
		for _, opset := range []int64{export.MinOpset, 17} {
			for _, net := range m.Exports() {
				file, err := export.Model(m, net, s, export.Options{Precision: p, Opset: opset, Images: images(t, m)})
				if err != nil {
					t.Fatal(err)
				}
				b, err := onnx.Marshal(file)
				if err != nil {
					t.Fatal(err)
				}
				files = append(files, filepath.Join(t.TempDir(), fmt.Sprintf("%s-%s-%d.onnx", net.Name, p, opset)))
				if err := os.WriteFile(files[len(files)-1], b, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	const program = `
import sys, onnx
from onnx import checker, shape_inference
for path in sys.argv[1:]:
    model = onnx.load(path)
    checker.check_model(model, full_check=True)
    inferred = shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    print(inferred.graph.output[0].type.tensor_type.elem_type, [d.dim_param or d.dim_value for d in inferred.graph.output[0].type.tensor_type.shape.dim])
`
	out, err := exec.CommandContext(t.Context(), python, append([]string{"-c", program}, files...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if n := strings.Count(string(out), "1 ['N', 1, 28, 28]") + strings.Count(string(out), "1 ['N', 1]"); n != len(files) {
		t.Errorf("%d files of floats, want %d:\n%s", n, len(files), out)
	}
}
