package run

import (
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/onnx/raster"
	"github.com/petrify-ml/petrify/onnx/wire"
)

// A run of a model that learns classes knows what they are called, and so do the files that it exports; it goes on from a checkpoint
// alone, and makes images of the class requested.
func TestRunOfClasses(t *testing.T) {
	data := t.TempDir()
	for i, class := range []string{"eel", "cat", "dog", "eel", "cat"} {
		img := image.NewGray(image.Rect(0, 0, 8, 8))
		img.SetGray(i, i, color.Gray{200})
		if err := os.MkdirAll(filepath.Join(data, class), 0o755); err != nil {
			t.Fatal(err)
		}
		f, err := os.Create(filepath.Join(data, class, string(rune('a'+i))+".png"))
		if err != nil {
			t.Fatal(err)
		}
		if err := png.Encode(f, img); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"cat", "dog", "eel"}
	whole, part := filepath.Join(t.TempDir(), "whole"), filepath.Join(t.TempDir(), "part")
	config := small("cgan", data)
	config.Images.Size, config.Images.Channels = 8, 1
	for dir, until := range map[string]int{whole: 0, part: 15} {
		r, err := Create(t.Context(), dir, config)
		trained(t, r, err, until)
	}
	if err := os.Remove(filepath.Join(part, runFile)); err != nil { // it is rebuilt from a checkpoint
		t.Fatal(err)
	}
	r, err := Resume(t.Context(), part, ResumeOptions{Data: data, Steps: config.Steps})
	trained(t, r, err, 0)
	one, err := Open(whole)
	if err != nil {
		t.Fatal(err)
	}
	two, err := Open(part)
	if err != nil {
		t.Fatal(err)
	}
	if d := one.Description(); !slices.Equal(d.Data.Classes, want) || d.Sizes.Classes != 3 || two.Description().Digest != d.Digest {
		t.Errorf("classes %q, %d of them; digest %s, interrupted %s", d.Data.Classes, d.Sizes.Classes, d.Digest, two.Description().Digest)
	}
	written, err := one.Export(t.Context(), ExportOptions{Out: t.TempDir(), Forms: []string{"raw", "image", "sample"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range written {
		m, err := wire.Read(w.Model, wire.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		is, err := raster.Of(m.Proto)
		if err != nil || !slices.Equal(is.Class.Names, want) {
			t.Errorf("%s: classes %q, %v", w.Name, is.Class.Names, err)
		}
	}
	turns, err := one.Sample(7, 5)
	if err != nil {
		t.Fatal(err)
	}
	eels, err := one.Sample(7, 5, 2)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := turns.Pixels, eels.Pixels; !slices.Equal(a[2*64:3*64], b[2*64:3*64]) || slices.Equal(a[:64], b[:64]) {
		t.Error("the third image is not an eel, or the first is one")
	}
	if _, err := one.Sample(7, 1, 3); err == nil || !strings.Contains(err.Error(), "class 3, want 0 to 2") {
		t.Errorf("a class too far: %v", err)
	}
}

// What run.json says of classes must fit the size of the model.
func TestNamesOfClassesAreCounted(t *testing.T) {
	s := Settings{Model: "cgan", Batch: 1, SampleEvery: 1, LearningRate: 1, Data: Data{Classes: []string{"a"}}}
	s.Sizes.Classes = 2
	if err := s.check(); err == nil || !strings.Contains(err.Error(), "1 names of classes, want 2") {
		t.Errorf("one name of two: %v", err)
	}
	b, err := json.Marshal(Settings{Model: "gan"})
	if err != nil || strings.Contains(string(b), "classes") {
		t.Errorf("a model without classes says %s, %v", b, err)
	}
}
