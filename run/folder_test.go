package run

import (
	"bytes"
	"errors"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/petrify-ml/petrify/checkpoint"
	"github.com/petrify-ml/petrify/internal/atomicfile"
	"github.com/petrify-ml/petrify/internal/filetest"
	"github.com/petrify-ml/petrify/models"
)

func gan() Description {
	return Description{
		Settings: Settings{
			Model: "gan", Sizes: models.Options{Latent: 100}, Seed: 1<<64 - 1, Batch: 128, LearningRate: 1e-3, SampleEvery: 1000,
			Data: Data{Name: "mnist <b>", Source: "mnist", Digest: "013e"},
		},
		Steps: 20000, Sessions: []Session{{Version: "0.1.0", Go: "go1.26", Machine: "amd64 avx2 fma"}},
	}
}

func at(step int) *checkpoint.Snapshot {
	return &checkpoint.Snapshot{Step: step, Tensors: []checkpoint.Tensor{
		{Name: "generator.fc1.weight", Dims: []int{2, 2}, Data: []float32{float32(step), 2, 3, 4}},
		{Name: "adam.m/generator.fc1.weight", Dims: []int{2, 2}, Data: []float32{5, 6, 7, 8}},
	}}
}

func same(a, b *checkpoint.Snapshot) bool {
	return a.Step == b.Step && checkpoint.Digest(a.Tensors) == checkpoint.Digest(b.Tensors)
}

// begun makes a run folder without a checkpoint.
func begun(dir string, d Description) (*Folder, error) {
	f := &Folder{dir: dir, write: atomicfile.Write, reported: map[int]bool{}}
	if err := f.vacant(false); err != nil {
		return nil, errors.Join(err, f.lock.release())
	}
	err := f.begin(d, false)
	return f, errors.Join(err, f.lock.release())
}

