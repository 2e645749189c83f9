package run

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/checkpoint"
	"github.com/petrify-ml/petrify/dataset"
	"github.com/petrify-ml/petrify/internal/filetest"
	"github.com/petrify-ml/petrify/internal/race"
	"github.com/petrify-ml/petrify/models"
	"github.com/petrify-ml/petrify/train"
)

// data makes a folder of n images of 8x8 in MNIST's files.
func data(t testing.TB, n int) string {
	t.Helper()
	set, err := dataset.Synthetic(1, n, 1, 8, 8)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name string, b []byte, magic uint32, dims ...int) {
		head := binary.BigEndian.AppendUint32(nil, magic)
		for _, d := range dims {
			head = binary.BigEndian.AppendUint32(head, uint32(d))
		}
		if err := os.WriteFile(filepath.Join(dir, name), append(head, b...), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, split := range []string{"train", "t10k"} {
		write(split+"-images-idx3-ubyte", set.Pixels, 0x803, n, 8, 8)
		labels := make([]byte, n)
		for i, l := range set.Labels {
			labels[i] = byte(l)
		}
		write(split+"-labels-idx1-ubyte", labels, 0x801, n)
	}
	return dir
}

// small is a run of a second at most.
func small(model, data string) Config {
	return Config{
		Settings: Settings{
			Model: model, Sizes: models.Options{Latent: 4, Width: 8}, Data: Data{Source: data},
			Seed: 3, Batch: 4, SampleEvery: 10, Keep: 2,
		},
		Steps: 45,
	}
}

// trained runs until a step, and then as if Ctrl-C had been pressed; below 1 to the end.
func trained(t *testing.T, r *Run, err error, until int) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for ev, err := range r.Steps(ctx) {
		if err != nil && !(until > 0 && errors.Is(err, context.Canceled)) {
			t.Fatal(err)
		}
		if ev.Step == until {
			cancel()
		}
	}
	if until < 1 {
		if _, err := r.Export(t.Context(), ExportOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}

var rates = regexp.MustCompile(`,"` + rateName + `":[^,}]*`)

// folderOf lists the files of a finished run, without what may differ between two: the speeds.
func folderOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := filetest.Contents(t, dir)
	files[eventsFile] = rates.ReplaceAllString(files[eventsFile], "")
	return files
}

// alike says in which files two folders differ.
func alike(a, b map[string]string) error {
	var problems []error
	for name := range a {
		if _, ok := b[name]; !ok {
			problems = append(problems, fmt.Errorf("%s is missing", name))
		} else if a[name] != b[name] {
			problems = append(problems, fmt.Errorf("%s differs", name))
		}
	}
	for name := range b {
		if _, ok := a[name]; !ok {
			problems = append(problems, fmt.Errorf("%s is left over", name))
		}
	}
	return errors.Join(problems...)
}

// A run that was interrupted at any step leaves the folder of one that was not, whatever the model.
func TestInterruptedRunLeavesTheSameFolder(t *testing.T) {
	dir := data(t, 30)
	for _, model := range []string{"gan", "dcgan", "vae", "autoencoder"} {
		t.Run(model, func(t *testing.T) {
			config := small(model, dir)
			if model == "dcgan" {
				config.Standing = 3
			}
			whole, parts := filepath.Join(t.TempDir(), "run"), filepath.Join(t.TempDir(), "run")
			r, err := Create(t.Context(), whole, config)
			trained(t, r, err, 0)
			want := folderOf(t, whole)
			if len(want) < 15 {
				t.Fatalf("%d files", len(want))
			}

			r, err = Create(t.Context(), parts, config)
			trained(t, r, err, 7)
			for _, until := range []int{20, 33, 44, 0} {
				r, err = Resume(t.Context(), parts, ResumeOptions{})
				trained(t, r, err, until)
			}
			if err := alike(want, folderOf(t, parts)); err != nil {
				t.Error(err)
			}
		})
	}
}

// What a full disk kept from being written is written when the run goes on, whichever write it was that failed.
func TestFailedWritesAreDoneAnew(t *testing.T) {
	config := small("vae", data(t, 30))
	whole := filepath.Join(t.TempDir(), "run")
	r, err := Create(t.Context(), whole, config)
	trained(t, r, err, 0)
	want := folderOf(t, whole)
	for after := range race.Pick(20, 5) {
		dir := filepath.Join(t.TempDir(), "run")
		r, err := Create(t.Context(), dir, config)
		if err != nil {
			t.Fatal(err)
		}
		r.write = failing(after, r.write)
		failed := false
		for _, err := range r.Steps(t.Context()) {
			failed = failed || err != nil && strings.Contains(err.Error(), "no space left")
		}
		if err := r.Close(); err != nil || !failed {
			t.Fatalf("write %d: failed %v, close %v", after, failed, err)
		}
		r, err = Resume(t.Context(), dir, ResumeOptions{})
		trained(t, r, err, 0)
		if err := alike(want, folderOf(t, dir)); err != nil {
			t.Errorf("write %d: %v", after, err)
		}
	}
}

func TestLongerRunIsOneThatWasLongFromTheStart(t *testing.T) {
	config := small("gan", data(t, 30))
	config.Steps, config.Keep = 40, 0
	longer := filepath.Join(t.TempDir(), "run")
	r, err := Create(t.Context(), longer, config)
	trained(t, r, err, 0)
	r, err = Resume(t.Context(), longer, ResumeOptions{Steps: 70})
	trained(t, r, err, 0)
	config.Steps = 70
	long := filepath.Join(t.TempDir(), "run")
	r, err = Create(t.Context(), long, config)
	trained(t, r, err, 0)
	if err := alike(folderOf(t, long), folderOf(t, longer)); err != nil {
		t.Error(err)
	}
	if _, err := Resume(t.Context(), long, ResumeOptions{Steps: 60}); err == nil || !strings.Contains(err.Error(), "70 steps already") {
		t.Errorf("fewer steps than are done: %v", err)
	}
}

func TestDataAtAnotherPlace(t *testing.T) {
	place := data(t, 30)
	dir := filepath.Join(t.TempDir(), "run")
	r, err := Create(t.Context(), dir, small("gan", place))
	trained(t, r, err, 20)
	if _, err := Resume(t.Context(), dir, ResumeOptions{Data: data(t, 31)}); err == nil || !strings.Contains(err.Error(), "other data") {
		t.Errorf("other data: %v", err)
	}
	moved := place + "-moved"
	if err := os.Rename(place, moved); err != nil {
		t.Fatal(err)
	}
	if _, err := Resume(t.Context(), dir, ResumeOptions{}); err == nil {
		t.Error("data that is missing: no error")
	}
	r, err = Resume(t.Context(), dir, ResumeOptions{Data: moved})
	trained(t, r, err, 30)
	r, err = Resume(t.Context(), dir, ResumeOptions{})
	trained(t, r, err, 0)
}

func TestLostDescriptionIsRebuilt(t *testing.T) {
	place := data(t, 30)
	dir := filepath.Join(t.TempDir(), "run")
	r, err := Create(t.Context(), dir, small("gan", place))
	trained(t, r, err, 0)
	before := filetest.Contents(t, dir)
	if err := os.Remove(filepath.Join(dir, runFile)); err != nil {
		t.Fatal(err)
	}
	f, err := Open(dir)
	if err != nil || !f.Rebuilt() {
		t.Fatalf("open: %v", err)
	}
	if _, err := f.Sample(1, 1); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, runFile)); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a reader has written run.json")
	}
	var said []string
	r, err = Resume(t.Context(), dir, ResumeOptions{Data: place, Note: func(s string) { said = append(said, s) }})
	trained(t, r, err, 0)
	after := filetest.Contents(t, dir)
	if after[runFile] != before[runFile] {
		t.Errorf("run.json is\n%s\nit was\n%s", after[runFile], before[runFile])
	}
	if len(said) != 2 || !strings.Contains(said[1], "run.json was lost") {
		t.Errorf("said %q", said)
	}
}

