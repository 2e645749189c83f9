package petrify

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/petrify-ml/petrify/gate"
	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/internal/witnesstest"
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

// A released program says the tag and the commit that it was built from. What GoReleaser itself writes before it builds is ignored, or
// the work tree would count as changed.
func TestReleasesSayTheirVersion(t *testing.T) {
	var release struct {
		Dist   string
		Builds []struct{ Flags []string }
	}
	config, err := os.ReadFile(".goreleaser.yaml")
	if err == nil {
		err = yaml.Unmarshal(config, &release)
	}
	if err != nil {
		t.Fatal(err)
	}
	ignored, err := os.ReadFile(".gitignore")
	if err != nil {
		t.Fatal(err)
	}
	if dist := cmp.Or(release.Dist, "dist"); !slices.Contains(strings.Fields(string(ignored)), "/"+dist+"/") {
		t.Errorf(".gitignore lacks /%s/", dist)
	}
	for _, b := range release.Builds {
		if !slices.Contains(b.Flags, "-buildvcs=true") {
			t.Errorf("the flags %q lack -buildvcs=true", b.Flags)
		}
	}
}

// The action and the scripts of docs/ci.md run here as they do on the hosts, as far as that can be: the action's scripts with the
// environment that each of them names and where its condition holds, and what the steps of other people's actions are given is there.
func TestCIRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("links the program")
	}
	a := newAction(t)
	a.install(t)
	t.Run("the action", a.test)
	b, err := os.ReadFile(filepath.Join("docs", "ci.md"))
	if err != nil {
		t.Fatal(err)
	}
	e := ciExamples{page: "\n" + string(b), bash: a.bash, bin: filepath.Join(a.temp, "petrify-bin")}
	t.Run("from nothing", e.fromNothing)
	t.Run("GitLab", e.gitLab)
	t.Run("Jenkins", e.jenkins)
	t.Run("many machines", e.manyMachines)
}

// An action is action.yml on a runner of its own.
type action struct {
	Inputs map[string]struct{ Default string }
	Runs   struct{ Steps []actionStep }

	bash, here, temp, path string
	values                 map[string]string // of GitHub's contexts
}

func newAction(t *testing.T) *action {
	a := &action{temp: t.TempDir(), path: os.Getenv("PATH")}
	b, err := os.ReadFile("action.yml")
	if err == nil {
		err = yaml.Unmarshal(b, a)
	}
	if err == nil {
		a.here, err = filepath.Abs(".")
	}
	if err != nil {
		t.Fatal(err)
	}
	if a.bash, err = exec.LookPath("bash"); err != nil {
		t.Skip(err)
	}
	a.values = map[string]string{"runner.temp": a.temp, "runner.os": "Linux", "github.action_path": a.here, "inputs.sarif": "true", "inputs.args": "--parallel 1"}
	for name, in := range a.Inputs {
		if _, ok := a.values["inputs."+name]; !ok {
			a.values["inputs."+name] = in.Default
		}
	}
	if onnxtest.Long() {
		return a
	}
	places := filepath.SplitList(os.Getenv("NODE_PATH"))
	if len(places) == 0 {
		a.values["inputs.onnxruntime"] = ""
		return a
	}
	// An npm that knows what it is asked for, and has it at hand: PETRIFY_LONG=1 asks the real one.
	tools := t.TempDir()
	npm := fmt.Sprintf("#!%s\nset -eu\n[ \"$*\" = \"install --silent --no-fund --no-audit --prefix $6 onnxruntime-node@%s\" ]\nmkdir -p \"$6\"\nln -sfn %q \"$6/node_modules\"\n",
		a.bash, a.Inputs["onnxruntime"].Default, places[0])
	if err := os.WriteFile(filepath.Join(tools, "npm"), []byte(npm), 0o755); err != nil {
		t.Fatal(err)
	}
	a.path = tools + string(filepath.ListSeparator) + a.path
	return a
}

