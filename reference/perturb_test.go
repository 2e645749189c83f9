package reference

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"google.golang.org/protobuf/proto"
)

func perturbed(t *testing.T, m *onnx.Model, by Perturbation, inputs ...*onnx.Tensor) []*Value {
	t.Helper()
	p, err := Compile(m, Options{})
	if err != nil {
		t.Fatal(err)
	}
	values := make([]*Value, len(inputs))
	for i, x := range inputs {
		if values[i], err = FromTensor(x); err != nil {
			t.Fatal(err)
		}
	}
	r, err := p.Perturb(t.Context(), values, by)
	if err != nil {
		t.Fatal(err)
	}
	return r.Outputs
}

func TestDrawnErrorsAreAsLargeAsTheFigures(t *testing.T) {
	m := graph(t, 13, `
		in x float N
		y = Mul(x, x)
		z = Tanh(x)
		out y z`)
	x := make([]float32, 4000)
	for i := range x {
		x[i] = 1 + float32(i)/3000
	}
	in := tensor(t, "x", x, len(x))
	want := run(t, m, in)
	for _, scale := range []float64{1, 8} {
		got := perturbed(t, m, Perturbation{Seed: 3, Scale: scale}, in)
		squares := 0.0
		for i := range x {
			z := (got[0].Float(i) - want[0].Float(i)) / (scale * want[0].Spread[i])
			squares += z * z
			if d := math.Abs(got[0].Float(i) - want[0].Float(i)); d > want[0].Sound[i]*(1+1e-6) {
				t.Fatalf("element %d is %g off, which is beyond its sound limit %g", i, d, want[0].Sound[i])
			}
			if d := math.Abs(got[1].Float(i) - want[1].Float(i)); d > want[1].Declared[i]+scale*6*want[1].Spread[i] {
				t.Fatalf("Tanh: element %d is %g off, declared are %g", i, d, want[1].Declared[i])
			}
		}
		if rms := math.Sqrt(squares / float64(len(x))); scale == 1 && (rms < 0.9 || rms > 1.1) {
			t.Errorf("errors are %.3g spreads, want 1", rms)
		}
		if got[0].Sound != nil {
			t.Error("the outputs have figures")
		}
		if again := perturbed(t, m, Perturbation{Seed: 3, Scale: scale}, in); !slices.Equal(again[0].floats(), got[0].floats()) {
			t.Error("one seed gives two results")
		}
		if other := perturbed(t, m, Perturbation{Seed: 4, Scale: scale}, in); slices.Equal(other[0].floats(), got[0].floats()) {
			t.Error("two seeds give one result")
		}
	}
}

func TestTiesStayTies(t *testing.T) {
	m := graph(t, 13, `
		in x float 4
		e = Exp(x)
		y = ArgMax(e)
		out e y`)
	in := tensor(t, "x", []float32{0.3, 1.7, 1.7, 1.7}, 4)
	for seed := range uint64(20) {
		got := perturbed(t, m, Perturbation{Seed: seed, Scale: 8}, in)
		if e := got[0].floats(); e[1] != e[2] || e[2] != e[3] || elems[int64](got[1])[0] != 1 {
			t.Fatalf("equal elements become %v, the first of the largest is %v", e, got[1].Data)
		}
	}
}

func TestWhatATypeHoldsMayStayAsItIs(t *testing.T) {
	m := graph(t, 13, `
		in x float 2
		y = Exp(x)
		out y`)
	in := tensor(t, "x", []float32{0, 1}, 2)
	if got := perturbed(t, m, Perturbation{Scale: 1, Exact: true}, in)[0].floats(); got[0] != 1 || got[1] == math.E {
		t.Errorf("got %v, want 1 as it is, and e with an error", got)
	}
	if got := perturbed(t, m, Perturbation{Scale: 1}, in)[0].floats(); got[0] == 1 || got[1] == math.E {
		t.Errorf("got %v, want errors in both", got)
	}
}

func TestErrorsAreDrawnWithinLoops(t *testing.T) {
	m := graph(t, 13, `
		in x float 3
		y = Mul(x, x)
		out y`)
	body := graph(t, 13, `
		in i int64 -
		in go bool -
		in v float 3
		w = Mul(v, c)
		stay = Identity(go)
		out stay w`, tensor(t, "c", []float32{1.1, 0.9, 1.2}, 3)).Proto.Graph
	loop := node(t, "y = Loop(n, , x)")
	loop.Attribute = append(loop.Attribute, &pb.AttributeProto{Name: proto.String("body"), Type: pb.AttributeProto_GRAPH.Enum(), G: body})
	m.Proto.Graph.Node[0] = loop
	m.Proto.Graph.Initializer = append(m.Proto.Graph.Initializer, tensor(t, "n", []int64{5}).Proto())
	in := tensor(t, "x", []float32{1, 2, 3}, 3)
	want, got := run(t, m, in)[0], perturbed(t, m, Perturbation{Scale: 1}, in)[0]
	for i := range 3 {
		if d := math.Abs(got.Float(i) - want.Float(i)); d == 0 || d > 6*want.Spread[i] {
			t.Errorf("element %d is %g off, want up to a few spreads of %g", i, d, want.Spread[i])
		}
	}
}

func TestNothingIsDrawnWhereNothingIsKnown(t *testing.T) {
	m := graph(t, 13, `
		y = RandomNormal() shape=3,
		out y`)
	p, err := Compile(m, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Perturb(t.Context(), nil, Perturbation{Scale: 1}); err == nil || !strings.Contains(err.Error(), "no limit is known") {
		t.Errorf("error %v, want one that says that no limit is known", err)
	}
}
