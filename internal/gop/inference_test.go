package gop

import (
	"fmt"
	"math"
	"slices"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/petrify-ml/petrify/internal/kernel"
	"github.com/petrify-ml/petrify/internal/race"
)

// at reads element idx, of an output of that many axes, from data of the given shape under broadcasting.
func at(data []float64, shape, idx []int) float64 {
	pos := 0
	for i, d := range shape {
		j := idx[len(idx)-len(shape)+i]
		if d == 1 {
			j = 0
		}
		pos = pos*d + j
	}
	return data[pos]
}

// indices visits every index of a shape in order.
func indices(shape []int, visit func(pos int, idx []int)) {
	n := tensor.Shape(shape).TotalSize()
	for pos := range n {
		idx, rest := make([]int, len(shape)), pos
		for i := len(shape) - 1; i >= 0; i-- {
			idx[i] = rest % shape[i]
			rest /= shape[i]
		}
		visit(pos, idx)
	}
}

func compute(t *testing.T, n *G.Node, err error) []float64 {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	m, err := NewMachine(n)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second run must not see the first
		if err := m.RunAll(); err != nil {
			t.Fatal(err)
		}
	}
	if allocs := race.AllocsPerRun(3, func() { m.RunAll() }); allocs != 0 {
		t.Errorf("%s: %v allocations in a run", n.Name(), allocs)
	}
	return valuesOf(n)
}

func TestBroadcastFollowsNumPy(t *testing.T) {
	shapes := [][]int{{1}, {5}, {4, 5}, {4, 1}, {1, 5}, {3, 4, 5}, {3, 1, 5}, {3, 4, 1}, {1, 4, 1}, {2, 3, 4, 5}, {2, 1, 1, 5}, {2, 3, 1, 1}, {2, 1, 4, 1}, {1, 1, 1, 1, 1}}
	calc := map[Arithmetic]func(a, b float64) float64{
		Plus:  func(a, b float64) float64 { return a + b },
		Minus: func(a, b float64) float64 { return a - b },
		Times: func(a, b float64) float64 { return a * b },
		Over:  func(a, b float64) float64 { return a / b },
	}
	for _, as := range shapes {
		for _, bs := range shapes {
			for f, want := range calc {
				g := G.NewGraph()
				a, _ := input[float64](g, "a", as...)
				b, _ := input[float64](g, "second", bs...)
				y, err := Broadcast("y", f, a, b)
				got := compute(t, y, err)
				indices(y.Shape(), func(pos int, idx []int) {
					if w := want(at(valuesOf(a), as, idx), at(valuesOf(b), bs, idx)); got[pos] != w {
						t.Fatalf("%v of %v and %v at %v is %v, want %v", f, as, bs, idx, got[pos], w)
					}
				})
			}
		}
	}
	for _, bad := range [][2][]int{{{2}, {3}}, {{2, 3}, {2, 1, 2}}, {{4, 5}, {4}}} {
		if s, err := BroadcastShape(bad[0], bad[1]); err == nil {
			t.Errorf("%v and %v broadcast to %v", bad[0], bad[1], s)
		}
	}
}

func TestBroadcastOfOneNodeWithItself(t *testing.T) {
	g := G.NewGraph()
	a, _ := input[float32](g, "a", 3, 5)
	y, err := Broadcast("y", Plus, a, a)
	got := compute(t, y, err)
	for i, v := range valuesOf(a) {
		if got[i] != 2*v {
			t.Fatalf("element %d is %v, want %v", i, got[i], 2*v)
		}
	}
}

func TestTransposeOfEveryOrder(t *testing.T) {
	for _, shape := range [][]int{{1}, {7}, {3, 5}, {2, 3, 5}, {2, 1, 5}, {2, 3, 1, 5}, {2, 3, 5, 7}, {2, 2, 3, 1, 3, 2}} {
		perms(len(shape), func(perm []int) {
			g := G.NewGraph()
			x, _ := input[float32](g, "x", shape...)
			y, err := Transpose("y", x, perm...)
			got := compute(t, y, err)
			data := valuesOf(x)
			indices(y.Shape(), func(pos int, idx []int) {
				from := make([]int, len(idx))
				for i, p := range perm {
					from[p] = idx[i]
				}
				if w := at(data, shape, from); got[pos] != w {
					t.Fatalf("%v by %v at %v is %v, want %v", shape, perm, idx, got[pos], w)
				}
			})
		})
	}
}

