package train_test

import (
	"context"
	"errors"
	"iter"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/checkpoint"
	"github.com/petrify-ml/petrify/dataset"
	"github.com/petrify-ml/petrify/internal/kernel"
	"github.com/petrify-ml/petrify/internal/race"
	"github.com/petrify-ml/petrify/model"
	"github.com/petrify-ml/petrify/models"
	"github.com/petrify-ml/petrify/train"
)

// find is a model in its own sizes.
func find(t testing.TB, name string) model.Model {
	t.Helper()
	m, err := models.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// small are all models, narrow enough for quick tests.
func small(t testing.TB) []model.Model {
	t.Helper()
	var list []model.Model
	for _, m := range models.All() {
		s, err := models.Build(m.Name, models.Options{Width: 8})
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, s)
	}
	return list
}

// newTrainer is a small run, of the GAN unless changed, on images that need no file.
func newTrainer(t testing.TB, change func(*train.Config)) *train.Trainer {
	t.Helper()
	set, err := dataset.Synthetic(5, 64, 1, 28, 28)
	if err != nil {
		t.Fatal(err)
	}
	c := train.Config{Model: find(t, "gan"), Data: set, Steps: 6, Batch: 9, Seed: 3}
	if change != nil {
		change(&c)
	}
	tr, err := train.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// finish runs all steps that are left and returns the last event's line.
func finish(t testing.TB, tr *train.Trainer) string {
	t.Helper()
	last := ""
	for ev, err := range tr.Steps(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		last = ev.String()
	}
	return last
}

func digest(t testing.TB, tr *train.Trainer) string {
	t.Helper()
	s, err := tr.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	return checkpoint.Digest(s.Tensors)
}

func TestOneSeedGivesOneResult(t *testing.T) {
	for _, m := range small(t) {
		t.Run(m.Name, func(t *testing.T) {
			run := func(threads int, seed uint64) (string, string) {
				defer kernel.SetThreads(kernel.SetThreads(threads))
				tr := newTrainer(t, func(c *train.Config) { c.Model = m; c.Seed = seed; c.Batch = 0; c.Steps = 3 })
				return finish(t, tr), digest(t, tr)
			}
			line, sum := run(1, 3)
			for _, threads := range []int{2, 3} {
				if l, s := run(threads, 3); l != line || s != sum {
					t.Errorf("with %d threads the run ends in %s, weights %.8s; with one in %s, %.8s", threads, l, s, line, sum)
				}
			}
			if _, s := run(1, 4); s == sum {
				t.Error("another seed gave the same weights")
			}
		})
	}
}

func TestRestoredRunGoesOnAsIfNeverStopped(t *testing.T) {
	for _, m := range small(t) {
		t.Run(m.Name, func(t *testing.T) { restored(t, func(c *train.Config) { c.Model = m }) })
	}
}

func restored(t *testing.T, change func(*train.Config)) {
	whole := newTrainer(t, change)
	wantLine := finish(t, whole)

	first := newTrainer(t, change)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for ev, err := range first.Steps(ctx) {
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			break
		}
		if ev.Step == 4 {
			cancel()
		}
	}
	if first.Step() != 4 {
		t.Fatalf("stopped at step %d, want 4", first.Step())
	}
	s, err := first.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	second := newTrainer(t, change)
	if err := second.Restore(s); err != nil {
		t.Fatal(err)
	}
	if line := finish(t, second); line != wantLine || digest(t, second) != digest(t, whole) {
		t.Errorf("the restored run ends in %s, the whole one in %s", line, wantLine)
	}
}

func TestRestoreNamesWhatDoesNotFit(t *testing.T) {
	good := newTrainer(t, nil)
	before := digest(t, good)
	s, err := good.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	s.Step = 5
	s.Tensors[0].Dims = []int{128, 100}
	s.Tensors[1].Name = "generator.fc9.bias"
	delete(s.Meta, "stream/noise")
	err = good.Restore(s)
	for _, want := range []string{
		"generator.fc1.weight: shape 128x100, want 100x128",
		"generator.fc1.bias: missing",
		"generator.fc9.bias: in the checkpoint, but",
		`stream/noise is "", want a number`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want it to say %q", err, want)
		}
	}
	if digest(t, good) != before || good.Step() != 0 {
		t.Error("a refused checkpoint changed the trainer")
	}
}

