package train

import (
	"math"
	"slices"
	"testing"

	"github.com/petrify-ml/petrify/dataset"
	"github.com/petrify-ml/petrify/internal/kernel"
	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/model"
)

var images = layer.Shape{1, 28, 28}

// opposed is a generator and a discriminator, with batch normalisation in the joint form.
func opposed(joint bool) model.Model {
	up := []layer.Row{{Name: "fc", Layer: layer.Dense{Out: 784}}, {Name: "tanh", Layer: layer.Tanh{}}, {Name: "image", Layer: layer.Reshape{To: images}}}
	if joint {
		up = slices.Insert(up, 1, layer.Row{Name: "norm", Layer: layer.BatchNorm{Momentum: 0.9, Epsilon: 1e-5}})
	}
	return model.Model{
		Name: "opposed",
		Nets: []layer.Net{
			{Name: "generator", Input: layer.Input{Name: "z", Shape: layer.Shape{5}, Noise: true}, Rows: up},
			{Name: "discriminator", Input: layer.Input{Name: "x", Shape: images}, Rows: []layer.Row{
				{Name: "flat", Layer: layer.Flatten{}}, {Name: "logit", Layer: layer.Dense{Out: 1}}, {Name: "p", Layer: layer.Sigmoid{}}}},
		},
		Objective: Adversarial{Generator: "generator", Discriminator: "discriminator", Logit: "logit", Joint: joint},
		Recipe:    recipe,
	}
}

// coding is an encoder, with a second output where the objective is variational, and a decoder.
func coding(o model.Objective) model.Model {
	in := []layer.Row{{Name: "flat", Layer: layer.Flatten{}}, {Name: "mean", Layer: layer.Dense{Out: 3}}}
	outputs := []string{"mean"}
	if _, ok := o.(Variational); ok {
		in, outputs = append(in, layer.Row{Name: "logvar", Layer: layer.Dense{Out: 3}, From: []string{"flat"}}), append(outputs, "logvar")
	}
	return model.Model{
		Name: "coding",
		Nets: []layer.Net{
			{Name: "encoder", Input: layer.Input{Name: "x", Shape: images}, Rows: in, Outputs: outputs},
			{Name: "decoder", Input: layer.Input{Name: "z", Shape: layer.Shape{3}, Noise: true}, Rows: []layer.Row{
				{Name: "fc", Layer: layer.Dense{Out: 784}}, {Name: "logit", Layer: layer.Reshape{To: images}}, {Name: "image", Layer: layer.Sigmoid{}}}},
		},
		Objective: o,
		Recipe:    recipe,
	}
}

var recipe = model.Recipe{Steps: 6, Batch: 9, Adam: model.Adam{LR: 1e-3, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-7}, Pixels: model.Pixels{Low: 0, High: 1}}

// trainer is a small run on images that need no file.
func trainer(t testing.TB, m model.Model, test *dataset.Set) *Trainer {
	t.Helper()
	if err := m.Check(); err != nil {
		t.Fatal(err)
	}
	set, err := dataset.Synthetic(5, 64, 1, 28, 28)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := New(Config{Model: m, Data: set, Test: test, Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func finish(t *testing.T, tr *Trainer) {
	t.Helper()
	for _, err := range tr.Steps(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Discriminator updates leave the generator as it is, bit for bit, and the other way round.
func TestEachUpdateMovesItsOwnNet(t *testing.T) {
	tr := trainer(t, opposed(false), nil)
	a := tr.iteration.(*separate)
	weights := func(name string) []float32 {
		n, err := tr.Net(name)
		if err != nil {
			t.Fatal(err)
		}
		var all []float32
		for _, p := range n.params {
			all = append(append(append(all, p.w...), p.m...), p.v...)
		}
		return all
	}
	a.batches.Next(a.x)
	a.noise.Normal(a.zFake)
	a.noise.Normal(a.zGen)
	for _, c := range []struct {
		update       string
		u            *Update
		moves, stays string
	}{
		{"real batch", a.real, "discriminator", "generator"},
		{"fake batch", a.fake, "discriminator", "generator"},
		{"generator", a.gen, "generator", "discriminator"},
	} {
		moving, staying := weights(c.moves), weights(c.stays)
		if _, err := c.u.Run(); err != nil {
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

// In the joint form the discriminator takes one step of Adam along the sum of two gradients, and the generator's step moves
// nothing but the generator and what is tracked.
func TestJointStep(t *testing.T) {
	tr := trainer(t, opposed(true), nil)
	j := tr.iteration.(*joint)
	j.batches.Next(j.x)
	j.noise.Normal(j.z)
	if err := j.draw.RunAll(); err != nil {
		t.Fatal(err)
	}
	var gradients [2][][]float32
	for i, u := range []*Update{j.real, j.fake} {
		if _, err := u.Compute(); err != nil {
			t.Fatal(err)
		}
		for _, g := range u.grads {
			gradients[i] = append(gradients[i], slices.Clone(g))
		}
	}
	learnt := j.real.params
	var want [][]float32
	for i, p := range learnt {
		w, g := slices.Clone(p.w), slices.Clone(gradients[0][i])
		for k := range g {
			g[k] += gradients[1][i][k]
		}
		kernel.Adam(kernel.AdamConfig(tr.config.Adam), 1, w, g, make([]float32, len(w)), make([]float32, len(w)))
		want = append(want, w)
	}
	j.real.Add(j.fake)
	j.real.Move()
	for i, p := range learnt {
		if !slices.Equal(p.w, want[i]) {
			t.Errorf("%s is not where one step along the summed gradients leads", p.Name)
		}
	}
	if j.discriminator.adamT != 1 {
		t.Errorf("the discriminator took %d steps, want 1", j.discriminator.adamT)
	}
	if _, err := j.gen.Run(); err != nil {
		t.Fatal(err)
	}
	for i, p := range learnt {
		if !slices.Equal(p.w, want[i]) {
			t.Errorf("%s moved in the generator's step", p.Name)
		}
	}
}

// Evaluate says what one gets by hand from what the nets compute in inference, over a set that is not a multiple of its batch.
func TestEvaluateByHand(t *testing.T) {
	test, err := dataset.Synthetic(9, 261, 1, 28, 28)
	if err != nil {
		t.Fatal(err)
	}
	tr := trainer(t, coding(Reconstruction{Encoder: "encoder", Decoder: "decoder"}), test)
	finish(t, tr)
	got, err := tr.Evaluate()
	if err != nil {
		t.Fatal(err)
	}
	c := tr.iteration.(*reconstruction).coder
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
	tr = trainer(t, coding(Variational{Encoder: "encoder", Decoder: "decoder", Logit: "logit", Beta: 1}), test)
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
	c := tr.iteration.(*variational).coder
	out, err := c.encoder.Infer(c.shown().N, func(x []float32) { tr.scale().images(x, c.shown(), 0) })
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

// Pictures show every class of a set that lies class by class.
func TestSpread(t *testing.T) {
	for _, c := range []struct {
		n, all int
		want   []int
	}{{4, 8, []int{0, 2, 4, 6}}, {3, 10, []int{0, 3, 6}}, {5, 5, []int{0, 1, 2, 3, 4}}, {1, 7, []int{0}}} {
		if got := spread(c.n, c.all); !slices.Equal(got, c.want) {
			t.Errorf("%d of %d: %v, want %v", c.n, c.all, got, c.want)
		}
	}
}
