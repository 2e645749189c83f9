package gop

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/petrify-ml/petrify/internal/kernel"
	"github.com/petrify-ml/petrify/internal/race"
)

var leaky = kernel.Activation{Func: kernel.LeakyReLU, Alpha: 0.1}

func input[T kernel.Float](g *G.ExprGraph, name string, shape ...int) (*G.Node, []T) {
	data := make([]T, tensor.Shape(shape).TotalSize())
	r := rand.New(rand.NewPCG(7, uint64(len(name))))
	for i := range data {
		data[i] = T(r.Float64()*2 - 1)
	}
	t := tensor.New(tensor.WithShape(shape...), tensor.WithBacking(data))
	return G.NewTensor(g, t.Dtype(), len(shape), G.WithShape(shape...), G.WithName(name), G.WithValue(t)), data
}

// twoLayers is a cost over x -> dense, leaky -> dense, with the nodes that it may be differentiated by.
func twoLayers[T kernel.Float](t *testing.T, fused bool) (cost *G.Node, wrt G.Nodes) {
	t.Helper()
	g := G.NewGraph()
	x, _ := input[T](g, "x", 3, 5)
	w1, _ := input[T](g, "w1", 5, 4)
	b1, _ := input[T](g, "bias1", 4)
	w2, _ := input[T](g, "second", 4, 2)
	need := Need{Input: true, Params: true}
	act := leaky
	if !fused {
		act = kernel.Activation{Func: kernel.Identity}
	}
	h, err := Dense("h", x, w1, b1, act, need)
	if err == nil && !fused {
		h, err = Activate("act", h, leaky)
	}
	if err != nil {
		t.Fatal(err)
	}
	y, err := Dense("y", h, w2, nil, kernel.Activation{Func: kernel.Tanh}, need)
	if err != nil {
		t.Fatal(err)
	}
	if cost, err = BCEWithLogits("cost", y, 0.3); err != nil {
		t.Fatal(err)
	}
	return cost, G.Nodes{x, w1, b1, w2}
}

func valuesOf(n *G.Node) []float64 {
	switch d := n.Value().Data().(type) {
	case float64:
		return []float64{d}
	case float32:
		return []float64{float64(d)}
	case []float64:
		return slices.Clone(d)
	case []float32:
		var x []float64
		for _, v := range d {
			x = append(x, float64(v))
		}
		return x
	}
	return nil
}

func TestGorgoniasOwnMachineAgreesWithOurs(t *testing.T) {
	for _, fused := range []bool{true, false} {
		cost, wrt := twoLayers[float64](t, fused)
		grads, err := Grad(cost, wrt...)
		if err != nil {
			t.Fatal(err)
		}
		tape := G.NewTapeMachine(cost.Graph())
		defer tape.Close()
		if err := tape.RunAll(); err != nil {
			t.Fatal(err)
		}
		var want [][]float64
		for _, g := range grads {
			want = append(want, valuesOf(g))
		}
		m, err := NewMachine(append(G.Nodes{cost}, grads...)...)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.RunAll(); err != nil {
			t.Fatal(err)
		}
		for i, g := range grads {
			if got := valuesOf(g); !slices.Equal(got, want[i]) {
				t.Errorf("fused %v: gradient by %s is %v, TapeMachine says %v", fused, wrt[i].Name(), got, want[i])
			}
		}
	}
}

func TestFusedActivationComputesWhatTwoOperatorsDo(t *testing.T) {
	var results [2][][]float64
	for i, fused := range []bool{true, false} {
		cost, wrt := twoLayers[float64](t, fused)
		grads, err := Grad(cost, wrt...)
		if err != nil {
			t.Fatal(err)
		}
		m, err := NewMachine(grads...)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.RunAll(); err != nil {
			t.Fatal(err)
		}
		for _, g := range grads {
			results[i] = append(results[i], valuesOf(g))
		}
	}
	for k := range results[0] {
		for j := range results[0][k] {
			if d := math.Abs(results[0][k][j] - results[1][k][j]); !(d <= 1e-15) {
				t.Errorf("gradient %d[%d]: fused %v, apart %v", k, j, results[0][k][j], results[1][k][j])
			}
		}
	}
}

func TestUnneededGradientsAreNotBuilt(t *testing.T) {
	g := G.NewGraph()
	x, _ := input[float32](g, "x", 3, 5)
	w, _ := input[float32](g, "w", 5, 4)
	b, _ := input[float32](g, "bias", 4)
	y, err := Dense("y", x, w, b, leaky, Need{Params: true})
	if err != nil {
		t.Fatal(err)
	}
	cost, err := BCEWithLogits("cost", y, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Grad(cost, w, b); err != nil {
		t.Fatal(err)
	}
	for _, n := range g.AllNodes() {
		if strings.HasSuffix(n.Name(), ".dx") {
			t.Errorf("the graph holds %s, a gradient that nobody needs", n.Name())
		}
	}
}

func TestTwoInstancesNeverMerge(t *testing.T) {
	g := G.NewGraph()
	x, _ := input[float32](g, "x", 3, 5)
	a, err := Activate("a", x, leaky)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Activate("b", x, leaky)
	if err != nil {
		t.Fatal(err)
	}
	if a == b || a.Op().Hashcode() == b.Op().Hashcode() {
		t.Error("two operators with equal parameters became one")
	}
}

func TestMachineRunsStockOperators(t *testing.T) {
	g := G.NewGraph()
	x, data := input[float32](g, "x", 2, 3)
	square := G.Must(G.HadamardProd(x, x)) // one value used twice
	y, err := Activate("y", square, kernel.Activation{Func: kernel.ReLU})
	if err != nil {
		t.Fatal(err)
	}
	m, err := NewMachine(y)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		data[0]++
		if err := m.RunAll(); err != nil {
			t.Fatal(err)
		}
		for i, got := range y.Value().Data().([]float32) {
			if want := data[i] * data[i]; math.Abs(float64(got-want)) > 1e-6 {
				t.Errorf("y[%d] is %v, want %v", i, got, want)
			}
		}
	}
}

