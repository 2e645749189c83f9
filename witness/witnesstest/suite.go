// Package witnesstest tests a runtime against the contract of package witness.
package witnesstest

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/witness"
)

// A Fault is a runtime that is broken on purpose, in the way that its name says.
type Fault struct {
	Name    string          // such as "crash" or "hang"
	Runtime witness.Runtime // opens every model, and does not survive a run
}

// soon is how long a runtime may take to notice that its context has ended.
const soon = 20 * time.Second

// Suite tests rt against the contract: it computes, identically in every run and for every batch size; it does not write to its
// inputs or keep its outputs; it refuses inputs that do not fit, and remains usable; it obeys its context. Faults are variants
// of rt that fail: each of their runs must return an error, and soon.
func Suite(t *testing.T, rt witness.Runtime, faults ...Fault) {
	t.Helper()
	version, err := rt.Version(t.Context())
	if missing, ok := errors.AsType[*witness.MissingError](err); ok {
		t.Skip(missing)
	}
	if err != nil || rt.Name() == "" || version == "" {
		t.Fatalf("name %q, version %q, error %v", rt.Name(), version, err)
	}
	for _, c := range []struct {
		claim string
		test  func(*testing.T, witness.Runtime)
	}{
		{"computes", computes},
		{"inputs and outputs have owners", owners},
		{"mistakes in inputs are told, and harm nothing", mistakes},
		{"what is lacking is unsupported", lacking},
		{"a context that has ended is obeyed", cancelled},
		{"closing", closing},
		{"several at once", several},
	} {
		t.Run(c.claim, func(t *testing.T) { c.test(t, rt) })
	}
	for _, f := range faults {
		t.Run(f.Name, func(t *testing.T) { fault(t, f) })
	}
}

// linear is y (N,3) = x (N,2) [[1 2 3] [4 5 6]], and x2 (N,2) = x [[2 0] [0 2]], which is computed first and comes second.
func linear(t testing.TB) *onnx.Model {
	t.Helper()
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "linear"})
	in := e.Input("x", pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(2))
	e.Step("double", "x2")
	double := e.Node("MatMul", "", []onnx.Value{in, e.Const("twice", tensor(t, "", []float32{2, 0, 0, 2}, 2, 2))})
	e.Step("fc", "y")
	w := e.Const("weight", tensor(t, "", []float32{1, 2, 3, 4, 5, 6}, 2, 3))
	y := e.Node("MatMul", "", []onnx.Value{in, w})
	e.Output(y, pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(3))
	e.Output(double, pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(2))
	return finish(t, e)
}

func finish(t testing.TB, e *onnx.Emitter) *onnx.Model {
	t.Helper()
	p, err := e.Model()
	if err != nil {
		t.Fatal(err)
	}
	b, err := onnx.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return &onnx.Model{Proto: p, Bytes: b}
}

