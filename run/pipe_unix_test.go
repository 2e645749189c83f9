//go:build unix

package run

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/petrify-ml/petrify/internal/race"
)

// What stands in the place of a run's files and never ends, or never begins, is refused at once.
func TestPipesAndDevicesAreNotWaitedFor(t *testing.T) {
	race.Skip(t)
	pipe := func(path string) error { return syscall.Mkfifo(path, 0o644) }
	zero := func(path string) error { return os.Symlink("/dev/zero", path) }
	huge := func(path string) error {
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		defer f.Close()
		return f.Truncate(1 << 40)
	}
	for _, file := range []string{runFile, eventsFile, lockFile, curvesFile, samplesFolder + "/step-000030.png", checkpointName(20)} {
		for name, put := range map[string]func(string) error{"pipe": pipe, "device": zero, "huge": huge} {
			if name == "huge" && file != runFile && file != eventsFile && file != checkpointName(20) {
				continue // these are not read
			}
			t.Run(file+" "+name, func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "run")
				r, err := Create(t.Context(), dir, small("gan", data(t, 10)))
				trained(t, r, err, 20)
				path := filepath.Join(dir, file)
				if err := os.RemoveAll(path); err != nil {
					t.Fatal(err)
				}
				if err := put(path); err != nil {
					t.Skip(err)
				}
				done := inBackground(func() error {
					r, err := Resume(t.Context(), dir, ResumeOptions{})
					if err != nil {
						return err
					}
					defer r.Close()
					for _, err := range r.Steps(t.Context()) {
						if err != nil {
							return err
						}
					}
					return nil
				})
				select {
				case err := <-done:
					if err == nil && file != checkpointName(20) || err != nil && !strings.Contains(err.Error(), filepath.Base(path)) {
						t.Errorf("error %v, want one that names the file", err)
					}
				case <-time.After(time.Minute):
					t.Fatal("it is waited for")
				}
			})
		}
	}
}

func inBackground(do func() error) <-chan error {
	c := make(chan error, 1)
	go func() { c <- do() }()
	return c
}
