package cli_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/petrify-ml/petrify/checkpoint"
	"github.com/petrify-ml/petrify/internal/cli"
)

// A disk that fills up ends the run with a word on what is left; when there is room again the run goes on, and ends as one
// that never lacked any.
func TestFullDisk(t *testing.T) {
	small, large := t.TempDir(), t.TempDir()
	// A checkpoint of the GAN takes 2.6 MiB, and two have room.
	if err := syscall.Mount("tmpfs", small, "tmpfs", 0, "size=7m"); err != nil {
		t.Skip("a small tmpfs cannot be mounted here: ", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(small, 0); err != nil {
			t.Error(err)
		}
	})
	petrify := func(args ...string) (code int, said string) {
		var out, errs bytes.Buffer
		code = cli.Run(t.Context(), &cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs}, args)
		return code, errs.String()
	}
	begin := func(dir string) []string {
		return []string{"train", "gan", "--steps", "6", "--batch", "4", "--sample-every", "1", "--keep", "0", "--no-verify", "--out", dir}
	}
	run := filepath.Join(small, "run")
	code, said := petrify(begin(run)...)
	if code != 2 || !strings.Contains(said, syscall.ENOSPC.Error()) {
		t.Fatalf("exit code %d, want 2, and %q in: %s", code, syscall.ENOSPC.Error(), said)
	}
	named := regexp.MustCompile(`the last good checkpoint, of step (\d+), is in (\S+)`).FindStringSubmatch(said)
	if named == nil || !strings.Contains(said, "petrify train --resume "+run) {
		t.Fatalf("what is left, and how to go on, is not said: %s", said)
	}
	s, err := checkpoint.ReadFile(named[2])
	if err != nil || fmt.Sprint(s.Step) != named[1] || s.Step < 1 || s.Step >= 6 {
		t.Fatalf("the checkpoint of step %s: %v", named[1], err)
	}
	if err := syscall.Mount("tmpfs", small, "tmpfs", syscall.MS_REMOUNT, "size=64m"); err != nil {
		t.Fatal(err)
	}
	if code, said := petrify("train", "--resume", run, "--no-verify"); code != 0 {
		t.Fatalf("going on: exit code %d: %s", code, said)
	}
	if code, said := petrify(begin(filepath.Join(large, "run"))...); code != 0 {
		t.Fatalf("exit code %d: %s", code, said)
	}
	const last = "run/checkpoints/step-000006.safetensors"
	got, err1 := os.ReadFile(filepath.Join(small, last))
	want, err2 := os.ReadFile(filepath.Join(large, last))
	if err1 != nil || err2 != nil || !bytes.Equal(got, want) {
		t.Errorf("the run that lacked room ends with other bytes (%v, %v)", err1, err2)
	}
}
