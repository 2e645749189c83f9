package cli_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/petrify-ml/petrify/internal/filetest"
)

// killsVariable says how often TestKilledAtAnyMoment kills; each costs about two seconds.
const killsVariable = "PETRIFY_TEST_KILLS"

// A run that is killed at moments of no choosing, also while it goes on from an earlier kill, ends with the files of one that
// was not, byte for byte, except for the speeds in events.jsonl.
func TestKilledAtAnyMoment(t *testing.T) {
	kills := 6
	if text := os.Getenv(killsVariable); text != "" {
		var err error
		if kills, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	} else if testing.Short() {
		kills = 2
	}
	dir := t.TempDir()
	writeSet(t, filepath.Join(dir, "data"), 64)
	commands := [][]string{
		{"train", "gan", "--data", "data", "--width", "8", "--batch", "4", "--steps", "75", "--sample-every", "10", "--keep", "2", "--no-verify"},
		{"train", "vae", "--data", "data", "--width", "8", "--latent", "2", "--batch", "4", "--steps", "30", "--sample-every", "7", "--keep", "0", "--no-verify"},
		{"train", "dcgan", "--data", "data", "--width", "2", "--batch", "4", "--steps", "40", "--sample-every", "9", "--standing", "5", "--no-verify"},
	}
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	k := &killer{dir: dir, random: random}
	for i, command := range commands {
		whole := fmt.Sprint("whole", i)
		start := time.Now()
		if killed := k.run(t, 0, append(command, "--out", whole)...); killed {
			t.Fatal("killed although it was not to be")
		}
		k.most = time.Since(start)
		want := runFiles(t, filepath.Join(dir, whole))
		if len(want) < 20 {
			t.Fatalf("%d files", len(want))
		}
		for left := kills * (i + 1) / len(commands); k.kills < left; {
			name := fmt.Sprintf("parts%d", k.kills)
			k.toTheEnd(t, name, left-k.kills, append(command, "--out", name))
			if err := sameFiles(want, runFiles(t, filepath.Join(dir, name))); err != nil {
				t.Errorf("%v, killed after %v: %v", command, k.moments, err)
			}
			if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		k.controls(t, want, whole)
	}
	t.Logf("%d kills", k.kills)
}

// killer runs petrify, and kills it.
type killer struct {
	dir     string
	random  *rand.Rand
	most    time.Duration // of an uninterrupted run
	kills   int
	moments []time.Duration // of the run under way
}

// run tells whether the process was killed, which happens after that time unless it is 0.
func (k *killer) run(t *testing.T, after time.Duration, args ...string) (killed bool) {
	t.Helper()
	cmd := exec.Command("petrify", args...)
	cmd.Dir = k.dir
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if after > 0 {
		timer := time.AfterFunc(after, func() { cmd.Process.Kill() })
		defer timer.Stop()
	}
	err := cmd.Wait()
	if err != nil && cmd.ProcessState.Exited() {
		t.Fatalf("petrify %v, killed before after %v: %v\n%s", args, k.moments, err, &said)
	}
	if err != nil {
		k.kills++
		k.moments = append(k.moments, after)
	}
	return err != nil
}

// toTheEnd begins a run and goes on with it until it is done, with one to three kills on the way.
func (k *killer) toTheEnd(t *testing.T, name string, most int, begin []string) {
	t.Helper()
	k.moments = nil
	kills := min(1+k.random.IntN(3), most)
	for {
		args := begin
		if _, err := os.Stat(filepath.Join(k.dir, name, "run.json")); err == nil {
			args = []string{"train", "--resume", name, "--no-verify"}
		}
		var after time.Duration
		if kills > 0 {
			after = 1 + time.Duration(k.random.Int64N(int64(k.most)))
			kills--
		}
		if !k.run(t, after, args...) && after == 0 {
			return
		}
	}
}

// controls sees to it that the comparison finds what it is for.
func (k *killer) controls(t *testing.T, want map[string]string, whole string) {
	t.Helper()
	dir := filepath.Join(k.dir, whole)
	for name, change := range map[string]func() error{
		"a lost report": func() error {
			b := []byte(want["events.jsonl"])
			return os.WriteFile(filepath.Join(dir, "events.jsonl"), b[:bytes.LastIndexByte(b[:len(b)-1], '\n')+1], 0o644)
		},
		"a picture of another step": func() error {
			names, err := filepath.Glob(filepath.Join(dir, "samples", "*.png"))
			if err != nil {
				return err
			}
			slices.Sort(names)
			b, err := os.ReadFile(names[0])
			return errors.Join(err, os.WriteFile(names[len(names)-1], b, 0o644))
		},
		"an unfinished file": func() error {
			return os.WriteFile(filepath.Join(dir, "checkpoints", ".tmp-step-000001.safetensors-1"), nil, 0o644)
		},
		"a lost curve": func() error { return os.Remove(filepath.Join(dir, "curves.png")) },
	} {
		if err := sameFiles(want, runFiles(t, dir)); err != nil {
			t.Fatalf("before %s: %v", name, err)
		}
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if sameFiles(want, runFiles(t, dir)) == nil {
			t.Errorf("%s passes as the same folder", name)
		}
		for file, text := range want { // as it was
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.RemoveAll(filepath.Join(dir, "checkpoints", ".tmp-step-000001.safetensors-1")); err != nil {
			t.Fatal(err)
		}
	}
}

var speeds = regexp.MustCompile(`,"images_per_second":[^,}]*`)

// runFiles are the files of a run folder with their bytes, the speeds taken out.
func runFiles(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := filetest.Contents(t, dir)
	files["events.jsonl"] = speeds.ReplaceAllString(files["events.jsonl"], "")
	return files
}

func sameFiles(want, got map[string]string) error {
	var problems []error
	for name, text := range want {
		if b, ok := got[name]; !ok || b != text {
			problems = append(problems, fmt.Errorf("%s: there %v, %d bytes, want %d", name, ok, len(b), len(text)))
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			problems = append(problems, fmt.Errorf("%s is left over", name))
		}
	}
	return errors.Join(problems...)
}
