//go:build unix

package wire

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestReadRefusesWhatIsNotAPlainFile(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, pipe, "/dev/zero"} {
		if _, err := Read(path, Limits{}); err == nil || !strings.Contains(err.Error(), path+": not a regular file") {
			t.Errorf("%s: got %v, want an error that says it is not a regular file", path, err)
		}
	}
	if _, err := Read(filepath.Join(dir, "none.onnx"), Limits{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
}