func TestSettingsBehindTheCheckpointsBack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	r, err := Create(t.Context(), dir, small("gan", data(t, 30)))
	trained(t, r, err, 20)
	for _, change := range []struct{ old, new, say string }{
		{`"batch": 4`, `"batch": 5`, "batch is 5, not 4"},
		{`"seed": 3`, `"seed": 4`, "seed is 4, not 3"},
		{`"keep": 2`, `"keep": 0`, "keep is 0, not 2"},
		{`"learning_rate": 0.001`, `"learning_rate": 0.01`, "learning_rate is 0.01, not 0.001"},
		{`"width": 8`, `"width": 8, "depth": 1`, "sizes is "},
	} {
		f, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		damage(t, f, runFile, func(b []byte) []byte {
			return bytes.Replace(b, []byte(change.old), []byte(change.new), 1)
		})
		if _, err := Resume(t.Context(), dir, ResumeOptions{}); err == nil || !strings.Contains(err.Error(), change.say) {
			t.Errorf("%s: %v", change.new, err)
		}
		if _, err := (&Folder{dir: dir}).reread(t).Load(); err == nil || !strings.Contains(err.Error(), change.say) {
			t.Errorf("load with %s: %v", change.new, err)
		}
		damage(t, f, runFile, func(b []byte) []byte {
			return bytes.Replace(b, []byte(change.new), []byte(change.old), 1)
		})
	}
	r, err = Resume(t.Context(), dir, ResumeOptions{})
	trained(t, r, err, 0)
}

