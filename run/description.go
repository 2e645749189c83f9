package run

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/petrify-ml/petrify/checkpoint"
	"github.com/petrify-ml/petrify/internal/buildinfo"
	"github.com/petrify-ml/petrify/models"
)

// Settings determine the contents of a run folder: the same settings on the same kind of machine give the same bytes.
// They do not change during a run, and every checkpoint contains them.
type Settings struct {
	Model        string         `json:"model"` // one of package models
	Sizes        models.Options `json:"sizes"`
	Data         Data           `json:"data"`
	Seed         uint64         `json:"seed"`          // the seed of all randomness
	Batch        int            `json:"batch"`         // images in a batch
	LearningRate float64        `json:"learning_rate"` // of Adam
	SampleEvery  int            `json:"sample_every"`  // iterations from one report to the next
	Keep         int            `json:"keep"`          // checkpoints to keep, the latest; 0 keeps all
	Standing     int            `json:"standing"`      // batches for standing statistics at the end; 0 keeps the running ones
}

// Data identifies the images that a run is trained on.
type Data struct {
	Name   string `json:"name"`             // for people
	Source string `json:"source,omitempty"` // what to open to read it again; may change, and is not in checkpoints
	Digest string `json:"digest"`           // sha256 of the decoded images

	Classes []string `json:"classes,omitempty"` // their names, for a model that learns them
}

// A Session says which version, on which kind of machine, trained from a given step on.
type Session struct {
	From    int    `json:"from"`    // the step after which it began
	Version string `json:"version"` // of petrify
	Go      string `json:"go"`      // of the language
	Machine string `json:"machine"` // the kind on which the same seed gives the same bytes, such as "amd64 avx2 fma"
}

// thisSession is that of this process, from a step on.
func thisSession(from int) Session {
	return Session{From: from, Version: buildinfo.Version(), Go: runtime.Version(), Machine: buildinfo.Machine()}
}

// A Description is the content of run.json: enough to repeat or continue a run, and the place of its latest
// checkpoint.
type Description struct {
	Format int `json:"format"`
	Settings
	SettingsSHA256 string `json:"settings_sha256,omitempty"` // of the settings, see Settings.Digest; every checkpoint carries it as well

	Steps    int       `json:"steps"`    // iterations in all
	Sessions []Session `json:"sessions"` // a new one begins when another version or machine continues the run

	// The latest checkpoint, empty until there is one.
	Step       int    `json:"step"`
	Checkpoint string `json:"checkpoint,omitempty"` // its path below the run folder, with forward slashes
	SHA256     string `json:"sha256,omitempty"`     // of that file
	Digest     string `json:"digest,omitempty"`     // of its weights, see checkpoint.Digest
}

const (
	runFile   = "run.json"
	runFormat = 2
	// maxRun is far more than a description takes.
	maxRun = 1 << 20
)

// readDescription reads and checks a run.json.
func readDescription(file string) (Description, error) {
	fail := func(format string, args ...any) (Description, error) {
		return Description{}, &checkpoint.FormatError{File: file, Why: fmt.Sprintf(format, args...)}
	}
	b, err := readRegular(file, maxRun)
	if err != nil {
		return Description{}, err
	}
	var version struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(b, &version); err != nil {
		return fail("%v (move it away: what it said is rebuilt from the checkpoints)", err)
	}
	var d Description
	switch version.Format {
	case runFormat:
		err = strictly(b, &d)
	case 1:
		var old description1
		err = strictly(b, &old)
		d = old.upgrade()
	default:
		err = fmt.Errorf("format %d, this petrify reads 1 to %d", version.Format, runFormat)
	}
	if err == nil {
		err = d.check()
	}
	if err != nil {
		return fail("%v", err)
	}
	return d, nil
}

// readRegular reads a file of at most so many bytes. It is asked for its kind before it is opened: a named pipe would wait
// for a writer, and a device may never end.
func readRegular(file string, most int64) ([]byte, error) {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: not a regular file", file)
	case info.Size() > most:
		return nil, &checkpoint.FormatError{File: file, Why: fmt.Sprintf("%d bytes, want at most %d", info.Size(), most)}
	}
	return os.ReadFile(file)
}

// strictly reads one JSON value whose fields are all known.
func strictly(b []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows its end")
	}
	return nil
}

// description1 is the run.json of format 1, in which later sessions had overwritten the first.
type description1 struct {
	Format int    `json:"format"`
	Model  string `json:"model"`
	Config struct {
		Sizes        models.Options `json:"sizes"`
		LearningRate float64        `json:"learning_rate"`
		SampleEvery  int            `json:"sample_every"`
	} `json:"config"`
	Seed       uint64 `json:"seed"`
	Steps      int    `json:"steps"`
	Batch      int    `json:"batch"`
	Data       Data   `json:"data"`
	Version    string `json:"version"`
	Go         string `json:"go"`
	Machine    string `json:"machine"`
	Step       int    `json:"step"`
	Checkpoint string `json:"checkpoint,omitempty"`
	SHA256     string `json:"sha256,omitempty"`
	Digest     string `json:"digest,omitempty"`
}