func tensor[T onnx.Element](t testing.TB, name string, data []T, dims ...int) *onnx.Tensor {
	t.Helper()
	v, err := onnx.NewTensor(name, data, dims...)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Recorded returns a runtime that replays the runs with which Suite tests whether a runtime
// computes.
func Recorded(t testing.TB) witness.Recorded {
	t.Helper()
	r := witness.Recorded{Model: linear(t)}
	for _, in := range append(batches(t, 1, 2, 3, 4, 64), notANumber(t)) {
		x, n := floats(t, in[0]), in[0].Dims[0]
		y, double := make([]float32, 3*n), make([]float32, 2*n)
		for i := range y {
			y[i] = product(x, i/3, i%3)
		}
		for i := range double {
			double[i] = x[i] + x[i]
		}
		r.Runs = append(r.Runs, witness.Recording{Inputs: in, Outputs: []*onnx.Tensor{tensor(t, "y", y, n, 3), tensor(t, "x2", double, n, 2)}})
	}
	return r
}

func batches(t testing.TB, sizes ...int) [][]*onnx.Tensor {
	var all [][]*onnx.Tensor
	for _, n := range sizes {
		all = append(all, batch(t, n))
	}
	return all
}

func notANumber(t testing.TB) []*onnx.Tensor {
	return []*onnx.Tensor{tensor(t, "x", []float32{float32(math.NaN()), 2}, 1, 2)}
}

// product is element (row,col) of y.
func product(x []float32, row, col int) float32 {
	return x[2*row]*float32(col+1) + x[2*row+1]*float32(col+4)
}

// batch is an input of n rows of linear, of small whole numbers.
func batch(t testing.TB, n int) []*onnx.Tensor {
	x := make([]float32, 2*n)
	for i := range x {
		x[i] = float32(i%7 - 3)
	}
	return []*onnx.Tensor{tensor(t, "x", x, n, 2)}
}

// right compares the outputs of linear with what they must be, exactly.
func right(t testing.TB, in, out []*onnx.Tensor) {
	t.Helper()
	x := floats(t, in[0])
	n := in[0].Dims[0]
	if len(out) != 2 || out[0].Name != "y" || out[1].Name != "x2" || !slices.Equal(out[0].Dims, []int{n, 3}) || !slices.Equal(out[1].Dims, []int{n, 2}) {
		t.Fatalf("outputs %v, want y of [%d 3] and x2 of [%d 2]", out, n, n)
	}
	for i, got := range floats(t, out[0]) {
		if want := product(x, i/3, i%3); got != want {
			t.Errorf("y[%d,%d] is %v, want %v", i/3, i%3, got, want)
		}
	}
	for i, got := range floats(t, out[1]) {
		if want := x[i] + x[i]; got != want {
			t.Errorf("x2[%d] is %v, want %v", i, got, want)
		}
	}
}

func floats(t testing.TB, x *onnx.Tensor) []float32 {
	t.Helper()
	data, ok := x.Data.(onnx.Slice[float32])
	if !ok {
		t.Fatalf("%q has elements of type %v, want float32", x.Name, x.Type())
	}
	return data
}

func open(t *testing.T, rt witness.Runtime, m *onnx.Model) witness.Session {
	t.Helper()
	s, err := rt.Open(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func run(t *testing.T, s witness.Session, in []*onnx.Tensor) []*onnx.Tensor {
	t.Helper()
	out, err := s.Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	right(t, in, out)
	return out
}

func computes(t *testing.T, rt witness.Runtime) {
	s := open(t, rt, linear(t))
	for _, n := range []int{1, 1, 3, 3, 1, 64, 3} {
		run(t, s, batch(t, n))
	}
	out, err := s.Run(t.Context(), notANumber(t))
	if err != nil {
		t.Fatal(err)
	}
	if v := floats(t, out[0])[0]; v == v {
		t.Errorf("NaN became %v", v)
	}
}

func owners(t *testing.T, rt witness.Runtime) {
	m := linear(t)
	before := slices.Clone(m.Bytes)
	s := open(t, rt, m)
	in := batch(t, 3)
	kept := slices.Clone(floats(t, in[0]))
	first := run(t, s, in)
	if in[0].Name != "x" || !slices.Equal(in[0].Dims, []int{3, 2}) || !slices.Equal(floats(t, in[0]), kept) {
		t.Errorf("the input became %q %v %v", in[0].Name, in[0].Dims, in[0].Data)
	}
	for _, out := range first { // the caller's, to do with as it likes
		clear(floats(t, out))
		out.Name, out.Dims[0] = "spoilt", 0
	}
	second := run(t, s, in)
	run(t, s, batch(t, 1))
	right(t, in, second) // another run leaves it alone
	if !slices.Equal(m.Bytes, before) {
		t.Error("the model's bytes were changed")
	}
}

func mistakes(t *testing.T, rt witness.Runtime) {
	s := open(t, rt, linear(t))
	x := batch(t, 1)[0]
	for _, c := range []struct {
		mistake string
		in      []*onnx.Tensor
		want    string // in the error
	}{
		{"missing", nil, `input "x" is missing`},
		{"unknown", []*onnx.Tensor{x, tensor(t, "q", []float32{1}, 1)}, `"q" is not an input of the model`},
		{"twice", []*onnx.Tensor{x, x}, `input "x" is given twice`},
		{"nil", []*onnx.Tensor{nil}, "input 0 is nil"},
		{"type", []*onnx.Tensor{tensor(t, "x", []int64{1, 2}, 1, 2)}, "int64"},
		{"text", []*onnx.Tensor{tensor(t, "x", []string{"a", "b"}, 1, 2)}, "string"},
		{"rank", []*onnx.Tensor{tensor(t, "x", []float32{1, 2}, 2)}, "[2]"},
		{"length", []*onnx.Tensor{tensor(t, "x", []float32{1, 2, 3}, 1, 3)}, "want 2 on axis 1"},
		{"contradiction", []*onnx.Tensor{{Name: "x", Dims: []int{4, 2}, Data: onnx.Slice[float32]{1, 2}}}, "do not fit 2 elements"},
		{"negative", []*onnx.Tensor{{Name: "x", Dims: []int{-1, -2}, Data: onnx.Slice[float32]{1, 2}}}, "do not fit 2 elements"},
	} {
		_, err := s.Run(t.Context(), c.in)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want %q in it", c.mistake, err, c.want)
		}
		run(t, s, []*onnx.Tensor{x})
	}
}

func lacking(t *testing.T, rt witness.Runtime) {
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "g"})
	e.Step("s", "y")
	e.Output(e.Node("NoSuchOperator", "", []onnx.Value{e.Input("x", pb.TensorProto_FLOAT, onnx.Fixed(1))}), pb.TensorProto_FLOAT, onnx.Fixed(1))
	foreign := finish(t, e).Proto
	foreign.Graph.Node[0].Domain = new("com.example")
	foreign.OpsetImport = append(foreign.OpsetImport, &pb.OperatorSetIdProto{Domain: new("com.example"), Version: new(int64(1))})
	elsewhere := linear(t).Proto
	w := elsewhere.Graph.Initializer[0]
	w.FloatData, w.RawData, w.DataLocation = nil, nil, new(pb.TensorProto_EXTERNAL)
	w.ExternalData = []*pb.StringStringEntryProto{{Key: new("location"), Value: new("w.bin")}}
	for what, p := range map[string]*pb.ModelProto{"an operator": foreign, "elements in other files": elsewhere} {
		b, err := onnx.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		s, err := rt.Open(t.Context(), &onnx.Model{Proto: p, Bytes: b})
		if err == nil {
			s.Close()
		}
		if _, ok := errors.AsType[*onnx.UnsupportedError](err); !ok {
			t.Errorf("%s: error is %v, want an UnsupportedError", what, err)
		}
	}
}

