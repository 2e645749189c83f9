package export_test

import (
	"bytes"
	"context"
	"image"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/export"
	"github.com/petrify-ml/petrify/load"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/wire"
	"github.com/petrify-ml/petrify/reference"
	"github.com/petrify-ml/petrify/witness"
)

// In every form a conditional generator makes the same pictures of a class, names its classes as the data set did, and calls a class that
// it lacks an error, wherever it runs.
func TestFormsOfClasses(t *testing.T) {
	m := small(t, "cgan")
	s := trained(t, m)
	names := strings.Fields("zero one two three four five six seven eight nine")
	dir := t.TempDir()
	written, err := export.Folder(dir, m, s, export.Options{Forms: []string{"raw", "image", "sample"}, Provenance: export.Provenance{Classes: names}})
	if err != nil {
		t.Fatal(err)
	}
	var first [][]byte
	for _, w := range written {
		if w.Name == "discriminator" || w.Name == "discriminator_image" {
			d, err := load.DiscriminatorFile(w.Model)
			if err != nil {
				t.Fatal(err)
			}
			if got := d.Classes(); !slices.Equal(got, names) {
				t.Errorf("%s: classes %q", w.Name, got)
			}
			d.Close()
			continue
		}
		g, err := load.GeneratorFile(w.Model)
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		if got := g.Classes(); !slices.Equal(got, names) {
			t.Errorf("%s: classes %q", w.Name, got)
		}
		images, err := g.SampleClass(t.Context(), 7, 4, 3, 8)
		if err != nil {
			t.Fatal(err)
		}
		var pixels [][]byte
		for _, img := range images {
			pixels = append(pixels, img.(*image.Gray).Pix)
		}
		if first == nil {
			first = pixels
		}
		if !slices.EqualFunc(pixels, first, bytes.Equal) {
			t.Errorf("%s makes other pictures than %s", w.Name, written[0].Name)
		}
	}
	file, err := wire.Read(filepath.Join(dir, "generator_sample", "generator_sample.onnx"), wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	list, _ := withWeb(t)
	for _, rt := range append(list, reference.Runtime{}) {
		if rt.Name() == "gorgonnx" {
			continue // which lacks Gather
		}
		session, err := rt.Open(t.Context(), file)
		if err != nil {
			t.Fatal(err)
		}
		defer session.Close()
		for _, c := range []struct {
			claim   string
			count   int64
			classes []int64
			fails   bool
		}{
			{"one for all", 3, []int64{9}, false}, {"one for each", 3, []int64{9, 0, 4}, false}, {"from the end", 2, []int64{-1, -10}, false},
			{"beyond the last", 2, []int64{10}, true}, {"beyond the first", 2, []int64{-11}, true}, {"two for three", 3, []int64{1, 2}, true}, {"two for one", 1, []int64{1, 2}, true},
		} {
			out, err := sampled(t.Context(), session, c.count, c.classes)
			if c.fails != (err != nil) {
				t.Errorf("%s, %s: error is %v", rt.Name(), c.claim, err)
			}
			if err == nil && out.Dims[0] != int(c.count) {
				t.Errorf("%s, %s: images of %v, want %d", rt.Name(), c.claim, out.Dims, c.count)
			}
		}
	}
}

// sampled runs a file of form sample.
func sampled(ctx context.Context, s witness.Session, count int64, classes []int64) (*onnx.Tensor, error) {
	out, err := s.Run(ctx, []*onnx.Tensor{
		ints("seed", 7), ints("count", count), {Name: "truncation", Dims: []int{1}, Data: onnx.Slice[float32]{0}},
		{Name: "class", Dims: []int{len(classes)}, Data: onnx.Slice[int64](classes)},
	})
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

// A model has as many names as classes, or none.
func TestNamesOfClasses(t *testing.T) {
	m := small(t, "cgan")
	s := trained(t, m)
	if _, err := export.Model(m, m.Nets[0], s, export.Options{Provenance: export.Provenance{Classes: []string{"cat"}}}); err == nil || !strings.Contains(err.Error(), "1 names of classes, want 10") {
		t.Errorf("one name of ten: %v", err)
	}
	p, err := export.Model(m, m.Nets[0], s, export.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range p.GetMetadataProps() {
		if e.GetKey() == export.MetaClasses && e.GetValue() != `["0","1","2","3","4","5","6","7","8","9"]` {
			t.Errorf("without names classes are %s", e.GetValue())
		}
	}
}
