package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/petrify-ml/petrify/dataset"
	"github.com/petrify-ml/petrify/internal/kernel"
	"github.com/petrify-ml/petrify/internal/quote"
	"github.com/petrify-ml/petrify/models"
	"github.com/petrify-ml/petrify/run"
)

type trainOptions struct {
	streams *Streams
	model   string
	given   func(flag string) bool // was it on the command line?

	data        string
	images      dataset.Options
	sizes       models.Options
	steps       int
	batch       int
	seed        uint64
	lr          float64
	out         string
	resume      string
	sampleEvery int
	keep        int
	threads     int
	standing    int
	force       bool
	noVerify    bool
	quiet       bool

	watch *watch // the bar of the training, which notes must not write into
}

func newTrainCmd(s *Streams, do func(context.Context, trainOptions) error) *cobra.Command {
	o := trainOptions{streams: s}
	cmd := &cobra.Command{
		Use:   "train MODEL",
		Short: "Train a model, export it to ONNX and verify the files",
		Long: `train trains a model and leaves a run folder:

  run.json          what the run is: enough to repeat it or to go on with it
  checkpoints/      weights and the optimiser's state, as safetensors
  events.jsonl      the losses, one line per report
  samples/          what the model makes, one grid of pictures per report
  curves.png        the losses over the steps
  onnx/             the exported models with recorded data, and certificate.json

A seed determines the result, bit for bit, whatever the number of threads. Ctrl-C saves and stops;
--resume continues from there as if nothing had happened.`,
		Example: `  petrify train gan
  petrify train gan --steps 2000 --sample-every 500 --seed 7 --out runs/short
  petrify train gan --data ~/fashion-mnist
  petrify train vae --latent 2 --out runs/plane
  petrify train --resume runs/gan --steps 40000`,
		Args: func(cmd *cobra.Command, args []string) error {
			what := "one model, such as gan (petrify models lists them), or --resume DIR"
			least := 1
			if o.resume != "" {
				least = 0
			}
			return arguments(least, 1, what)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.model = args[0]
			}
			o.given = cmd.Flags().Changed
			return do(cmd.Context(), o)
		},
		ValidArgsFunction: completeModels,
	}
	f := cmd.Flags()
	f.StringVar(&o.data, "data", "mnist", "data set: a name, or a folder of pictures, of IDX files named like MNIST's or EMNIST's, of CSV tables of pixels, or of NumPy arrays (.npz)")
	quantityVar(f, &o.images.Size, "image-size", 0, "height and width that images are cropped and scaled to (default: the set's; 64 for pictures)")
	quantityVar(f, &o.images.Channels, "channels", 0, "1 for grey, 3 for colour (default: the set's; 3 for pictures)")
	quantityVar(f, &o.sizes.Latent, "latent", 0, "dimensions of the latent space or noise (default: the model's)")
	quantityVar(f, &o.sizes.Width, "width", 0, "units or channels of the inner layers (default: the model's)")
	quantityVar(f, &o.sizes.Depth, "depth", 0, "number of hidden layers, or of steps between resolutions (default: the model's)")
	f.Var(number{&o.sizes.Beta}, "beta", "weight of the KL divergence of a variational autoencoder (default: the model's)")
	quantityVar(f, &o.steps, "steps", 0, "total iterations (default: the model's)")
	quantityVar(f, &o.batch, "batch", 0, "images in a batch (default: the model's)")
	f.Float64Var(&o.lr, "lr", 0, "learning rate (default: the model's)")
	f.Uint64Var(&o.seed, "seed", 1, "seed of all randomness")
	f.StringVarP(&o.out, "out", "o", "", "run folder (default: runs/MODEL)")
	f.StringVar(&o.resume, "resume", "", "continue the run in this folder")
	quantityVar(f, &o.sampleEvery, "sample-every", 0, "iterations between two reports, each with samples and a checkpoint (default: the model's)")
	quantityVar(f, &o.keep, "keep", 3, "how many of the latest checkpoints to keep; 0 keeps all")
	quantityVar(f, &o.threads, "threads", 0, "threads to compute with; 0 means one per core")
	quantityVar(f, &o.standing, "standing", 0, "batches from which to recompute the statistics of batch normalisations before the export; 0 keeps the running statistics")
	f.BoolVar(&o.force, "force", false, "start over if the run folder already holds a run, which is removed")
	f.BoolVar(&o.noVerify, "no-verify", false, "export, but do not verify")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print only errors")
	mustComplete(cmd, "data", completeData)
	mustComplete(cmd, "resume", completeFolders)
	mustComplete(cmd, "out", completeFolders)
	exclusive(cmd, "resume", "out")
	exclusive(cmd, "resume", "force")
	return cmd
}

// completeData offers data sets to the shell, beside its own folders.
func completeData(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return dataset.Names(), cobra.ShellCompDirectiveDefault
}

