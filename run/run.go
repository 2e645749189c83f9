// Package run manages training runs on disk: a run folder is where a run is created and resumed, where it reports, and
// from which it is sampled and exported.
//
//	run.json                             what the run is, and its latest checkpoint: see Description
//	checkpoints/step-020000.safetensors  weights, the optimiser's state, the settings and the curves
//	events.jsonl                         one line per report
//	samples/step-020000.png              what the model made at each report
//	curves.png                           its losses
//	onnx/NET/NET.onnx                    what was exported, with recorded data
//	run.lock                             while a process writes
//
// Open reads a folder. Create and Resume return a Run, which has exclusive write access until it is
// closed:
//
//	r, err := run.Create(ctx, "runs/gan", run.Config{Settings: run.Settings{Model: "gan", Seed: 1}})
//	defer r.Close()
//	for ev, err := range r.Steps(ctx) { ... }
//	files, err := r.Export(ctx, run.ExportOptions{})
//
// A run may be stopped at any moment, even by kill -9 or a full disk. Resume then continues from the latest checkpoint
// and repeats what came after it: in the end the folder is as if nothing had happened, except for the speeds in
// events.jsonl.
package run

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/petrify-ml/petrify/checkpoint"
	"github.com/petrify-ml/petrify/dataset"
	"github.com/petrify-ml/petrify/internal/atomicfile"
	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/model"
	"github.com/petrify-ml/petrify/models"
	"github.com/petrify-ml/petrify/train"
)

// Config says what to train. Zero values in Settings mean the model's defaults, except for Seed, Keep and Standing.
// Data.Source is one of dataset.Names or a folder, from which the rest of Data and the size of the images follow.
type Config struct {
	Settings
	Steps  int             // total iterations; 0 means the model's default
	Images dataset.Options // size to scale images to; the zero value leaves them as they are
	Force  bool            // remove a run that is there already
	Note   func(string)    // is called with messages for the user; may be nil

	Progress func(done, all int) // is called with the number of pictures of a split read so far; may be nil
}

// ResumeOptions say how to continue a run. The zero value changes nothing.
type ResumeOptions struct {
	Steps int          // total iterations, to train longer than planned
	Data  string       // where the training data is now, if it was moved
	Note  func(string) // is called with messages for the user; may be nil

	Progress func(done, all int) // is told how many pictures of a split are read; may be nil
}

// A Run is a run folder that this process trains in. Its methods must not be called concurrently.
type Run struct {
	*Folder
	trainer *train.Trainer
	log     *eventLog
	curves  *curves
	health  *health
	note    func(string)
	begun   Begun
}

// Begun says where a Run started.
type Begun struct {
	Step int     // iterations done so far
	Lost []error // newer checkpoints, which are damaged
}

// ErrExists says that a folder already holds a run. It wraps fs.ErrExist.
var ErrExists = fmt.Errorf("there is a run in it: %w", fs.ErrExist)

// Create starts a run in a folder, which it creates if necessary.
func Create(ctx context.Context, dir string, c Config) (_ *Run, err error) {
	own, err := models.Find(c.Model)
	if err != nil {
		return nil, err // before any file is read; what the sizes are good for depends on the images
	}
	f := &Folder{dir: dir, write: atomicfile.Write, reported: map[int]bool{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.lock.release())
		}
	}()
	if err := f.vacant(c.Force); err != nil {
		return nil, err
	}
	c.Images.Note, c.Images.Progress = c.Note, c.Progress
	images, err := findImages(c.Data.Source, c.Images)
	if err != nil {
		return nil, err
	}
	if own.Class().Count > 0 && !images.open.Labelled() {
		return nil, fmt.Errorf("%s learns classes, and the images of %s have no labels: %w", c.Model, c.Data.Source, errUnlabelled)
	}
	if err := images.read(ctx); err != nil {
		return nil, err
	}
	var classes []string
	if own.Class().Count > 0 {
		classes, _ = images.train.Classes()
		c.Sizes.Classes = len(classes)
	}
	c.Sizes.Image = layer.Shape{images.train.C, images.train.H, images.train.W}
	m, err := models.Build(c.Model, c.Sizes)
	if err != nil {
		return nil, err
	}
	t, err := c.trainer(ctx, m, images)
	if err != nil {
		return nil, err
	}
	if c.Standing > 0 && !learnsStatistics(m) {
		return nil, fmt.Errorf("%s has no batch normalisation: standing statistics have no effect", c.Model)
	}
	if c.SampleEvery == 0 {
		c.SampleEvery = m.Recipe.SampleEvery
	}
	config := t.Config()
	c.Batch, c.LearningRate = config.Batch, config.Adam.LR
	c.Data = Data{Name: config.Data.Name, Source: images.source, Digest: config.Data.Digest, Classes: classes}
	if err := f.begin(Description{Settings: c.Settings, Steps: config.Steps, Sessions: []Session{thisSession(0)}}, c.Force); err != nil {
		return nil, err
	}
	r := &Run{Folder: f, trainer: t, curves: &curves{}, note: c.Note}
	r.log, _, err = f.openLog(0)
	return r, err
}

