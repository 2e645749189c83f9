package reference

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/internal/witnesstest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/check"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/rule"
	"github.com/petrify-ml/petrify/onnx/wire"
)

// fuzzBudget is small enough for many models a second.
var fuzzBudget = Options{Memory: 1 << 16, Work: 1 << 21}

// fuzzAllocated is what a run within fuzzBudget may allocate: the budget counts what
// is alive in numbers of 8 bytes; what is dropped on the way is bounded by the
// steps, and garbage.
const fuzzAllocated = 128 << 20

// FuzzModel evaluates models that the checker accepts, on zeros and ones of the
// declared shapes: the reference must neither panic, nor hang, nor allocate past
// its budget.
func FuzzModel(f *testing.F) {
	// A fuzzer runs every seed before it draws, a hundred a second: it starts from one in seven.
	stride := 1
	if flag.Lookup("test.fuzz").Value.String() != "" {
		stride = 7
	}
	if paths, err := filepath.Glob(filepath.Join(witnesstest.ONNXTestData(f), "node", "*", "model.onnx")); err == nil {
		for i, path := range paths {
			if b, err := os.ReadFile(path); err == nil && i%(3*stride) == 0 {
				f.Add(b)
			}
		}
	}
	for i, c := range onnxtest.NodeCases { // of operators that have no such test, too
		if i%stride != 0 {
			continue
		}
		b, err := onnx.Marshal(c.Model(f, len(c.Want)))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := wire.Parse("fuzz", b, wire.Limits{Size: 1 << 16})
		if err != nil {
			return
		}
		for _, finding := range check.Model(m.Proto) {
			if finding.Severity == rule.Error {
				return
			}
		}
		runWithinBudget(t, m)
	})
}

// runWithinBudget runs a model on drawn inputs, and fails where that takes longer,
// or more memory, than the budget of the fuzzers allows.
func runWithinBudget(t *testing.T, m *onnx.Model) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	p, err := Compile(m, fuzzBudget)
	if err != nil {
		return
	}
	_, _ = p.Run(ctx, inputsFor(p))
	if ctx.Err() != nil {
		t.Fatalf("a run within a budget of %d steps takes more than 10 s", fuzzBudget.Work)
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > fuzzAllocated {
		t.Fatalf("%d bytes allocated within a budget of %d steps", got, fuzzBudget.Work)
	}
}

// inputsFor makes inputs of the declared types; open axes have length 2.
func inputsFor(p *Program) []*Value {
	var values []*Value
	for _, in := range p.Inputs() {
		v := &Value{Name: in.Name, Kind: in.Kind, Type: in.Type.Elem}
		if in.Kind == Tensor {
			for _, d := range in.Type.Dims {
				n := 2
				if d.Known() {
					n = int(min(d.Size, 64))
				}
				v.Dims = append(v.Dims, n)
			}
			n, err := product(v.Dims)
			if err != nil || n > 1<<12 {
				return nil
			}
			v.Data = ones(v.Type, n)
			if v.Data == nil {
				return nil
			}
		}
		values = append(values, v)
	}
	return values
}

// ones are zeros and ones in turn, nil for a type that the reference lacks.
func ones(t pb.TensorProto_DataType, n int) onnx.Data {
	if t < 0 || t >= 62 || tensors&(1<<t) == 0 {
		return nil
	}
	v := &Value{Type: t, Data: widest[t].Make(n)}
	for i := range n {
		v.setFloat(i, float64(i%2))
	}
	return v.Data
}
