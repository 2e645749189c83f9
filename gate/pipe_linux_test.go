package gate

import (
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// A pipe by the name of a model is refused, and not waited for, where results are kept, too.
func TestAPipeIsNoModel(t *testing.T) {
	root := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(root, "m.onnx"), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := Parse([]byte("version: 1\nmodels: [\"*.onnx\"]\n"))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r, err := Run(t.Context(), p, Options{Root: root, Results: t.TempDir(), Parallel: 1})
		if err != nil || len(r.Files) != 1 || len(r.Files[0].Findings) != 1 || r.Files[0].Findings[0].Rule != "model-unreadable" {
			t.Errorf("%+v, %v, want model-unreadable", r, err)
		}
	}()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("it waits for the pipe")
	}
}
