package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/petrify-ml/petrify/checkpoint"
	"github.com/petrify-ml/petrify/internal/kernel"
	"github.com/petrify-ml/petrify/internal/picture"
	"github.com/petrify-ml/petrify/train"
	"github.com/petrify-ml/petrify/verify"
)

// What train adds to a run folder, beside what package checkpoint keeps there.
const (
	samplesFolder = "samples"
	curvesFile    = "curves.png"
	onnxFolder    = "onnx"
)

// rateName is what the speed is called in events.jsonl.
const rateName = "images_per_second"

// sampled is how many pictures a report shows.
const sampled = 16

// A trainRun is a run under way.
type trainRun struct {
	options trainOptions
	streams *Streams
	folder  *checkpoint.Folder
	trainer *train.Trainer
	every   int // iterations from one report to the next
	log     *checkpoint.EventLog
	history *history
	bar     *bar

	reported     int // the step of the last report, and when training went on after it
	reportedTime time.Time
	shown        int // the same of the bar
	shownTime    time.Time
	rate         float64 // images per second, averaged over the last redraws
}

func (o trainOptions) newRun(folder *checkpoint.Folder, t *train.Trainer, every int) (*trainRun, error) {
	r := &trainRun{options: o, streams: o.streams, folder: folder, trainer: t, every: every}
	var err error
	if r.log, err = folder.Events(t.Step()); err != nil {
		return nil, err
	}
	past, err := folder.ReadEvents()
	if err != nil {
		return nil, errors.Join(err, r.log.Close())
	}
	r.history = newHistory(t.Config().Steps, past)
	return r, nil
}

func (r *trainRun) close() { r.log.Close() }

// resume is the command that goes on with the run.
func (r *trainRun) resume() string { return "petrify train --resume " + r.folder.Dir() }

// train runs the iterations that are left.
func (r *trainRun) train(ctx context.Context) error {
	c := r.trainer.Config()
	threads := "1 thread"
	if n := kernel.Threads(); n > 1 {
		threads = fmt.Sprintf("%d threads", n)
	}
	fmt.Fprintf(r.streams.Err, "training %s on %s (%d images): %d steps of batch %d, seed %d, on %s, into %s\n",
		c.Model.Name, c.Data.Name, c.Data.N, c.Steps, c.Batch, c.Seed, threads, r.folder.Dir())
	if step := r.trainer.Step(); step > 0 {
		fmt.Fprintf(r.streams.Err, "%d steps are behind it\n", step)
	}
	start := time.Now()
	r.reported, r.reportedTime = r.trainer.Step(), start
	r.shown, r.shownTime = r.reported, start
	r.bar = newBar(r.streams, c.Steps)
	defer r.bar.clear()
	for ev, err := range r.trainer.Steps(ctx) {
		if err != nil {
			return r.stopped(err)
		}
		r.history.add(ev)
		if now := time.Now(); r.bar.due(now) {
			r.show(now, ev)
		}
		if ev.Step%r.every == 0 || ev.Step == c.Steps {
			if err := r.report(ev); err != nil {
				return r.broken(err)
			}
		}
	}
	r.bar.clear()
	if r.trainer.Step() > 0 {
		fmt.Fprintf(r.streams.Err, "trained in %s\n", clock(time.Since(start)))
	}
	if err := r.stand(); err != nil {
		return r.broken(err)
	}
	return r.evaluate()
}

// stand takes the statistics of batch normalisations anew where that was asked for.
func (r *trainRun) stand() error {
	if r.options.standing == 0 {
		return nil
	}
	if err := r.trainer.StandingStatistics(r.options.standing); err != nil {
		return err
	}
	return r.save()
}

// evaluate says how the model does on images that it has not seen.
func (r *trainRun) evaluate() error {
	figures, err := r.trainer.Evaluate()
	if err != nil || len(figures) == 0 {
		return err
	}
	texts := make([]string, len(figures))
	for i, m := range figures {
		texts[i] = fmt.Sprintf("%s: %f", strings.ReplaceAll(m.Name, "_", " "), m.Value)
	}
	_, err = fmt.Fprintf(r.streams.Out, "%d [%s]\n", r.trainer.Step(), strings.Join(texts, "] ["))
	return err
}

// show draws the bar.
func (r *trainRun) show(now time.Time, ev train.Event) {
	c := r.trainer.Config()
	if d := now.Sub(r.shownTime).Seconds(); d > 0 && ev.Step > r.shown {
		rate := float64((ev.Step-r.shown)*c.Batch) / d
		if r.rate == 0 {
			r.rate = rate
		}
		r.rate += 0.1 * (rate - r.rate)
	}
	r.shown, r.shownTime = ev.Step, now
	texts := []string{fmt.Sprintf("step %d of %d", ev.Step, c.Steps)}
	if r.rate > 0 {
		left := time.Duration(float64((c.Steps-ev.Step)*c.Batch) / r.rate * float64(time.Second))
		texts = append(texts, clock(left)+" left")
	}
	for _, m := range ev.Metrics {
		texts = append(texts, fmt.Sprintf("%s %.3f", m.Name, m.Value))
	}
	texts = append(texts, fmt.Sprintf("%.0f images/s", r.rate))
	r.bar.show(now, ev.Step, texts...)
}

