package petrify

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What the README and the releases promise: without cgo the program is one file that needs nothing of the system, and no web
// client comes along.
func TestOneStaticBinary(t *testing.T) {
	if testing.Short() {
		t.Skip("links the program")
	}
	program := filepath.Join(t.TempDir(), "petrify")
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("go", args...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	run("build", "-ldflags=-s -w", "-o", program, "./cmd/petrify")
	f, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("the program has a segment %v, so it asks for libraries of the system", p.Type)
		}
	}
	for _, p := range []string{"net/http", "crypto/tls", "runtime/cgo"} {
		if slices.Contains(strings.Fields(run("list", "-deps", "./cmd/petrify")), p) {
			t.Errorf("the program links %s", p)
		}
	}
}