func (o description1) upgrade() Description {
	const keep = 3 // what such runs kept unless told otherwise, which they did not note
	return Description{
		Format: runFormat,
		Settings: Settings{
			Model: o.Model, Sizes: o.Config.Sizes, Data: o.Data, Seed: o.Seed, Batch: o.Batch,
			LearningRate: o.Config.LearningRate, SampleEvery: o.Config.SampleEvery, Keep: keep,
		},
		Steps:    o.Steps,
		Sessions: []Session{{Version: o.Version, Go: o.Go, Machine: o.Machine}},
		Step:     o.Step, Checkpoint: o.Checkpoint, SHA256: o.SHA256, Digest: o.Digest,
	}
}

// encode writes a run.json.
func (d Description) encode() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(d)
	return b.Bytes(), err
}

func (d Description) check() error {
	problems := []error{d.Settings.check()}
	fail := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if d.Step < 0 || d.Steps < 1 {
		fail("step %d of %d, want 0 or more of at least 1", d.Step, d.Steps)
	}
	if len(d.Sessions) == 0 {
		fail("sessions are missing")
	}
	if d.Checkpoint == "" {
		if d.Step != 0 || d.SHA256 != "" || d.Digest != "" {
			fail("step %d, sha256 %q, digest %q without a checkpoint", d.Step, d.SHA256, d.Digest)
		}
		return errors.Join(problems...)
	}
	if want := checkpointName(d.Step); d.Checkpoint != want {
		fail("checkpoint is %q, want %q for step %d", d.Checkpoint, want, d.Step)
	}
	for _, sum := range []struct{ name, hex string }{{"sha256", d.SHA256}, {"digest", d.Digest}} {
		if len(sum.hex) != 64 || strings.Trim(sum.hex, "0123456789abcdef") != "" {
			fail("%s is %q, want 64 hex digits", sum.name, sum.hex)
		}
	}
	return errors.Join(problems...)
}

func (s Settings) check() error {
	var problems []error
	fail := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if s.Model == "" {
		fail("model is missing")
	}
	for _, n := range []struct {
		name         string
		value, least int
	}{{"batch", s.Batch, 1}, {"sample_every", s.SampleEvery, 1}, {"keep", s.Keep, 0}, {"standing", s.Standing, 0}} {
		if n.value < n.least {
			fail("%s is %d, want at least %d", n.name, n.value, n.least)
		}
	}
	if len(s.Data.Classes) != s.Sizes.Classes {
		fail("%d names of classes, want %d", len(s.Data.Classes), s.Sizes.Classes)
	}
	if !(s.LearningRate > 0) || math.IsInf(s.LearningRate, 0) {
		fail("learning_rate is %v, want a positive number", s.LearningRate)
	}
	return errors.Join(problems...)
}

// seal writes the settings as a checkpoint carries them: without the place of the data, which does not change what is
// learnt and is nobody's business where weights are published.
func (s Settings) seal() (string, error) {
	s.Data.Source = ""
	b, err := json.Marshal(s)
	return string(b), err
}

// Digest returns the sha256, in hex, of the settings as stored in a checkpoint.
func (s Settings) Digest() string {
	text, err := s.seal()
	if err != nil {
		return "" // a learning rate that is not a number, which check refuses
	}
	return digestOf(text)
}

func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// differences says in which settings b differs from a, each as "batch is 64, not 32".
func (s Settings) differences(from Settings) []string {
	fields := func(s Settings) map[string]string {
		s.Data.Source = ""
		b, _ := json.Marshal(s) // of finite numbers and strings
		var m map[string]json.RawMessage
		_ = json.Unmarshal(b, &m)
		texts := map[string]string{}
		for k, v := range m {
			texts[k] = string(v)
		}
		return texts
	}
	var list []string
	a, b := fields(s), fields(from)
	for _, name := range slices.Sorted(maps.Keys(a)) {
		if a[name] != b[name] {
			list = append(list, fmt.Sprintf("%s is %s, not %s", name, a[name], b[name]))
		}
	}
	return list
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

// notARun explains a missing run.json.
func notARun(dir string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, statErr := os.Stat(dir); errors.Is(statErr, fs.ErrNotExist) {
		return fmt.Errorf("run folder %s: %w", dir, fs.ErrNotExist)
	}
	return fmt.Errorf("%s: not a run folder, it has no %s: %w", filepath.Clean(dir), runFile, fs.ErrNotExist)
}