func perms(n int, visit func([]int)) {
	var rec func(p []int)
	rec = func(p []int) {
		if len(p) == n {
			visit(p)
			return
		}
		for i := range n {
			if !slices.Contains(p, i) {
				rec(append(slices.Clone(p), i))
			}
		}
	}
	rec(nil)
}

func TestConcatAlongEveryAxis(t *testing.T) {
	for along := range 3 {
		g := G.NewGraph()
		shape := []int{2, 3, 4}
		var xs []*G.Node
		for i, n := range []int{1, 3, 2} {
			s := slices.Clone(shape)
			s[along] = n
			x, _ := input[float32](g, fmt.Sprint("x", 10*i), s...)
			xs = append(xs, x)
		}
		xs = append(xs, xs[1]) // one value may come twice
		y, err := Concat("y", along, xs...)
		got := compute(t, y, err)
		indices(y.Shape(), func(pos int, idx []int) {
			i := 0
			for idx[along] >= xs[i].Shape()[along] {
				idx[along] -= xs[i].Shape()[along]
				i++
			}
			if w := at(valuesOf(xs[i]), xs[i].Shape(), idx); got[pos] != w {
				t.Fatalf("along %d, element %d is %v, want %v", along, pos, got[pos], w)
			}
		})
	}
}

func TestMatMulFollowsNumPy(t *testing.T) {
	for _, test := range []struct{ a, b, y []int }{
		{[]int{3, 5}, []int{5, 4}, []int{3, 4}},
		{[]int{2, 3, 5}, []int{5, 4}, []int{2, 3, 4}},
		{[]int{3, 5}, []int{2, 5, 4}, []int{2, 3, 4}},
		{[]int{2, 3, 5}, []int{2, 5, 4}, []int{2, 3, 4}},
		{[]int{2, 1, 3, 5}, []int{6, 5, 4}, []int{2, 6, 3, 4}},
		{[]int{1, 3, 5}, []int{1, 1, 5, 4}, []int{1, 1, 3, 4}},
		{[]int{5}, []int{5, 4}, []int{4}},
		{[]int{3, 5}, []int{5}, []int{3}},
		{[]int{2, 3, 5}, []int{5}, []int{2, 3}},
		{[]int{5}, []int{2, 5, 4}, []int{2, 4}},
		{[]int{5}, []int{5}, []int{1}},
	} {
		g := G.NewGraph()
		a, _ := input[float64](g, "a", test.a...)
		b, _ := input[float64](g, "second", test.b...)
		y, err := MatMul("y", a, b)
		got := compute(t, y, err)
		if !slices.Equal(y.Shape(), test.y) {
			t.Errorf("%v by %v has shape %v, want %v", test.a, test.b, y.Shape(), test.y)
			continue
		}
		as, bs, full := test.a, test.b, slices.Clone(test.y)
		if len(as) == 1 {
			as = []int{1, as[0]}
			full = slices.Insert(full, max(0, len(full)-1), 1)
		}
		if len(bs) == 1 {
			bs = []int{bs[0], 1}
			full = append(full, 1)
		}
		if len(test.a) == 1 && len(test.b) == 1 {
			full = []int{1, 1}
		}
		indices(full, func(pos int, idx []int) {
			w, row, col := 0.0, idx[len(idx)-2], idx[len(idx)-1]
			for k := range as[len(as)-1] {
				ia, ib := slices.Clone(idx), slices.Clone(idx)
				ia[len(ia)-2], ia[len(ia)-1] = row, k
				ib[len(ib)-2], ib[len(ib)-1] = k, col
				w += at(valuesOf(a), as, ia) * at(valuesOf(b), bs, ib)
			}
			if !(math.Abs(got[pos]-w) <= 1e-14) { // five products of numbers below 1, in float64
				t.Fatalf("%v by %v at %v is %v, want %v", test.a, test.b, idx, got[pos], w)
			}
		})
	}
	g := G.NewGraph()
	a, _ := input[float64](g, "a", 2, 3)
	b, _ := input[float64](g, "second", 2, 3)
	if _, err := MatMul("y", a, b); err == nil {
		t.Error("(2, 3) by (2, 3) multiply")
	}
}