func cancelled(t *testing.T, rt witness.Runtime) {
	s := open(t, rt, linear(t))
	why := errors.New("the user went home")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if _, err := s.Run(ctx, batch(t, 1)); !errors.Is(err, why) {
		t.Errorf("error is %v, want the context's cause in it", err)
	}
	run(t, s, batch(t, 1))
}

func closing(t *testing.T, rt witness.Runtime) {
	s := open(t, rt, linear(t))
	out := run(t, s, batch(t, 3))
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	if _, err := s.Run(t.Context(), batch(t, 3)); err == nil {
		t.Error("a closed session runs")
	}
	right(t, batch(t, 3), out)
}

func several(t *testing.T, rt witness.Runtime) {
	a, b := open(t, rt, linear(t)), open(t, rt, linear(t))
	var wg sync.WaitGroup
	for i := range 8 {
		s, in := []witness.Session{a, b}[i%2], batch(t, 1+i/2)
		wg.Go(func() {
			out, err := s.Run(t.Context(), in)
			if err != nil {
				t.Error(err)
				return
			}
			right(t, in, out)
		})
	}
	wg.Wait()
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	run(t, b, batch(t, 2))
}

func fault(t *testing.T, f Fault) {
	s := open(t, f.Runtime, linear(t))
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	for _, which := range []string{"run", "later run"} {
		done := make(chan error, 1)
		go func() {
			_, err := s.Run(ctx, batch(t, 1))
			done <- err
		}()
		select {
		case err := <-done:
			if err == nil {
				t.Errorf("the %s gives no error", which)
			}
		case <-time.After(soon):
			t.Fatalf("the %s goes on", which)
		}
	}
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	select {
	case <-closed:
	case <-time.After(soon):
		t.Error("it does not close")
	}
}