func completeFolders(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

func runTrain(ctx context.Context, o trainOptions) error {
	if err := o.validate(); err != nil {
		return err
	}
	if o.quiet {
		o.streams = o.streams.quietened()
	}
	if o.threads > 0 {
		defer kernel.SetThreads(kernel.SetThreads(o.threads))
	}
	o.watch = &watch{}
	open := o.begin
	if o.resume != "" {
		open = o.goOn
	}
	r, err := open(ctx)
	if err != nil {
		return err
	}
	t := &training{options: o, streams: o.streams, run: r, watch: o.watch}
	if err := t.train(ctx); err != nil {
		return errors.Join(err, r.Close())
	}
	return errors.Join(t.finish(ctx), r.Close())
}

// validate judges the flags, all at once.
func (o trainOptions) validate() error {
	var problems []error
	fail := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	for _, f := range []struct {
		name         string
		value, least int
	}{
		{"steps", o.steps, 1}, {"batch", o.batch, 1}, {"sample-every", o.sampleEvery, 1},
		{"keep", o.keep, 0}, {"threads", o.threads, 0}, {"standing", o.standing, 0},
		{"image-size", o.images.Size, 1}, {"channels", o.images.Channels, 1},
		{"latent", o.sizes.Latent, 1}, {"width", o.sizes.Width, 1}, {"depth", o.sizes.Depth, 1},
	} {
		if o.given(f.name) && f.value < f.least {
			fail("--%s is %d, want at least %d", f.name, f.value, f.least)
		}
	}
	if o.given("lr") && !(o.lr > 0 && !math.IsInf(o.lr, 0)) {
		fail("--lr is %v, want a positive number", o.lr)
	}
	return errors.Join(problems...)
}

// note is called with messages for the user.
func (o trainOptions) note(text string) {
	o.watch.clear()
	fmt.Fprintf(o.streams.Err, "note: %s\n", quote.Text(text))
}

// begin starts a new run.
func (o trainOptions) begin(ctx context.Context) (*run.Run, error) {
	dir := cmp.Or(o.out, filepath.Join("runs", o.model))
	reading := progress{streams: o.streams, what: "images read"}
	r, err := run.Create(ctx, dir, run.Config{
		Settings: run.Settings{
			Model: o.model, Sizes: o.sizes, Data: run.Data{Source: o.data}, Seed: o.seed, Batch: o.batch, LearningRate: o.lr,
			SampleEvery: o.sampleEvery, Keep: o.keep, Standing: o.standing,
		},
		Steps: o.steps, Images: o.images, Force: o.force, Note: o.note, Progress: reading.show,
	})
	reading.clear()
	if !errors.Is(err, run.ErrExists) {
		return r, err
	}
	what := "a run"
	if f, err := run.Open(dir); err == nil {
		d := f.Description()
		what = fmt.Sprintf("a run of %s, %d of %d steps done", d.Model, d.Step, d.Steps)
	}
	return nil, fmt.Errorf(`%s holds %s:
  go on with it   petrify train --resume %s
  start over      the same command with --force, which removes that run
  keep both       the same command with --out and another folder`, quote.Name(dir), what, quote.Shell(dir))
}

// goOn opens a run that was stopped.
func (o trainOptions) goOn(ctx context.Context) (*run.Run, error) {
	folder, err := run.Open(o.resume)
	if err != nil {
		return nil, err
	}
	if err := o.contradicts(folder.Description()); err != nil {
		return nil, err
	}
	reading := progress{streams: o.streams, what: "images read"}
	resume := run.ResumeOptions{Note: o.note, Progress: reading.show}
	if o.given("data") {
		resume.Data = o.data
	}
	if o.given("steps") {
		resume.Steps = o.steps
	}
	r, err := run.Resume(ctx, o.resume, resume)
	reading.clear()
	if err != nil {
		return nil, err
	}
	begun := r.Begun()
	for _, l := range begun.Lost {
		o.note(l.Error())
	}
	switch {
	case len(begun.Lost) > 0:
		o.note(fmt.Sprintf("continuing from step %d, the newest undamaged checkpoint", begun.Step))
	case begun.Step == 0:
		o.note(o.resume + " was stopped before its first checkpoint: it begins at step 0")
	}
	return r, nil
}

// contradicts lists the flags that ask for another run than the one that is to go on.
func (o trainOptions) contradicts(d run.Description) error {
	if o.model != "" && o.model != d.Model {
		return fmt.Errorf("%s is a run of %s, not of %s: leave the model out", o.resume, d.Model, o.model)
	}
	var size, channels int
	if s := d.Sizes.Image; len(s) == 3 {
		size, channels = s[1], s[0]
	}
	var problems []error
	for _, f := range []struct {
		name       string
		wants, has any
	}{
		{"batch", o.batch, d.Batch}, {"lr", o.lr, d.LearningRate}, {"seed", o.seed, d.Seed},
		{"sample-every", o.sampleEvery, d.SampleEvery}, {"keep", o.keep, d.Keep}, {"standing", o.standing, d.Standing},
		{"latent", o.sizes.Latent, d.Sizes.Latent}, {"width", o.sizes.Width, d.Sizes.Width}, {"depth", o.sizes.Depth, d.Sizes.Depth},
		{"beta", number{&o.sizes.Beta}.String(), number{&d.Sizes.Beta}.String()}, {"image-size", o.images.Size, size}, {"channels", o.images.Channels, channels},
	} {
		if !o.given(f.name) || f.wants == f.has {
			continue
		}
		has := fmt.Sprint(f.has)
		if has == "" || has == "0" && (f.name == "latent" || f.name == "width" || f.name == "depth") {
			has = "the model's own"
		}
		problems = append(problems, fmt.Errorf("--%s is %v, and %s was started with %s: leave the flag out, or start another run with --out", f.name, f.wants, o.resume, has))
	}
	return errors.Join(problems...)
}
