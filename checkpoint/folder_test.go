package checkpoint

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

func gan() Run {
	return Run{
		Model: "gan", Config: json.RawMessage(`{"batch":128,"note":"<b>"}`), Seed: 1<<64 - 1, Steps: 20000, Batch: 128,
		Data:    DataInfo{Name: "mnist", Source: "mnist", Digest: "013e"},
		Version: "0.1.0", Machine: "amd64 avx2 fma",
	}
}

func at(step int) *Snapshot {
	return &Snapshot{Step: step, Tensors: []Tensor{
		{"generator.fc1.weight", []int{2, 2}, []float32{float32(step), 2, 3, 4}},
		{"adam.m/generator.fc1.weight", []int{2, 2}, []float32{5, 6, 7, 8}},
	}}
}

// created makes a run folder with checkpoints of the given steps.
func created(t *testing.T, o Options, steps ...int) *Folder {
	t.Helper()
	f, err := Create(filepath.Join(t.TempDir(), "runs", "gan"), gan(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range steps {
		if err := f.Save(at(step)); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func reopened(t *testing.T, f *Folder) *Folder {
	t.Helper()
	g, err := Open(f.Dir(), f.options)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// contents lists all files of a folder, with their bytes.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(filepath.Join(dir, path))
		files[path] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func mustLoad(t *testing.T, f *Folder, step int) {
	t.Helper()
	if s, err := f.Load(); err != nil {
		t.Errorf("load: %v", err)
	} else if !same(s, at(step)) {
		t.Errorf("loaded %v, want %v", s, at(step))
	}
}

// damage changes a file of the run.
func damage(t *testing.T, f *Folder, name string, change func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(f.path(name))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.path(name), change(b), 0o644); err != nil {
		t.Fatal(err)
	}
}

func flip(b []byte) []byte { b[len(b)-3] ^= 4; return b }
func cut(b []byte) []byte  { return b[:len(b)/2] }

func TestRunComesBackWhole(t *testing.T) {
	f := created(t, Options{}, 1000)
	got := reopened(t, f).Run()
	want := gan()
	want.Format, want.Go, want.Step, want.Checkpoint = 1, runtime.Version(), 1000, "checkpoints/step-001000.safetensors"
	want.SHA256, want.Digest = got.SHA256, Digest(at(1000).Weights())
	var compact, config any
	if err := json.Unmarshal(got.Config, &compact); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(want.Config, &config); err != nil {
		t.Fatal(err)
	}
	if a, b := compact.(map[string]any), config.(map[string]any); a["batch"] != b["batch"] || a["note"] != b["note"] || len(a) != len(b) {
		t.Errorf("config %v, want %v", a, b)
	}
	got.Config, want.Config = nil, nil
	a, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if string(a) != string(b) {
		t.Errorf("run\n%s\nwant\n%s", a, b)
	}
	if len(got.SHA256) != 64 {
		t.Errorf("sha256 %q", got.SHA256)
	}
}

func TestLoadReturnsTheLatest(t *testing.T) {
	f := created(t, Options{}, 500, 1000, 1500)
	mustLoad(t, f, 1500)
	mustLoad(t, reopened(t, f), 1500)
	if got := len(contents(t, f.Dir())); got != 4 {
		t.Errorf("%d files, want run.json and 3 checkpoints", got)
	}
}

func TestLoadBeforeTheFirstSave(t *testing.T) {
	f := created(t, Options{})
	if _, err := f.Load(); !errors.Is(err, ErrNoCheckpoint) {
		t.Errorf("load: %v, want ErrNoCheckpoint", err)
	}
	if _, _, err := f.Recover(); !errors.Is(err, ErrNoCheckpoint) {
		t.Errorf("recover: %v, want ErrNoCheckpoint", err)
	}
}

func TestKeepLeavesTheNewest(t *testing.T) {
	f := created(t, Options{Keep: 2}, 1, 20, 300, 1234567)
	got, err := f.list()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"checkpoints/step-000300.safetensors", "checkpoints/step-1234567.safetensors"}
	if !slices.Equal(got, want) {
		t.Errorf("left %v, want %v", got, want)
	}
	mustLoad(t, reopened(t, f), 1234567)
}

func TestSaveRemovesTheAbandonedFuture(t *testing.T) {
	f := created(t, Options{Keep: 2}, 1, 2, 3, 2)
	got, err := f.list()
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{checkpointName(2)}; !slices.Equal(got, want) {
		t.Errorf("left %v, want %v", got, want)
	}
	mustLoad(t, reopened(t, f), 2)
}

func TestSaveRemovesWhatAKilledProcessLeft(t *testing.T) {
	f := created(t, Options{}, 1)
	for _, name := range []string{".tmp-run.json123", "checkpoints/.tmp-step-000002.safetensors99", ".tmp-somebody-else", "checkpoints/notes.txt"} {
		if err := os.WriteFile(f.path(name), []byte("half"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Save(at(2)); err != nil {
		t.Fatal(err)
	}
	files := contents(t, f.Dir())
	for name, want := range map[string]bool{
		".tmp-run.json123": false, "checkpoints/.tmp-step-000002.safetensors99": false,
		".tmp-somebody-else": true, "checkpoints/notes.txt": true,
	} {
		if _, got := files[name]; got != want {
			t.Errorf("%s is there: %v, want %v", name, got, want)
		}
	}
}

func TestDamagedCheckpointIsRefusedByName(t *testing.T) {
	other := func([]byte) []byte { b, _ := encode(at(7)); return b }
	otherStep := func([]byte) []byte { b, _ := encode(at(8)); return b }
	for _, test := range []struct {
		name   string
		change func([]byte) []byte
		say    string
	}{
		{"cut in half", cut, "the file has"},
		{"empty", func([]byte) []byte { return nil }, "0 bytes"},
		{"one bit of the weights", flip, "damaged: its bytes have the sha256"},
		{"another whole file", func([]byte) []byte {
			s := at(7)
			s.Tensors[0].Data[0]++
			b, _ := encode(s)
			return b
		}, "whole, but not the file that run.json names"},
		{"another step", otherStep, "holds step 8, run.json says 7"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := created(t, Options{}, 7)
			damage(t, f, checkpointName(7), test.change)
			_, err := reopened(t, f).Load()
			e, ok := errors.AsType[*FormatError](err)
			if !ok {
				t.Fatalf("error %v, want a *FormatError", err)
			}
			if e.File != f.path(checkpointName(7)) || !strings.Contains(err.Error(), test.say) {
				t.Errorf("%q does not name the file or say %q", err, test.say)
			}
		})
	}
	f := created(t, Options{}, 7)
	damage(t, f, checkpointName(7), other)
	mustLoad(t, f, 7) // the same bytes are the same file
}

func TestRecoverFallsBackAndSaysSo(t *testing.T) {
	f := created(t, Options{}, 1, 2, 3, 4)
	if s, lost, err := f.Recover(); err != nil || len(lost) != 0 || s.Step != 4 {
		t.Fatalf("nothing is wrong, but: %v, lost %v", err, lost)
	}
	damage(t, f, checkpointName(4), flip)
	damage(t, f, checkpointName(3), cut)
	if err := os.Rename(f.path(checkpointName(2)), f.path(checkpointName(9))); err != nil {
		t.Fatal(err)
	}
	before := contents(t, f.Dir())
	g := reopened(t, f)
	if _, err := g.Load(); err == nil {
		t.Error("load falls back unasked")
	}
	s, lost, err := g.Recover()
	if err != nil {
		t.Fatal(err)
	}
	if !same(s, at(1)) {
		t.Errorf("recovered %v, want step 1", s)
	}
	var said []string
	for _, l := range lost {
		if e, ok := errors.AsType[*FormatError](l); ok {
			said = append(said, filepath.Base(e.File))
		}
	}
	if want := []string{"step-000004.safetensors", "step-000009.safetensors", "step-000003.safetensors"}; !slices.Equal(said, want) {
		t.Errorf("lost %v, want %v", said, want)
	}
	after := contents(t, f.Dir())
	for name := range before {
		if before[name] != after[name] {
			t.Errorf("recover has changed %s", name)
		}
	}
	if err := g.Save(at(2)); err != nil {
		t.Fatal(err)
	}
	mustLoad(t, reopened(t, g), 2)
	if got, _ := g.list(); len(got) != 2 {
		t.Errorf("left %v, want steps 1 and 2", got)
	}
}

func TestRecoverTakesAWholeFileOfTheSameName(t *testing.T) {
	f := created(t, Options{}, 1, 2)
	other := at(2)
	other.Tensors[0].Data[3] = 99
	if err := WriteFile(f.path(checkpointName(2)), other); err != nil {
		t.Fatal(err)
	}
	s, lost, err := f.Recover()
	if err != nil || len(lost) != 1 || !strings.Contains(lost[0].Error(), "not the file that run.json names") {
		t.Fatalf("error %v, lost %v", err, lost)
	}
	if !same(s, other) {
		t.Errorf("recovered %v, want %v", s, other)
	}
}

func TestRecoverWithNothingWhole(t *testing.T) {
	f := created(t, Options{}, 1, 2)
	damage(t, f, checkpointName(1), flip)
	if err := os.Remove(f.path(checkpointName(2))); err != nil {
		t.Fatal(err)
	}
	_, lost, err := f.Recover()
	if err == nil || len(lost) != 2 {
		t.Fatalf("error %v, lost %v", err, lost)
	}
	for _, want := range []string{checkpointName(1), checkpointName(2), "no whole checkpoint among 1"} {
		if !strings.Contains(filepath.ToSlash(err.Error()), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
}

func TestCreateLeavesAnotherRunAlone(t *testing.T) {
	f := created(t, Options{}, 1)
	before := contents(t, f.Dir())
	if _, err := Create(f.Dir(), gan(), Options{}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("create over a run: %v", err)
	}
	after := contents(t, f.Dir())
	for name := range before {
		if before[name] != after[name] {
			t.Errorf("%s has changed", name)
		}
	}
	if err := os.Remove(f.path(runFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(f.Dir(), gan(), Options{}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("create over checkpoints: %v", err)
	}
}

func TestCreateRefusesBadInput(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, try := range map[string]func() error{
		"no model":      func() error { _, err := Create(t.TempDir(), Run{}, Options{}); return err },
		"batch below 0": func() error { _, err := Create(t.TempDir(), Run{Model: "gan", Batch: -1}, Options{}); return err },
		"config": func() error {
			_, err := Create(t.TempDir(), Run{Model: "gan", Config: []byte("{")}, Options{})
			return err
		},
		"keep below 0": func() error { _, err := Create(t.TempDir(), gan(), Options{Keep: -1}); return err },
		"a file":       func() error { _, err := Create(file, gan(), Options{}); return err },
		"below a file": func() error { _, err := Create(filepath.Join(file, "x"), gan(), Options{}); return err },
	} {
		if err := try(); err == nil {
			t.Errorf("%s: created", name)
		}
	}
}

func TestOpenHelpsWithAWrongPath(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for path, say := range map[string]string{
		filepath.Join(dir, "missing"): "run folder " + filepath.Join(dir, "missing"),
		dir:                           "not a run folder, it has no run.json",
		file:                          "",
	} {
		_, err := Open(path, Options{})
		if err == nil || !strings.Contains(err.Error(), say) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v, want %q in it", path, err, say)
		}
		if path != file && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v does not wrap fs.ErrNotExist", path, err)
		}
	}
}

func TestDamagedRunIsRefused(t *testing.T) {
	f := created(t, Options{}, 5)
	good, err := os.ReadFile(f.path(runFile))
	if err != nil {
		t.Fatal(err)
	}
	swap := func(old, new string) string { return strings.Replace(string(good), old, new, 1) }
	for _, test := range []struct{ name, text, say string }{
		{"empty", "", "unexpected end of JSON"},
		{"cut", string(good[:len(good)/2]), "unexpected end of JSON"},
		{"two", string(good) + "{}", "invalid character"},
		{"from the future", swap(`"format": 1`, `"format": 2`), "format 2, this petrify reads 1"},
		{"unknown field", swap(`"seed"`, `"sead"`), `unknown field "sead"`},
		{"no model", swap(`"gan"`, `""`), "model is missing"},
		{"negative step", swap(`"step": 5`, `"step": -5`), "step -5"},
		{"another step", swap(`"step": 5`, `"step": 6`), `want "checkpoints/step-000006.safetensors"`},
		{"a path outside", swap("checkpoints/step-000005", "../step-000005"), "checkpoint is"},
		{"no sum", swap(f.Run().SHA256, ""), `sha256 is ""`},
		{"a sum in capitals", swap(f.Run().SHA256, strings.Repeat("A", 64)), "sha256 is"},
		{"short digest", swap(f.Run().Digest, "abc"), `digest is "abc"`},
		{"a step without a checkpoint", swap("checkpoints/step-000005.safetensors", ""), "without a checkpoint"},
		{"text for a number", swap(`"steps": 20000`, `"steps": "20000"`), "steps"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.text == string(good) {
				t.Fatal("the test has changed nothing")
			}
			if err := os.WriteFile(f.path(runFile), []byte(test.text), 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := Open(f.Dir(), Options{})
			if _, ok := errors.AsType[*FormatError](err); !ok {
				t.Fatalf("error %v, want a *FormatError", err)
			}
			if !strings.Contains(err.Error(), test.say) || !strings.Contains(err.Error(), runFile) {
				t.Errorf("%q does not name the file or say %q", err, test.say)
			}
		})
	}
	if err := os.WriteFile(f.path(runFile), []byte(swap(f.Run().Digest, strings.Repeat("a", 64))), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := reopened(t, f).Load(); err == nil || !strings.Contains(err.Error(), "weights have the digest") {
		t.Errorf("a digest that is not the weights': %v", err)
	}
}

func TestUpdateKeepsTheCheckpoint(t *testing.T) {
	f := created(t, Options{}, 5)
	err := f.Update(func(r *Run) { r.Steps, r.Step, r.Checkpoint, r.SHA256 = 40000, 77, "", "" })
	if err != nil {
		t.Fatal(err)
	}
	g := reopened(t, f)
	if g.Run().Steps != 40000 {
		t.Errorf("steps %d, want 40000", g.Run().Steps)
	}
	mustLoad(t, g, 5)
	if err := f.Update(func(r *Run) { r.Model = "" }); err == nil {
		t.Error("a run without a model is written")
	}
	mustLoad(t, reopened(t, f), 5)
}

// failing stands in for a disk that is full after a number of writes.
func failing(after int, write writeFunc) writeFunc {
	return func(path string, b []byte, perm fs.FileMode) error {
		if after--; after < 0 {
			return &fs.PathError{Op: "write", Path: path, Err: errors.New("no space left on device")}
		}
		return write(path, b, perm)
	}
}

func TestFailedWriteKeepsTheCheckpointBefore(t *testing.T) {
	for after, which := range []string{"the checkpoint", "run.json"} {
		f := created(t, Options{Keep: 1}, 1)
		before := contents(t, f.Dir())
		f.write = failing(after, f.write)
		err := f.Save(at(2))
		if err == nil || !strings.Contains(err.Error(), "save step 2: write ") || !strings.Contains(err.Error(), "no space left") {
			t.Errorf("%s cannot be written: error %v", which, err)
		}
		mustLoad(t, f, 1)
		mustLoad(t, reopened(t, f), 1)
		after := contents(t, f.Dir())
		for name := range before {
			if before[name] != after[name] {
				t.Errorf("%s cannot be written: %s has changed", which, name)
			}
		}
	}
}

// A process that saves as fast as it can is killed at moments of no choosing.
func TestKilledWhileSaving(t *testing.T) {
	const child = "PETRIFY_TEST_SAVE_FOREVER"
	if dir := os.Getenv(child); dir != "" {
		f, err := Create(dir, gan(), Options{Keep: 2})
		for step := 1; err == nil; step++ {
			err = f.Save(at(step))
		}
		t.Fatal(err)
	}
	saved := 0
	for round := range 12 {
		dir := filepath.Join(t.TempDir(), "run")
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledWhileSaving$")
		cmd.Env = append(os.Environ(), child+"="+dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for wait := 0; wait < 5000; wait++ {
			if _, err := os.Stat(filepath.Join(dir, checkpointFolder, "step-000001.safetensors")); err == nil {
				break
			}
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Duration(round) * 1700 * time.Microsecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the child has ended by itself")
		}
		f, err := Open(dir, Options{Keep: 2})
		if err != nil {
			t.Fatal(err)
		}
		s, err := f.Load()
		if errors.Is(err, ErrNoCheckpoint) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if !same(s, at(s.Step)) {
			t.Errorf("loaded %v, want %v", s, at(s.Step))
		}
		saved++
		// What was left half done does not stand in the way of going on.
		if err := f.Save(at(s.Step + 1)); err != nil {
			t.Fatal(err)
		}
		for name := range contents(t, dir) {
			if strings.Contains(name, ".tmp-") {
				t.Errorf("%s is left", name)
			}
		}
	}
	if saved == 0 {
		t.Error("no child has come as far as a checkpoint")
	}
}

func TestCheckpointNames(t *testing.T) {
	for name, want := range map[string]int{
		"checkpoints/step-000000.safetensors":   0,
		"checkpoints/step-020000.safetensors":   20000,
		"checkpoints/step-1234567.safetensors":  1234567,
		"checkpoints/step-0020000.safetensors":  -1,
		"checkpoints/step-20000.safetensors":    -1,
		"checkpoints/step--00001.safetensors":   -1,
		"checkpoints/step-+00001.safetensors":   -1,
		"checkpoints/step-020000.safetensors~":  -1,
		"checkpoints/.tmp-step-000001.safetens": -1,
		"step-020000.safetensors":               -1,
	} {
		step, ok := checkpointStep(name)
		if ok != (want >= 0) || ok && step != want {
			t.Errorf("%s: step %d, %v; want %d", name, step, ok, want)
		}
	}
}
