package petrify

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/petrify-ml/petrify/gate"
)

// The policy of docs/ci.md is one, and its other examples in YAML can be read.
func TestCIPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("docs", "ci.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(blocks) < 4 {
		t.Fatalf("%d blocks of YAML, want at least 4", len(blocks))
	}
	if _, err := gate.Parse([]byte(blocks[0][1])); err != nil {
		t.Errorf("the policy: %v", err)
	}
	for _, b := range blocks {
		if err := yaml.Unmarshal([]byte(b[1]), new(any)); err != nil {
			t.Errorf("%v in\n%s", err, b[1])
		}
	}
	for _, file := range []string{"action.yml", ".pre-commit-hooks.yaml", ".goreleaser.yaml", ".github/workflows/ci.yml", ".github/workflows/release.yml"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(b, new(any)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// The script of the action runs as a step of a workflow does: it annotates, writes the summary and gives the exit code, whatever
// the names of files.
func TestActionScript(t *testing.T) {
	if testing.Short() {
		t.Skip("links the program")
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip(err)
	}
	temp, repository := t.TempDir(), t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(temp, "petrify-bin", "petrify"), "./cmd/petrify")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	script, err := filepath.Abs(filepath.Join(".github", "gate.sh"))
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(repository, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("petrify.yaml", "version: 1\nmodels: [.]\n")
	write("x::error::y,z.onnx", "<!doctype html>")
	cmd := exec.Command(bash, script)
	cmd.Dir = repository
	summary, output := filepath.Join(temp, "summary"), filepath.Join(temp, "output")
	cmd.Env = append(os.Environ(), "CONFIG=petrify.yaml", "ARGS=--parallel 1", "TEMP_DIR="+temp, "GITHUB_STEP_SUMMARY="+summary, "GITHUB_OUTPUT="+output)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.HasPrefix(string(out), "::error file=x%3A%3Aerror%3A%3Ay%2Cz.onnx,line=1,title=file-format::") || strings.Count(string(out), "\n") != 2 {
		t.Errorf("annotations:\n%s", out)
	}
	for file, want := range map[string]string{output: "exit-code=1\n", summary: "❌ petrify gate", filepath.Join(temp, "petrify.sarif"): `"ruleId": "file-format"`, filepath.Join(temp, "petrify.html"): "<strong>file-format</strong>"} {
		if b, err := os.ReadFile(file); err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%s: %v, lacks %q:\n%.500s", filepath.Base(file), err, want, b)
		}
	}
}