// installs is the step that makes the program, which takes longest.
const installs = "install petrify"

func (a *action) install(t *testing.T) {
	for _, s := range a.Runs.Steps {
		if s.Name == installs {
			if log, err := a.run(t, s, a.here); err != nil {
				t.Fatalf("%v\n%s", err, log)
			}
		}
	}
}

// run runs one script, and keeps its outputs.
func (a *action) run(t *testing.T, s actionStep, repository string) (string, error) {
	output := filepath.Join(t.TempDir(), "output")
	cmd := exec.CommandContext(t.Context(), a.bash, "--noprofile", "--norc", "-eo", "pipefail", "-c", s.Run)
	cmd.Dir = repository
	cmd.Env = append(os.Environ(), "PATH="+a.path, "GITHUB_OUTPUT="+output, "GITHUB_STEP_SUMMARY="+filepath.Join(a.temp, "summary"), "GITHUB_ACTION_PATH="+a.here)
	for name, text := range s.Env {
		cmd.Env = append(cmd.Env, name+"="+filled(t, text, a.values))
	}
	log, err := cmd.CombinedOutput()
	given, _ := os.ReadFile(output)
	for line := range strings.Lines(string(given)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		a.values["steps."+s.ID+".outputs."+name] = value
	}
	return string(log), err
}

// job runs the steps but the one that installs the program.
func (a *action) job(t *testing.T, repository string) (log string, failed bool) {
	for _, s := range a.Runs.Steps {
		if s.Name == installs || !s.holds(t, a.values, failed) {
			continue
		}
		if s.Uses == "" {
			text, err := a.run(t, s, repository)
			log += text
			failed = failed || err != nil
			continue
		}
		for _, key := range []string{"go-version-file", "cache-dependency-path", "sarif_file"} {
			if file, ok := s.With[key]; ok {
				if _, err := os.Stat(filled(t, file, a.values)); err != nil {
					t.Errorf("%s: %s: %v", s.Uses, key, err)
				}
			}
		}
	}
	return log, failed
}

