package run

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/dataset"
	"github.com/petrify-ml/petrify/internal/race"
	"github.com/petrify-ml/petrify/models"
	"github.com/petrify-ml/petrify/train"
)

// told trains with a configuration and lists what was told.
func told(t *testing.T, c Config) []string {
	t.Helper()
	var said []string
	c.Note = func(s string) { said = append(said, s) }
	r, err := Create(t.Context(), filepath.Join(t.TempDir(), "run"), c)
	trained(t, r, err, 0)
	return slices.DeleteFunc(said, func(s string) bool { return strings.Contains(s, "IDX files; train: ") })
}

func TestSoundTrainingIsToldNothing(t *testing.T) {
	race.Skip(t)
	place := data(t, 30)
	for _, name := range []string{"gan", "dcgan", "vae", "autoencoder", "conv-autoencoder"} {
		c := small(name, place)
		c.Steps, c.SampleEvery = 150, 50
		if said := told(t, c); len(said) > 0 {
			t.Errorf("%s: %q", name, said)
		}
	}
}

func TestTrainingThatCannotLearnIsToldSo(t *testing.T) {
	race.Skip(t)
	place := data(t, 30)
	for _, c := range []struct {
		name   string
		model  string
		change func(*Config)
		say    string
	}{
		{"losses stand still", "gan", func(c *Config) { c.LearningRate, c.Steps = 1, 250 }, "the model no longer learns from it"},
		{"one value to normalise", "dcgan", func(c *Config) {
			c.Images = dataset.Options{Size: 8}
			c.Batch, c.Sizes.Depth, c.Steps = 1, 3, 1
		}, "normalises over one value"},
		{"dead units", "autoencoder", func(c *Config) { c.Sizes.Latent, c.LearningRate, c.Steps = 16, 0.5, 100 }, "units of the code are dead"},
		{"a code that says nothing", "vae", func(c *Config) { c.Sizes.Beta, c.Steps, c.SampleEvery = new(1000.0), 300, 100 }, "the code says nothing of the images"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := small(c.model, place)
			c.change(&config)
			said := told(t, config)
			if !slices.ContainsFunc(said, func(s string) bool { return strings.Contains(s, c.say) }) {
				t.Errorf("told %q, want %q", said, c.say)
			}
			for i, s := range said {
				if slices.Contains(said[:i], s) {
					t.Errorf("told twice: %q", s)
				}
			}
		})
	}
}

// steady is a health that writes down what it tells.
func steady() (*health, *[]string) {
	said := &[]string{}
	return newHealth(func(format string, args ...any) { *said = append(*said, fmt.Sprintf(format, args...)) }), said
}

func TestStandstill(t *testing.T) {
	h, said := steady()
	metrics := []train.Metric{{Name: "loss"}, {Name: "d_accuracy", Value: 1}}
	for i := range 10 * standstill {
		metrics[0].Value = float64(i / standstill) // each value so often, and not once more
		h.iteration(metrics)
	}
	if len(*said) > 0 {
		t.Errorf("told %q of a loss that moves, and of an accuracy", *said)
	}
	for range 3 * standstill {
		h.iteration(metrics)
	}
	if len(*said) != 1 || !strings.Contains((*said)[0], "loss has been 9 for 100 iterations") {
		t.Errorf("told %q", *said)
	}
	if n := race.AllocsPerRun(100, func() { h.iteration(metrics) }); n != 0 {
		t.Errorf("%v allocations for an iteration", n)
	}
}

func TestContrast(t *testing.T) {
	m, err := models.Build("gan", models.Options{Image: []int{1, 2, 2}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		n      int
		pixels []uint8
		say    string
	}{
		{"flat", 2, []uint8{7, 7, 7, 7, 7, 7, 7, 7}, "no contrast"},
		{"two greys", 2, []uint8{7, 7, 7, 7, 8, 8, 8, 8}, ""},
		{"twice the same", 2, []uint8{1, 2, 3, 4, 1, 2, 3, 4}, "all the same"},
		{"a single image", 1, []uint8{1, 2, 3, 4}, ""},
	} {
		set, err := dataset.New(c.name, c.n, 1, 2, 2, c.pixels, make([]uint32, c.n))
		if err != nil {
			t.Fatal(err)
		}
		h, said := steady()
		if err := h.begin(train.Config{Model: m, Data: set, Batch: 2}); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(*said, "\n"); (got == "") != (c.say == "") || !strings.Contains(got, c.say) {
			t.Errorf("%s: told %q, want %q", c.name, got, c.say)
		}
	}
}

func TestAlike(t *testing.T) {
	images := func(pixels ...float32) *train.Images { return &train.Images{Pixels: pixels, N: 3, C: 1, H: 1, W: 2} }
	if !indistinct(images(0.5, 0.1, 0.5, 0.1, 0.501, 0.1)) {
		t.Error("three pictures that look the same")
	}
	if indistinct(images(0.5, 0.1, 0.5, 0.1, 0.5, 0.11)) {
		t.Error("three pictures of which one is another")
	}
}

func TestUnits(t *testing.T) {
	dead, dull := units([]float32{0, 1, 0.01, 0, 2, 0.02, 0, 3, 0.03}, 3)
	if dead != 1 || dull != 2 {
		t.Errorf("%d dead, %d dull, want 1 and 2", dead, dull)
	}
}
