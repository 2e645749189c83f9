package petrify

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A module of its own defines layers, an objective and a model, trains, exports and loads: what petrify offers other programs
// suffices, and names nothing internal.
func TestOutsideProgram(t *testing.T) {
	if testing.Short() {
		t.Skip("links a program")
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	copyInto := func(from, to string, change func(string) string) {
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, to), []byte(change(string(b))), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	same := func(s string) string { return s }
	copyInto("testdata/outside/main.go", "main.go", same)
	copyInto("go.sum", "go.sum", same)
	name := strings.TrimSuffix(module, "/")
	copyInto("go.mod", "go.mod", func(s string) string {
		s = strings.Replace(s, "module "+name, "module example.org/outside", 1)
		return s + "\nrequire " + name + " v0.0.0\n\nreplace " + name + " => " + here + "\n"
	})
	for _, args := range [][]string{{"vet", "."}, {"run", "."}} {
		cmd := exec.Command("go", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		if args[0] == "run" && string(out) != "imitator.onnx gives [1 1 4 4]; learnt: true; fused: true\n" {
			t.Errorf("the program says %q", out)
		}
	}
}