// A value with two uses has the sum of two gradients: Gorgonia adds them with an operator of its own, a Machine with ours,
// which allocates nothing.
func TestBranchesAddTheirGradientsWithoutAllocation(t *testing.T) {
	g := G.NewGraph()
	x, data := input[float32](g, "x", 2, 3)
	h, err := Activate("h", x, leaky)
	if err != nil {
		t.Fatal(err)
	}
	a, errA := Activate("a", h, kernel.Activation{Func: kernel.Tanh})
	b, errB := Activate("b", h, kernel.Activation{Func: kernel.Sigmoid})
	y, errY := Add("y", a, b)
	cost, errC := BCEWithLogits("cost", y, 0.3)
	if err := errors.Join(errA, errB, errY, errC); err != nil {
		t.Fatal(err)
	}
	grads, err := Grad(cost, x)
	if err != nil {
		t.Fatal(err)
	}
	m, err := NewMachine(append(G.Nodes{cost}, grads...)...)
	if err != nil {
		t.Fatal(err)
	}
	if n := race.AllocsPerRun(20, func() {
		if err := m.RunAll(); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations per run, want 0", n)
	}
	f := func(v float64) float64 {
		if v < 0 {
			v *= leaky.Alpha
		}
		z := math.Tanh(v) + 1/(1+math.Exp(-v))
		return (math.Log1p(math.Exp(z)) - 0.3*z) / float64(len(data))
	}
	for i, got := range valuesOf(grads[0]) {
		v := float64(data[i])
		if want := (f(v+1e-6) - f(v-1e-6)) / 2e-6; math.Abs(got-want) > 1e-6 {
			t.Errorf("gradient[%d] is %v, want %v", i, got, want)
		}
	}
}

func TestContinueTakesTheFirstRunAsGiven(t *testing.T) {
	g := G.NewGraph()
	x, data := input[float32](g, "x", 2, 3)
	h, err := Activate("h", x, leaky)
	if err != nil {
		t.Fatal(err)
	}
	y, err := Activate("y", h, leaky)
	if err != nil {
		t.Fatal(err)
	}
	first, err := NewMachine(h)
	if err != nil {
		t.Fatal(err)
	}
	second, err := first.Continue(y)
	if err != nil {
		t.Fatal(err)
	}
	if len(second.steps) != 1 {
		t.Fatalf("the second machine has %d steps, want 1", len(second.steps))
	}
	for range 2 {
		data[0] += 2
		if err := errors.Join(first.RunAll(), second.RunAll()); err != nil {
			t.Fatal(err)
		}
		if got := y.Value().Data().([]float32)[0]; got != data[0] {
			t.Errorf("y is %v, want %v", got, data[0])
		}
	}
}

func TestSteadyRunAllocatesNothing(t *testing.T) {
	cost, wrt := twoLayers[float32](t, true)
	grads, err := Grad(cost, wrt...)
	if err != nil {
		t.Fatal(err)
	}
	m, err := NewMachine(append(G.Nodes{cost}, grads...)...)
	if err != nil {
		t.Fatal(err)
	}
	if n := race.AllocsPerRun(100, func() {
		if err := m.RunAll(); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations per run, want 0", n)
	}
}

func TestBadUseIsAnError(t *testing.T) {
	g := G.NewGraph()
	x, _ := input[float32](g, "x", 3, 5)
	w, _ := input[float32](g, "w", 4, 4)
	wide, _ := input[float64](g, "wide", 5, 4)
	ints := G.NewMatrix(g, tensor.Int, G.WithShape(2, 2), G.WithName("ints"))
	unset := G.NewMatrix(g, tensor.Float32, G.WithShape(3, 5), G.WithName("unset"))
	ok, err := Activate("ok", unset, leaky)
	if err != nil {
		t.Fatal(err)
	}
	fail := func(_ any, err error) error { return err }
	for _, c := range []struct {
		claim string
		err   error
		want  string
	}{
		{"inner dimensions must agree", fail(Dense("y", x, w, nil, leaky, Need{})), "y: dense of (3, 5) by (4, 4): want (N, In) by (In, Out)"},
		{"element types must agree", fail(Dense("y", x, wide, nil, leaky, Need{})), "y: input 1 of dense is float64, want float32"},
		{"a missing input", fail(Activate("y", nil, leaky)), "y: input 0 of activation is missing"},
		{"integers are not floats", fail(Activate("y", ints, leaky)), "y: element type is int, want float32 or float64"},
		{"reshape keeps the number of elements", fail(Reshape("y", x, 4, 4)), "y: cannot reshape (3, 5) to (4, 4)"},
		{"inputs need values", fail(NewMachine(ok)), "unset has no value"},
		{"a cost is a scalar", fail(Grad(x, w)), "scalar"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: error is %v, want %q", c.claim, c.err, c.want)
		}
	}
}

func BenchmarkMachineOverhead(b *testing.B) {
	g := G.NewGraph()
	x, _ := input[float32](g, "x", 1, 1)
	var err error
	for range 10 {
		if x, err = Activate("a", x, leaky); err != nil {
			b.Fatal(err)
		}
	}
	m, err := NewMachine(x)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := m.RunAll(); err != nil {
			b.Fatal(err)
		}
	}
}