// trainer prepares the training of a model.
func (c Config) trainer(ctx context.Context, m model.Model, images images) (*train.Trainer, error) {
	config := train.Config{Model: m, Data: images.train, Steps: c.Steps, Batch: c.Batch, Adam: m.Recipe.Adam, Seed: c.Seed}
	if c.LearningRate != 0 {
		config.Adam.LR = c.LearningRate
	}
	var err error
	if config.Test, err = images.testFor(ctx, m); err != nil {
		return nil, err
	}
	return train.New(config)
}

// learnsStatistics tells whether a model has batch normalisations.
func learnsStatistics(m model.Model) bool {
	for _, n := range m.Nets {
		plan, err := n.Plan()
		if err != nil {
			return false // which training has said
		}
		for p := range plan.Params() {
			if p.Tracked {
				return true
			}
		}
	}
	return false
}

// vacant sees to it that a folder holds no run, or one that may go, and that no other process is about to write there.
func (f *Folder) vacant(force bool) (err error) {
	if _, err := os.Stat(f.dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if f.lock == nil {
		if f.lock, err = acquire(f.dir); err != nil {
			return err
		}
	}
	saved, err := f.list()
	if err != nil || force {
		return err
	}
	if _, err := os.Lstat(f.path(runFile)); err == nil || len(saved) > 0 {
		return fmt.Errorf("%s: %w", f.dir, ErrExists)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// begin writes a new run. What was there is removed only now: a mistake in the other settings must not cost a run.
func (f *Folder) begin(d Description, force bool) error {
	d.Format = runFormat
	if err := d.check(); err != nil {
		return fmt.Errorf("create run %s: %w", f.dir, err)
	}
	if err := os.MkdirAll(f.dir, 0o777); err != nil {
		return fmt.Errorf("create run: %w", err)
	}
	if err := f.vacant(force); err != nil { // once more: the folder may be new, or another process may have come first
		return err
	}
	if err := f.clear(); err != nil {
		return err
	}
	if err := os.MkdirAll(f.path(checkpointFolder), 0o777); err != nil {
		return fmt.Errorf("create run: %w", err)
	}
	return f.describe(d)
}

// clear removes the run in the folder, and nothing else: what is called onnx or samples in a folder without a run is not
// ours. The description goes last, so that a run half removed is still one.
func (f *Folder) clear() error {
	if _, err := os.Lstat(f.path(runFile)); errors.Is(err, fs.ErrNotExist) {
		if saved, err := f.list(); err != nil || len(saved) == 0 {
			return errors.Join(err, f.tidy())
		}
	} else if err != nil {
		return err
	}
	problems := []error{f.tidy()}
	for _, name := range []string{eventsFile, samplesFolder, curvesFile, onnxFolder, checkpointFolder, runFile} {
		problems = append(problems, os.RemoveAll(f.path(name)))
	}
	return errors.Join(problems...)
}

// Resume continues the run in a folder from its latest checkpoint.
func Resume(ctx context.Context, dir string, o ResumeOptions) (_ *Run, err error) {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		_, err := Open(dir) // which says what is wrong
		return nil, err
	}
	l, err := acquire(dir)
	if err != nil {
		return nil, err
	}
	r := &Run{note: o.Note}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.release())
		}
	}()
	if r.Folder, err = Open(dir); err != nil {
		return nil, err
	}
	r.lock, r.reported = l, map[int]bool{}
	images, err := r.imagesAgain(ctx, o)
	if err != nil {
		return nil, err
	}
	d := r.about
	m, err := models.Build(d.Model, d.Sizes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	if o.Steps != 0 {
		d.Steps = o.Steps
	}
	if r.trainer, err = (Config{Settings: d.Settings, Steps: d.Steps}).trainer(ctx, m, images); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	if err := r.restore(); err != nil {
		return nil, err
	}
	if d.Steps < r.begun.Step {
		return nil, fmt.Errorf("%s has done %d steps already: %d in all is less", dir, r.begun.Step, d.Steps)
	}
	if err := r.tidy(); err != nil {
		return nil, err
	}
	log, left, err := r.openLog(r.begun.Step)
	if err != nil {
		return nil, err
	}
	r.log = log
	for _, step := range left {
		r.reported[step] = true
	}
	if d.Data.Source = images.source; r.rebuilt {
		r.tell("%s was lost: it is rebuilt from %s", r.path(runFile), r.CheckpointFile())
	}
	d.Sessions = r.joined(d.Sessions)
	if err := r.describe(d); err != nil {
		return nil, errors.Join(err, log.file.Close())
	}
	r.rebuilt = false
	return r, nil
}

