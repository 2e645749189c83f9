package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// Run describes a training run: enough to repeat it, and where its latest
// checkpoint is. It is what run.json holds.
type Run struct {
	Format  int             `json:"format"`           // of run.json; set by Create
	Model   string          `json:"model"`            // the architecture's name
	Config  json.RawMessage `json:"config,omitempty"` // the model's and the trainer's own settings, in JSON
	Seed    uint64          `json:"seed"`
	Steps   int             `json:"steps"` // iterations in all
	Batch   int             `json:"batch"`
	Data    DataInfo        `json:"data"`
	Version string          `json:"version"` // of petrify
	Go      string          `json:"go"`      // the Go version; set by Create where it is empty
	Machine string          `json:"machine"` // the kind of machine on which the same seed gives the same bytes, such as "amd64 avx2 fma"

	// The latest checkpoint, empty until the first Save, which sets all four.
	Step       int    `json:"step"`
	Checkpoint string `json:"checkpoint,omitempty"` // its path below the run folder, with forward slashes
	SHA256     string `json:"sha256,omitempty"`     // of that file
	Digest     string `json:"digest,omitempty"`     // of its Weights, see Digest
}

// DataInfo names the data that a run learns from.
type DataInfo struct {
	Name   string `json:"name"`   // for people
	Source string `json:"source"` // what to open to get it again
	Digest string `json:"digest"` // sha256 of the decoded data
}

const (
	runFormat = 1
	runFile   = "run.json"
	// maxRun is far more than a description takes.
	maxRun = 16 << 20
)

// readRun reads and checks a run.json.
func readRun(file string) (Run, error) {
	fail := func(format string, args ...any) (Run, error) {
		return Run{}, &FormatError{File: file, Why: fmt.Sprintf(format, args...)}
	}
	info, err := os.Stat(file)
	if err != nil {
		return Run{}, err
	}
	if !info.Mode().IsRegular() {
		return Run{}, fmt.Errorf("%s: not a regular file", file)
	}
	if info.Size() > maxRun {
		return fail("%d bytes, want at most %d", info.Size(), maxRun)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return Run{}, err
	}
	var version struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(b, &version); err != nil {
		return fail("%v", err)
	}
	if version.Format != runFormat {
		return fail("format %d, this petrify reads %d", version.Format, runFormat)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	var r Run
	if err := d.Decode(&r); err != nil {
		return fail("%v", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return fail("something follows its end")
	}
	if err := r.check(); err != nil {
		return fail("%v", err)
	}
	return r, nil
}

// writeRun replaces a run.json.
func writeRun(file string, r Run, write writeFunc) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(r); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return writeWhole(file, b.Bytes(), write)
}

func (r Run) check() error {
	var problems []error
	fail := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if r.Model == "" {
		fail("model is missing")
	}
	if r.Step < 0 || r.Steps < 0 || r.Batch < 0 {
		fail("step %d, steps %d, batch %d: want none below 0", r.Step, r.Steps, r.Batch)
	}
	if len(r.Config) > 0 && !json.Valid(r.Config) {
		fail("config is not JSON")
	}
	if r.Checkpoint == "" {
		if r.Step != 0 || r.SHA256 != "" || r.Digest != "" {
			fail("step %d, sha256 %q, digest %q without a checkpoint", r.Step, r.SHA256, r.Digest)
		}
		return errors.Join(problems...)
	}
	if want := checkpointName(r.Step); r.Checkpoint != want {
		fail("checkpoint is %q, want %q for step %d", r.Checkpoint, want, r.Step)
	}
	for _, sum := range []struct{ name, hex string }{{"sha256", r.SHA256}, {"digest", r.Digest}} {
		if len(sum.hex) != 64 || strings.Trim(sum.hex, "0123456789abcdef") != "" {
			fail("%s is %q, want 64 hex digits", sum.name, sum.hex)
		}
	}
	return errors.Join(problems...)
}

const (
	checkpointFolder = "checkpoints"
	checkpointPrefix = "step-"
	checkpointSuffix = ".safetensors"
)

// checkpointName is the path of a step's checkpoint below the run folder.
func checkpointName(step int) string {
	return path.Join(checkpointFolder, fmt.Sprintf("%s%06d%s", checkpointPrefix, step, checkpointSuffix))
}

// checkpointStep is the inverse of checkpointName.
func checkpointStep(name string) (step int, ok bool) {
	base := strings.TrimSuffix(strings.TrimPrefix(path.Base(name), checkpointPrefix), checkpointSuffix)
	step, err := strconv.Atoi(base)
	return step, err == nil && step >= 0 && checkpointName(step) == name
}

// fill completes what Create sets itself.
func (r Run) fill() Run {
	r.Format = runFormat
	if r.Go == "" {
		r.Go = runtime.Version()
	}
	r.Step, r.Checkpoint, r.SHA256, r.Digest = 0, "", "", ""
	return r
}

// notARun explains a missing run.json.
func notARun(dir string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	switch info, statErr := os.Stat(dir); {
	case errors.Is(statErr, fs.ErrNotExist):
		return fmt.Errorf("run folder %s: %w", dir, fs.ErrNotExist)
	case statErr == nil && !info.IsDir():
		return fmt.Errorf("%s: a file, want a run folder", dir)
	}
	return fmt.Errorf("%s: not a run folder, it has no %s: %w", filepath.Clean(dir), runFile, fs.ErrNotExist)
}
