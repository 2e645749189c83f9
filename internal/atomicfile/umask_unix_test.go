//go:build unix

package atomicfile

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestPermissions(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		name   string
		mask   int
		before os.FileMode // 0: no file yet
		want   os.FileMode
	}{
		{"a new file is as the umask leaves it", 0o077, 0, 0o600},
		{"for a group", 0o002, 0, 0o664},
		{"one that is there keeps its own", 0o022, 0o640, 0o640},
	} {
		path := filepath.Join(dir, c.name)
		if c.before != 0 {
			if err := os.WriteFile(path, nil, c.before); err != nil {
				t.Fatal(err)
			}
		}
		old := syscall.Umask(c.mask)
		err := Write(path, []byte("x"))
		syscall.Umask(old)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != c.want {
			t.Errorf("%s: %v (%v), want %v", c.name, info.Mode(), err, c.want)
		}
	}
}

func TestNamedPipeIsRefused(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	if err := Write(pipe, nil); err == nil {
		t.Error("a named pipe was replaced")
	}
}
