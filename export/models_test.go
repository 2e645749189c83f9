package export_test

import (
	"os"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/checkpoint"
	"github.com/petrify-ml/petrify/dataset"
	"github.com/petrify-ml/petrify/export"
	"github.com/petrify-ml/petrify/internal/witnesstest"
	"github.com/petrify-ml/petrify/load"
	"github.com/petrify-ml/petrify/model"
	"github.com/petrify-ml/petrify/models"
	"github.com/petrify-ml/petrify/train"
	"github.com/petrify-ml/petrify/verify"
	"github.com/petrify-ml/petrify/witness"
	"github.com/petrify-ml/petrify/witness/child"
	"github.com/petrify-ml/petrify/witness/gorgonnx"
)

func TestMain(m *testing.M) {
	gorgonnx.Main()
	os.Exit(m.Run())
}

// trained is a model after a few steps on images that need no file.
func trained(t *testing.T, m model.Model) *checkpoint.Snapshot {
	t.Helper()
	return trainedFrom(t, m, 3)
}

// trainedFrom is trained from another seed.
func trainedFrom(t *testing.T, m model.Model, seed uint64) *checkpoint.Snapshot {
	t.Helper()
	image := m.Exports()[len(m.Nets)-1].Input.Shape // the discriminator's
	for _, n := range m.Nets {
		if len(n.Input.Shape) == 3 {
			image = n.Input.Shape
		}
	}
	set, err := dataset.Synthetic(5, 64, image[0], image[1], image[2])
	if err != nil {
		t.Fatal(err)
	}
	tr, err := train.New(train.Config{Model: m, Data: set, Steps: 3, Batch: 8, Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range tr.Steps(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
	}
	s, err := tr.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// runtimes are those that must compute an export, by name.
func runtimes(t *testing.T) (list []witness.Runtime, must []string) {
	list = []witness.Runtime{
		load.Runtime{},
		gorgonnx.Runtime{},
	}
	must = []string{verify.Recorded, "load"}
	t.Run("ONNX Runtime is here", func(t *testing.T) {
		witnesstest.Node(t, "onnxruntime-node")
		ort := child.Node()
		list = append(list, ort)
		must = append(must, "ort-node")
	})
	return list, must
}

// verified runs verify over an exported folder and wants every runtime to agree on every model.
func verified(t *testing.T, dir string, files int, list []witness.Runtime, must []string) {
	t.Helper()
	report, err := verify.Run(t.Context(), verify.Options{Paths: []string{dir}, Runtimes: list})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Models) != files {
		t.Fatalf("%d models were verified, want %d", len(report.Models), files)
	}
	for _, m := range report.Models {
		seen := map[string]bool{}
		for _, r := range m.Rows {
			seen[r.Runtime] = true
		}
		for _, name := range must {
			if !seen[name] {
				t.Errorf("%s: %s was not compared", m.Path, name)
			}
		}
		if v := m.Verdict(); v != verify.Equal {
			t.Errorf("%s: verdict is %s", m.Path, v)
		}
	}
	if t.Failed() {
		var table strings.Builder
		report.WriteTable(&table)
		t.Log("\n" + table.String())
	}
}

// Every net of every model computes in every runtime what the training graph computes in inference.
func TestEveryModelIsWhatItsGraphComputes(t *testing.T) {
	list, must := runtimes(t)
	for _, own := range models.All() {
		m := small(t, own.Name)
		t.Run(m.Name, func(t *testing.T) {
			dir := t.TempDir()
			if _, err := export.Folder(dir, m, trained(t, m), export.Options{}); err != nil {
				t.Fatal(err)
			}
			verified(t, dir, len(m.Exports()), list, must)
		})
	}
}
