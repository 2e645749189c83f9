package reference

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// randomValue has normal elements, one in four of them zero, with figures if requested; some of those are zero or infinite.
func randomValue(r *rand.Rand, figures bool, dims ...int) *Value {
	v := &Value{Type: pb.TensorProto_FLOAT, Dims: dims, Data: make(onnx.Slice[float64], size(dims))}
	for i := range v.floats() {
		if r.IntN(4) > 0 {
			v.floats()[i] = r.NormFloat64()
		}
	}
	if !figures {
		return v
	}
	for _, s := range []*[]float64{&v.Sound, &v.Spread, &v.Declared} {
		*s = make([]float64, v.Len())
		for i := range *s {
			switch r.IntN(3) {
			case 0:
				(*s)[i] = 1e-6 * r.Float64()
			case 1:
				(*s)[i] = 1e-3 * r.Float64()
			}
		}
		if r.IntN(2) == 0 && v.Len() > 0 {
			(*s)[r.IntN(v.Len())] = math.Inf(1)
		}
	}
	return v
}

// sumsOf returns every sum of a product.
func sumsOf(t *testing.T, f format, p matrixProduct, plain bool) []dot {
	t.Helper()
	all := make([]dot, p.left.lanes*p.right.lanes)
	cols := p.right.lanes
	p.done = func(i, j int, s dot) { all[i*cols+j] = s }
	if plain {
		(&bench{f: f}).plain(&p, 0, p.left.lanes, 0, p.right.lanes)
		return all
	}
	c := &call{meter: &meter{ctx: t.Context(), work: 1 << 60}}
	c.multiply(f, []matrixProduct{p})
	return all
}

// Tiles and gonum's products give what adding term by term gives.
func TestProductsAreSumsTermByTerm(t *testing.T) {
	f := formatOf(pb.TensorProto_FLOAT)
	r := rand.New(rand.NewPCG(1, 1))
	for trial := range 120 {
		m, n, k := 1+r.IntN(150), 1+r.IntN(150), r.IntN(300)
		p := matrixProduct{left: rowsOf(randomValue(r, r.IntN(2) == 0, m, k), 0, m, k), right: columnsOf(randomValue(r, r.IntN(2) == 0, k, n), 0, k, n)}
		switch trial % 4 {
		case 1:
			p.left.sparse = true
		case 2: // some terms are in the padding
			area, taps := 1+r.IntN(20), 1+r.IntN(9)
			x := randomValue(r, r.IntN(2) == 0, 1+k, area)
			k = k / taps * taps
			p.left = factor{of: x, lanes: m, terms: k, run: taps, runStep: area, window: func(lane int, from []int) int {
				for i := range from {
					from[i] = (lane*7+i*3)%(area+2) - 2
					if from[i] < 0 {
						from[i] = -1
					}
				}
				return 0
			}}
			p.right = rowsOf(randomValue(r, r.IntN(2) == 0, n, k), 0, n, k)
		}
		fast, plain := sumsOf(t, f, p, false), sumsOf(t, f, p, true)
		for i := range fast {
			got, want := fast[i].sum(f, 0), plain[i].sum(f, 0)
			if fast[i].terms != plain[i].terms {
				t.Fatalf("trial %d: sum %d has %d terms, one by one %d", trial, i, fast[i].terms, plain[i].terms)
			}
			// The terms of one figure are added in another order.
			for _, x := range [][3]float64{{got.v, want.v, 0}, {got.sound, want.sound, 1e-12}, {got.spread, want.spread, 1e-12}, {got.declared, want.declared, 1e-12}} {
				if !(math.Abs(x[0]-x[1]) <= x[2]*x[1]) && x[0] != x[1] {
					t.Fatalf("trial %d: %dx%dx%d: sum %d is %v, term by term %v", trial, m, k, n, i, got, want)
				}
			}
		}
	}
}

// Values that tiles are not for are added term by term.
func TestProductsOfOddNumbers(t *testing.T) {
	f := formatOf(pb.TensorProto_DOUBLE)
	for _, x := range []float64{math.NaN(), math.Inf(-1), 1e200, 1e-200} {
		a, b := randomValue(rand.New(rand.NewPCG(1, 2)), true, 3, 5), randomValue(rand.New(rand.NewPCG(1, 3)), false, 5, 4)
		a.floats()[7] = x
		p := matrixProduct{left: rowsOf(a, 0, 3, 5), right: columnsOf(b, 0, 5, 4)}
		if fast, plain := fmt.Sprint(sumsOf(t, f, p, false)), fmt.Sprint(sumsOf(t, f, p, true)); fast != plain {
			t.Errorf("%v: got %s, term by term %s", x, fast, plain)
		}
	}
}

