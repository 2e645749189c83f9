package train

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/checkpoint"
	"github.com/petrify-ml/petrify/dataset"
	"github.com/petrify-ml/petrify/internal/kernel"
	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/models"
)

// model is a model in its own sizes.
func model(t testing.TB, name string) layer.Model {
	t.Helper()
	m, err := models.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// small are all models, narrow enough for quick tests.
func small(t testing.TB) []layer.Model {
	t.Helper()
	var list []layer.Model
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
func newTrainer(t testing.TB, change func(*Config)) *Trainer {
	t.Helper()
	set, err := dataset.Synthetic(5, 64, 1, 28, 28)
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Model: model(t, "gan"), Data: set, Steps: 6, Batch: 9, Seed: 3}
	if change != nil {
		change(&c)
	}
	tr, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// finish runs all steps that are left and returns the last event's line.
func finish(t testing.TB, tr *Trainer) string {
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

func digest(t testing.TB, tr *Trainer) string {
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
				tr := newTrainer(t, func(c *Config) { c.Model = m; c.Seed = seed; c.Batch = 0; c.Steps = 3 })
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

// Discriminator updates leave the generator as it is, bit for bit, and the other way round.
func TestEachUpdateMovesItsOwnNet(t *testing.T) {
	tr := newTrainer(t, nil)
	a := tr.objective.(*adversarial)
	weights := func(name string) []float32 {
		n, err := tr.net(name)
		if err != nil {
			t.Fatal(err)
		}
		var all []float32
		for _, p := range n.params {
			all = append(append(append(all, p.w...), p.m...), p.v...)
		}
		return all
	}
	a.batches.next(a.x)
	a.noise.Normal(a.zFake)
	a.noise.Normal(a.zGen)
	for _, c := range []struct {
		update       string
		u            *update
		moves, stays string
	}{
		{"real batch", a.real, "discriminator", "generator"},
		{"fake batch", a.fake, "discriminator", "generator"},
		{"generator", a.gen, "generator", "discriminator"},
	} {
		moving, staying := weights(c.moves), weights(c.stays)
		if _, err := c.u.run(); err != nil {
			t.Fatal(err)
		}
		if slices.Equal(moving, weights(c.moves)) {
			t.Errorf("%s: the %s did not move", c.update, c.moves)
		}
		for i, w := range weights(c.stays) {
			if math.Float32bits(w) != math.Float32bits(staying[i]) {
				t.Fatalf("%s: value %d of the %s moved from %v to %v", c.update, i, c.stays, staying[i], w)
			}
		}
	}
}

func TestRestoredRunGoesOnAsIfNeverStopped(t *testing.T) {
	for _, m := range small(t) {
		t.Run(m.Name, func(t *testing.T) { restored(t, func(c *Config) { c.Model = m }) })
	}
}

func restored(t *testing.T, change func(*Config)) {
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
		claim string
		spoil func(*Trainer)
		want  string
	}{
		{"a weight that is NaN", func(tr *Trainer) { tr.nets[0].params[2].w[7] = float32(math.NaN()) },
			"step 1: generator.fc2.weight holds NaN at index 7"},
		{"a weight that is infinite", func(tr *Trainer) { tr.nets[1].params[0].w[3] = float32(math.Inf(1)) },
			"step 1: discriminator.fc1.weight holds +Inf at index 3"},
	} {
		t.Run(c.claim, func(t *testing.T) {
			tr := newTrainer(t, nil)
			c.spoil(tr)
			var last error
			for _, err := range tr.Steps(t.Context()) {
				last = err
			}
			d, ok := errors.AsType[*DivergedError](last)
			if !ok || !strings.Contains(d.Error(), c.want) {
				t.Errorf("error is %v, want %q", last, c.want)
			}
			if _, err := tr.Snapshot(); err == nil {
				t.Error("a snapshot was made of parameters that are not finite")
			}
		})
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
		config Config
		want   string
	}{
		{"steps", Config{Model: model(t, "gan"), Data: set, Steps: -1}, "steps is -1, want at least 1"},
		{"batch", Config{Model: model(t, "gan"), Data: set, Batch: -5}, "batch is -5, want at least 1"},
		{"data", Config{Model: model(t, "gan")}, "no training images"},
		{"learning rate", Config{Model: model(t, "gan"), Data: set, Adam: kernel.AdamConfig{LR: math.NaN()}}, "learning rate is NaN"},
		{"image size", Config{Model: model(t, "gan"), Data: wide}, "discriminator takes images of 1x28x28, " + wide.Name + " has 3x28x28"},
		{"objective", Config{Model: layer.Model{Name: "odd"}, Data: set, Steps: 1, Batch: 1, Adam: kernel.AdamConfig{LR: 1}}, "odd: no training is known"},
	} {
		if _, err := New(c.config); err == nil || !strings.Contains(err.Error(), c.want) {
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
		tr := newTrainer(t, func(c *Config) { c.Model = m })
		if n := testing.AllocsPerRun(5, func() {
			if err := tr.objective.iterate(); err != nil {
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
	tr := newTrainer(b, func(c *Config) { c.Model = model(b, name); c.Batch = 0 })
	b.ReportAllocs()
	for b.Loop() {
		if err := tr.objective.iterate(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(tr.config.Batch*b.N)/b.Elapsed().Seconds(), "images/s")
}

// Standing statistics are the mean over batches, change nothing else, and leave the run as it was going.
func TestStandingStatistics(t *testing.T) {
	tr := newTrainer(t, func(c *Config) { c.Model = smallModel(t, "dcgan") })
	finish(t, tr)
	before, err := tr.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if err := tr.StandingStatistics(4); err != nil {
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
	if err := tr.StandingStatistics(0); err == nil {
		t.Error("0 batches were accepted")
	}
}