func TestDivergenceStopsAndNamesTheTensor(t *testing.T) {
	for _, c := range []struct {
		claim  string
		tensor string
		index  int
		value  float64
		want   string
	}{
		{"a weight that is NaN", "generator.fc2.weight", 7, math.NaN(),
			"step 1: generator.fc2.weight holds NaN at index 7"},
		{"a weight that is infinite", "discriminator.fc1.weight", 3, math.Inf(1),
			"step 1: discriminator.fc1.weight holds +Inf at index 3"},
	} {
		t.Run(c.claim, func(t *testing.T) {
			tr := newTrainer(t, nil)
			spoil(t, tr, c.tensor, c.index, c.value)
			var last error
			for _, err := range tr.Steps(t.Context()) {
				last = err
			}
			d, ok := errors.AsType[*train.DivergedError](last)
			if !ok || !strings.Contains(d.Error(), c.want) {
				t.Errorf("error is %v, want %q", last, c.want)
			}
			if _, err := tr.Snapshot(); err == nil {
				t.Error("a snapshot was made of parameters that are not finite")
			}
		})
	}
}

// spoil puts a value into the weights of a run, by way of a checkpoint.
func spoil(t *testing.T, tr *train.Trainer, tensor string, index int, value float64) {
	t.Helper()
	s, err := tr.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range s.Tensors {
		if p.Name == tensor {
			p.Data[index] = float32(value)
		}
	}
	if err := tr.Restore(s); err != nil {
		t.Fatal(err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	set, err := dataset.Synthetic(5, 4, 1, 28, 28)
	if err != nil {
		t.Fatal(err)
	}
	wide, err := dataset.Synthetic(5, 4, 3, 28, 28)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		claim  string
		config train.Config
		want   string
	}{
		{"steps", train.Config{Model: find(t, "gan"), Data: set, Steps: -1}, "steps is -1, want at least 1"},
		{"batch", train.Config{Model: find(t, "gan"), Data: set, Batch: -5}, "batch is -5, want at least 1"},
		{"data", train.Config{Model: find(t, "gan")}, "no training images"},
		{"learning rate", train.Config{Model: find(t, "gan"), Data: set, Adam: model.Adam{LR: math.NaN()}}, "learning rate is NaN"},
		{"image size", train.Config{Model: find(t, "gan"), Data: wide}, "discriminator takes images of 1x28x28, " + wide.Name + " has 3x28x28"},
		{"objective", train.Config{Model: model.Model{Name: "odd"}, Data: set, Steps: 1, Batch: 1, Adam: model.Adam{LR: 1}}, "odd: no objective"},
	} {
		if _, err := train.New(c.config); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want %q", c.claim, err, c.want)
		}
	}
}

func TestSamplesAreTheSameAtEveryCall(t *testing.T) {
	tr := newTrainer(t, nil)
	a, err := tr.Samples(4)
	if err != nil {
		t.Fatal(err)
	}
	before := digest(t, tr)
	b, err := tr.Samples(4)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(a.Pixels, b.Pixels) || a.N != 4 || len(a.Pixels) != 4*28*28 {
		t.Error("two grids without a step between them differ")
	}
	for _, p := range a.Pixels {
		if !(p >= 0 && p <= 1) {
			t.Fatalf("pixel is %v, want 0 to 1", p)
		}
	}
	if digest(t, tr) != before {
		t.Error("drawing samples changed the state")
	}
}

