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

// What the README and the releases promise: without cgo the program is one file that needs nothing of the system. petrify serve
// brings a web server along, which is Go throughout; only the command line has it, and with it package net.
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
	if slices.Contains(strings.Fields(run("list", "-deps", "./cmd/petrify")), "runtime/cgo") {
		t.Error("the program links runtime/cgo")
	}
	for line := range strings.Lines(run("list", "-f", "{{.ImportPath}} {{join .Imports \" \"}}", "./...")) {
		fields := strings.Fields(line)
		room := strings.TrimPrefix(fields[0], module)
		if strings.HasPrefix(room, "examples/") || strings.HasPrefix(room, "bench/") {
			continue // programs of their own
		}
		for _, p := range []string{"net", "net/http", "crypto/tls"} {
			if slices.Contains(fields[1:], p) && room != "internal/cli" {
				t.Errorf("%s imports %s", room, p)
			}
		}
	}
}
