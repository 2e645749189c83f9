package gop

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/internal/kernel"
	"github.com/petrify-ml/petrify/internal/race"
)

// someCases draws cases of each operator that PyTorch judges.
func someCases(t *testing.T, each int, f func(t *testing.T, c *torchCase)) {
	for i, m := range caseMakers {
		t.Run(m.operator, func(t *testing.T) {
			d := draws{rand.New(rand.NewPCG(5, uint64(i)))}
			for range each {
				c := m.make(d)
				c.Operator = m.operator
				if y := built[float64](t, &c).y; !y.Shape().IsScalar() {
					c.Targets = d.tensor(y.Shape().TotalSize()).Data
				}
				f(t, &c)
			}
		})
	}
}

// machineOf runs the cost of a case and its gradients.
func machineOf[T kernel.Float](t *testing.T, c *torchCase) (b graphOf, grads G.Nodes, m *Machine) {
	t.Helper()
	b = built[T](t, c)
	var wrt []*G.Node
	for i, wanted := range c.Wanted {
		if wanted {
			wrt = append(wrt, b.in[i])
		}
	}
	grads, err := Grad(b.cost, wrt...)
	if err != nil {
		t.Fatal(err)
	}
	if m, err = NewMachine(append(G.Nodes{b.cost}, grads...)...); err != nil {
		t.Fatal(err)
	}
	if err := m.RunAll(); err != nil {
		t.Fatal(err)
	}
	return b, grads, m
}

func TestGradientsAreTheSlopesOfDifferences(t *testing.T) {
	someCases(t, 2, func(t *testing.T, c *torchCase) {
		b, grads, m := machineOf[float64](t, c)
		var slopes [][]float64
		for _, g := range grads {
			slopes = append(slopes, valuesOf(g))
		}
		cost := func() float64 {
			if err := m.RunAll(); err != nil {
				t.Fatal(err)
			}
			return valuesOf(b.cost)[0]
		}
		r := rand.New(rand.NewPCG(1, 2))
		k := 0
		for i, wanted := range c.Wanted {
			if !wanted {
				continue
			}
			data := b.in[i].Value().Data().([]float64)
			for range min(5, len(data)) {
				j := r.IntN(len(data))
				// A step so short that it crosses no kink of these values.
				const h = 1e-6
				was := data[j]
				data[j] = was + h
				up := cost()
				data[j] = was - h
				down := cost()
				data[j] = was
				// Rounding of the cost over the step, and the third derivative.
				want, limit := (up-down)/(2*h), 1e-8+1e-8*math.Abs(up)
				if got := slopes[k][j]; !(math.Abs(got-want) <= limit+1e-6*math.Abs(want)) {
					t.Fatalf("slope by input %d[%d] is %v, differences say %v; %v %s of %s", i, j, got, want, c.Attributes, c.Activation, shapesOf(c))
				}
			}
			k++
		}
	})
}

func TestSteadyRunsOfEveryOperatorAllocateNothing(t *testing.T) {
	for _, threads := range []int{1, 2} {
		old := kernel.SetThreads(threads)
		someCases(t, 1, func(t *testing.T, c *torchCase) {
			_, _, m := machineOf[float32](t, c)
			if n := race.AllocsPerRun(10, func() { m.RunAll() }); n != 0 {
				t.Errorf("%v allocations per run with %d threads", n, threads)
			}
		})
		kernel.SetThreads(old)
	}
}

func TestGradientsDoNotDependOnThreads(t *testing.T) {
	someCases(t, 3, func(t *testing.T, c *torchCase) {
		var results [3][]float64
		for i := range results {
			old := kernel.SetThreads(i + 1)
			b, grads, _ := machineOf[float32](t, c)
			results[i] = valuesOf(b.y)
			for _, g := range grads {
				results[i] = append(results[i], valuesOf(g)...)
			}
			kernel.SetThreads(old)
		}
		for i := range results[1:] {
			if !slices.Equal(results[i+1], results[0]) {
				t.Errorf("%d threads and one disagree; %v of %s", i+2, c.Attributes, shapesOf(c))
			}
		}
	})
}

