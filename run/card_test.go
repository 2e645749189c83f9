package run

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/internal/filetest"
)

// trainedVAE is the folder of a small variational autoencoder of 12 steps.
func trainedVAE(t *testing.T) *Folder {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "run")
	config := small("vae", data(t, 30))
	config.Steps = 12
	r, err := Create(t.Context(), dir, config)
	trained(t, r, err, 0)
	f, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Every exported model has a card and a bill beside it that speak of this very file, the same wherever it is exported to.
func TestExportsHaveCards(t *testing.T) {
	f := trainedVAE(t)
	other := filepath.Join(t.TempDir(), "elsewhere")
	for range 2 { // over an export that is there, too
		written, err := f.Export(t.Context(), ExportOptions{Out: other})
		if err != nil || len(written) != 2 {
			t.Fatalf("%v, %v", written, err)
		}
	}
	if err := alike(filetest.Contents(t, f.ONNX()), filetest.Contents(t, other)); err != nil {
		t.Error(err)
	}
	read := func(elem ...string) string {
		b, err := os.ReadFile(filepath.Join(elem...))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for net, task := range map[string]string{"encoder": "pipeline_tag: image-feature-extraction\n", "decoder": "pipeline_tag: unconditional-image-generation\n"} {
		sum := sha256.Sum256([]byte(read(other, net, net+".onnx")))
		page, bill := read(other, net, "ModelCard.md"), read(other, net, net+".cdx.json")
		for _, want := range []string{hex.EncodeToString(sum[:]), "# vae, " + net, f.Description().Data.Digest, "| seed | 3 |", "| iterations | 12 |", task, "not known to petrify"} {
			if !strings.Contains(page, want) {
				t.Errorf("the card of %s lacks %q:\n%s", net, want, page)
			}
		}
		reports, err := f.Reports()
		if err != nil || len(reports) == 0 {
			t.Fatalf("%d reports, %v", len(reports), err)
		}
		for _, v := range reports[len(reports)-1].Metrics {
			if said := strings.Contains(page, "| "+v.Name+" |"); said == (v.Name == rateName) {
				t.Errorf("the card of %s says %s: %v", net, v.Name, said)
			}
		}
		if !json.Valid([]byte(bill)) || !strings.Contains(bill, hex.EncodeToString(sum[:])) {
			t.Errorf("the bill of %s: %s", net, bill)
		}
	}
	if _, err := f.Export(t.Context(), ExportOptions{Out: other, Licence: "CC-BY-4.0"}); err != nil {
		t.Fatal(err)
	}
	if page := read(other, "decoder", "ModelCard.md"); !strings.HasPrefix(page, "---\nlicense: cc-by-4.0\n") {
		t.Error(page)
	}
}

// Before a file is written again, what speaks of the old one is gone, in every form: an export that ends half-way leaves no card of
// another file. Cards of files that are not written stay.
func TestExportRemovesOldCardsFirst(t *testing.T) {
	f := trainedVAE(t)
	out := filepath.Join(t.TempDir(), "dist")
	all := []string{"raw", "image", "sample", "latent"}
	written, err := f.Export(t.Context(), ExportOptions{Out: out, Forms: all})
	if err != nil || len(written) != 8 {
		t.Fatalf("%v, %v", written, err)
	}
	last := written[len(written)-1]
	if err := os.Remove(last.Model); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(last.Model, "in the way"), 0o755); err != nil { // what the last one cannot be written over
		t.Fatal(err)
	}
	if _, err := f.Export(t.Context(), ExportOptions{Out: out, Forms: []string{last.Form}}); err == nil {
		t.Fatal("no error")
	}
	for _, e := range written {
		for _, name := range []string{"ModelCard.md", e.Name + ".cdx.json"} {
			_, err := os.Stat(filepath.Join(e.Dir, name))
			if there := err == nil; there == (e.Form == last.Form) {
				t.Errorf("form %s: %s is there: %v", e.Form, filepath.Join(e.Name, name), there)
			}
		}
	}
}
