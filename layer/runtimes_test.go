package layer_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/internal/witnesstest"
	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/load"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/check"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/verify"
	"github.com/petrify-ml/petrify/witness"
	"github.com/petrify-ml/petrify/witness/child"
	"github.com/petrify-ml/petrify/witness/gorgonnx"
)

func TestMain(m *testing.M) {
	gorgonnx.Main()
	os.Exit(m.Run())
}

// What a layer emits is valid, uses no operator beyond Ops, and is computed alike by the training graph in inference, the
// reference, and every runtime that is here, at batch 1 and 3 and for every opset that is offered.
func TestEveryRuntimeComputesTheLayer(t *testing.T) {
	runtimes := []witness.Runtime{
		load.Runtime{},
		gorgonnx.Runtime{},
	}
	must := []string{verify.Recorded, "load"}
	t.Run("ONNX Runtime is here", func(t *testing.T) {
		witnesstest.Node(t, "onnxruntime-node")
		ort := child.Node()
		runtimes = append(runtimes, ort)
		must = append(must, "ort-node")
	})
	node := false
	t.Run("Node is here, for the runtime of the page", func(t *testing.T) {
		witnesstest.Program(t, "node")
		node = true
	})
	if node {
		runtimes = append(runtimes, witnesstest.Page(t))
		must = append(must, "page")
	}
	for _, k := range layer.Kinds() {
		t.Run(k.Name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for i, try := range k.Try {
				for _, opset := range []int64{13, 18} {
					name := fmt.Sprintf("%d-opset%d", i, opset)
					if try.Class.Count > 0 {
						name += conditional
					}
					writeTrial(t, filepath.Join(dir, name), k, try, opset)
				}
			}
			report, err := verify.Run(t.Context(), verify.Options{Paths: []string{dir}, Runtimes: runtimes})
			if err != nil {
				t.Fatal(err)
			}
			if got, want := len(report.Models), 2*len(k.Try); got != want {
				t.Fatalf("%d models were verified, want %d", got, want)
			}
			for _, m := range report.Models {
				seen := map[string]int{}
				for _, r := range m.Rows {
					seen[r.Runtime]++
				}
				for _, name := range must {
					if name == "page" && strings.Contains(m.Path, conditional) {
						continue // it takes floats and bytes
					}
					if seen[name] < 2 { // both batches
						t.Errorf("%s: %s was compared %d times, want 2 at least", m.Path, name, seen[name])
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
		})
	}
}

// conditional ends the names of trials that take a class.
const conditional = "-conditional"

// writeTrial writes the model of a trial and the runs of its training graph, in inference, at two batch sizes.
func writeTrial(t *testing.T, dir string, k layer.Kind, try layer.Trial, opset int64) {
	t.Helper()
	plan := planOf(t, try)
	weights := randomWeights(plan, 4)
	m := emit(t, plan, weights, opset)
	for _, n := range m.GetGraph().GetNode() {
		joined := !strings.HasPrefix(n.GetName(), "net.y.") && n.GetName() != "y" // a layer that the trial puts beside this one
		if !joined && !slices.Contains(k.Ops, n.GetOpType()) {
			t.Errorf("%s emits %s, which is not among its Ops %v", layer.Describe(try.Layer), n.GetOpType(), k.Ops)
		}
	}
	for _, f := range check.Model(m) {
		t.Errorf("%s: %v", layer.Describe(try.Layer), f)
	}
	write(t, filepath.Join(dir, "model.onnx"), m)
	r := rand.New(rand.NewPCG(5, 1))
	for set, batch := range []int{1, 3} {
		inf, err := plan.NewInference(batch, func(q layer.Param) ([]float32, error) { return weights[q.Name], nil })
		if err != nil {
			t.Fatal(err)
		}
		copy(inf.Input(), values[float32](r, len(inf.Input())))
		classes := make([]int64, batch) // the second of several is given from the end
		if c := try.Class; c.Count > 0 {
			places := make([]int, batch)
			for i := range places {
				places[i] = (2*i + 1) % c.Count
				if classes[i] = int64(places[i]); i == 1 {
					classes[i] -= int64(c.Count)
				}
			}
			c.OneHot(inf.Class(), places)
		}
		out, err := inf.Run()
		if err != nil {
			t.Fatal(err)
		}
		folder := filepath.Join(dir, fmt.Sprintf("test_data_set_%d", set))
		write(t, filepath.Join(folder, "input_0.pb"), tensor(t, "x", inf.Input(), batch, try.In))
		if c := try.Class; c.Count > 0 {
			k := onnx.Tensor{Name: c.Name, Dims: []int{batch}, Data: onnx.Slice[int64](classes)}
			write(t, filepath.Join(folder, "input_1.pb"), k.Proto())
		}
		write(t, filepath.Join(folder, "output_0.pb"), tensor(t, "y", out[0], batch, plan.Steps[len(plan.Steps)-1].Out))
	}
}

// randomWeights draws every parameter of a plan.
func randomWeights(p *layer.Plan, seed uint64) map[string][]float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	w := map[string][]float32{}
	for q := range p.Params() {
		w[q.Name] = values[float32](r, q.Shape.Len())
		if strings.HasSuffix(q.Name, ".variance") {
			for i, v := range w[q.Name] {
				w[q.Name][i] = v * v
			}
		}
	}
	return w
}

// emit writes the plan with the given weights.
func emit(t *testing.T, p *layer.Plan, weights map[string][]float32, opset int64) *pb.ModelProto {
	t.Helper()
	dims := map[string][]int{}
	for q := range p.Params() {
		dims[q.Name] = q.Shape
	}
	e := onnx.NewEmitter(onnx.EmitterOptions{
		Graph: "net", Opset: opset, IR: 8,
		Param: func(full string) (*onnx.Tensor, error) { return onnx.NewTensor(full, weights[full], dims[full]...) },
	})
	p.Emit(e)
	m, err := e.Model()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func tensor(t *testing.T, name string, data []float32, batch int, sample layer.Shape) *pb.TensorProto {
	t.Helper()
	v, err := onnx.NewTensor(name, data, append([]int{batch}, sample...)...)
	if err != nil {
		t.Fatal(err)
	}
	return v.Proto()
}

func write(t *testing.T, path string, m proto.Message) {
	t.Helper()
	b, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}
