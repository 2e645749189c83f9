package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/petrify-ml/petrify/internal/count"
	"github.com/petrify-ml/petrify/internal/kernel"
	"github.com/petrify-ml/petrify/internal/quote"
	"github.com/petrify-ml/petrify/run"
	"github.com/petrify-ml/petrify/train"
)

// A training is a run under way, with what is said of it.
type training struct {
	options trainOptions
	streams *Streams
	run     *run.Run
	*watch

	shown     int // the step that the bar shows, and when it was drawn
	shownTime time.Time
	rate      float64 // images per second, averaged over the last redraws
}

// A watch holds the bar while there is one.
type watch struct{ bar *bar }

func (w *watch) clear() { w.bar.clear() }

// resume is the command that goes on with the run.
func (r *training) resume() string { return "petrify train --resume " + quote.Shell(r.run.Dir()) }

// train runs the iterations that are left.
func (r *training) train(ctx context.Context) error {
	t := r.run.Trainer()
	c := t.Config()
	fmt.Fprintf(r.streams.Err, "training %s on %s (%s): %s of batch %d, seed %d, on %s, into %s\n",
		c.Model.Name, quote.Name(c.Data.Name), count.Of(c.Data.N, "image"), count.Of(c.Steps, "step"), c.Batch, c.Seed, count.Of(kernel.Threads(), "thread"), quote.Name(r.run.Dir()))
	if step := t.Step(); step > 0 {
		fmt.Fprintf(r.streams.Err, "already done: %s\n", count.Of(step, "step"))
	}
	start := time.Now()
	r.shown, r.shownTime = t.Step(), start
	r.bar = newBar(r.streams, c.Steps)
	defer r.bar.clear()
	for ev, err := range r.run.Steps(ctx) {
		if err != nil {
			return r.stopped(err)
		}
		if now := time.Now(); r.bar.due(now) {
			r.show(now, ev.Event)
		}
		if ev.Reported {
			r.bar.clear()
			if _, err := fmt.Fprintln(r.streams.Out, ev); err != nil {
				return r.broken(err)
			}
			r.shown, r.shownTime = ev.Step, time.Now()
		}
	}
	r.bar.clear()
	fmt.Fprintf(r.streams.Err, "trained in %s\n", clock(time.Since(start)))
	return r.evaluate()
}

// evaluate says how the model does on images that it has not seen.
func (r *training) evaluate() error {
	figures, err := r.run.Trainer().Evaluate()
	if err != nil || len(figures) == 0 {
		return err
	}
	texts := make([]string, len(figures))
	for i, m := range figures {
		texts[i] = fmt.Sprintf("%s: %f", strings.ReplaceAll(m.Name, "_", " "), m.Value)
	}
	_, err = fmt.Fprintf(r.streams.Out, "%d [%s]\n", r.run.Trainer().Step(), strings.Join(texts, "] ["))
	return err
}

// show draws the bar.
func (r *training) show(now time.Time, ev train.Event) {
	c := r.run.Trainer().Config()
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

// stopped ends a run that cannot go on: because of Ctrl-C, or because the training diverged, or something failed.
func (r *training) stopped(err error) error {
	r.bar.clear()
	if !errors.Is(err, context.Canceled) {
		return r.broken(err)
	}
	return &exitError{exitInterrupted, fmt.Errorf("interrupted: step %d is saved, go on with\n  %s", r.run.Trainer().Step(), r.resume())}
}

// broken ends a run that cannot go on, and says what is left of it.
func (r *training) broken(err error) error {
	r.bar.clear()
	left, file := "no checkpoint had been saved yet", r.run.CheckpointFile()
	if file != "" {
		left = fmt.Sprintf("the last good checkpoint, of step %d, is in %s", r.run.Description().Step, quote.Name(file))
	}
	if _, ok := errors.AsType[*train.DivergedError](err); ok {
		return &exitError{exitFinding, fmt.Errorf("%w\n  %s", err, left)}
	}
	if file != "" {
		left += "\n  when the cause is mended, go on with\n  " + r.resume()
	}
	return fmt.Errorf("%w\n  %s", err, left)
}

// finish exports what was trained and verifies the files.
func (r *training) finish(ctx context.Context) error {
	written, err := r.run.Export(ctx, run.ExportOptions{})
	if err != nil {
		return err
	}
	dir := r.run.ONNX()
	for _, e := range written {
		fmt.Fprintf(r.streams.Err, "exported %s (%d bytes)\n", quote.Name(e.Model), e.Bytes)
	}
	if r.options.noVerify {
		return r.next()
	}
	found, err := verifiedExport(ctx, r.streams, r.streams.Out, r.run.Folder, []string{dir},
		fmt.Sprintf("the run is trained and exported; verify it with\n  petrify verify %s --against %s", quote.Shell(dir), quote.Shell(r.run.Dir())))
	if err != nil {
		return err
	}
	if err := writeCertificate(ctx, found, r.run.Folder); err != nil {
		return err
	}
	fmt.Fprintf(r.streams.Err, "verified: see %s\n", quote.Name(r.run.Certificate()))
	return r.next()
}

// next says where to look, and what can be done with the run.
func (r *training) next() error {
	m, err := r.run.Model()
	if err != nil {
		return err
	}
	d := r.run.Description()
	dir := quote.Shell(r.run.Dir())
	fmt.Fprintf(r.streams.Err, "pictures of every report are in %s, the losses in %s\n", quote.Name(r.run.Samples()), quote.Name(r.run.Curves()))
	if net, ok := m.Net(m.Objective.Roles().Sampler); ok && net.Input.Noise {
		fmt.Fprintf(r.streams.Err, "  more pictures   petrify sample %s -o grid.png\n", dir)
	}
	fmt.Fprintf(r.streams.Err, "  train on        petrify train --resume %s --steps %d\n", dir, 2*d.Steps)
	if r.options.noVerify {
		fmt.Fprintf(r.streams.Err, "  verify          petrify verify %s --against %s\n", quote.Shell(r.run.ONNX()), dir)
	}
	return nil
}

// interruptedAfter completes the error of a stage that Ctrl-C has ended by what is done already.
func interruptedAfter(ctx context.Context, err error, done string) error {
	if ctx.Err() == nil {
		return err
	}
	return &exitError{exitInterrupted, fmt.Errorf("interrupted: %s", done)}
}
