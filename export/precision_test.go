package export_test

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/petrify-ml/petrify/export"
	"github.com/petrify-ml/petrify/models"
)

// Every model, its weights stored smaller, is still what its recorded data say, in every runtime; the effect is about what the rounding
// foretells, and grows as the weights shrink. ONNX Runtime is asked about one model, with PETRIFY_FORMS=all about all of them.
func TestSmallerWeights(t *testing.T) {
	all, musts := runtimes(t)
	for _, own := range models.All() {
		m := small(t, own.Name)
		s := trained(t, m)
		plain, err := export.Folder(t.TempDir(), m, s, export.Options{})
		if err != nil {
			t.Fatal(err)
		}
		size := map[string]int{}
		for _, f := range plain {
			size[f.Name] = f.Bytes
		}
		last := map[string]float64{}
		for _, p := range []export.Precision{export.Float16Weights, export.Int8Weights} {
			list, must, dense := all[:1], musts[:2], export.MatMul
			if m.Name == "dcgan" || os.Getenv("PETRIFY_FORMS") == "all" {
				list, must = all, musts
			}
			if p == export.Float16Weights {
				dense = export.Gemm
			}
			dir := t.TempDir()
			written, err := export.Folder(dir, m, s, export.Options{Precision: p, Dense: dense, Forms: []string{"raw"}})
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range written {
				if f.Form == "raw" && f.Bytes >= size[f.Name] {
					t.Errorf("%s, %s, %s: %d bytes, %d in float32", m.Name, f.Name, p, f.Bytes, size[f.Name])
				}
				if len(f.Effects) == 0 {
					t.Errorf("%s, %s, %s: no effect", m.Name, f.Name, p)
				}
				for _, e := range f.Effects {
					if !(e.Measured > e.Predicted/10 && e.Measured < e.Predicted*10) || !(e.Measured > last[e.Net]) && p == export.Int8Weights {
						t.Errorf("%s, %s: measured %g, predicted %g, in float16 %g", m.Name, p, e.Measured, e.Predicted, last[e.Net])
					}
					if e.FrechetSeeds > 0 && !(e.Frechet < e.FrechetSeeds) {
						t.Errorf("%s, %s: Fréchet distance %g, between seeds %g", m.Name, p, e.Frechet, e.FrechetSeeds)
					}
				}
			}
			for _, f := range written {
				for _, e := range f.Effects {
					last[e.Net] = e.Measured
				}
			}
			verified(t, dir, len(written), list, must)
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
		{export.Options{Precision: "int4"}, `precision is "int4", want one of [float32 float16-weights int8-weights]`},
		{export.Options{MaxError: math.NaN()}, "the largest error is NaN, want 0 or more"},
		{export.Options{MaxError: -1}, "the largest error is -1, want 0 or more"},
	} {
		if _, err := export.Folder(dir, m, drawn(t, m), c.o); err == nil || err.Error() != c.want {
			t.Errorf("%+v: %v, want %s", c.o, err, c.want)
		}
	}
}