// report saves all that there is to save, the checkpoint first, and says the figures.
func (r *trainRun) report(ev train.Event) error {
	rate := float64((ev.Step-r.reported)*r.trainer.Config().Batch) / time.Since(r.reportedTime).Seconds()
	r.bar.clear()
	if _, err := fmt.Fprintln(r.streams.Out, ev); err != nil {
		return err
	}
	if err := r.save(); err != nil {
		return err
	}
	line := checkpoint.Event{Step: ev.Step}
	for _, m := range ev.Metrics {
		line.Values = append(line.Values, checkpoint.Value{Name: m.Name, Value: m.Value})
	}
	line.Values = append(line.Values, checkpoint.Value{Name: rateName, Value: rate})
	if err := r.log.Append(line); err != nil {
		return err
	}
	if err := r.pictures(ev); err != nil {
		return err
	}
	now := time.Now()
	r.reported, r.reportedTime = ev.Step, now
	r.shown, r.shownTime = ev.Step, now
	return nil
}

func (r *trainRun) save() error {
	s, err := r.trainer.Snapshot()
	if err != nil {
		return err
	}
	return r.folder.Save(s)
}

// pictures writes what the model makes at a report, and the curves up to it.
func (r *trainRun) pictures(ev train.Event) error {
	list, err := r.trainer.Pictures(sampled)
	if err != nil {
		return err
	}
	dir := filepath.Join(r.folder.Dir(), samplesFolder)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for i, p := range list {
		name := fmt.Sprintf("step-%06d", ev.Step)
		if i > 0 {
			name += "-" + p.Name
		}
		if err := writePicture(filepath.Join(dir, name+".png"), p); err != nil {
			return err
		}
	}
	r.history.point(ev)
	c := r.trainer.Config()
	title := fmt.Sprintf("%s on %s, seed %d, step %d", c.Model.Title, c.Data.Name, c.Seed, ev.Step)
	var b bytes.Buffer
	if err := picture.Curves(&b, r.history.panels(), picture.CurveOptions{Title: title}); err != nil {
		return err
	}
	return writeFile(filepath.Join(r.folder.Dir(), curvesFile), b.Bytes())
}

func writePicture(path string, p train.Picture) error {
	var b bytes.Buffer
	if p.Images == nil {
		clouds := make([]picture.Cloud, len(p.Clouds))
		for i, c := range p.Clouds {
			clouds[i] = picture.Cloud(c)
		}
		if err := picture.Scatter(&b, clouds, picture.ScatterOptions{Title: p.Title}); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		return writeFile(path, b.Bytes())
	}
	images := picture.Images(*p.Images)
	scale := visible(images.W * max(1, p.Columns/10)) // long rows are to fit a screen
	if err := picture.Grid(&b, images, picture.GridOptions{Columns: p.Columns, Scale: scale}); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return writeFile(path, b.Bytes())
}

// visible scales small images up to about 112 pixels.
func visible(width int) int { return max(1, 112/width) }

// stopped ends a run that an iteration ended: by Ctrl-C, or because the training diverged.
func (r *trainRun) stopped(err error) error {
	r.bar.clear()
	if !errors.Is(err, context.Canceled) {
		return r.broken(err)
	}
	if err := r.save(); err != nil {
		return r.broken(fmt.Errorf("interrupted at step %d, which could not be saved: %w", r.trainer.Step(), err))
	}
	return &exitError{exitInterrupted, fmt.Errorf("interrupted: step %d is saved, go on with\n  %s", r.trainer.Step(), r.resume())}
}

// broken ends a run that cannot go on, and says what is left of it.
func (r *trainRun) broken(err error) error {
	r.bar.clear()
	run := r.folder.Run()
	left := "no checkpoint had been saved yet"
	if run.Checkpoint != "" {
		left = fmt.Sprintf("the last good checkpoint, of step %d, is in %s", run.Step, filepath.Join(r.folder.Dir(), filepath.FromSlash(run.Checkpoint)))
	}
	if _, ok := errors.AsType[*train.DivergedError](err); ok {
		return &exitError{exitFinding, fmt.Errorf("%w\n  %s", err, left)}
	}
	if run.Checkpoint != "" {
		left += "\n  when the cause is mended, go on with\n  " + r.resume()
	}
	return fmt.Errorf("%w\n  %s", err, left)
}

// finish exports what was trained and verifies the files.
func (r *trainRun) finish(ctx context.Context) error {
	written, err := exportRun(r.folder, exportOptions{streams: r.streams})
	if err != nil {
		return err
	}
	dir := filepath.Join(r.folder.Dir(), onnxFolder)
	for _, e := range written {
		fmt.Fprintf(r.streams.Err, "exported %s (%d bytes)\n", e.Model, e.Bytes)
	}
	if r.options.noVerify {
		return nil
	}
	weights, err := shippedWeights(r.folder)
	if err != nil {
		return err
	}
	report, err := watched(ctx, r.streams, verify.Options{Paths: []string{dir}, Runtimes: allRuntimes(runtimeOptions{}), Against: weights})
	if err != nil {
		return interruptedAfter(ctx, err, fmt.Sprintf("the run is trained and exported; verify it with\n  petrify verify %s --against %s", dir, r.folder.Dir()))
	}
	if err := report.WriteTable(r.streams.Out); err != nil {
		return err
	}
	if code := report.ExitCode(false); code != exitDone {
		return &exitError{code, fmt.Errorf("the files in %s did not pass: no certificate", dir)}
	}
	if err := writeCertificate(report, dir); err != nil {
		return err
	}
	fmt.Fprintf(r.streams.Err, "verified: see %s\n", filepath.Join(dir, certificateFile))
	return nil
}

// interruptedAfter completes the error of a stage that Ctrl-C has ended by what is done already.
func interruptedAfter(ctx context.Context, err error, done string) error {
	if ctx.Err() == nil {
		return err
	}
	return &exitError{exitInterrupted, fmt.Errorf("interrupted: %s", done)}
}