func TestGemmWithEveryAttribute(t *testing.T) {
	const m, n, k = 3, 4, 5
	for _, ta := range []bool{false, true} {
		for _, tb := range []bool{false, true} {
			for _, cs := range [][]int{nil, {1}, {n}, {1, 1}, {1, n}, {m, 1}, {m, n}} {
				g := G.NewGraph()
				as, bs := []int{m, k}, []int{k, n}
				if ta {
					as = []int{k, m}
				}
				if tb {
					bs = []int{n, k}
				}
				a, _ := input[float64](g, "a", as...)
				b, _ := input[float64](g, "second", bs...)
				var c *G.Node
				if cs != nil {
					c, _ = input[float64](g, "the third", cs...)
				}
				y, err := Gemm("y", a, b, c, GemmConfig{TransA: ta, TransB: tb, Alpha: 0.5, Beta: 2})
				got := compute(t, y, err)
				indices([]int{m, n}, func(pos int, idx []int) {
					w := 0.0
					for p := range k {
						ia, ib := []int{idx[0], p}, []int{p, idx[1]}
						if ta {
							slices.Reverse(ia)
						}
						if tb {
							slices.Reverse(ib)
						}
						w += at(valuesOf(a), as, ia) * at(valuesOf(b), bs, ib) / 2
					}
					if c != nil {
						w += 2 * at(valuesOf(c), cs, idx)
					}
					if !(math.Abs(got[pos]-w) <= 1e-14) {
						t.Fatalf("gemm %v %v + %v at %v is %v, want %v", ta, tb, cs, idx, got[pos], w)
					}
				})
			}
		}
	}
	g := G.NewGraph()
	a, _ := input[float64](g, "a", 1, 2)
	b, _ := input[float64](g, "second", 2, 3)
	for _, cs := range [][]int{{2, 3}, {2}, {1, 1, 3}} {
		c, _ := input[float64](g, fmt.Sprint("c", cs), cs...)
		if _, err := Gemm("y", a, b, c, GemmConfig{Alpha: 1, Beta: 1}); err == nil {
			t.Errorf("%v is added to (1, 3)", cs)
		}
	}
}

func TestRedirectedResultsLeaveTheOldStorageAlone(t *testing.T) {
	g := G.NewGraph()
	x, data := input[float32](g, "x", 2, 3)
	h, err := Activate("h", x, leaky)
	if err != nil {
		t.Fatal(err)
	}
	y, err := Reshape("y", h, 3, 2)
	if err != nil {
		t.Fatal(err)
	}
	m, err := NewMachine(y)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.RunAll(); err != nil {
		t.Fatal(err)
	}
	before := valuesOf(y)
	redirect := Redirect[float32](y)
	if redirect == nil {
		t.Fatal("a view of an activation that nobody else reads cannot be redirected")
	}
	fresh := make([]float32, 6)
	redirect(fresh)
	data[0] = 5
	if err := m.RunAll(); err != nil {
		t.Fatal(err)
	}
	if fresh[0] != 5 || float64(fresh[1]) != before[1] {
		t.Errorf("fresh storage is %v", fresh)
	}
	if !slices.Equal(valuesOf(y), before) {
		t.Error("the old storage changed")
	}

	if Redirect[float32](h) != nil {
		t.Error("what a view reads can be redirected under it")
	}
	if Redirect[float32](x) != nil || Redirect[float64](y) != nil {
		t.Error("an input, or elements of another type, can be redirected")
	}
}