// joined lists the sessions with this one, where it is not like the last.
func (r *Run) joined(list []Session) []Session {
	last, now := list[len(list)-1], thisSession(r.begun.Step)
	if now.From = last.From; now == last {
		return list
	}
	if now.Machine != last.Machine {
		r.tell("%s was trained on machine %q up to here and continues on %q: the last bits of the weights may differ from those of a run on either machine alone", r.dir, last.Machine, now.Machine)
	}
	now.From = r.begun.Step
	return append(slices.Clone(list), now)
}

func (r *Run) tell(format string, args ...any) {
	if r.note != nil {
		r.note(fmt.Sprintf(format, args...))
	}
}

// restore takes the newest checkpoint that is whole; a run that was stopped before its first begins again.
func (r *Run) restore() error {
	s, lost, err := r.recoverCheckpoint()
	if errors.Is(err, ErrNoCheckpoint) {
		r.curves = &curves{}
		return r.checkSeal()
	}
	if err != nil {
		return err
	}
	r.begun = Begun{Step: s.Step, Lost: lost}
	if r.curves, err = takeCurves(s, r.trainer.Config().Model.Objective.Roles().Figures); err != nil {
		return fmt.Errorf("%s: %w", r.dir, err)
	}
	if err := r.trainer.Restore(s); err != nil {
		return fmt.Errorf("%s, step %d: %w", r.dir, s.Step, err)
	}
	return nil
}

// Begun says where the run started.
func (r *Run) Begun() Begun { return r.begun }

// Trainer returns the trainer, for inspection: only the run may advance it.
func (r *Run) Trainer() *train.Trainer { return r.trainer }

// Close releases the folder. It saves nothing: reports and interruptions were saved when they
// happened.
func (r *Run) Close() error {
	return errors.Join(r.log.file.Close(), r.lock.release())
}

// An Event is one finished iteration.
type Event struct {
	train.Event
	Reported bool    // the folder holds a report of it: a line, pictures, curves and a checkpoint
	Rate     float64 // if it is reported: images per second since the previous report
}

// Steps trains until the run has done all its steps, the context ends, or something fails: an error is the last thing
// it yields. It saves a report whenever one is due. If the context ends, it also saves the state, and yields an error
// that wraps ctx.Err(); if saving fails, the error does not wrap it.
func (r *Run) Steps(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		r.health = newHealth(r.tell)
		if err := r.health.begin(r.trainer.Config()); err != nil {
			yield(Event{}, err)
			return
		}
		last, lastTime := r.trainer.Step(), time.Now()
		for ev, err := range r.trainer.Steps(ctx) {
			if err != nil {
				yield(Event{}, r.stopped(ctx, err))
				return
			}
			r.curves.add(ev.Metrics)
			r.health.iteration(ev.Metrics)
			e := Event{Event: ev}
			if ev.Step%r.about.SampleEvery == 0 || ev.Step == r.about.Steps {
				e.Reported = true
				e.Rate = float64((ev.Step-last)*r.about.Batch) / time.Since(lastTime).Seconds()
				if err := r.report(ev, e.Rate); err != nil {
					yield(Event{}, err)
					return
				}
			}
			if !yield(e, nil) {
				return
			}
			if e.Reported {
				last, lastTime = ev.Step, time.Now()
			}
		}
		if err := r.stand(ctx); err != nil {
			yield(Event{}, err)
		}
	}
}

