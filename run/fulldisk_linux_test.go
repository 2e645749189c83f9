package run

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/petrify-ml/petrify/checkpoint"
	"github.com/petrify-ml/petrify/internal/filetest"
	"github.com/petrify-ml/petrify/train"
)

// fullDisk saves a checkpoint that fits into dir and then one that does not.
func fullDisk(t *testing.T, dir string, want error) {
	t.Helper()
	f, err := begun(filepath.Join(dir, "run"), gan())
	if err != nil {
		t.Fatal(err)
	}
	if err := f.save(at(1), true); err != nil {
		t.Fatal(err)
	}
	before := filetest.Contents(t, dir)
	large := &checkpoint.Snapshot{Step: 2, Tensors: []checkpoint.Tensor{{Name: "w", Dims: []int{1 << 18}, Data: make([]float32, 1<<18)}}}
	if err := f.save(large, true); !errors.Is(err, want) || !strings.Contains(err.Error(), "step-000002.safetensors") {
		t.Errorf("saving 1 MiB: %v, want %v and the file's name", err, want)
	}
	if err := checkpoint.WriteFile(filepath.Join(dir, "alone.safetensors"), large); !errors.Is(err, want) {
		t.Errorf("writing 1 MiB: %v, want %v", err, want)
	}
	after := filetest.Contents(t, dir)
	for name := range after {
		if before[name] != after[name] {
			t.Errorf("%s is new or changed", name)
		}
	}
	if len(after) != len(before) {
		t.Errorf("%d files, want the %d from before", len(after), len(before))
	}
	mustLoad(t, f, 1)
	mustLoad(t, reopened(t, f), 1)
	if err := f.save(at(3), true); err != nil {
		t.Errorf("saving less afterwards: %v", err)
	}

	log, _, err := f.openLog(3)
	if err != nil {
		t.Fatal(err)
	}
	defer log.file.Close()
	long := Report{Metrics: []train.Metric{{Name: strings.Repeat("long", 1<<10), Value: 1}}}
	for err == nil && long.Step < 1000 {
		long.Step++
		err = log.append(long)
	}
	if !errors.Is(err, want) {
		t.Errorf("appending 4 MiB of events: %v, want %v", err, want)
	}
	if got := len(steps(t, f)); got != long.Step-1 || got == 0 {
		t.Errorf("%d events in the log, want %d", got, long.Step-1)
	}
	if b := filetest.Contents(t, dir)["run/events.jsonl"]; !strings.HasSuffix(b, "\n") {
		t.Errorf("the log ends with a part of a line: %d bytes", len(b))
	}
}

func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=128k"); err != nil {
		t.Skip("a small tmpfs cannot be mounted here: ", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	fullDisk(t, dir, syscall.ENOSPC)
}

// A limit on the size of files stands in for a full disk where nobody may
// mount one. It counts for a whole process, so the test runs in a child.
func TestFileSizeLimit(t *testing.T) {
	const child = "PETRIFY_TEST_FILE_SIZE_LIMIT"
	if dir := os.Getenv(child); dir != "" {
		signal.Ignore(syscall.SIGXFSZ)
		limit := syscall.Rlimit{Cur: 64 << 10, Max: 64 << 10}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			t.Fatal(err)
		}
		fullDisk(t, dir, syscall.EFBIG)
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFileSizeLimit$", "-test.v")
	cmd.Env = append(os.Environ(), child+"="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestFileSizeLimit") {
		t.Errorf("child: %v\n%s", err, out)
	}
}
