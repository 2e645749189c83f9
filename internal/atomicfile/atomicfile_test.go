package atomicfile

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return strings.Join(list, " ")
}

func TestWriteLeavesOneFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "run.json")
	for _, text := range []string{"first", "", "third, which is longer"} {
		if err := Write(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got := content(t, path); got != text {
			t.Errorf("holds %q, want %q", got, text)
		}
	}
	if got := names(t, dir); got != "run.json" {
		t.Errorf("the folder holds %s", got)
	}
}

func TestWriteFollowsLinks(t *testing.T) {
	dir := t.TempDir()
	target, link, far := filepath.Join(dir, "target"), filepath.Join(dir, "link"), filepath.Join(dir, "far")
	if err := os.Symlink("target", link); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
	if err := os.Symlink(link, far); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"a file that the link waited for", "another content"} {
		if err := Write(far, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got := content(t, target); got != text {
			t.Errorf("the target holds %q, want %q", got, text)
		}
	}
	for _, path := range []string{link, far} {
		if info, err := os.Lstat(path); err != nil || info.Mode()&fs.ModeSymlink == 0 {
			t.Errorf("%s is a link no longer (%v)", path, err)
		}
	}
	round := filepath.Join(dir, "round")
	if err := os.Symlink("round", round); err != nil {
		t.Fatal(err)
	}
	if err := Write(round, nil); err == nil || !strings.Contains(err.Error(), "links") {
		t.Errorf("a link to itself: %v", err)
	}
}

func TestWriteSaysWhatItCannot(t *testing.T) {
	dir := t.TempDir()
	if err := Write(dir, nil); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("a folder: %v", err)
	}
	if err := Write(filepath.Join(dir, "none", "file"), nil); err == nil {
		t.Error("a folder that is missing: no error")
	}
	if got := names(t, dir); got != "" {
		t.Errorf("left behind: %s", got)
	}
}

func TestLongNames(t *testing.T) {
	path := filepath.Join(t.TempDir(), strings.Repeat("n", 255))
	if err := Write(path, []byte("x")); err != nil {
		t.Error(err)
	}
}

func TestTemporaryNames(t *testing.T) {
	f, err := create(filepath.Join(t.TempDir(), "run.json"))
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	for _, c := range []struct{ name, want string }{
		{filepath.Base(f.Name()), "run.json"},
		{".tmp-my-notes-1z", "my-notes"},
		{"run.json", ""},
		{".tmp-run.json", ""},
		{".tmp-run.json-", ""},
		{".tmp-run.json-my notes", ""},
	} {
		if got, ok := Final(c.name); ok != (c.want != "") || ok && got != c.want {
			t.Errorf("%q is to be %q, %v, want %q", c.name, got, ok, c.want)
		}
	}
}

// The name that a file has until it is whole says nothing to whoever gave the other one.
func TestErrorsNameTheFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "missing")
	err := Write(filepath.Join(dir, "a.png"), nil)
	if err == nil || !strings.Contains(err.Error(), "make a file in "+dir+": ") || strings.Contains(err.Error(), prefix) {
		t.Errorf("error is %v", err)
	}
}
