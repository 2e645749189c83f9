package witnesstest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// recorder is a testing.TB that notes how a test would have ended. Skip and
// Fatal end the goroutine, as those of a real test do.
type recorder struct {
	testing.TB
	skipped, failed bool
}

func (r *recorder) Helper()               {}
func (r *recorder) Skip(...any)           { r.skipped = true; panic(r) }
func (r *recorder) Fatalf(string, ...any) { r.failed = true; panic(r) }

func record(t *testing.T, f func(testing.TB)) *recorder {
	r := &recorder{TB: t}
	func() {
		defer func() {
			if v := recover(); v != nil && v != any(r) {
				panic(v)
			}
		}()
		f(r)
	}()
	return r
}

func TestAMissingComponentSkipsOrFailsAsTheEnvironmentSays(t *testing.T) {
	for _, c := range []struct {
		name string
		find func(testing.TB)
	}{
		{"python module", func(tb testing.TB) { Python(tb, "no_such_module_of_python") }},
		{"node module", func(tb testing.TB) { Node(tb, "no-such-module-of-node") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("PETRIFY_REQUIRE_WITNESSES", "")
			if r := record(t, c.find); !r.skipped || r.failed {
				t.Errorf("skipped %v failed %v, want a skip", r.skipped, r.failed)
			}
			t.Setenv("PETRIFY_REQUIRE_WITNESSES", "1")
			if r := record(t, c.find); r.skipped || !r.failed {
				t.Errorf("skipped %v failed %v, want a failure", r.skipped, r.failed)
			}
		})
	}
}

func TestPythonImportsWhatItWasAskedFor(t *testing.T) {
	p := Python(t, "sys", "json")
	if out, err := exec.Command(p, "-c", "import sys, json; print(json.dumps(1))").Output(); err != nil || string(out) != "1\n" {
		t.Errorf("%s printed %q (%v)", p, out, err)
	}
}

func TestONNXTestDataHoldsModels(t *testing.T) {
	dir := ONNXTestData(t)
	if _, err := os.Stat(filepath.Join(dir, "node", "test_relu", "model.onnx")); err != nil {
		t.Error(err)
	}
}
