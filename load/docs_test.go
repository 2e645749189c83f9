package load

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/petrify-ml/petrify/internal/witnesstest"
)

// TestDocumentedPrograms runs what docs/loading.md shows.
func TestDocumentedPrograms(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "loading.md"))
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	program := func(t *testing.T, language, name string) (dir, path string) {
		block := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindSubmatch(page)
		if block == nil {
			t.Fatalf("the page has no program in %s", language)
		}
		dir = t.TempDir()
		path = filepath.Join(dir, name)
		for file, content := range map[string][]byte{path: block[1], filepath.Join(dir, "generator.onnx"): generator(t, false).Bytes} {
			if err := os.WriteFile(file, content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return dir, path
	}
	output := func(t *testing.T, dir, want string, command ...string) {
		c := exec.Command(command[0], command[1:]...)
		c.Dir = dir
		if out, err := c.CombinedOutput(); err != nil || string(out) != want {
			t.Errorf("%v: %v, %s, want %s", command, err, out, want)
		}
	}
	t.Run("Go", func(t *testing.T) {
		dir, path := program(t, "go", "main.go")
		built := filepath.Join(dir, "program")
		output(t, root, "", "go", "build", "-o", built, path)
		output(t, dir, "[16 1 28 28] 12544\n", built)
	})
	t.Run("Node", func(t *testing.T) {
		dir, path := program(t, "js", "main.js")
		output(t, dir, "16 1 28 28 12544\n", witnesstest.Node(t, "onnxruntime-node"), path)
	})
}
