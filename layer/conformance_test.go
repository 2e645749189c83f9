package layer_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/random"
)

// Every Kind keeps one contract, on each of its trials, at batch 1 and 3.
func TestConformance(t *testing.T) {
	for _, k := range layer.Kinds() {
		t.Run(k.Name, func(t *testing.T) {
			if k.Doc == "" || len(k.Ops) == 0 || k.New == nil || len(k.Try) == 0 {
				t.Fatalf("kind is incomplete: %+v", k)
			}
			for _, try := range k.Try {
				for _, batch := range []int{1, 3} {
					t.Run(fmt.Sprintf("%+v of %v batch %d", try.Layer, try.In, batch), func(t *testing.T) {
						c := conformance{kind: k, batch: batch, plan: planOf(t, try)}
						c.shapes(t)
						c.gradients(t)
						c.determinism(t)
					})
				}
			}
		})
	}
}

type conformance struct {
	kind  layer.Kind
	batch int
	plan  *layer.Plan
}

func planOf(t *testing.T, try layer.Trial) *layer.Plan {
	t.Helper()
	p, err := try.Net().Plan()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// values draws n numbers that keep away from 0, where piecewise functions have no derivative.
func values[T float32 | float64](r *rand.Rand, n int) []T {
	x := make([]T, n)
	for i := range x {
		v := r.Float64()*2 - 1
		x[i] = T(v + math.Copysign(0.05, v))
	}
	return x
}

// graph is a plan in Gorgonia with random parameters, its input and its output.
type graph[T float32 | float64] struct {
	x      *G.Node
	params G.Nodes
	names  []string
	data   [][]T // of x, then of each parameter
	out    *G.Node

	streams []*random.Stream // of layers that draw
}

// rewind makes the next run draw what the first did.
func (b *graph[T]) rewind() {
	for _, s := range b.streams {
		s.Seek(0)
	}
}

func build[T float32 | float64](t *testing.T, p *layer.Plan, batch int, seed uint64) *graph[T] {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	g := G.NewGraph()
	x, input := layer.InputNode[T](g, "x", append(layer.Shape{batch}, p.Net.Input.Shape...))
	copy(input, values[T](r, len(input)))
	b := &graph[T]{x: x, data: [][]T{input}, names: []string{"x"}}
	nodes := map[string]*G.Node{}
	for q := range p.Params() {
		w := values[T](r, q.Shape.Len())
		n, err := layer.ParamNode(g, q, w)
		if err != nil {
			t.Fatal(err)
		}
		nodes[q.Name] = n
		if q.Tracked {
			continue // no gradient leads there
		}
		b.params, b.data, b.names = append(b.params, n), append(b.data, w), append(b.names, q.Name)
	}
	var class *G.Node
	if c := p.Net.Class; c.Count > 0 {
		var one []T
		class, one = layer.InputNode[T](g, c.Name, append(layer.Shape{batch}, c.Shape()...))
		for i := range batch {
			one[i*c.Count+(2*i+1)%c.Count] = 1
		}
	}
	out, err := p.Build(layer.BuildOptions{
		Input:    x,
		Class:    class,
		Param:    func(q layer.Param) (*G.Node, error) { return nodes[q.Name], nil },
		Training: true,
		Need:     layer.Need{Input: true, Params: true},
		Stream: func(step string) *random.Stream {
			b.streams = append(b.streams, random.New(seed, step))
			return b.streams[len(b.streams)-1]
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	b.out = out[0]
	return b
}

func run(t *testing.T, outputs ...*G.Node) *gop.Machine {
	t.Helper()
	m, err := gop.NewMachine(outputs...)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.RunAll(); err != nil {
		t.Fatal(err)
	}
	return m
}

func (c conformance) shapes(t *testing.T) {
	b := build[float32](t, c.plan, c.batch, 1)
	last := c.plan.Steps[len(c.plan.Steps)-1]
	if got, want := layer.Shape(b.out.Shape()), append(layer.Shape{c.batch}, last.Out...); got.String() != want.String() {
		t.Errorf("built shape %v, OutShape promises %v", got, want)
	}
	if b.out.Name() != last.Name {
		t.Errorf("node is named %q, want the step's name %q", b.out.Name(), last.Name)
	}
}

// gradients compares the symbolic gradient of a non-linear cost with central differences, in float64.
func (c conformance) gradients(t *testing.T) {
	b := build[float64](t, c.plan, c.batch, 2)
	cost, err := gop.BCEWithLogits("cost", b.out, 0.3)
	if err != nil {
		t.Fatal(err)
	}
	grads, err := gop.Grad(cost, append(G.Nodes{b.x}, b.params...)...)
	if err != nil {
		t.Fatal(err)
	}
	m := run(t, append(G.Nodes{cost}, grads...)...)
	var analytic [][]float64
	for _, g := range grads {
		analytic = append(analytic, slices.Clone(g.Value().Data().([]float64)))
	}
	value := func() float64 {
		b.rewind()
		if err := m.RunAll(); err != nil {
			t.Fatal(err)
		}
		return cost.Value().Data().(float64)
	}
	const h = 1e-5 // truncation and rounding are both near 1e-11 then
	for i, x := range b.data {
		for j := range x {
			was := x[j]
			x[j] = was + h
			up := value()
			x[j] = was - h
			down := value()
			x[j] = was
			if numeric := (up - down) / (2 * h); !(math.Abs(numeric-analytic[i][j]) <= 1e-9) {
				t.Errorf("gradient of %s[%d] is %v, finite differences say %v", b.names[i], j, analytic[i][j], numeric)
			}
		}
	}
}

func (c conformance) determinism(t *testing.T) {
	first, second := build[float32](t, c.plan, c.batch, 3), build[float32](t, c.plan, c.batch, 3)
	m := run(t, first.out)
	a := slices.Clone(first.out.Value().Data().([]float32))
	first.rewind()
	if err := m.RunAll(); err != nil {
		t.Fatal(err)
	}
	run(t, second.out)
	if !slices.Equal(a, first.out.Value().Data().([]float32)) {
		t.Error("a second run of one graph differs")
	}
	if !slices.Equal(a, second.out.Value().Data().([]float32)) {
		t.Error("a second graph differs")
	}
}