func TestStepAllocatesNothing(t *testing.T) {
	for _, m := range small(t) {
		tr := newTrainer(t, func(c *train.Config) { c.Model = m; c.Steps = 100 })
		step, stop := iter.Pull2(tr.Steps(t.Context()))
		defer stop()
		if n := race.AllocsPerRun(5, func() {
			if _, err, _ := step(); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations per iteration, want 0", m.Name, n)
		}
	}
}

// BenchmarkGAN is one iteration of the dense GAN at its recipe's batch of 128: 267 MFLOP of matrix products.
func BenchmarkGAN(b *testing.B) { benchmark(b, "gan") }

// BenchmarkAutoencoder is one iteration at batch 128.
func BenchmarkAutoencoder(b *testing.B) { benchmark(b, "autoencoder") }

// BenchmarkVAE is one iteration at batch 128.
func BenchmarkVAE(b *testing.B) { benchmark(b, "vae") }

// BenchmarkDCGAN is one iteration at batch 64.
func BenchmarkDCGAN(b *testing.B) { benchmark(b, "dcgan") }

// benchmark runs a model at the batch of its recipe.
func benchmark(b *testing.B, name string) {
	tr := newTrainer(b, func(c *train.Config) { c.Model = find(b, name); c.Batch = 0; c.Steps = math.MaxInt })
	step, stop := iter.Pull2(tr.Steps(b.Context()))
	defer stop()
	b.ReportAllocs()
	for b.Loop() {
		if _, err, _ := step(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(tr.Config().Batch*b.N)/b.Elapsed().Seconds(), "images/s")
}

// Standing statistics are the mean over batches, change nothing else, and leave the run as it was going.
func TestStandingStatistics(t *testing.T) {
	tr := newTrainer(t, func(c *train.Config) { c.Model = smallModel(t, "dcgan") })
	finish(t, tr)
	before, err := tr.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	interrupted, cancel := context.WithCancel(t.Context())
	cancel()
	if err := tr.StandingStatistics(interrupted, 4); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: error is %v", err)
	}
	if s, err := tr.Snapshot(); err != nil || checkpoint.Digest(s.Weights()) != checkpoint.Digest(before.Weights()) {
		t.Errorf("interrupted statistics left their marks (%v)", err)
	}
	if err := tr.StandingStatistics(t.Context(), 4); err != nil {
		t.Fatal(err)
	}
	after, err := tr.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range before.Tensors {
		same := slices.Equal(b.Data, after.Tensors[i].Data)
		if tracked := strings.HasSuffix(b.Name, ".mean") || strings.HasSuffix(b.Name, ".variance"); same == tracked {
			t.Errorf("%s: unchanged is %v", b.Name, same)
		}
	}
	if before.Meta["stream/noise"] != after.Meta["stream/noise"] {
		t.Error("the noise of the run has moved")
	}
	if err := tr.StandingStatistics(t.Context(), 0); err == nil {
		t.Error("0 batches were accepted")
	}
}

// smallModel is a model narrow enough for quick tests.
func smallModel(t testing.TB, name string) model.Model {
	t.Helper()
	for _, m := range small(t) {
		if m.Name == name {
			return m
		}
	}
	t.Fatalf("no model is called %s", name)
	return model.Model{}
}

// Running statistics follow the batches, and no optimiser holds moments for them.
func TestTrackedParametersAreNotLearnt(t *testing.T) {
	tr := newTrainer(t, func(c *train.Config) { c.Model = smallModel(t, "dcgan") })
	before, err := tr.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	finish(t, tr)
	after, err := tr.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	tracked := 0
	for i, b := range before.Tensors {
		if !strings.HasSuffix(b.Name, ".mean") && !strings.HasSuffix(b.Name, ".variance") {
			continue
		}
		tracked++
		if strings.Contains(b.Name, "/") {
			t.Errorf("%s: a tracked parameter has moments", b.Name)
		}
		if slices.Equal(b.Data, after.Tensors[i].Data) {
			t.Errorf("%s stayed as it was", b.Name)
		}
	}
	if tracked != 6 { // two normalisations in the generator, one in the discriminator
		t.Errorf("%d tracked parameters, want 6", tracked)
	}
}

func TestEveryModelShowsPictures(t *testing.T) {
	want := map[string]string{
		"gan": "samples", "cgan": "samples", "dcgan": "samples",
		"autoencoder": "samples latent", "conv-autoencoder": "samples latent",
		"vae": "samples reconstructions", "conv-vae": "samples reconstructions",
	}
	for _, m := range small(t) {
		tr := newTrainer(t, func(c *train.Config) { c.Model = m })
		list, err := tr.Pictures(16)
		if err != nil {
			t.Fatal(err)
		}
		again, err := tr.Pictures(16)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for i, p := range list {
			names = append(names, p.Name)
			if len(p.Images.Pixels) != p.Images.N*784 || p.Title == "" {
				t.Errorf("%s, %s: %d pixels for %d images, title %q", m.Name, p.Name, len(p.Images.Pixels), p.Images.N, p.Title)
			}
			if slices.ContainsFunc(p.Images.Pixels, func(v float32) bool { return !(v >= 0 && v <= 1) }) {
				t.Errorf("%s, %s: a pixel is not within [0, 1]", m.Name, p.Name)
			}
			if !slices.Equal(p.Images.Pixels, again[i].Images.Pixels) {
				t.Errorf("%s, %s: the same picture differs at a second look", m.Name, p.Name)
			}
		}
		if got := strings.Join(names, " "); got != want[m.Name] {
			t.Errorf("%s shows %s, want %s", m.Name, got, want[m.Name])
		}
	}
}

// Every objective is that of a model which the tests above train, and declares what the rest of the program asks of it.
func TestObjectivesDeclareThemselves(t *testing.T) {
	for _, o := range train.Objectives() {
		kind := reflect.TypeOf(o)
		i := slices.IndexFunc(models.All(), func(m model.Model) bool { return reflect.TypeOf(m.Objective) == kind })
		if i < 0 {
			t.Errorf("no model has the objective %v", kind)
			continue
		}
		m := models.All()[i]
		r := m.Objective.Roles()
		for role, net := range map[string]string{"images enter": r.Images, "samples leave": r.Sampler} {
			if _, ok := m.Net(net); !ok {
				t.Errorf("%v: %s net %q, which %s lacks", kind, role, net, m.Name)
			}
		}
		if len(r.Flows) == 0 || len(r.Figures) == 0 || slices.Contains(r.Figures, "") {
			t.Errorf("%v declares too little: %+v", kind, r)
		}
	}
}
