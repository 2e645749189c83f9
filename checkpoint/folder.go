package checkpoint

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/sys/atomicwriter"
)

// Folder is a run on disk:
//
//	run.json                             what the run is, and its latest checkpoint
//	checkpoints/step-020000.safetensors  the checkpoints
//	events.jsonl                         its reports
//
// One process writes to a folder at a time; any number may read.
type Folder struct {
	dir     string
	run     Run
	options Options
	write   writeFunc
}

// Options of a folder. The zero value keeps every checkpoint.
type Options struct {
	Keep int // how many checkpoints Save leaves in the folder; 0 for all
}

// ErrNoCheckpoint says that a run was started but never saved.
var ErrNoCheckpoint = errors.New("no checkpoint was saved yet")

// Create starts a run in a folder, which it makes where it is missing. A
// folder that already holds a run is left alone, with an error that wraps
// fs.ErrExist. Where the checkpoint is, is left out of run: Save sets it.
func Create(dir string, run Run, o Options) (*Folder, error) {
	f := &Folder{dir: dir, run: run.fill(), options: o, write: atomicwriter.WriteFile}
	if err := f.run.check(); err != nil {
		return nil, fmt.Errorf("create run %s: %w", dir, err)
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	if _, err := os.Lstat(f.path(runFile)); err == nil {
		return nil, fmt.Errorf("%s holds a run already: %w", dir, fs.ErrExist)
	}
	if err := os.MkdirAll(f.path(checkpointFolder), 0o755); err != nil {
		return nil, fmt.Errorf("create run: %w", err)
	}
	saved, err := f.list()
	if err != nil {
		return nil, err
	}
	if len(saved) > 0 {
		return nil, fmt.Errorf("%s holds checkpoints of a run whose %s is missing: %w", dir, runFile, fs.ErrExist)
	}
	if err := writeRun(f.path(runFile), f.run, f.write); err != nil {
		return nil, err
	}
	return f, nil
}

// Open finds the run in a folder. A run.json that is damaged is a
// *FormatError; a missing one wraps fs.ErrNotExist.
func Open(dir string, o Options) (*Folder, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	run, err := readRun(filepath.Join(dir, runFile))
	if err != nil {
		return nil, notARun(dir, err)
	}
	return &Folder{dir: dir, run: run, options: o, write: atomicwriter.WriteFile}, nil
}

func (o Options) check() error {
	if o.Keep < 0 {
		return fmt.Errorf("keep is %d checkpoints, want 0 (all) or more", o.Keep)
	}
	return nil
}

// Dir is the folder's path.
func (f *Folder) Dir() string { return f.dir }

// Run describes the run as of the latest Save.
func (f *Folder) Run() Run { return f.run }

// Update changes what the run's description says, for a run that goes on with
// more steps or on another machine. Where the checkpoint is stays as it was.
func (f *Folder) Update(change func(*Run)) error {
	run := f.run
	change(&run)
	run.Format, run.Step, run.Checkpoint, run.SHA256, run.Digest = f.run.Format, f.run.Step, f.run.Checkpoint, f.run.SHA256, f.run.Digest
	if err := run.check(); err != nil {
		return fmt.Errorf("%s: %w", f.path(runFile), err)
	}
	if err := writeRun(f.path(runFile), run, f.write); err != nil {
		return err
	}
	f.run = run
	return nil
}

// Save writes a checkpoint, then the run.json that names it, then removes
// checkpoints beyond Options.Keep and those of later steps, which a run that
// went back has abandoned. Where it fails, the checkpoint before is in place
// and Load finds it.
func (f *Folder) Save(s *Snapshot) error {
	b, err := encode(s)
	if err != nil {
		return fmt.Errorf("save step %d: %w", s.Step, err)
	}
	run := f.run
	run.Step = s.Step
	run.Checkpoint = checkpointName(s.Step)
	run.Digest = Digest(s.Weights())
	sum := sha256.Sum256(b)
	run.SHA256 = hex.EncodeToString(sum[:])

	if err := os.MkdirAll(f.path(checkpointFolder), 0o755); err != nil {
		return fmt.Errorf("save step %d: %w", s.Step, err)
	}
	if err := writeWhole(f.path(run.Checkpoint), b, f.write); err != nil {
		return fmt.Errorf("save step %d: %w", s.Step, err)
	}
	if err := writeRun(f.path(runFile), run, f.write); err != nil {
		return fmt.Errorf("save step %d: %w", s.Step, err)
	}
	f.run = run
	if err := f.tidy(); err != nil {
		return fmt.Errorf("step %d is saved, but: %w", s.Step, err)
	}
	return nil
}

// Load reads the checkpoint that run.json names and checks it against
// run.json too. Nothing else is tried in its place: see Recover.
func (f *Folder) Load() (*Snapshot, error) {
	if f.run.Checkpoint == "" {
		return nil, fmt.Errorf("%s: %w", f.dir, ErrNoCheckpoint)
	}
	file := f.path(f.run.Checkpoint)
	s, sum, err := readFile(file)
	if err != nil {
		return nil, err
	}
	fail := func(format string, args ...any) (*Snapshot, error) {
		return nil, &FormatError{File: file, Why: fmt.Sprintf(format, args...)}
	}
	switch digest := Digest(s.Weights()); {
	case s.Step != f.run.Step:
		return fail("holds step %d, %s says %d", s.Step, runFile, f.run.Step)
	case sum != f.run.SHA256:
		return fail("whole, but not the file that %s names: sha256 %s, want %s", runFile, sum, f.run.SHA256)
	case digest != f.run.Digest:
		return fail("weights have the digest %s, %s says %s", digest, runFile, f.run.Digest)
	}
	return s, nil
}

// Recover is Load that falls back to the newest checkpoint that is whole.
// lost says, newest first, what was wrong with each one passed over; it is
// empty where Load would have done. Nothing on disk is changed: the Save that
// follows makes the fallback the run's history.
func (f *Folder) Recover() (s *Snapshot, lost []error, err error) {
	s, err = f.Load()
	if err == nil {
		return s, nil, nil
	}
	lost = append(lost, err)
	saved, err := f.list()
	if err != nil {
		return nil, lost, err
	}
	for _, name := range slices.Backward(saved) {
		s, _, err := readFile(f.path(name))
		step, _ := checkpointStep(name)
		switch {
		case err != nil && name == f.run.Checkpoint: // said by Load
		case err != nil:
			lost = append(lost, err)
		case s.Step != step:
			lost = append(lost, &FormatError{File: f.path(name), Why: fmt.Sprintf("holds step %d, its name says %d", s.Step, step)})
		default:
			return s, lost, nil
		}
	}
	return nil, lost, fmt.Errorf("%s: no whole checkpoint among %d: %w", f.dir, len(saved), errors.Join(lost...))
}

// list names the checkpoints in the folder, by rising step.
func (f *Folder) list() ([]string, error) {
	entries, err := os.ReadDir(f.path(checkpointFolder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		name := checkpointFolder + "/" + e.Name()
		if _, ok := checkpointStep(name); ok {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		stepA, _ := checkpointStep(a)
		stepB, _ := checkpointStep(b)
		return cmp.Compare(stepA, stepB)
	})
	return names, nil
}

// tidy removes checkpoints that are too many or abandoned, and what a process
// that was killed while writing has left.
func (f *Folder) tidy() error {
	saved, err := f.list()
	if err != nil {
		return err
	}
	current := slices.Index(saved, f.run.Checkpoint)
	first := 0
	if f.options.Keep > 0 {
		first = max(0, current+1-f.options.Keep)
	}
	var problems []error
	for i, name := range saved {
		if i < first || i > current {
			problems = append(problems, os.Remove(f.path(name)))
		}
	}
	for _, dir := range []string{".", checkpointFolder} {
		entries, err := os.ReadDir(f.path(dir))
		problems = append(problems, err)
		for _, e := range entries {
			if slices.ContainsFunc(temporary, func(prefix string) bool { return strings.HasPrefix(e.Name(), prefix) }) {
				problems = append(problems, os.Remove(f.path(filepath.Join(dir, e.Name()))))
			}
		}
	}
	return errors.Join(problems...)
}

// temporary is how atomicwriter's unfinished files of this package are called.
var temporary = []string{".tmp-" + runFile, ".tmp-" + eventsFile, ".tmp-" + checkpointPrefix}

// path is where a file of the run is; name has forward slashes.
func (f *Folder) path(name string) string { return filepath.Join(f.dir, filepath.FromSlash(name)) }
