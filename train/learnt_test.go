package train_test

import (
	"math"
	"os"
	"testing"

	"github.com/petrify-ml/petrify/dataset"
	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/models"
	"github.com/petrify-ml/petrify/random"
	"github.com/petrify-ml/petrify/train"
)

// What a conditional GAN makes is of the class that it was asked for, as the nearest mean of a class judges: of most of small discs, whose
// place is their class, and with PETRIFY_LEARN=1, in a minute or two, of about as many digits of MNIST as of those that people wrote.
func TestClassesAreLearnt(t *testing.T) {
	set, err := dataset.Synthetic(5, 640, 1, 16, 16)
	if err != nil {
		t.Fatal(err)
	}
	learns(t, set, models.Options{Image: layer.Shape{1, 16, 16}, Latent: 8, Width: 32}, 1000, 0.7)
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
	learns(t, set, models.Options{}, 5000, 0.75)
}

// learns trains a conditional GAN and wants a share of its images to be of their class.
func learns(t *testing.T, set *dataset.Set, o models.Options, steps int, least float64) {
	t.Helper()
	m, err := models.Build("cgan", o)
	if err != nil {
		t.Fatal(err)
	}
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
	t.Logf("%s: %.3f of the images are of their class after %d steps, %.3f before; wanted %.3f", set.Name, after, steps, before, least)
	if !(before < 0.3) || !(after >= least) {
		t.Errorf("%s: %.3f of the images are of their class, %.3f before training, want at least %.3f", set.Name, after, before, least)
	}
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
