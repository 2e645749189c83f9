package train

import (
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/dataset"
	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/model"
)

// wide is an autoencoder of dense layers.
func wide(width int) model.Model {
	image := layer.Shape{1, 8, 8}
	return model.Model{
		Name: "wide",
		Nets: []layer.Net{
			{Name: "encoder", Input: layer.Input{Name: "image", Shape: image}, Rows: []layer.Row{
				{Name: "flatten", Layer: layer.Flatten{}},
				{Name: "fc1", Layer: layer.Dense{Out: width}}, {Name: "latent", Layer: layer.Dense{Out: width}},
			}},
			{Name: "decoder", Input: layer.Input{Name: "latent", Shape: layer.Shape{width}}, Rows: []layer.Row{
				{Name: "fc1", Layer: layer.Dense{Out: image.Len()}}, {Name: "image", Layer: layer.Reshape{To: image}},
			}},
		},
		Objective: Reconstruction{Encoder: "encoder", Decoder: "decoder"},
		Recipe:    model.Recipe{Steps: 1, Batch: 8, SampleEvery: 1, Adam: model.Adam{LR: 1e-3, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8}, Pixels: model.Pixels{Low: 0, High: 1}},
	}
}

func TestMoreThanTheMachineHasIsRefused(t *testing.T) {
	set, err := dataset.Synthetic(1, 4, 1, 8, 8)
	if err != nil {
		t.Fatal(err)
	}
	machineMemory = func() float64 { return 24e9 }
	defer func() { machineMemory = memoryOfThisMachine }()
	for _, c := range []struct {
		width, batch int
		say          string // "" where it fits
	}{
		{16, 8, ""},
		{16, 2_000_000_000, "TB of memory, and there are 24 GB"},
		{16, math.MaxInt / 2, "memory, and there are 24 GB"},
		{16, math.MaxInt, "memory, and there are 24 GB"},
		{1 << 15, 8, "needs about 43.1 GB of memory"},
	} {
		_, err := New(Config{Model: wide(c.width), Data: set, Batch: c.batch})
		switch {
		case c.say == "" && err != nil:
			t.Errorf("width %d, batch %d: %v", c.width, c.batch, err)
		case c.say != "" && (err == nil || !strings.Contains(err.Error(), c.say)):
			t.Errorf("width %d, batch %d: %v, want %q", c.width, c.batch, err, c.say)
		}
	}
}

var memoryOfThisMachine = machineMemory

// The estimate is compared with what a run allocates.
func TestMemoryIsRightWithinAFactorOfTwo(t *testing.T) {
	set, err := dataset.Synthetic(1, 4, 1, 8, 8)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []Config{{Model: wide(1024), Data: set, Batch: 4}, {Model: wide(64), Data: set, Batch: 1 << 15}} {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		r, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range r.Steps(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
		}
		s, err := r.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		encoded := 0
		for _, tensor := range s.Tensors {
			encoded += 4 * len(tensor.Data)
		}
		held := float64(after.HeapAlloc-before.HeapAlloc) + float64(encoded)
		estimate, err := c.Memory()
		if err != nil {
			t.Fatal(err)
		}
		if ratio := estimate / held; !(ratio > 0.5 && ratio < 2) {
			t.Errorf("batch %d: estimated %.0f bytes, held %.0f", c.Batch, estimate, held)
		}
		runtime.KeepAlive(r)
	}
}
