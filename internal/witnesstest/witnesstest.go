// Package witnesstest finds the outside components that tests measure petrify
// against: programs, Python packages, Node modules, ONNX's own test data.
//
// A test that needs one is skipped where it is missing, with the reason. Where
// the environment has PETRIFY_REQUIRE_WITNESSES=1 it fails instead, so that a
// CI job cannot lose its witnesses unnoticed.
package witnesstest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// ask is how long a probe of an interpreter may take; importing torch for the
// first time takes several seconds.
const ask = 60 * time.Second

var probes sync.Map // command line -> whether it succeeded

// succeeds reports whether a command exits with 0. It runs once per process.
func succeeds(name string, args ...string) bool {
	key := strings.Join(append([]string{name}, args...), "\x00")
	once, _ := probes.LoadOrStore(key, sync.OnceValue(func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), ask)
		defer cancel()
		return exec.CommandContext(ctx, name, args...).Run() == nil
	}))
	return once.(func() bool)()
}

// missing skips the test, or fails it where witnesses are required.
func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("PETRIFY_REQUIRE_WITNESSES") == "1" {
		t.Fatalf("%s, and PETRIFY_REQUIRE_WITNESSES=1", what)
	}
	t.Skip(what)
}

// Python returns an interpreter that can import all modules: the first of
// $PETRIFY_PYTHON, /usr/bin/python3 and python3 on the path.
func Python(t testing.TB, modules ...string) string {
	t.Helper()
	program := "pass"
	if len(modules) > 0 {
		program = "import " + strings.Join(modules, ", ")
	}
	for _, p := range []string{os.Getenv("PETRIFY_PYTHON"), "/usr/bin/python3", "python3"} {
		if p != "" && succeeds(p, "-c", program) {
			return p
		}
	}
	missing(t, "no python3 that imports "+strings.Join(modules, ", "))
	return ""
}

// Program returns the first of the programs that is on the path.
func Program(t testing.TB, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	missing(t, "no "+strings.Join(names, ", ")+" on the path")
	return ""
}

// Node returns the Node program when it can require module with the
// environment's NODE_PATH.
func Node(t testing.TB, module string) string {
	t.Helper()
	node := Program(t, "node")
	if !succeeds(node, "-e", "require(process.argv[1])", module) {
		missing(t, "node cannot require "+module+" (NODE_PATH="+os.Getenv("NODE_PATH")+")")
	}
	return node
}

// NodeModule returns the folder of a module in the environment's NODE_PATH.
func NodeModule(t testing.TB, name string) string {
	t.Helper()
	for _, place := range filepath.SplitList(os.Getenv("NODE_PATH")) {
		if dir := filepath.Join(place, name); exists(filepath.Join(dir, "package.json")) {
			return dir
		}
	}
	missing(t, "no npm package "+name+" in NODE_PATH="+os.Getenv("NODE_PATH"))
	return ""
}

// ORTLibrary returns the folder of ONNX Runtime's C library, which is in the npm package onnxruntime-node.
func ORTLibrary(t testing.TB) string {
	t.Helper()
	arch := map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
	found, err := filepath.Glob(filepath.Join(NodeModule(t, "onnxruntime-node"), "bin", "*", runtime.GOOS, arch, "libonnxruntime*"))
	if err != nil || len(found) == 0 {
		missing(t, "onnxruntime-node has no library for "+runtime.GOOS+" on "+runtime.GOARCH)
	}
	return filepath.Dir(found[0])
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// ONNXTestData returns the folder of ONNX's back-end tests, with the folders
// node, simple, pytorch-converted and pytorch-operator in it:
// $PETRIFY_ONNX_TESTDATA, or where Debian's libonnx-testdata puts it.
func ONNXTestData(t testing.TB) string {
	t.Helper()
	for _, dir := range []string{os.Getenv("PETRIFY_ONNX_TESTDATA"), "/usr/share/libonnx-testdata/data"} {
		if dir == "" {
			continue
		}
		if models, _ := filepath.Glob(filepath.Join(dir, "node", "*", "model.onnx")); len(models) > 0 {
			return dir
		}
	}
	missing(t, "no test data of ONNX (Debian: libonnx-testdata)")
	return ""
}

// Programs wants programs on the path, and whatever else a test needs of the machine; what is their name for people.
func Programs(t testing.TB, what string, fit bool, names ...string) {
	t.Helper()
	if !fit {
		missing(t, "no "+what)
	}
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			missing(t, fmt.Sprintf("no %s: %s is not on the path", what, name))
		}
	}
}