// stopped saves the state of a run whose context has ended. Another error stays what it is.
func (r *Run) stopped(ctx context.Context, err error) error {
	step := r.trainer.Step()
	if ctx.Err() == nil || !errors.Is(err, ctx.Err()) || r.reported[step] && step == r.about.Step {
		return err
	}
	s, saveErr := r.snapshot()
	if saveErr == nil {
		saveErr = r.save(s, false)
	}
	if saveErr != nil {
		return fmt.Errorf("interrupted at step %d, which could not be saved: %w", step, saveErr)
	}
	return err
}

// stand takes the statistics of batch normalisations again at the end, if requested.
func (r *Run) stand(ctx context.Context) error {
	if r.about.Standing == 0 || r.trainer.Step() < r.about.Steps {
		return nil
	}
	if err := r.trainer.StandingStatistics(ctx, r.about.Standing); err != nil {
		return err
	}
	s, err := r.snapshot()
	if err != nil {
		return err
	}
	return r.save(s, true)
}

// snapshot is all that the run goes on from.
func (r *Run) snapshot() (*checkpoint.Snapshot, error) {
	s, err := r.trainer.Snapshot()
	if err != nil {
		return nil, err
	}
	return s, r.curves.seal(s)
}

// images are a data set that was found, its training images decoded.
type images struct {
	source string // finds it again
	open   *dataset.Source
	train  *dataset.Set
}

// errUnlabelled says which data sets have labels.
var errUnlabelled = errors.New("want IDX files, a CSV table with a column called label, NumPy arrays with one of labels, or pictures in a folder for each class")

func findImages(name string, o dataset.Options) (i images, err error) {
	if i.open, err = dataset.OpenWith(name, o); err == nil {
		i.source = i.open.Name()
	}
	return i, err
}

// read decodes the training images.
func (i *images) read(ctx context.Context) (err error) {
	i.train, err = i.open.Train(ctx)
	return err
}

// imagesAgain opens the data of a run, at another place where one is given.
func (f *Folder) imagesAgain(ctx context.Context, o ResumeOptions) (images, error) {
	options := dataset.Options{Note: o.Note, Progress: o.Progress} // of the size that the model takes
	if s := f.about.Sizes.Image; len(s) == 3 && s[1] == s[2] {
		options.Size, options.Channels = s[1], s[0]
	}
	places := []string{o.Data}
	if o.Data == "" {
		places = []string{f.about.Data.Source}
	}
	if places[0] == "" { // the description was lost, and checkpoints do not say where data lies
		places = []string{f.about.Data.Name, filepath.Join(filepath.Dir(f.dir), f.about.Data.Name)}
	}
	var problems []error
	for _, p := range places {
		found, err := findImages(p, options)
		if err == nil {
			err = found.read(ctx)
		}
		if err == nil && found.train.Digest != f.about.Data.Digest {
			err = fmt.Errorf("%s was started on other data: %s has sha256 %s, want %s", f.dir, p, found.train.Digest, f.about.Data.Digest)
		}
		if err == nil {
			return found, nil
		}
		problems = append(problems, err)
	}
	return images{}, errors.Join(problems...)
}

// testFor decodes the test images for a model that is measured, or shown, by them.
func (i images) testFor(ctx context.Context, m model.Model) (*dataset.Set, error) {
	if !m.Objective.Roles().HeldOut {
		return nil, nil
	}
	set, err := i.open.Test(ctx)
	if errors.Is(err, dataset.ErrNoTest) {
		return nil, nil
	}
	return set, err
}
