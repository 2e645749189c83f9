package train

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/dataset"
	"github.com/petrify-ml/petrify/internal/kernel"
	"github.com/petrify-ml/petrify/layer"
)

// smallModel is a model narrow enough for quick tests.
func smallModel(t testing.TB, name string) layer.Model {
	t.Helper()
	for _, m := range small(t) {
		if m.Name == name {
			return m
		}
	}
	t.Fatalf("no model is called %s", name)
	return layer.Model{}
}

// In the joint form the discriminator takes one step of Adam along the sum of two gradients, and the generator's step moves
// nothing but the generator and what is tracked.
func TestJointStep(t *testing.T) {
	tr := newTrainer(t, func(c *Config) { c.Model = smallModel(t, "dcgan") })
	j := tr.objective.(*joint)
	j.batches.next(j.x)
	j.noise.Normal(j.z)
	if err := j.draw.RunAll(); err != nil {
		t.Fatal(err)
	}
	var gradients [2][][]float32
	for i, u := range []*update{j.real, j.fake} {
		if _, err := u.compute(); err != nil {
			t.Fatal(err)
		}
		for _, g := range u.learners[0].grads {
			gradients[i] = append(gradients[i], slices.Clone(g))
		}
	}
	learnt := j.real.learners[0].params
	var want [][]float32
	for i, p := range learnt {
		w, g := slices.Clone(p.w), slices.Clone(gradients[0][i])
		for k := range g {
			g[k] += gradients[1][i][k]
		}
		kernel.Adam(tr.config.Adam, 1, w, g, make([]float32, len(w)), make([]float32, len(w)))
		want = append(want, w)
	}
	j.real.add(j.fake)
	j.real.move()
	for i, p := range learnt {
		if !slices.Equal(p.w, want[i]) {
			t.Errorf("%s is not where one step along the summed gradients leads", p.Name)
		}
	}
	if j.discriminator.adamT != 1 {
		t.Errorf("the discriminator took %d steps, want 1", j.discriminator.adamT)
	}
	if _, err := j.gen.run(); err != nil {
		t.Fatal(err)
	}
	for i, p := range learnt {
		if !slices.Equal(p.w, want[i]) {
			t.Errorf("%s moved in the generator's step", p.Name)
		}
	}
}

// Running statistics follow the batches, and no optimiser holds moments for them.
func TestTrackedParametersAreNotLearnt(t *testing.T) {
	tr := newTrainer(t, func(c *Config) { c.Model = smallModel(t, "dcgan") })
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

// Evaluate says what one gets by hand from what the nets compute in inference, over a set that is no multiple of its batch.
func TestEvaluateByHand(t *testing.T) {
	test, err := dataset.Synthetic(9, 261, 1, 28, 28)
	if err != nil {
		t.Fatal(err)
	}
	tr := newTrainer(t, func(c *Config) { c.Model = smallModel(t, "autoencoder"); c.Test = test })
	finish(t, tr)
	got, err := tr.Evaluate()
	if err != nil {
		t.Fatal(err)
	}
	c := tr.objective.(*reconstruction).coder
	images, latent, err := c.encode(test.N)
	if err != nil {
		t.Fatal(err)
	}
	made, err := c.decode(latent)
	if err != nil {
		t.Fatal(err)
	}
	want := 0.0
	for i, x := range images {
		want += math.Abs(float64(x)-float64(made.Pixels[i])) / float64(len(images))
	}
	if len(got) != 1 || got[0].Name != "test_mae" || math.Abs(got[0].Value-want) > 1e-6 {
		t.Errorf("Evaluate says %v, by hand it is %v", got, want)
	}
	tr = newTrainer(t, func(c *Config) { c.Model = smallModel(t, "vae"); c.Test = test })
	finish(t, tr)
	if got, err = tr.Evaluate(); err != nil {
		t.Fatal(err)
	}
	again, err := tr.Evaluate()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, again) {
		t.Errorf("a second evaluation says %v, the first %v", again, got)
	}
	if math.Abs(got[0].Value-divergenceByHand(t, tr)-got[1].Value) > 1e-3 {
		t.Errorf("Evaluate says %v, by hand the divergence is %v", got, divergenceByHand(t, tr))
	}
}

// divergenceByHand is the mean divergence of what the encoder gives for the test images.
func divergenceByHand(t *testing.T, tr *Trainer) float64 {
	t.Helper()
	c := tr.objective.(*variational).coder
	inf, err := c.encoder.plan.NewInference(c.shown().N, c.encoder.weights)
	if err != nil {
		t.Fatal(err)
	}
	c.scale.images(inf.Input(), c.shown(), 0)
	out, err := inf.Run()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for i, m := range out[0] {
		mean, logvar := float64(m), float64(out[1][i])
		sum += (mean*mean + math.Exp(logvar) - 1 - logvar) / 2
	}
	return sum / float64(c.shown().N)
}

func TestEveryModelShowsPictures(t *testing.T) {
	want := map[string]string{
		"gan": "samples", "dcgan": "samples",
		"autoencoder": "samples latent", "conv-autoencoder": "samples latent",
		"vae": "samples reconstructions", "conv-vae": "samples reconstructions",
	}
	for _, m := range small(t) {
		tr := newTrainer(t, func(c *Config) { c.Model = m })
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