// Values and limits are the same to the last bit on any number of threads.
func TestNodesOnAnyNumberOfThreads(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	r := rand.New(rand.NewPCG(1, 5))
	floats := func(name string, dims ...int) *onnx.Tensor {
		x := make([]float32, size(dims))
		for i := range x {
			x[i] = float32(300 * r.NormFloat64())
		}
		return tensor(t, name, x, dims...)
	}
	bytes := func(name string, dims ...int) *onnx.Tensor {
		x := make([]uint8, size(dims))
		for i := range x {
			x[i] = uint8(r.UintN(256))
		}
		return tensor(t, name, x, dims...)
	}
	longs := func(name string, dims ...int) *onnx.Tensor {
		x := make([]int64, size(dims))
		for i := range x {
			x[i] = int64(r.Uint64())
		}
		return tensor(t, name, x, dims...)
	}
	for _, c := range []struct {
		source string
		inputs []*onnx.Tensor
	}{
		{"in x float 1,3,40,41\na = Tanh(x)\ny = Resize(a, , s) mode=\"linear\"\nout y", []*onnx.Tensor{floats("x", 1, 3, 40, 41), tensor(t, "s", []float32{1, 1, 1.7, 2}, 4)}},
		{"in x float 2,40,70\ny = Cast(x) to=3\nz = Cast(x) to=10\nout y z", []*onnx.Tensor{floats("x", 2, 40, 70)}},
		{"in x float 2,30,20\nin w float 2,20,40\na = Tanh(x)\ny = Einsum(a, w) equation=\"bij,bjk->ki\"\nout y", []*onnx.Tensor{floats("x", 2, 30, 20), floats("w", 2, 20, 40)}},
		{"in x int64 3,50,20\nin w int64 20,90\ny = MatMul(x, w)\nout y", []*onnx.Tensor{longs("x", 3, 50, 20), longs("w", 20, 90)}},
		{"in x float 60,90\nin w uint8 90,70\nin z uint8 70\nq, s, p = DynamicQuantizeLinear(x)\ny = MatMulInteger(q, w, p, z)\nout y", []*onnx.Tensor{floats("x", 60, 90), bytes("w", 90, 70), bytes("z", 70)}},
	} {
		var constants, given []*onnx.Tensor
		for _, x := range c.inputs {
			if strings.Contains(c.source, "in "+x.Name+" ") {
				given = append(given, x)
			} else {
				constants = append(constants, x)
			}
		}
		p, err := Compile(graph(t, 18, c.source, constants...), Options{})
		if err != nil {
			t.Fatalf("%s: %v", c.source, err)
		}
		first := ""
		for _, threads := range []int{1, 2, 5} {
			runtime.GOMAXPROCS(threads)
			result, err := p.RunTensors(t.Context(), given)
			if err != nil {
				t.Fatalf("%s: %v", c.source, err)
			}
			all := fmt.Sprint(result.Notes)
			for _, v := range result.Outputs {
				all += fmt.Sprint(v.Data, v.Sound, v.Spread, v.Declared)
			}
			if first == "" {
				first = all
			}
			if all != first {
				t.Errorf("%s: %d threads give another result than one", c.source, threads)
			}
		}
	}
}

// Results are the same to the last bit on any number of threads.
func TestProductsOnAnyNumberOfThreads(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	r := rand.New(rand.NewPCG(1, 4))
	p := matrixProduct{left: rowsOf(randomValue(r, true, 300, 200), 0, 300, 200), right: columnsOf(randomValue(r, true, 200, 140), 0, 200, 140)}
	var first []dot
	for _, threads := range []int{1, 2, 5} {
		runtime.GOMAXPROCS(threads)
		all := sumsOf(t, formatOf(pb.TensorProto_FLOAT), p, false)
		if first == nil {
			first = all
		}
		if fmt.Sprint(all) != fmt.Sprint(first) {
			t.Errorf("%d threads give other sums than one", threads)
		}
	}
}

// A chain of products without normalisations: sound limits grow faster than screens.
func TestSoundLimitsThatProveNothingAreLeftOut(t *testing.T) {
	const depth = 6
	r := rand.New(rand.NewPCG(5, 6))
	source, inits := "in x float 4,64\n", []*onnx.Tensor{}
	for i := range depth {
		w := make([]float32, 64*64)
		for k := range w {
			w[k] = float32(r.NormFloat64() / 8)
		}
		inits = append(inits, tensor(t, fmt.Sprint("w", i), w, 64, 64))
		source += fmt.Sprintf("x%d = MatMul(x%s, w%d)\n", i, map[bool]string{false: fmt.Sprint(i - 1)}[i == 0], i)
	}
	x := make([]float32, 4*64)
	for k := range x {
		x[k] = float32(r.NormFloat64())
	}
	values := func(o Options) (all []*Value) {
		p, err := Compile(graph(t, 13, source+fmt.Sprintf("out x%d", depth-1), inits...), o)
		if err != nil {
			t.Fatal(err)
		}
		in, err := FromTensor(tensor(t, "x", x, 4, 64))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Watch(t.Context(), []*Value{in}, func(v *Value) { all = append(all, v) }); err != nil {
			t.Fatal(err)
		}
		return all
	}
	asked, usual := values(Options{Sound: true}), values(Options{})
	left := 0
	for i, v := range usual {
		w := asked[i]
		if !slices.Equal(v.Data.(onnx.Slice[float64]), w.Data.(onnx.Slice[float64])) || !slices.Equal(v.Spread, w.Spread) || !slices.Equal(v.Declared, w.Declared) {
			t.Errorf("layer %d: other numbers, spreads or declared errors", i)
		}
		for k, s := range v.Sound {
			if ratio := w.Sound[k] / (Screens*w.Spread[k] + w.Declared[k]); s != w.Sound[k] && (i == 0 || !math.IsInf(s, 1) || !(ratio > 64)) {
				t.Fatalf("layer %d, element %d: a sound limit of %g in place of %g, %g screens", i, k, s, w.Sound[k], ratio)
			} else if s != w.Sound[k] {
				left++
			}
		}
	}
	if math.IsInf(slices.Max(asked[depth-1].Sound), 1) || !math.IsInf(slices.Min(usual[depth-1].Sound), 1) {
		t.Errorf("sound limits of the last layer from %g, if asked for up to %g", slices.Min(usual[depth-1].Sound), slices.Max(asked[depth-1].Sound))
	}
	if left == 0 {
		t.Error("no sound limit was left out")
	}
}
