package run

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/card"
	"github.com/petrify-ml/petrify/checkpoint"
	"github.com/petrify-ml/petrify/internal/atomicfile"
)

// A Folder is a run on disk, for reading: see Open. Any number of processes may read it, even while one
// trains.
type Folder struct {
	dir      string
	about    Description
	rebuilt  bool         // run.json was lost: about is what the checkpoint knows
	reported map[int]bool // checkpoints of these steps belong to reports; others were saved when the run was interrupted
	lock     *lock        // held while the folder is written to
	write    func(path string, b []byte) error
}

// ErrNoCheckpoint says that a run was started but never saved.
var ErrNoCheckpoint = errors.New("no checkpoint was saved yet")

// Open opens the run in a folder. A damaged run.json is a *checkpoint.FormatError. If run.json is missing, its content is
// rebuilt from the newest checkpoint; if there is none either, the error wraps fs.ErrNotExist.
func Open(dir string) (*Folder, error) {
	f := &Folder{dir: dir, write: atomicfile.Write}
	return f, f.read()
}

func (f *Folder) read() (err error) {
	f.about, err = readDescription(f.path(runFile))
	if errors.Is(err, fs.ErrNotExist) {
		return f.rebuild(notARun(f.dir, err))
	}
	if info, statErr := os.Stat(f.dir); err != nil && statErr == nil && !info.IsDir() {
		return fmt.Errorf("%s: a file, want a run folder", f.dir)
	}
	return err
}

// rebuild takes from the newest whole checkpoint what a lost run.json said. Two things are not in it: where the data lay,
// and how many steps there were to be.
func (f *Folder) rebuild(lost error) error {
	saved, err := f.list()
	if err != nil || len(saved) == 0 {
		return lost
	}
	for _, name := range slices.Backward(saved) {
		s, sum, err := checkpoint.ReadFileSum(f.path(name))
		if err != nil || checkpointName(s.Step) != name {
			continue
		}
		d := Description{
			Format: runFormat, Steps: max(1, s.Step), Sessions: []Session{thisSession(0)},
			Step: s.Step, Checkpoint: name, SHA256: sum, Digest: checkpoint.Digest(s.Weights()),
		}
		if err := strictly([]byte(s.Meta[settingsKey]), &d.Settings); err != nil {
			return fmt.Errorf("%w; and %s does not say what it was", lost, f.path(name))
		}
		f.about, f.rebuilt = d, true
		return d.check()
	}
	return fmt.Errorf("%w; and there is no intact checkpoint among %d", lost, len(saved))
}

// Dir returns the folder's path.
func (f *Folder) Dir() string { return f.dir }

// Description returns the content of run.json, as of the latest checkpoint.
func (f *Folder) Description() Description { return f.about }

// Rebuilt reports whether run.json was missing and had to be rebuilt.
func (f *Folder) Rebuilt() bool { return f.rebuilt }

// CheckpointFile returns the path of the latest checkpoint, or "" if there is none.
func (f *Folder) CheckpointFile() string {
	if f.about.Checkpoint == "" {
		return ""
	}
	return f.path(f.about.Checkpoint)
}

// describe changes run.json.
func (f *Folder) describe(d Description) error {
	d.SettingsSHA256 = d.Settings.Digest()
	b, err := d.encode()
	if err == nil {
		err = d.check()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", f.path(runFile), err)
	}
	if err := f.write(f.path(runFile), b); err != nil {
		return err
	}
	f.about = d
	return nil
}

// Where a checkpoint carries the settings of its run, and their digest.
const (
	settingsKey       = "run"
	settingsDigestKey = "run_sha256"
)