func TestDropoutZeroesItsShareAndScalesTheRest(t *testing.T) {
	const rate = 0.25
	run := func(threads int) []float64 {
		defer kernel.SetThreads(kernel.SetThreads(threads))
		g := G.NewGraph()
		x, data := input[float64](g, "x", 50, 400)
		y, err := Dropout("y", x, rate, kernel.NewStream(3, "y").Uniform, true)
		if err != nil {
			t.Fatal(err)
		}
		targets := valued[float64](g, "targets", torchTensor{[]int{50, 400}, make([]float64, 20_000)})
		cost, err := L1("cost", y, targets)
		if err != nil {
			t.Fatal(err)
		}
		grads, err := Grad(cost, x)
		if err != nil {
			t.Fatal(err)
		}
		m, err := NewMachine(cost, grads[0])
		if err != nil {
			t.Fatal(err)
		}
		var first []float64
		for range 2 {
			if err := m.RunAll(); err != nil {
				t.Fatal(err)
			}
			zeros, slopes := 0, valuesOf(grads[0])
			for i, v := range valuesOf(y) {
				if v == 0 {
					zeros++
				} else if math.Abs(v-data[i]/(1-rate)) > 1e-12 {
					t.Fatalf("element %d is %v, want %v or 0", i, v, data[i]/(1-rate))
				}
				if (slopes[i] == 0) != (v == 0) {
					t.Fatalf("slope %d is %v where the output is %v", i, slopes[i], v)
				}
			}
			// Six standard deviations of the binomial distribution.
			if share := float64(zeros) / 20_000; !(math.Abs(share-rate) <= 6*math.Sqrt(rate*(1-rate)/20_000)) {
				t.Errorf("a share of %v is zero, want %v", share, rate)
			}
			if first == nil {
				first = valuesOf(y)
			} else if slices.Equal(first, valuesOf(y)) {
				t.Error("the second run drops what the first did")
			}
		}
		return append(first, valuesOf(y)...)
	}
	if !slices.Equal(run(1), run(3)) {
		t.Error("one thread and three disagree")
	}
	g := G.NewGraph()
	x, data := input[float32](g, "x", 3, 4)
	y, err := Dropout("y", x, 0.9, nil, false)
	got := compute(t, y, err)
	for i, v := range data {
		if got[i] != float64(v) {
			t.Fatalf("outside of training element %d is %v, want %v", i, got[i], v)
		}
	}
}

func TestImagesOfWrongShapeAreErrors(t *testing.T) {
	g := G.NewGraph()
	x, _ := input[float32](g, "x", 2, 4, 5, 6)
	flat, _ := input[float32](g, "flat", 2, 4)
	w, _ := input[float32](g, "w", 6, 4, 3, 3)
	b, _ := input[float32](g, "b", 5)
	c, _ := input[float32](g, "c", 4)
	fail := func(_ *G.Node, err error) error { return err }
	need := Need{Input: true, Params: true}
	for _, k := range []struct {
		claim string
		err   error
		want  string
	}{
		{"conv of a matrix", fail(Conv("y", flat, w, nil, kernel.Window{}, leaky, need)), "y: convolution of (2, 4)"},
		{"conv without weights", fail(Conv("y", x, nil, nil, kernel.Window{}, leaky, need)), "input 1 of convolution is missing"},
		{"channels that differ", fail(ConvTranspose("y", x, w, nil, kernel.Window{}, leaky, need)), "transposed convolution of (2, 4, 5, 6) by (6, 4, 3, 3)"},
		{"groups that do not divide", fail(Conv("y", x, w, nil, kernel.Window{Groups: 4}, leaky, need)), "in 4 groups"},
		{"another kernel than the weights'", fail(Conv("y", x, w, nil, kernel.Window{Kernel: [2]int{2, 3}}, leaky, need)), "kernel of [2 3]"},
		{"bias of another size", fail(Conv("y", x, w, b, kernel.Window{}, leaky, need)), "bias has shape (5), want (6)"},
		{"window that does not fit", fail(Conv("y", x, w, nil, kernel.Window{Dilation: [2]int{3, 1}}, leaky, need)), "smaller than the window"},
		{"batch norm of other channels", fail(BatchNorm("y", x, c, b, c, c, BatchNormConfig{}, leaky, need)), "input 2 of batch normalisation has shape (5), want (4)"},
		{"negative epsilon", fail(BatchNorm("y", x, c, c, c, c, BatchNormConfig{Epsilon: -1}, leaky, need)), "epsilon -1"},
		{"layer norm over other axes", fail(LayerNorm("y", x, c, c, 0, need)), "layer normalisation of (2, 4, 5, 6)"},
		{"pooling of a matrix", fail(MaxPool("y", flat, kernel.Window{})), "got (2, 4)"},
		{"pooling of nothing", fail(GlobalAveragePool("y", nil)), "got nothing"},
		{"upsampling by nothing", fail(UpsampleNearest("y", x, 0, 1)), "by 0x1"},
		{"dropout of all", fail(Dropout("y", x, 1, nil, true)), "rate 1"},
		{"dropout without a stream", fail(Dropout("y", x, 0.5, nil, true)), "random numbers of dropout are missing"},
		{"sum of two shapes", fail(Add("y", x, flat)), "input 1 of sum has shape (2, 4), want (2, 4, 5, 6)"},
		{"weighted sum of tensors", fail(AddScalars("y", x, x, 1)), "want a scalar"},
	} {
		if k.err == nil || !strings.Contains(k.err.Error(), k.want) {
			t.Errorf("%s: error is %v, want %q", k.claim, k.err, k.want)
		}
	}
}