func (a *action) test(t *testing.T) {
	const code = "steps.gate.outputs.exit-code"
	repository := t.TempDir()
	write := func(name string, text []byte) {
		if err := os.WriteFile(filepath.Join(repository, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("petrify.yaml", []byte("version: 1\nmodels: [.]\nruntimes: {require: [load], try: [ort-node]}\n"))
	write("good.onnx", onnxtest.Bytes(t, onnxtest.DenseModel(t)))
	write("x::error::y,z.onnx", []byte("<!doctype html>"))
	log, failed := a.job(t, repository)
	if !failed || a.values[code] != "1" {
		t.Errorf("failed is %v with exit code %s, want 1", failed, a.values[code])
	}
	if !strings.HasPrefix(log, "::error file=x%3A%3Aerror%3A%3Ay%2Cz.onnx,line=1,title=file-format::") || strings.Count(log, "\n") != 2 {
		t.Errorf("annotations:\n%s", log)
	}
	wanted := map[string]string{"summary": "❌ petrify gate", "petrify.sarif": `"ruleId": "file-format"`, "petrify.html": "<strong>file-format</strong>"}
	if a.values["inputs.onnxruntime"] != "" {
		wanted["petrify.md"] = "ort&#45;node equal"
	}
	for file, want := range wanted {
		if b, err := os.ReadFile(filepath.Join(a.temp, file)); err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%s: %v, lacks %q:\n%.500s", file, err, want, b)
		}
	}
	if kept, err := filepath.Glob(filepath.Join(a.temp, "petrify-results", "*.json")); len(kept) != 2 {
		t.Errorf("%d results are kept for the next run (%v), want 2", len(kept), err)
	}

	if err := os.Remove(filepath.Join(repository, "x::error::y,z.onnx")); err != nil {
		t.Fatal(err)
	}
	if log, failed := a.job(t, repository); failed || strings.Contains(log, "::error") || a.values[code] != "0" {
		t.Errorf("without the faulty file: failed is %v, exit code %s:\n%s", failed, a.values[code], log)
	}
}

type actionStep struct {
	Name, ID, If, Uses, Run string
	With, Env               map[string]string
}

// holds says whether a step runs, by as much of GitHub's expressions as the action has.
func (s *actionStep) holds(t *testing.T, values map[string]string, failed bool) bool {
	t.Helper()
	always := false
	for term := range strings.SplitSeq(s.If, " && ") {
		m := regexp.MustCompile(`^([a-z.-]+) (==|!=) '([^']*)'$`).FindStringSubmatch(term)
		switch {
		case term == "":
		case term == "always()":
			always = true
		case m == nil:
			t.Fatalf("the test does not know the condition %q", term)
		case (values[m[1]] == m[3]) != (m[2] == "=="):
			return false
		}
	}
	return always || !failed
}

// filled is a text with the values of GitHub's contexts in it; hashFiles is what it is of no file.
func filled(t *testing.T, text string, values map[string]string) string {
	t.Helper()
	return regexp.MustCompile(`\$\{\{ *(.*?) *\}\}`).ReplaceAllStringFunc(text, func(x string) string {
		name := strings.Trim(x, "${} ")
		value, ok := values[name]
		if !ok && !strings.HasPrefix(name, "hashFiles(") {
			t.Fatalf("the test does not know %q", x)
		}
		return value
	})
}

// The hooks run under pre-commit itself, which builds petrify of a clone of the repository.
func TestPreCommitHooks(t *testing.T) {
	if !onnxtest.Long() {
		t.Skip("builds the program anew: PETRIFY_LONG=1 runs it")
	}
	preCommit, git := witnesstest.Program(t, "pre-commit"), witnesstest.Program(t, "git")
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	cache, err := exec.Command("go", "env", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := (*ciExamples)(nil).repository(t, true)
	run := func(args ...string) (string, int) {
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "PRE_COMMIT_HOME="+filepath.Join(dir, ".git", "hooks-home"), "GOMODCACHE="+strings.TrimSpace(string(cache)))
		out, _ := cmd.CombinedOutput()
		return string(out), cmd.ProcessState.ExitCode()
	}
	for _, args := range [][]string{{"init", "--quiet"}, {"add", "."}} {
		if out, code := run(append([]string{git}, args...)...); code != 0 {
			t.Fatal(out)
		}
	}
	// Both hooks of one build: try-repo without a name runs all.
	out, code := run(preCommit, "try-repo", here, "--all-files", "--verbose")
	for _, want := range []string{"- hook id: petrify-check", "- hook id: petrify-gate", "models/pointer.onnx  1 FINDING"} {
		if !strings.Contains(out, want) {
			t.Errorf("lacks %q", want)
		}
	}
	if code != 1 || strings.Count(out, "- exit code: 1") != 2 {
		t.Errorf("exit code %d, want 1, of both hooks", code)
	}
	if err := os.Remove(filepath.Join(dir, "models", "pointer.onnx")); err != nil {
		t.Fatal(err)
	}
	run(git, "add", "--all")
	again, code := run(preCommit, "try-repo", here, "--all-files", "--verbose")
	if code != 0 {
		t.Errorf("without the faulty file: exit code %d", code)
	}
	if t.Failed() {
		t.Logf("%s\n%s", out, again)
	}
}

// ciExamples are the scripts of docs/ci.md, each run in a repository with a good and a faulty model.
type ciExamples struct{ page, bash, bin string }

// block is the first code below a heading.
func (e *ciExamples) block(t *testing.T, heading string) string {
	t.Helper()
	_, rest, ok := strings.Cut(e.page, "\n"+heading+"\n")
	m := regexp.MustCompile("(?s)```[a-z]*\n(.*?)```").FindStringSubmatch(rest)
	if !ok || m == nil {
		t.Fatalf("docs/ci.md has no code below %q", heading)
	}
	return m[1]
}

func (*ciExamples) repository(t *testing.T, policy bool) string {
	t.Helper()
	dir := t.TempDir()
	files := map[string][]byte{"models/good.onnx": onnxtest.Bytes(t, onnxtest.DenseModel(t)), "models/pointer.onnx": []byte("version https://git-lfs.github.com/spec/v1\n")}
	if policy {
		files["petrify.yaml"] = []byte("version: 1\nmodels: [models]\n")
	}
	for name, text := range files {
		at := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, text, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func (e *ciExamples) run(t *testing.T, dir, script string) (string, int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), e.bash, "-eo", "pipefail", "-c", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+e.bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
	out, _ := cmd.CombinedOutput()
	return string(out), cmd.ProcessState.ExitCode()
}

// leaves runs a script that finds the faulty model, and looks for the files that the host is told of.
func (e *ciExamples) leaves(t *testing.T, script string, files ...string) {
	t.Helper()
	dir := e.repository(t, true)
	if out, code := e.run(t, dir, script); code != 1 {
		t.Errorf("exit code %d, want 1:\n%s", code, out)
	}
	for _, file := range files {
		if info, err := os.Stat(filepath.Join(dir, file)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func (e *ciExamples) fromNothing(t *testing.T) {
	out, code := e.run(t, e.repository(t, false), e.block(t, "# petrify in CI"))
	if code != 1 || !strings.Contains(out, "models/pointer.onnx  1 FINDING\n  error: file-format: ") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
}

func (e *ciExamples) gitLab(t *testing.T) {
	var jobs map[string]struct {
		Script    []string
		Artifacts struct {
			Paths   []string
			Reports struct{ JUnit, CodeQuality string }
		}
	}
	if err := yaml.Unmarshal([]byte(e.block(t, "## GitLab")), &jobs); err != nil {
		t.Fatal(err)
	}
	job := jobs["models"]
	if len(job.Script) != 2 || job.Script[0] != "CGO_ENABLED=0 go install "+module+"cmd/petrify@latest" {
		t.Fatalf("the script %q, want to install and to judge", job.Script)
	}
	e.leaves(t, job.Script[1], append(job.Artifacts.Paths, job.Artifacts.Reports.JUnit, job.Artifacts.Reports.CodeQuality)...)
}

func (e *ciExamples) jenkins(t *testing.T) {
	text := e.block(t, "## Jenkins")
	argument := func(step string) string {
		m := regexp.MustCompile(`(?m)^ *` + step + ` '([^']*)'$`).FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("no step %s in\n%s", step, text)
		}
		return m[1]
	}
	e.leaves(t, argument("sh"), argument("junit"), argument("archiveArtifacts"))
}

func (e *ciExamples) manyMachines(t *testing.T) {
	dir, shared := e.repository(t, true), t.TempDir()
	script := strings.NewReplacer("/data", filepath.Join(dir, "models"), "/shared/results", shared).Replace(e.block(t, "## Many models, many machines"))
	lines := strings.Split(strings.TrimSpace(script), "\n")
	if len(lines) != 3 || !strings.Contains(lines[1], "--shard 3/16") {
		t.Fatalf("the lines %q, want a list, a part and a report", lines)
	}
	e.run(t, dir, lines[0])
	if out, code := e.run(t, dir, lines[2]); code != 2 {
		t.Errorf("before the parts: exit code %d, want 2:\n%s", code, out)
	}
	for k := range 4 {
		if out, code := e.run(t, dir, strings.Replace(lines[1], "3/16", fmt.Sprintf("%d/4", k), 1)); code > 1 {
			t.Errorf("part %d: exit code %d:\n%s", k, code, out)
		}
	}
	if out, code := e.run(t, dir, lines[2]); code != 1 || !strings.Contains(out, "2 files: 1 ok, 1 with findings") {
		t.Errorf("exit code %d, want 1:\n%s", code, out)
	}
}