// save writes a checkpoint, then the run.json that names it, and then removes checkpoints that are too many or that a run
// which went back has abandoned. Where it fails, the checkpoint before is in place. reported tells whether the step belongs
// to a report; one that does not was saved because the run was interrupted, and the next takes its place.
func (f *Folder) save(s *checkpoint.Snapshot, reported bool) error {
	seal, err := f.about.seal()
	if err != nil {
		return fmt.Errorf("save step %d: %w", s.Step, err)
	}
	if s.Meta == nil {
		s.Meta = map[string]string{}
	}
	s.Meta[settingsKey], s.Meta[settingsDigestKey] = seal, digestOf(seal)
	b, err := checkpoint.Encode(s)
	if err != nil {
		return fmt.Errorf("save step %d: %w", s.Step, err)
	}
	d := f.about
	d.Step = s.Step
	d.Checkpoint = checkpointName(s.Step)
	d.Digest = checkpoint.Digest(s.Weights())
	d.SHA256 = digestOf(string(b))

	if err := os.MkdirAll(f.path(checkpointFolder), 0o777); err != nil {
		return fmt.Errorf("save step %d: %w", s.Step, err)
	}
	if err := f.write(f.path(d.Checkpoint), b); err != nil {
		return fmt.Errorf("save step %d: %w", s.Step, err)
	}
	if err := f.describe(d); err != nil {
		return fmt.Errorf("save step %d: %w", s.Step, err)
	}
	if reported {
		f.reported[s.Step] = true
	}
	if err := f.prune(); err != nil {
		return fmt.Errorf("step %d is saved, but: %w", s.Step, err)
	}
	return nil
}

// Load reads the checkpoint that run.json names, and checks its digest.
func (f *Folder) Load() (*checkpoint.Snapshot, error) {
	s, err := f.load()
	if errors.Is(err, fs.ErrNotExist) && f.lock == nil { // a process that trains may have removed it meanwhile
		if now, openErr := Open(f.dir); openErr == nil && now.about.Checkpoint != f.about.Checkpoint {
			s, err = now.load()
		}
	}
	return s, err
}

func (f *Folder) load() (*checkpoint.Snapshot, error) {
	if f.about.Checkpoint == "" {
		return nil, fmt.Errorf("%s: %w", f.dir, ErrNoCheckpoint)
	}
	file := f.path(f.about.Checkpoint)
	s, sum, err := checkpoint.ReadFileSum(file)
	if err != nil {
		return nil, err
	}
	fail := func(format string, args ...any) (*checkpoint.Snapshot, error) {
		return nil, &checkpoint.FormatError{File: file, Why: fmt.Sprintf(format, args...)}
	}
	switch digest := checkpoint.Digest(s.Weights()); {
	case s.Step != f.about.Step:
		return fail("holds step %d, %s says %d", s.Step, runFile, f.about.Step)
	case sum != f.about.SHA256:
		return fail("whole, but not the file that %s names: sha256 %s, want %s", runFile, sum, f.about.SHA256)
	case digest != f.about.Digest:
		return fail("weights have the digest %s, %s says %s", digest, runFile, f.about.Digest)
	}
	return s, f.checkSettings(s)
}

// A SettingsError says that the settings in run.json differ from those that a checkpoint was
// trained with.
type SettingsError struct {
	File        string   // of the checkpoint
	Differences []string // each as "batch is 64, not 32"
}

func (e *SettingsError) Error() string {
	return fmt.Sprintf("%s was trained with other settings than run.json says now: %s", e.File, strings.Join(e.Differences, ", "))
}

// checkSettings compares what run.json says with what the checkpoint carries. Those of earlier versions carry nothing.
func (f *Folder) checkSettings(s *checkpoint.Snapshot) error {
	text, ok := s.Meta[settingsKey]
	if !ok {
		return nil
	}
	var trained Settings
	file := f.path(checkpointName(s.Step))
	if err := json.Unmarshal([]byte(text), &trained); err != nil {
		return &checkpoint.FormatError{File: file, Why: fmt.Sprintf("its settings: %v", err)}
	}
	if sum, ok := s.Meta[settingsDigestKey]; ok && sum != digestOf(text) {
		return &checkpoint.FormatError{File: file, Why: fmt.Sprintf("its settings have the sha256 %s, it says %s", digestOf(text), sum)}
	}
	if list := f.about.differences(trained); list != nil {
		return &SettingsError{file, list}
	}
	return nil
}

