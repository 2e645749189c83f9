package models

import (
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/model"
	"github.com/petrify-ml/petrify/train"
)

func TestEveryModelFitsTogether(t *testing.T) {
	for _, m := range All() {
		if err := m.Check(); err != nil {
			t.Errorf("%s: %v", m.Name, err)
		}
		if m.Title == "" || m.Doc == "" || m.Source == "" || m.Recipe.Steps < 1 || m.Recipe.Batch < 1 || m.Recipe.SampleEvery < 1 {
			t.Errorf("%s is described incompletely: %+v", m.Name, m)
		}
	}
}

func TestSizesFollowFromOptions(t *testing.T) {
	for _, a := range architectures {
		own := a.build(Options{})
		for _, o := range []Options{
			{Image: layer.Shape{3, 64, 64}},
			{Image: layer.Shape{1, 28, 28}, Latent: 7},
			{Width: 24, Latent: 2},
			{Image: layer.Shape{3, 32, 32}, Depth: 3, Width: 8},
		} {
			m, err := Build(a.name, o)
			if err != nil {
				t.Errorf("%s of %+v: %v", a.name, o, err)
				continue
			}
			if describe(t, m) == describe(t, own) {
				t.Errorf("%s of %+v has the layers of the model's own sizes", a.name, o)
			}
		}
	}
}

// describe writes the shapes of all steps.
func describe(t *testing.T, m model.Model) string {
	var b strings.Builder
	for _, n := range m.Nets {
		p, err := n.Plan()
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range p.Steps {
			b.WriteString(s.Name + " " + s.In[0].String() + " " + s.Out.String() + "\n")
		}
	}
	return b.String()
}

func TestBuildSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		name string
		o    Options
		want string
	}{
		{"vea", Options{}, `unknown model "vea", want one of gan, cgan, autoencoder, vae`},
		{"gan", Options{Image: layer.Shape{28, 28}}, "gan: image is 28x28, want 1 (grey) or 3"},
		{"gan", Options{Image: layer.Shape{1, 28, 4000}}, "want sides from 1 to 1024"},
		{"gan", Options{Width: -1}, "gan: width is -1, want 1 to"},
		{"vae", Options{Latent: 1 << 20}, "vae: latent is 1048576, want 1 to"},
		{"dcgan", Options{Image: layer.Shape{1, 30, 28}}, "dcgan: image is 1x30x28, want height and width that 4 divides, for 2 steps"},
		{"conv-vae", Options{Depth: 3}, "conv-vae: image is 1x28x28, want height and width that 8 divides"},
		{"vae", Options{Beta: new(-1.0)}, "vae: beta is -1"},
		{"gan", Options{Beta: new(1.0)}, "gan: beta has no effect"},
		{"gan", Options{Classes: 10}, "gan: classes has no effect: it learns none"},
		{"cgan", Options{Classes: 1}, "cgan: classes is 1, want at least 2"},
		{"cgan", Options{Classes: 5000}, "cgan: classes is 5000, want 1 to 1024"},
	} {
		if _, err := Build(c.name, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s of %+v: error is %v, want %q", c.name, c.o, err, c.want)
		}
	}
}

func TestBetaMayBeZero(t *testing.T) {
	for _, name := range []string{"vae", "conv-vae"} {
		for _, c := range []struct {
			beta *float64
			want float64
		}{{nil, 1}, {new(0.0), 0}, {new(4.0), 4}} {
			m, err := Build(name, Options{Beta: c.beta})
			if err != nil {
				t.Fatal(err)
			}
			if got := m.Objective.(train.Variational).Beta; got != c.want {
				t.Errorf("%s: beta %v, want %v", name, got, c.want)
			}
		}
	}
}

// Few units are linear, so that none of them can die; the code of the model's own size is as it was.
func TestFewUnitsAreLinear(t *testing.T) {
	for _, name := range []string{"autoencoder", "conv-autoencoder"} {
		for units, want := range map[int]layer.Layer{0: layer.ReLU{}, 9: layer.ReLU{}, 8: layer.Dense{Out: 8}, 2: layer.Dense{Out: 2}} {
			m, err := Build(name, Options{Latent: units})
			if err != nil {
				t.Fatal(err)
			}
			rows := m.Nets[0].Rows
			if last := rows[len(rows)-1]; last.Name != "latent" || layer.Describe(last.Layer) != layer.Describe(want) {
				t.Errorf("%s with %d units ends with %s, %s; want %s", name, units, last.Name, layer.Describe(last.Layer), layer.Describe(want))
			}
		}
	}
}
