package export_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/checkpoint"
	"github.com/petrify-ml/petrify/export"
	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/model"
	"github.com/petrify-ml/petrify/models"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/wire"
	"github.com/petrify-ml/petrify/random"
	"github.com/petrify-ml/petrify/verify"
)

// normalised is a model of a net that has a normalisation after every kind of layer that takes one in, and one after an
// activation, which does not.
func normalised() model.Model {
	norm := layer.BatchNorm{Momentum: 0.9, Epsilon: 1e-3}
	return model.Model{
		Name: "normalised", Title: "Normalised",
		Recipe: model.Recipe{Pixels: model.Pixels{Low: -1, High: 1}},
		Nets: []layer.Net{{
			Name: "net", Doc: "all sorts of normalisation", Input: layer.Input{Name: "z", Shape: layer.Shape{6}, Noise: true},
			Rows: []layer.Row{
				{Name: "fc1", Layer: layer.Dense{Out: 5}},
				{Name: "norm1", Layer: norm},
				{Name: "act1", Layer: layer.Tanh{}},
				{Name: "norm2", Layer: norm}, // stays
				{Name: "fc2", Layer: layer.Dense{Out: 4 * 3 * 2, NoBias: true}},
				{Name: "map", Layer: layer.Reshape{To: layer.Shape{4, 3, 2}}},
				{Name: "norm3", Layer: norm},
				{Name: "act3", Layer: layer.LeakyReLU{Alpha: 0.2}},
				{Name: "up", Layer: layer.ConvTranspose2D{Out: 6, Kernel: [2]int{2, 3}, Stride: [2]int{2, 1}, Groups: 2}},
				{Name: "norm4", Layer: norm},
				{Name: "down", Layer: layer.Conv2D{Out: 4, Kernel: [2]int{3, 2}, Groups: 2, NoBias: true}},
				{Name: "y", Layer: norm},
			},
		}},
	}
}

// random draws a snapshot of every parameter of a model; variances are positive.
func drawn(t *testing.T, m model.Model) *checkpoint.Snapshot {
	t.Helper()
	s := &checkpoint.Snapshot{Step: 1, Meta: map[string]string{}}
	for _, n := range m.Nets {
		p, err := n.Plan()
		if err != nil {
			t.Fatal(err)
		}
		for q := range p.Params() {
			w := make([]float32, q.Shape.Len())
			random.New(7, q.Name).Normal(w)
			if strings.HasSuffix(q.Name, ".variance") {
				for i, v := range w {
					w[i] = v*v + 0.1
				}
			}
			s.Tensors = append(s.Tensors, checkpoint.Tensor{Name: q.Name, Dims: q.Shape, Data: w})
		}
	}
	return s
}

// operators counts the nodes of a model by operator.
func operators(t *testing.T, m model.Model, s *checkpoint.Snapshot, o export.Options) map[string]int {
	t.Helper()
	proto, err := export.Model(m, m.Nets[0], s, o)
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, n := range proto.GetGraph().GetNode() {
		count[n.GetOpType()]++
	}
	return count
}

// Folded or not, the file computes what the inference graph does.
func TestBatchNormIsFoldedUnlessKept(t *testing.T) {
	list, must := runtimes(t)
	for _, c := range []struct {
		model      model.Model
		snapshot   *checkpoint.Snapshot
		kept, left int
	}{
		{normalised(), drawn(t, normalised()), 5, 1},
		{small(t, "dcgan"), trained(t, small(t, "dcgan")), 2, 0},
	} {
		for _, keep := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s keep %v", c.model.Name, keep), func(t *testing.T) {
				o := export.Options{KeepBatchNorm: keep}
				want := c.left
				if keep {
					want = c.kept
				}
				if got := operators(t, c.model, c.snapshot, o)["BatchNormalization"]; got != want {
					t.Errorf("%d normalisations are left in the file, want %d", got, want)
				}
				dir := t.TempDir()
				if _, err := export.Folder(dir, c.model, c.snapshot, o); err != nil {
					t.Fatal(err)
				}
				verified(t, dir, len(c.model.Exports()), list, must)
			})
		}
	}
}