// checkSeal compares the settings in run.json with the digest there. Those of earlier versions have none.
func (f *Folder) checkSeal() error {
	if sum := f.about.SettingsSHA256; sum != "" && sum != f.about.Settings.Digest() {
		return &checkpoint.FormatError{File: f.path(runFile), Why: fmt.Sprintf("its settings were changed after the run was started: they have the sha256 %s, want %s", f.about.Settings.Digest(), sum)}
	}
	return nil
}

// recoverCheckpoint is Load that falls back to the newest checkpoint that is whole. lost says, newest first, what was wrong
// with each one ignored; it is empty where Load would have done. Nothing on disk is changed: the save that follows makes
// the fallback the run's history.
func (f *Folder) recoverCheckpoint() (s *checkpoint.Snapshot, lost []error, err error) {
	s, err = f.load()
	if _, other := errors.AsType[*SettingsError](err); err == nil || other {
		return s, nil, err
	}
	lost = append(lost, err)
	saved, err := f.list()
	if err != nil {
		return nil, lost, err
	}
	for _, name := range slices.Backward(saved) {
		s, err := checkpoint.ReadFile(f.path(name))
		step, _ := checkpointStep(name)
		switch {
		case err != nil && name == f.about.Checkpoint: // said by load
		case err != nil:
			lost = append(lost, err)
		case s.Step != step:
			lost = append(lost, &checkpoint.FormatError{File: f.path(name), Why: fmt.Sprintf("holds step %d, its name says %d", s.Step, step)})
		default:
			return s, lost, f.checkSettings(s)
		}
	}
	if f.about.Checkpoint == "" && len(saved) == 0 {
		return nil, nil, ErrNoCheckpoint
	}
	return nil, lost, fmt.Errorf("%s: no intact checkpoint among %d: %w", f.dir, len(saved), errors.Join(lost...))
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

// prune removes checkpoints that are too many, that are abandoned, and those of interruptions that are past.
func (f *Folder) prune() error {
	saved, err := f.list()
	if err != nil {
		return err
	}
	room := f.about.Keep
	if room == 0 {
		room = len(saved)
	}
	var problems []error
	for _, name := range slices.Backward(saved) {
		step, _ := checkpointStep(name)
		keep := name == f.about.Checkpoint
		if f.reported[step] && step <= f.about.Step && room > 0 {
			keep = true
			room--
		}
		if !keep {
			problems = append(problems, os.Remove(f.path(name)))
		}
	}
	return errors.Join(problems...)
}

// tidy removes unfinished files that a process which was killed has left. Who calls it holds the lock: no other process is
// at work on what the names stand for.
func (f *Folder) tidy() error {
	var problems []error
	for _, folder := range []string{".", checkpointFolder, samplesFolder, onnxFolder} {
		err := filepath.WalkDir(f.path(folder), func(path string, e fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return nil
			case err != nil:
				return err
			case e.IsDir() && folder == "." && path != f.path("."):
				return fs.SkipDir
			case e.Type().IsRegular() && ours(folder, e.Name()):
				problems = append(problems, os.Remove(path))
			}
			return nil
		})
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// ours tells whether a name in one of the run's folders is that of an unfinished file of the run.
func ours(folder, name string) bool {
	final, ok := atomicfile.Final(name)
	if !ok {
		return false
	}
	switch folder {
	case ".":
		return final == runFile || final == eventsFile || final == curvesFile
	case checkpointFolder:
		_, ok := checkpointStep(checkpointFolder + "/" + final)
		return ok
	case samplesFolder:
		return strings.HasPrefix(final, samplePrefix) && strings.HasSuffix(final, sampleSuffix)
	}
	return final == certificateFile || final == card.FileName || strings.HasSuffix(final, card.BOMName("")) ||
		strings.HasSuffix(final, ".onnx") || strings.HasSuffix(final, ".pb")
}

// path is where a file of the run is; name has forward slashes.
func (f *Folder) path(name string) string { return filepath.Join(f.dir, filepath.FromSlash(name)) }
