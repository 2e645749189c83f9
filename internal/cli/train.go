package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/petrify-ml/petrify/checkpoint"
	"github.com/petrify-ml/petrify/dataset"
	"github.com/petrify-ml/petrify/internal/kernel"
	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/model"
	"github.com/petrify-ml/petrify/models"
	"github.com/petrify-ml/petrify/train"
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
}

func newTrainCmd(s *Streams, run func(context.Context, trainOptions) error) *cobra.Command {
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

One seed gives one result, bit for bit, whatever the number of threads. Ctrl-C saves and stops; --resume goes on from
there as if nothing had happened.`,
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
			return run(cmd.Context(), o)
		},
		ValidArgsFunction: completeModels,
	}
	f := cmd.Flags()
	f.StringVar(&o.data, "data", "mnist", "data set: a name, or a folder of IDX files under MNIST's names, gzipped or not, or of PNG and JPEG images")
	f.IntVar(&o.images.Size, "image-size", 0, "height and width that images are cropped and scaled to (default: the set's; 64 for PNG and JPEG)")
	f.IntVar(&o.images.Channels, "channels", 0, "1 for grey, 3 for colour (default: the set's; 3 for PNG and JPEG)")
	f.IntVar(&o.sizes.Latent, "latent", 0, "dimensions of the latent space, or of the noise (default: the model's)")
	f.IntVar(&o.sizes.Width, "width", 0, "units, or channels, of the layers within (default: the model's)")
	f.IntVar(&o.sizes.Depth, "depth", 0, "hidden layers, or steps between resolutions (default: the model's)")
	f.Float64Var(&o.sizes.Beta, "beta", 0, "weight of the divergence of a variational autoencoder (default: the model's)")
	f.IntVar(&o.steps, "steps", 0, "iterations in all (default: the model's)")
	f.IntVar(&o.batch, "batch", 0, "images in a batch (default: the model's)")
	f.Float64Var(&o.lr, "lr", 0, "learning rate (default: the model's)")
	f.Uint64Var(&o.seed, "seed", 1, "of all randomness")
	f.StringVarP(&o.out, "out", "o", "", "run folder (default: runs/MODEL)")
	f.StringVar(&o.resume, "resume", "", "go on with the run in this folder")
	f.IntVar(&o.sampleEvery, "sample-every", 0, "iterations from one report, with samples and checkpoint, to the next (default: the model's)")
	f.IntVar(&o.keep, "keep", 3, "checkpoints to keep, the latest ones; 0 keeps all")
	f.IntVar(&o.threads, "threads", 0, "threads to compute on; 0 is one for each core")
	f.IntVar(&o.standing, "standing", 0, "batches to take the statistics of batch normalisations from anew before the export; 0 keeps the running ones")
	f.BoolVar(&o.force, "force", false, "start over where the run folder holds a run: it is removed")
	f.BoolVar(&o.noVerify, "no-verify", false, "export, but do not verify")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "say nothing but what went wrong")
	mustComplete(cmd, "data", completeData)
	mustComplete(cmd, "resume", completeFolders)
	mustComplete(cmd, "out", completeFolders)
	cmd.MarkFlagsMutuallyExclusive("resume", "out")
	cmd.MarkFlagsMutuallyExclusive("resume", "force")
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
	open := o.begin
	if o.resume != "" {
		open = o.goOn
	}
	r, err := open()
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.train(ctx); err != nil {
		return err
	}
	return r.finish(ctx)
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
	if o.resume != "" {
		for _, name := range []string{"batch", "lr", "seed", "latent", "width", "depth", "beta", "image-size", "channels"} {
			if o.given(name) {
				fail("--%s cannot be changed in a run that goes on: leave it out, or start a new run", name)
			}
		}
	}
	return errors.Join(problems...)
}

// runConfig is what run.json holds of the settings of the command line, beside those that it has fields for.
type runConfig struct {
	Sizes        models.Options `json:"sizes"`
	LearningRate float64        `json:"learning_rate"`
	SampleEvery  int            `json:"sample_every"`
}

// modelOf rebuilds the model that a run trains.
func modelOf(run checkpoint.Run) (model.Model, runConfig, error) {
	var c runConfig
	if err := json.Unmarshal(run.Config, &c); err != nil {
		return model.Model{}, c, fmt.Errorf("the settings in its run.json: %w", err)
	}
	m, err := models.Build(run.Model, c.Sizes)
	return m, c, err
}

// begin starts a new run.
func (o trainOptions) begin() (*trainRun, error) {
	if _, err := models.Find(o.model); err != nil {
		return nil, err // before any file is read; what the sizes are good for depends on the images
	}
	dir := cmp.Or(o.out, filepath.Join("runs", o.model))
	if err := o.makeRoom(dir); err != nil {
		return nil, err
	}
	images, err := readImages(o.data, o.images)
	if err != nil {
		return nil, err
	}
	set := images.train
	o.sizes.Image = layer.Shape{set.C, set.H, set.W}
	m, err := models.Build(o.model, o.sizes)
	if err != nil {
		return nil, err
	}
	config := train.Config{Model: m, Data: set, Steps: o.steps, Batch: o.batch, Adam: m.Recipe.Adam, Seed: o.seed}
	if config.Test, err = images.testFor(m); err != nil {
		return nil, err
	}
	if o.given("lr") {
		config.Adam.LR = o.lr
	}
	t, err := train.New(config)
	if err != nil {
		return nil, err
	}
	config = t.Config()
	every := cmp.Or(o.sampleEvery, m.Recipe.SampleEvery)
	settings, err := json.Marshal(runConfig{Sizes: o.sizes, LearningRate: config.Adam.LR, SampleEvery: every})
	if err != nil {
		return nil, err
	}
	if err := o.clear(dir); err != nil {
		return nil, err
	}
	folder, err := checkpoint.Create(dir, checkpoint.Run{
		Model: m.Name, Config: settings, Seed: config.Seed, Steps: config.Steps, Batch: config.Batch,
		Data:    checkpoint.DataInfo{Name: set.Name, Source: images.source, Digest: set.Digest},
		Version: version(), Machine: machine(),
	}, checkpoint.Options{Keep: o.keep})
	if err != nil {
		return nil, err
	}
	return o.newRun(folder, t, every)
}

// makeRoom sees to it that dir holds no run, or one that may go.
func (o trainOptions) makeRoom(dir string) error {
	if o.force {
		return nil
	}
	there, err := holdsRun(dir)
	if !there {
		return err
	}
	what := "a run"
	if f, err := checkpoint.Open(dir, checkpoint.Options{}); err == nil {
		what = fmt.Sprintf("a run of %s, %d of %d steps done", f.Run().Model, f.Run().Step, f.Run().Steps)
	}
	return fmt.Errorf(`%s holds %s:
  go on with it   petrify train --resume %[1]s
  start over      the same command with --force, which removes that run
  keep both       the same command with --out and another folder`, dir, what)
}

// clear removes the run in dir where --force asks for it, and nothing else. It comes last before the new run is written:
// a mistake in the other flags must not cost a run.
func (o trainOptions) clear(dir string) error {
	if there, err := holdsRun(dir); !o.force || !there {
		return err // what is called onnx or samples in a folder without a run is not ours
	}
	var problems []error
	for _, name := range []string{"checkpoints", "events.jsonl", samplesFolder, curvesFile, onnxFolder, "run.json"} {
		problems = append(problems, os.RemoveAll(filepath.Join(dir, name)))
	}
	return errors.Join(problems...)
}

func holdsRun(dir string) (bool, error) {
	_, err := os.Lstat(filepath.Join(dir, "run.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// goOn opens a run that was stopped.
func (o trainOptions) goOn() (*trainRun, error) {
	folder, err := checkpoint.Open(o.resume, checkpoint.Options{Keep: o.keep})
	if err != nil {
		return nil, err
	}
	run := folder.Run()
	if o.model != "" && o.model != run.Model {
		return nil, fmt.Errorf("%s is a run of %s, not of %s: leave the model out", o.resume, run.Model, o.model)
	}
	m, settings, err := modelOf(run)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.resume, err)
	}
	data := run.Data.Source
	if o.given("data") {
		data = o.data
	}
	var size dataset.Options // as the model takes it
	if s := settings.Sizes.Image; len(s) == 3 && s[1] == s[2] {
		size = dataset.Options{Size: s[1], Channels: s[0]}
	}
	images, err := readImages(data, size)
	if err != nil {
		return nil, err
	}
	set := images.train
	if set.Digest != run.Data.Digest {
		return nil, fmt.Errorf("%s was begun on other data: %s has sha256 %s, want %s", o.resume, data, set.Digest, run.Data.Digest)
	}
	steps := run.Steps
	if o.given("steps") {
		steps = o.steps
	}
	config := train.Config{Model: m, Data: set, Steps: steps, Batch: run.Batch, Adam: m.Recipe.Adam, Seed: run.Seed}
	config.Adam.LR = settings.LearningRate
	if config.Test, err = images.testFor(m); err != nil {
		return nil, err
	}
	t, err := train.New(config)
	if err != nil {
		return nil, err
	}
	every := cmp.Or(o.sampleEvery, settings.SampleEvery, m.Recipe.SampleEvery)
	if err := restore(o.streams, folder, t); err != nil {
		return nil, err
	}
	if t.Step() > steps {
		return nil, fmt.Errorf("%s has %d steps behind it: --steps %d is less", o.resume, t.Step(), steps)
	}
	if err := folder.Update(func(r *checkpoint.Run) { r.Steps, r.Version, r.Machine = steps, version(), machine() }); err != nil {
		return nil, err
	}
	return o.newRun(folder, t, every)
}

// restore takes the newest checkpoint that is whole; a run that was stopped before its first begins anew.
func restore(s *Streams, folder *checkpoint.Folder, t *train.Trainer) error {
	snapshot, lost, err := folder.Recover()
	if errors.Is(err, checkpoint.ErrNoCheckpoint) {
		fmt.Fprintf(s.Err, "%s was stopped before its first checkpoint: it begins at step 0\n", folder.Dir())
		return nil
	}
	if err != nil {
		return err
	}
	if err := t.Restore(snapshot); err != nil {
		return fmt.Errorf("%s, step %d: %w", folder.Dir(), snapshot.Step, err)
	}
	for _, l := range lost {
		fmt.Fprintf(s.Err, "note: %v\n", l)
	}
	if len(lost) > 0 {
		fmt.Fprintf(s.Err, "note: going on from step %d, the newest checkpoint that is whole\n", snapshot.Step)
	}
	return nil
}

// A dataFolder is a data set that was found, its training images decoded.
type dataFolder struct {
	source string // finds it again
	open   *dataset.Source
	train  *dataset.Set
}

func readImages(name string, o dataset.Options) (d dataFolder, err error) {
	if d.open, err = dataset.OpenWith(name, o); err != nil {
		return d, err
	}
	if d.train, err = d.open.Train(); err != nil {
		return d, err
	}
	d.source = d.open.Name()
	if !slices.Contains(dataset.Names(), d.source) {
		d.source, err = filepath.Abs(d.source)
	}
	return d, err
}

// testFor decodes the test images for a model that is measured, or shown, by them.
func (d dataFolder) testFor(m model.Model) (*dataset.Set, error) {
	if !m.Objective.Roles().HeldOut {
		return nil, nil
	}
	set, err := d.open.Test()
	if errors.Is(err, dataset.ErrNoTest) {
		return nil, nil
	}
	return set, err
}