func small(t *testing.T, name string) model.Model {
	t.Helper()
	m, err := models.Build(name, models.Options{Width: 8})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// The classical fault is a file whose normalisations use the statistics of the batch that is fed to it. Outputs recorded
// from the graph as it behaves in training must not pass for those of the file.
func TestTrainingModeIsNotWhatShips(t *testing.T) {
	m := small(t, "dcgan")
	s := trained(t, m)
	for _, keep := range []bool{false, true} {
		dir := t.TempDir()
		if _, err := export.Folder(dir, m, s, export.Options{KeepBatchNorm: keep}); err != nil {
			t.Fatal(err)
		}
		set := filepath.Join(dir, "generator", "test_data_set_1")
		x, err := wire.ReadTensorFile(filepath.Join(set, "input_0.pb"), wire.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		y := inTraining(t, m.Nets[0], s, x)
		b, err := onnx.Marshal(y.Proto())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(set, "output_0.pb"), b, 0o644); err != nil {
			t.Fatal(err)
		}
		report, err := verify.Run(t.Context(), verify.Options{Paths: []string{filepath.Join(dir, "generator")}})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range report.Models[0].Rows {
			want := verify.Equal
			if r.Set == "test_data_set_1" {
				want = verify.Different
			}
			if r.Runtime == verify.Recorded && r.Verdict != want {
				t.Errorf("keep %v: %s: recorded outputs are %s, want %s", keep, r.Set, r.Verdict, want)
			}
		}
	}
}

// inTraining runs a net on x as it behaves in training.
func inTraining(t *testing.T, net layer.Net, s *checkpoint.Snapshot, x *onnx.Tensor) *onnx.Tensor {
	t.Helper()
	plan, err := net.Plan()
	if err != nil {
		t.Fatal(err)
	}
	g := G.NewGraph()
	in, data := layer.InputNode[float32](g, plan.Net.Input.Name, x.Dims)
	copy(data, x.Data.(onnx.Slice[float32]))
	out, err := plan.Build(layer.BuildOptions{Input: in, Training: true, Param: func(q layer.Param) (*G.Node, error) {
		i := slices.IndexFunc(s.Tensors, func(c checkpoint.Tensor) bool { return c.Name == q.Name })
		return layer.ParamNode(g, q, slices.Clone(s.Tensors[i].Data))
	}})
	if err != nil {
		t.Fatal(err)
	}
	m, err := gop.NewMachine(out...)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.RunAll(); err != nil {
		t.Fatal(err)
	}
	y, err := onnx.NewTensor("image", out[0].Value().Data().([]float32), out[0].Shape()...)
	if err != nil {
		t.Fatal(err)
	}
	return y
}

// Weights are what a model file holds, bit for bit; without folding they are the checkpoint's own.
func TestWeightsAreThoseOfTheFile(t *testing.T) {
	m := normalised()
	s := drawn(t, m)
	for _, keep := range []bool{false, true} {
		o := export.Options{KeepBatchNorm: keep}
		weights, err := export.Weights(m.Nets[0], s, o)
		if err != nil {
			t.Fatal(err)
		}
		proto, err := export.Model(m, m.Nets[0], s, o)
		if err != nil {
			t.Fatal(err)
		}
		in := map[string][]float32{}
		for _, init := range proto.GetGraph().GetInitializer() {
			tensor, err := onnx.FromProto(init)
			if err != nil {
				t.Fatal(err)
			}
			if d, ok := tensor.Data.(onnx.Slice[float32]); ok {
				in[init.GetName()] = d
			}
		}
		if len(in) != len(weights) {
			t.Errorf("keep %v: the file has %d tensors, Weights lists %d", keep, len(in), len(weights))
		}
		for _, w := range weights {
			if !slices.Equal(in[w.Name], w.Data) {
				t.Errorf("keep %v: %s differs", keep, w.Name)
			}
			if i := slices.IndexFunc(s.Tensors, func(c checkpoint.Tensor) bool { return c.Name == w.Name }); keep && !slices.Equal(s.Tensors[i].Data, w.Data) {
				t.Errorf("%s is not the checkpoint's", w.Name)
			}
		}
	}
}

// A folded weight is the product that it should be, with one rounding: computed here for a single channel by hand.
func TestFoldedBiasByHand(t *testing.T) {
	m := model.Model{Nets: []layer.Net{{
		Name: "net", Input: layer.Input{Name: "x", Shape: layer.Shape{1}},
		Rows: []layer.Row{{Name: "fc", Layer: layer.Dense{Out: 1}}, {Name: "y", Layer: layer.BatchNorm{Momentum: 0.9, Epsilon: 0.25}}},
	}}}
	one := func(name string, v float32, dims ...int) checkpoint.Tensor {
		return checkpoint.Tensor{Name: name, Dims: dims, Data: []float32{v}}
	}
	s := &checkpoint.Snapshot{Tensors: []checkpoint.Tensor{
		one("net.fc.weight", 3, 1, 1), one("net.fc.bias", 5, 1),
		one("net.y.gamma", 2, 1), one("net.y.beta", 7, 1), one("net.y.mean", 1, 1), one("net.y.variance", 2, 1),
	}}
	w, err := export.Weights(m.Nets[0], s, export.Options{})
	if err != nil {
		t.Fatal(err)
	}
	scale := 2 / math.Sqrt(2.25)
	if len(w) != 2 || w[0].Data[0] != float32(3*scale) || w[1].Data[0] != float32((5-1)*scale+7) {
		t.Errorf("folded to %+v", w)
	}
}