// created makes a run folder that keeps so many checkpoints, and saves some.
func created(t *testing.T, keep int, steps ...int) *Folder {
	t.Helper()
	d := gan()
	d.Keep = keep
	f, err := begun(filepath.Join(t.TempDir(), "runs", "gan"), d)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range steps {
		if err := f.save(at(step), true); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func reopened(t *testing.T, f *Folder) *Folder {
	t.Helper()
	g, err := Open(f.Dir())
	if err != nil {
		t.Fatal(err)
	}
	g.reported = f.reported
	return g
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

// The settings stand in run.json under a digest that the checkpoint carries, too.
func TestSettingsStandUnderADigest(t *testing.T) {
	f := created(t, 3, 1000)
	s, err := f.Load()
	if err != nil || s.Meta[settingsDigestKey] != f.Description().SettingsSHA256 {
		t.Fatalf("the checkpoint carries the digest %q, run.json has %q (%v)", s.Meta[settingsDigestKey], f.Description().SettingsSHA256, err)
	}
	edit := func(b []byte) []byte { return bytes.Replace(b, []byte(`"batch": 128`), []byte(`"batch": 129`), 1) }
	damage(t, f, runFile, edit)
	if _, err := reopened(t, f).Load(); err == nil || !strings.Contains(err.Error(), "batch is 129, not 128") {
		t.Errorf("settings that were changed: error is %v", err)
	}
	begun := created(t, 3)
	damage(t, begun, runFile, edit)
	if err := reopened(t, begun).checkSeal(); err == nil || !strings.Contains(err.Error(), "settings were changed after the run was started") {
		t.Errorf("settings that were changed before the first checkpoint: error is %v", err)
	}
	s.Meta[settingsDigestKey] = strings.Repeat("0", 64)
	if err := f.checkSettings(s); err == nil || !strings.Contains(err.Error(), "its settings have the sha256") {
		t.Errorf("a digest of other settings: error is %v", err)
	}
}

func TestDescriptionComesBackWhole(t *testing.T) {
	f := created(t, 3, 1000)
	got := reopened(t, f).Description()
	want := gan()
	want.Format, want.Keep, want.Step, want.Checkpoint = 2, 3, 1000, "checkpoints/step-001000.safetensors"
	want.SettingsSHA256 = want.Settings.Digest()
	want.SHA256, want.Digest = got.SHA256, checkpoint.Digest(at(1000).Weights())
	if !reflect.DeepEqual(got, want) {
		t.Errorf("run\n%+v\nwant\n%+v", got, want)
	}
	if len(got.SHA256) != 64 {
		t.Errorf("sha256 %q", got.SHA256)
	}
}

func TestLoadReturnsTheLatest(t *testing.T) {
	f := created(t, 0, 500, 1000, 1500)
	mustLoad(t, f, 1500)
	mustLoad(t, reopened(t, f), 1500)
	if got := len(filetest.Contents(t, f.Dir())); got != 4 {
		t.Errorf("%d files, want run.json and 3 checkpoints", got)
	}
}

func TestLoadBeforeTheFirstSave(t *testing.T) {
	f := created(t, 0)
	if _, err := f.Load(); !errors.Is(err, ErrNoCheckpoint) {
		t.Errorf("load: %v, want ErrNoCheckpoint", err)
	}
	if _, _, err := f.recoverCheckpoint(); !errors.Is(err, ErrNoCheckpoint) {
		t.Errorf("recover: %v, want ErrNoCheckpoint", err)
	}
}

func TestKeepLeavesTheNewest(t *testing.T) {
	f := created(t, 2, 1, 20, 300, 1234567)
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
	f := created(t, 2, 1, 2, 3, 2)
	got, err := f.list()
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{checkpointName(2)}; !slices.Equal(got, want) {
		t.Errorf("left %v, want %v", got, want)
	}
	mustLoad(t, reopened(t, f), 2)
}

// A checkpoint that an interruption has saved belongs to no report: the next one takes its place, and it costs no other.
func TestInterruptionsLeaveNoCheckpoints(t *testing.T) {
	for keep, want := range map[int][]int{0: {10, 20, 30}, 2: {20, 30}} {
		f := created(t, keep, 10, 20)
		for _, step := range []int{23, 27} {
			if err := f.save(at(step), false); err != nil {
				t.Fatal(err)
			}
			mustLoad(t, reopened(t, f), step)
			if got, _ := f.list(); !slices.Equal(got, []string{checkpointName(10), checkpointName(20), checkpointName(step)}) {
				t.Errorf("keep %d, interrupted at step %d: %v", keep, step, got)
			}
		}
		if err := f.save(at(30), true); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, step := range want {
			names = append(names, checkpointName(step))
		}
		if got, _ := f.list(); !slices.Equal(got, names) {
			t.Errorf("keep %d: left %v, want %v", keep, got, names)
		}
	}
}

func TestTidyRemovesWhatAKilledProcessLeft(t *testing.T) {
	f := created(t, 0, 1)
	want := map[string]bool{
		".tmp-run.json-12z": false, ".tmp-events.jsonl-1": false, ".tmp-curves.png-1": false,
		"checkpoints/.tmp-step-000002.safetensors-99": false, "samples/.tmp-step-000001-latent.png-4": false,
		"onnx/.tmp-certificate.json-a": false, "onnx/generator/.tmp-generator.onnx-b": false,
		"onnx/generator/test_data_set_0/.tmp-input_0.pb-c": false,
		".tmp-grid.png-77": true, ".tmp-somebody-else": true, "checkpoints/notes.txt": true,
		"checkpoints/.tmp-step-2.safetensors-99": true, "mine/.tmp-run.json-5": true, "samples/.tmp-mine.png-5": true,
	}
	for name := range want {
		if err := os.MkdirAll(filepath.Dir(f.path(name)), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f.path(name), []byte("half"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.tidy(); err != nil {
		t.Fatal(err)
	}
	files := filetest.Contents(t, f.Dir())
	for name, want := range want {
		if _, got := files[name]; got != want {
			t.Errorf("%s is there: %v, want %v", name, got, want)
		}
	}
}

func TestDamagedCheckpointIsRefusedByName(t *testing.T) {
	otherStep := func([]byte) []byte { b, _ := checkpoint.Encode(at(8)); return b }
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
			b, _ := checkpoint.Encode(s)
			return b
		}, "whole, but not the file that run.json names"},
		{"another step", otherStep, "holds step 8, run.json says 7"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := created(t, 0, 7)
			damage(t, f, checkpointName(7), test.change)
			_, err := reopened(t, f).Load()
			e, ok := errors.AsType[*checkpoint.FormatError](err)
			if !ok {
				t.Fatalf("error %v, want a *checkpoint.FormatError", err)
			}
			if e.File != f.path(checkpointName(7)) || !strings.Contains(err.Error(), test.say) {
				t.Errorf("%q does not name the file or say %q", err, test.say)
			}
		})
	}
}

func TestRecoverFallsBackAndSaysSo(t *testing.T) {
	f := created(t, 0, 1, 2, 3, 4)
	if s, lost, err := f.recoverCheckpoint(); err != nil || len(lost) != 0 || s.Step != 4 {
		t.Fatalf("nothing is wrong, but: %v, lost %v", err, lost)
	}
	damage(t, f, checkpointName(4), flip)
	damage(t, f, checkpointName(3), cut)
	if err := os.Rename(f.path(checkpointName(2)), f.path(checkpointName(9))); err != nil {
		t.Fatal(err)
	}
	before := filetest.Contents(t, f.Dir())
	g := reopened(t, f)
	if _, err := g.Load(); err == nil {
		t.Error("load falls back unasked")
	}
	s, lost, err := g.recoverCheckpoint()
	if err != nil {
		t.Fatal(err)
	}
	if !same(s, at(1)) {
		t.Errorf("recovered %v, want step 1", s)
	}
	var said []string
	for _, l := range lost {
		if e, ok := errors.AsType[*checkpoint.FormatError](l); ok {
			said = append(said, filepath.Base(e.File))
		}
	}
	if want := []string{"step-000004.safetensors", "step-000009.safetensors", "step-000003.safetensors"}; !slices.Equal(said, want) {
		t.Errorf("lost %v, want %v", said, want)
	}
	after := filetest.Contents(t, f.Dir())
	for name := range before {
		if before[name] != after[name] {
			t.Errorf("recover has changed %s", name)
		}
	}
	if err := g.save(at(2), true); err != nil {
		t.Fatal(err)
	}
	mustLoad(t, reopened(t, g), 2)
	if got, _ := g.list(); len(got) != 2 {
		t.Errorf("left %v, want steps 1 and 2", got)
	}
}

func TestRecoverTakesAWholeFileOfTheSameName(t *testing.T) {
	f := created(t, 0, 1, 2)
	other := at(2)
	other.Tensors[0].Data[3] = 99
	if err := checkpoint.WriteFile(f.path(checkpointName(2)), other); err != nil {
		t.Fatal(err)
	}
	s, lost, err := f.recoverCheckpoint()
	if err != nil || len(lost) != 1 || !strings.Contains(lost[0].Error(), "not the file that run.json names") {
		t.Fatalf("error %v, lost %v", err, lost)
	}
	if !same(s, other) {
		t.Errorf("recovered %v, want %v", s, other)
	}
}

func TestRecoverWithNothingWhole(t *testing.T) {
	f := created(t, 0, 1, 2)
	damage(t, f, checkpointName(1), flip)
	if err := os.Remove(f.path(checkpointName(2))); err != nil {
		t.Fatal(err)
	}
	_, lost, err := f.recoverCheckpoint()
	if err == nil || len(lost) != 2 {
		t.Fatalf("error %v, lost %v", err, lost)
	}
	for _, want := range []string{checkpointName(1), checkpointName(2), "no intact checkpoint among 1"} {
		if !strings.Contains(filepath.ToSlash(err.Error()), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
}

func TestCreateLeavesAnotherRunAlone(t *testing.T) {
	f := created(t, 0, 1)
	before := filetest.Contents(t, f.Dir())
	if _, err := begun(f.Dir(), gan()); !errors.Is(err, ErrExists) || !errors.Is(err, fs.ErrExist) {
		t.Errorf("create over a run: %v", err)
	}
	after := filetest.Contents(t, f.Dir())
	for name := range before {
		if before[name] != after[name] {
			t.Errorf("%s has changed", name)
		}
	}
	if len(after) != len(before) {
		t.Errorf("%d files, want %d", len(after), len(before))
	}
	if err := os.Remove(f.path(runFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := begun(f.Dir(), gan()); !errors.Is(err, ErrExists) {
		t.Errorf("create over checkpoints: %v", err)
	}
}

func TestCreateRefusesBadInput(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	with := func(change func(*Description)) Description {
		d := gan()
		change(&d)
		return d
	}
	for name, try := range map[string]struct {
		dir string
		d   Description
	}{
		"no model":      {t.TempDir(), with(func(d *Description) { d.Model = "" })},
		"batch below 1": {t.TempDir(), with(func(d *Description) { d.Batch = 0 })},
		"keep below 0":  {t.TempDir(), with(func(d *Description) { d.Keep = -1 })},
		"rate":          {t.TempDir(), with(func(d *Description) { d.LearningRate = math.NaN() })},
		"a file":        {file, gan()},
		"below a file":  {filepath.Join(file, "x"), gan()},
	} {
		if _, err := begun(try.dir, try.d); err == nil {
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
		file:                          "a file, want a run folder",
	} {
		_, err := Open(path)
		if err == nil || !strings.Contains(err.Error(), say) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v, want %q in it", path, err, say)
		}
		if path != file && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v does not wrap fs.ErrNotExist", path, err)
		}
	}
}

func TestDamagedRunIsRefused(t *testing.T) {
	f := created(t, 0, 5)
	good, err := os.ReadFile(f.path(runFile))
	if err != nil {
		t.Fatal(err)
	}
	swap := func(old, new string) string { return strings.Replace(string(good), old, new, 1) }
	for _, test := range []struct{ name, text, say string }{
		{"empty", "", "unexpected end of JSON input (move it away: what it said is rebuilt from the checkpoints)"},
		{"cut", string(good[:len(good)/2]), "unexpected end of JSON"},
		{"two", string(good) + "{}", "invalid character"},
		{"from the future", swap(`"format": 2`, `"format": 3`), "format 3, this petrify reads 1 to 2"},
		{"unknown field", swap(`"seed"`, `"sead"`), `unknown field "sead"`},
		{"no model", swap(`"gan"`, `""`), "model is missing"},
		{"negative step", swap(`"step": 5`, `"step": -5`), "step -5"},
		{"another step", swap(`"step": 5`, `"step": 6`), `want "checkpoints/step-000006.safetensors"`},
		{"a path outside", swap("checkpoints/step-000005", "../step-000005"), "checkpoint is"},
		{"no sum", swap(f.Description().SHA256, ""), `sha256 is ""`},
		{"a sum in capitals", swap(f.Description().SHA256, strings.Repeat("A", 64)), "sha256 is"},
		{"short digest", swap(f.Description().Digest, "abc"), `digest is "abc"`},
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
			_, err := Open(f.Dir())
			if _, ok := errors.AsType[*checkpoint.FormatError](err); !ok {
				t.Fatalf("error %v, want a *checkpoint.FormatError", err)
			}
			if !strings.Contains(err.Error(), test.say) || !strings.Contains(err.Error(), runFile) {
				t.Errorf("%q does not name the file or say %q", err, test.say)
			}
		})
	}
	if err := os.WriteFile(f.path(runFile), []byte(swap(f.Description().Digest, strings.Repeat("a", 64))), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := reopened(t, f).Load(); err == nil || !strings.Contains(err.Error(), "weights have the digest") {
		t.Errorf("a digest that is not the weights': %v", err)
	}
}

// failing stands in for a disk that is full after a number of writes.
func failing(after int, write func(string, []byte) error) func(string, []byte) error {
	return func(path string, b []byte) error {
		if after--; after < 0 {
			return &fs.PathError{Op: "write", Path: path, Err: errors.New("no space left on device")}
		}
		return write(path, b)
	}
}

func TestFailedWriteKeepsTheCheckpointBefore(t *testing.T) {
	for after, which := range []string{"the checkpoint", "run.json"} {
		f := created(t, 1, 1)
		before := filetest.Contents(t, f.Dir())
		f.write = failing(after, f.write)
		err := f.save(at(2), true)
		if err == nil || !strings.Contains(err.Error(), "save step 2: write ") || !strings.Contains(err.Error(), "no space left") {
			t.Errorf("%s cannot be written: error %v", which, err)
		}
		mustLoad(t, f, 1)
		mustLoad(t, reopened(t, f), 1)
		after := filetest.Contents(t, f.Dir())
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
		d := gan()
		d.Keep = 2
		f, err := begun(dir, d)
		for step := 1; err == nil; step++ {
			err = f.save(at(step), true)
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
		f, err := Open(dir)
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
		f.reported = map[int]bool{s.Step: true}
		if err := f.tidy(); err != nil {
			t.Fatal(err)
		}
		if err := f.save(at(s.Step+1), true); err != nil {
			t.Fatal(err)
		}
		for name := range filetest.Contents(t, dir) {
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