func (f *Folder) reread(t *testing.T) *Folder {
	t.Helper()
	g, err := Open(f.dir)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// A run.json of the first format, of a run that an earlier version has begun, is read, and goes on as format 2.
func TestFirstFormat(t *testing.T) {
	place := data(t, 30)
	config := small("gan", place)
	dir, want := filepath.Join(t.TempDir(), "run"), filepath.Join(t.TempDir(), "run")
	r, err := Create(t.Context(), dir, config)
	trained(t, r, err, 20)
	f, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	// The checkpoint of that version carried neither settings nor curves.
	s, err := f.Load()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := takeCurves(s, []string{"d_loss", "d_accuracy", "g_loss"}); err != nil {
		t.Fatal(err)
	}
	delete(s.Meta, settingsKey)
	delete(s.Meta, curvesKey)
	if err := checkpoint.WriteFile(f.CheckpointFile(), s); err != nil {
		t.Fatal(err)
	}
	_, sum, err := checkpoint.ReadFileSum(f.CheckpointFile())
	if err != nil {
		t.Fatal(err)
	}
	d := f.Description()
	text := fmt.Sprintf(`{"format": 1, "model": "gan", "config": {"sizes": {"image": [1, 8, 8], "latent": 4, "width": 8}, "learning_rate": 0.001, "sample_every": 10},
		"seed": 3, "steps": 45, "batch": 4, "data": {"name": %q, "source": %q, "digest": %q}, "version": "devel", "go": "go1.0", "machine": "abacus",
		"step": %d, "checkpoint": %q, "sha256": %q, "digest": %q}`, d.Data.Name, d.Data.Source, d.Data.Digest, d.Step, d.Checkpoint, sum, d.Digest)
	if err := os.WriteFile(filepath.Join(dir, runFile), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	var said []string
	r, err = Resume(t.Context(), dir, ResumeOptions{Note: func(s string) { said = append(said, s) }})
	trained(t, r, err, 0)
	if len(said) != 2 || !strings.Contains(said[1], `machine "abacus"`) { // behind what the data was taken for
		t.Errorf("said %q", said)
	}
	sessions := f.reread(t).Description().Sessions
	if len(sessions) != 2 || sessions[0].Machine != "abacus" || sessions[1] != thisSession(20) {
		t.Errorf("sessions %+v", sessions)
	}
	r, err = Create(t.Context(), want, config)
	trained(t, r, err, 0)
	a, err1 := f.reread(t).Load()
	b, err2 := (&Folder{dir: want}).reread(t).Load()
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if checkpoint.Digest(a.Weights()) != checkpoint.Digest(b.Weights()) {
		t.Error("other weights than those of an uninterrupted run")
	}
}

func TestOneWriterAtATime(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	config := small("gan", data(t, 30))
	r, err := Create(t.Context(), dir, config)
	if err != nil {
		t.Fatal(err)
	}
	config.Force = true
	for name, try := range map[string]func() error{
		"create": func() error { _, err := Create(t.Context(), dir, config); return err },
		"resume": func() error { _, err := Resume(t.Context(), dir, ResumeOptions{}); return err },
		"export": func() error {
			f, err := Open(dir)
			if err != nil {
				return err
			}
			s, err := r.snapshot()
			if err := errors.Join(err, r.save(s, true)); err != nil {
				return err
			}
			_, err = f.reread(t).Export(t.Context(), ExportOptions{})
			return err
		},
	} {
		err := try()
		locked, ok := errors.AsType[*LockedError](err)
		if !ok || locked.PID != os.Getpid() || locked.Dir != dir || !strings.Contains(err.Error(), fmt.Sprintf("process %d on ", os.Getpid())) {
			t.Errorf("%s beside a run: %v", name, err)
		}
	}
	trained(t, r, nil, 0)
	if _, err := os.Stat(filepath.Join(dir, lockFile)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the lock is left: %v", err)
	}
	// What a killed process left locks nothing.
	if err := os.WriteFile(filepath.Join(dir, lockFile), []byte(`{"pid":1,"host":"gone"}`+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err = Resume(t.Context(), dir, ResumeOptions{Steps: 46})
	trained(t, r, err, 0)
}

func TestForceRemovesTheRunAndNothingElse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	config := small("gan", data(t, 30))
	config.Force = true
	r, err := Create(t.Context(), dir, config)
	trained(t, r, err, 0)
	if err := os.WriteFile(filepath.Join(dir, "notes"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	config.Steps, config.SampleEvery = 5, 5
	r, err = Create(t.Context(), dir, config)
	trained(t, r, err, 0)
	var left []string
	for name := range filetest.Contents(t, dir) {
		if !strings.HasPrefix(name, onnxFolder) {
			left = append(left, name)
		}
	}
	slices.Sort(left)
	want := []string{"checkpoints/step-000005.safetensors", "curves.png", "events.jsonl", "notes", "run.json", "samples/step-000005.png"}
	if !slices.Equal(left, want) {
		t.Errorf("left %v, want %v", left, want)
	}
}

// Curves stay within their number of points, and the mean of a stretch stands in its middle.
func TestCurvesMergeNeighbours(t *testing.T) {
	c := &curves{}
	metrics := []train.Metric{{Name: "d_loss"}, {Name: "d_accuracy", Value: 0.5}}
	const steps = 2500
	for step := 1; step <= steps; step++ {
		metrics[0].Value = float64(step)
		c.add(metrics)
	}
	loss, accuracy := c.curve(0), c.curve(1)
	if n := len(loss.Steps); n >= mostPoints || n < mostPoints/2 || loss.Name != "d loss" {
		t.Errorf("%d points of %s", n, loss.Name)
	}
	for i, step := range loss.Steps {
		if loss.Values[i] != step || accuracy.Values[i] != 0.5 {
			t.Errorf("at step %v the mean is %v, the accuracy %v", step, loss.Values[i], accuracy.Values[i])
		}
	}
	if last := loss.Steps[len(loss.Steps)-1]; last < steps-4 || last > steps {
		t.Errorf("the last point is at step %v of %d", last, steps)
	}
	if n := race.AllocsPerRun(3000, func() { c.add(metrics) }); n != 0 {
		t.Errorf("%v allocations for an iteration", n)
	}
}