// inStrips are weights in the order of their strips.
func inStrips(t *testing.T, weights []float64, k, n int, transposed bool) (ordered []float64) {
	for _, m := range Strips(k, n, transposed) {
		if err := m.Rows(len(weights), func(_ int, from []int) {
			for _, i := range from {
				ordered = append(ordered, weights[i])
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	return ordered
}

func TestDenseRowIsDense(t *testing.T) {
	for _, n := range []int{1, StripWidth, 3*StripWidth + 5} {
		g := G.NewGraph()
		x, _ := input[float64](g, "x", 1, 7)
		w, weights := input[float64](g, "second", 7, n)
		b, _ := input[float64](g, "b", n)
		turned := make([]float64, len(weights))
		for i, v := range weights {
			turned[i%n*7+i/n] = v
		}
		ordered, fromTurned := inStrips(t, weights, 7, n, false), inStrips(t, turned, 7, n, true)
		if !slices.Equal(ordered, fromTurned) {
			t.Errorf("%d columns: transposed weights have other strips", n)
		}
		strips := G.NewVector(g, tensor.Float64, G.WithShape(7*n), G.WithName("strips"), G.WithValue(tensor.New(tensor.WithShape(7*n), tensor.WithBacking(ordered))))
		want, err := Dense("want", x, w, b, leaky, Need{})
		if err != nil {
			t.Fatal(err)
		}
		y, err := DenseRow("y", x, strips, b, leaky)
		if got, wanted := compute(t, y, err), compute(t, want, nil); !slices.Equal(got, wanted) {
			t.Errorf("%d columns: another result", n)
		}
	}
}

func TestElementwiseRoundsOnce(t *testing.T) {
	g := G.NewGraph()
	x, data := input[float32](g, "x", 3000)
	y, err := Elementwise("y", "exponential", x, math.Exp)
	got := compute(t, y, err)
	for i, v := range data {
		if want := float32(math.Exp(float64(v))); float32(got[i]) != want {
			t.Fatalf("element %d is %v, want %v", i, got[i], want)
		}
	}
}

func TestInferenceOperatorsDoNotDependOnThreads(t *testing.T) {
	run := func(threads int) []float64 {
		old := kernel.SetThreads(threads)
		defer kernel.SetThreads(old)
		g := G.NewGraph()
		a, _ := input[float32](g, "a", 64, 300)
		b, _ := input[float32](g, "second", 300)
		y, err := Broadcast("sum", Plus, a, b)
		if err == nil {
			y, err = Elementwise("exp", "exponential", y, math.Exp)
		}
		if err == nil {
			y, err = Transpose("y", y, 1, 0)
		}
		return compute(t, y, err)
	}
	if one, three := run(1), run(3); !slices.Equal(one, three) {
		t.Error("one thread and three disagree")
	}
}

// TestLentInputs reads an input elsewhere, also through a view of it, unless somebody else reads it, too.
func TestLentInputs(t *testing.T) {
	g := G.NewGraph()
	x, _ := input[float32](g, "x", 2, 1, 2, 3)
	w, _ := input[float32](g, "w", 6, 4)
	filter, _ := input[float32](g, "filter", 5, 1, 2, 2)
	flat, err := Reshape("flat", x, 2, 6)
	if err != nil {
		t.Fatal(err)
	}
	dense, err := Dense("dense", flat, w, nil, kernel.Activation{}, Need{})
	if err != nil {
		t.Fatal(err)
	}
	conv, err := Conv("conv", x, filter, nil, kernel.Window{}, kernel.Activation{}, Need{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := NewMachine(dense, conv)
	if err != nil {
		t.Fatal(err)
	}
	own := x.Value().Data().([]float32)
	other := []float32{1, -2, 3, 0.5, 7, -1, 2, 4, 0.25, -3, 1, 6}
	results := func() []float64 {
		if err := m.RunAll(); err != nil {
			t.Fatal(err)
		}
		return slices.Concat(valuesOf(dense), valuesOf(conv))
	}
	before := results()
	lend := Lend[float32](x)
	if lend == nil {
		t.Fatal("the input cannot be lent")
	}
	lend(other)
	lent := results()
	lend(own)
	if again := results(); !slices.Equal(again, before) {
		t.Errorf("after the end of the loan: %v, want %v", again, before)
	}
	copy(own, other)
	if want := results(); !slices.Equal(lent, want) {
		t.Errorf("lent: %v, copied: %v", lent, want)
	}
	if Lend[float32](w) != nil {
		t.Error("weights can be lent")
	}
	if _, err := Activate("activation", flat, kernel.Activation{Func: kernel.ReLU}); err != nil {
		t.Fatal(err)
	}
	if Lend[float32](x) != nil {
		t.Error("an input that an activation reads can be lent")
	}
}

// TestOverwriteSharesStorage has the elements changed where they lie, unless they are wanted elsewhere.
func TestOverwriteSharesStorage(t *testing.T) {
	g := G.NewGraph()
	x, _ := input[float32](g, "x", 3, 5)
	y, err := Activate("y", x, kernel.Activation{Func: kernel.ReLU})
	if err != nil {
		t.Fatal(err)
	}
	z, err := Overwrite("z", "doubling", y, func(y, x []float32) {
		for i, v := range x {
			y[i] = 2 * v
		}
	})
	got := compute(t, z, err)
	for i, v := range valuesOf(x) {
		if want := 2 * max(v, 0); got[i] != want {
			t.Fatalf("element %d is %v, want %v", i, got[i], want)
		}
	}
	if !slices.Equal(valuesOf(y), got) {
		t.Error("the storage is another")
	}
	elsewhere := make([]float32, 15)
	m, err := NewMachine(z)
	if err != nil {
		t.Fatal(err)
	}
	Redirect[float32](z)(elsewhere)
	if err := m.RunAll(); err != nil {
		t.Fatal(err)
	}
	for i, v := range elsewhere {
		if float64(v) != got[i] {
			t.Fatalf("redirected element %d is %v, want %v", i, v, got[i])
		}
	}
}
