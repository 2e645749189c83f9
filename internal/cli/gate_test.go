package cli

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/petrify-ml/petrify/report"
)

// A bug report is offered for the first runtime that is wrong, of a file that is here, and not for recorded outputs.
func TestForReport(t *testing.T) {
	here := filepath.Join(t.TempDir(), "a b.onnx")
	if err := os.WriteFile(here, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	wrong := func(path, runtime string, status report.Status) report.File {
		return report.File{Path: filepath.ToSlash(path), Runtimes: []report.Runtime{{Name: "load", Status: report.Pass}, {Name: runtime, Status: status}}}
	}
	for _, tt := range []struct {
		name string
		file report.File
		want string
	}{
		{"wrong", wrong(here, "ort-node", report.Finding), "petrify reduce '" + filepath.ToSlash(here) + "' --runtime ort-node reduces it to what the runtime gets wrong, for a bug report"},
		{"skipped", wrong(here, "ort-node", report.Skipped), ""},
		{"recorded", wrong(here, "recorded", report.Finding), ""},
		{"the other model of verify --against", wrong(here, "new", report.Finding), ""},
		{"in a bucket", wrong("s3://bucket/m.onnx", "ort-node", report.Finding), ""},
	} {
		if got := forReport(&report.Report{Files: []report.File{tt.file}}); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// Paths are those from the working directory; what is absolute, or an object of a store, stays.
func TestLocate(t *testing.T) {
	r := &report.Report{}
	for _, name := range []string{"m.onnx", "/data/m.onnx", "s3://bucket/a/m.onnx"} {
		r.Files = append(r.Files, report.File{Path: name})
	}
	locate(r, filepath.Join("..", "models"))
	for k, want := range []string{"../models/m.onnx", "/data/m.onnx", "s3://bucket/a/m.onnx"} {
		if got := r.Files[k].Path; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
