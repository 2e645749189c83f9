package train_test

import (
	"math"
	"os"
	"slices"
	"testing"

	"github.com/petrify-ml/petrify/dataset"
	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/model"
	"github.com/petrify-ml/petrify/models"
	"github.com/petrify-ml/petrify/random"
	"github.com/petrify-ml/petrify/train"
)

// What a conditional GAN makes is of the class that it was asked for, as the nearest mean of a class judges: of most of small discs, whose
// place is their class, and with PETRIFY_LEARN=1, in some minutes, of about as many digits of MNIST as of those that people wrote. There
// embeddings of classes are also compared with classes that are one-hot.
func TestClassesAreLearnt(t *testing.T) {
	set, err := dataset.Synthetic(5, 640, 1, 16, 16)
	if err != nil {
		t.Fatal(err)
	}
	want := func(o models.Options, steps int, least float64) {
		if share := learns(t, set, build(t, o), steps); !(share >= least) {
			t.Errorf("%s: %.3f of the images are of their class, want at least %.3f", set.Name, share, least)
		}
	}
	want(models.Options{Image: layer.Shape{1, 16, 16}, Latent: 8, Width: 32}, 1000, 0.7)
	if os.Getenv("PETRIFY_LEARN") == "" {
		return
	}
	mnist, err := dataset.Open("mnist")
	if err == nil {
		set, err = mnist.Train(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	_, of := set.Classes()
	t.Logf("%s: %.3f of its own images are of their class", set.Name, judged(set, set.Pixels, of))
	want(models.Options{}, 5000, 0.75)
	const steps = 3000
	m := build(t, models.Options{})
	embedded := learns(t, set, m, steps)
	one := learns(t, set, oneHot(m, "generator"), steps)
	both := learns(t, set, oneHot(m, "generator", "discriminator"), steps)
	t.Logf("after %d steps: %.3f with embeddings, %.3f one-hot in the generator, %.3f in both nets", steps, embedded, one, both)
	if !(embedded > both) {
		t.Error("classes are learnt better one-hot")
	}
}

func build(t *testing.T, o models.Options) model.Model {
	t.Helper()
	m, err := models.Build("cgan", o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// oneHot is a conditional GAN where some nets take the class without an embedding.
func oneHot(m model.Model, nets ...string) model.Model {
	m.Nets = slices.Clone(m.Nets)
	for i, n := range m.Nets {
		if !slices.Contains(nets, n.Name) {
			continue
		}
		rows := slices.DeleteFunc(slices.Clone(n.Rows), func(r layer.Row) bool { return r.Name == "embedding" })
		at := slices.IndexFunc(rows, func(r layer.Row) bool { return r.Name == "joined" })
		rows[at].From = []string{rows[at].From[0], n.Class.Name}
		m.Nets[i].Rows = rows
	}
	return m
}

// learns trains a conditional GAN and says which share of its images is of their class.
func learns(t *testing.T, set *dataset.Set, m model.Model, steps int) float64 {
	t.Helper()
	tr, err := train.New(train.Config{Model: m, Data: set, Steps: steps, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	g, err := tr.Net("generator")
	if err != nil {
		t.Fatal(err)
	}
	share := func() float64 {
		classes := make([]int, 500)
		for i := range classes {
			classes[i] = i % 10
		}
		out, err := g.Infer(len(classes), random.New(9, "learnt").Normal, classes...)
		if err != nil {
			t.Fatal(err)
		}
		pixels := make([]uint8, len(out[0]))
		for i, v := range out[0] {
			pixels[i] = uint8(math.Round(float64(v+1) * 127.5))
		}
		return judged(set, pixels, classes)
	}
	before := share()
	finish(t, tr)
	after := share()
	t.Logf("%s: %.3f of the images are of their class after %d steps, %.3f before", set.Name, after, steps, before)
	if !(before < 0.3) {
		t.Errorf("%s: %.3f of the images are of their class before training", set.Name, before)
	}
	return after
}

// judged is the share of images whose nearest mean of a class of the set is that of their own class.
func judged(set *dataset.Set, pixels []uint8, classes []int) float64 {
	names, of := set.Classes()
	size := set.C * set.H * set.W
	means, counts := make([][]float64, len(names)), make([]float64, len(names))
	for k := range means {
		means[k] = make([]float64, size)
	}
	for i, k := range of {
		counts[k]++
		for j, v := range set.Image(i) {
			means[k][j] += float64(v)
		}
	}
	right := 0
	for i, want := range classes {
		nearest, least := -1, math.Inf(1)
		for k := range means {
			d := 0.0
			for j, v := range pixels[i*size : (i+1)*size] {
				e := float64(v) - means[k][j]/counts[k]
				d += e * e
			}
			if d < least {
				nearest, least = k, d
			}
		}
		if nearest == want {
			right++
		}
	}
	return float64(right) / float64(len(classes))
}
