package reference

import (
	"context"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"testing"
	"time"

	"github.com/petrify-ml/petrify/internal/witnesstest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/wire"
)

// mutantsEnv asks for another number of mutants of every model.
const mutantsEnv = "PETRIFY_MUTANTS"

var oddNumbers = []int64{-1, 0, 1, 2, 3, -2, 7, 100, math.MaxInt32, math.MinInt32, math.MaxInt64, math.MinInt64, 1 << 40}

// TestNoMutantOfAModelPanics spoils attributes and inputs of ONNX's own models:
// an error is fine, and so is a result.
func TestNoMutantOfAModelPanics(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(witnesstest.ONNXTestData(t), "*", "test_*", "model.onnx"))
	if err != nil || len(paths) < 1000 {
		t.Fatalf("%d models: %v", len(paths), err)
	}
	mutants := 3
	if text := os.Getenv(mutantsEnv); text != "" {
		if mutants, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	r := rand.New(rand.NewPCG(21, 22))
	for _, path := range paths {
		for range mutants {
			m, err := wire.Read(path, wire.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			spoilAttributes(r, m.Proto.GetGraph())
			evaluateMutant(t, r, path, m)
		}
	}
}

func evaluateMutant(t *testing.T, r *rand.Rand, path string, m *onnx.Model) {
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("%s: panic: %v\n%v\n%s", filepath.Base(filepath.Dir(path)), p, m.Proto.GetGraph().GetNode(), debug.Stack())
		}
	}()
	begin := time.Now()
	p, err := Compile(m, fuzzBudget)
	if err != nil {
		return
	}
	values := inputsFor(p)
	for _, v := range values {
		spoilValue(r, v)
	}
	_, _ = p.Run(context.Background(), values)
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("%s: a mutant takes %v", filepath.Base(filepath.Dir(path)), took)
	}
}

func spoilAttributes(r *rand.Rand, g *pb.GraphProto) {
	odd := func() int64 { return oddNumbers[r.IntN(len(oddNumbers))] }
	for _, n := range g.GetNode() {
		for _, a := range n.GetAttribute() {
			switch {
			case r.IntN(2) == 0:
			case a.G != nil:
				spoilAttributes(r, a.G)
			case len(a.Ints) > 0 && r.IntN(4) == 0:
				a.Ints = a.Ints[1:]
			case len(a.Ints) > 0:
				a.Ints[r.IntN(len(a.Ints))] = odd()
			case a.I != nil:
				*a.I = odd()
			case a.F != nil && r.IntN(2) == 0:
				*a.F = float32([]float64{0, -1, 1e30, math.Inf(1), math.NaN()}[r.IntN(5)])
			}
		}
	}
}

// spoilValue gives a value other dimensions where they are open, odd integers,
// and now and then infinite figures.
func spoilValue(r *rand.Rand, v *Value) {
	if d, ok := v.Data.(onnx.Slice[int64]); ok {
		for i := range d {
			if r.IntN(3) == 0 {
				d[i] = oddNumbers[r.IntN(len(oddNumbers))]
			}
		}
	}
	if r.IntN(3) == 0 && v.Kind == Tensor {
		makeUnknown(v)
	}
	if d, ok := v.Data.(onnx.Slice[float64]); ok && len(d) > 0 && r.IntN(3) == 0 {
		d[r.IntN(len(d))] = []float64{math.NaN(), math.Inf(1), -1e30, 1e300}[r.IntN(4)]
	}
}
