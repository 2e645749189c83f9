package load

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/petrify-ml/petrify/internal/witnesstest"
)

// TestExamplePrograms runs the programs of examples/, which docs/loading.md shows the way to.
func TestExamplePrograms(t *testing.T) {
	examples, err := filepath.Abs(filepath.Join("..", "examples"))
	if err != nil {
		t.Fatal(err)
	}
	const said = "16 pictures of 28 x 28\n"
	// run ends in a folder with the generator and, for the file named picture, what was made.
	run := func(t *testing.T, picture string, command ...string) {
		t.Helper()
		dir := folder(t)
		c := exec.Command(command[0], append(command[1:], "generator.onnx")...)
		c.Dir = dir
		c.Env = append(os.Environ(), "ORT_DISABLE_TELEMETRY=1")
		if out, err := c.CombinedOutput(); err != nil || string(out) != said {
			t.Errorf("%v: %v, %s, want %s", command, err, out, said)
		}
		if info, err := os.Stat(filepath.Join(dir, picture)); err != nil || info.Size() < 1000 {
			t.Errorf("%s: %v", picture, err)
		}
	}
	t.Run("Go", func(t *testing.T) {
		built := filepath.Join(t.TempDir(), "program")
		if out, err := exec.Command("go", "build", "-o", built, filepath.Join(examples, "go")).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		run(t, "pictures.png", built)
	})
	t.Run("Node", func(t *testing.T) {
		run(t, "pictures.pgm", witnesstest.Node(t, "onnxruntime-node"), filepath.Join(examples, "node", "sample.js"))
	})
	t.Run("Python", func(t *testing.T) {
		// ONNX Runtime for Python is no witness that every machine must have.
		for _, p := range []string{os.Getenv("PETRIFY_PYTHON"), "/usr/bin/python3", "python3"} {
			if p != "" && exec.Command(p, "-c", "import onnxruntime").Run() == nil {
				run(t, "pictures.pgm", p, filepath.Join(examples, "python", "sample.py"))
				return
			}
		}
		// With OpenCV in its place the example's own lines run, if not ONNX Runtime.
		p := witnesstest.Python(t, "numpy", "onnx", "cv2")
		standin, err := filepath.Abs(filepath.Join("testdata", "standin"))
		if err != nil {
			t.Fatal(err)
		}
		t.Setenv("PYTHONPATH", standin)
		t.Setenv("PYTHONDONTWRITEBYTECODE", "1")
		t.Log("no python3 imports onnxruntime: OpenCV stands in for it")
		run(t, "pictures.pgm", p, filepath.Join(examples, "python", "sample.py"))
	})
	t.Run("C++", func(t *testing.T) {
		include := os.Getenv("PETRIFY_ORT_INCLUDE")
		if include == "" {
			t.Skip("PETRIFY_ORT_INCLUDE names no folder with onnxruntime_c_api.h")
		}
		compiler := witnesstest.Program(t, "c++")
		at, err := exec.Command(witnesstest.Node(t, "onnxruntime-node"), "-p", `require.resolve("onnxruntime-node/package.json")`).Output()
		if err != nil {
			t.Fatal(err)
		}
		arch := map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
		libraries, err := filepath.Glob(filepath.Join(filepath.Dir(strings.TrimSpace(string(at))), "bin", "*", "linux", arch, "libonnxruntime.so.*"))
		if err != nil || len(libraries) == 0 {
			t.Skipf("onnxruntime-node has no library for %s", arch)
		}
		built := filepath.Join(t.TempDir(), "program")
		args := []string{"-std=c++17", "-Wall", "-I", include, filepath.Join(examples, "cpp", "sample.cpp"), libraries[0], "-Wl,-rpath," + filepath.Dir(libraries[0]), "-o", built}
		if out, err := exec.Command(compiler, args...).CombinedOutput(); err != nil || len(out) > 0 {
			t.Fatalf("%v: %s", err, out)
		}
		run(t, "pictures.pgm", built)
	})
	t.Run("browser", func(t *testing.T) {
		chromium, err := exec.LookPath("chromium")
		if err != nil {
			t.Skip("no chromium on the path")
		}
		at, err := exec.Command(witnesstest.Node(t, "onnxruntime-web"), "-p", `require.resolve("onnxruntime-web")`).Output()
		if err != nil {
			t.Fatal(err)
		}
		files := http.NewServeMux()
		files.Handle("/", http.FileServer(http.Dir(folder(t))))
		files.Handle("/page/", http.StripPrefix("/page/", http.FileServer(http.Dir(filepath.Join(examples, "browser")))))
		files.Handle("/page/ort/", http.StripPrefix("/page/ort/", http.FileServer(http.Dir(filepath.Dir(strings.TrimSpace(string(at)))))))
		files.Handle("/page/generator.onnx", http.StripPrefix("/page/", http.FileServer(http.Dir(folder(t)))))
		server := httptest.NewServer(files)
		defer server.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		c := exec.CommandContext(ctx, chromium, "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir="+t.TempDir(), "--virtual-time-budget=60000", "--dump-dom", server.URL+"/page/index.html")
		out, err := c.Output()
		if err != nil || !strings.Contains(string(out), strings.TrimSpace(said)) {
			t.Errorf("%v: the page says %s", err, out)
		}
	})
}

// folder holds generator.onnx.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "generator.onnx"), generator(t, false).Bytes, 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}
