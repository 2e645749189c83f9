package verify

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/internal/race"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/reference"
)

// A product is a MatMul of x (rows, k) and w (k, cols), as a job of one node.
type product struct {
	job           *job
	rows, k, cols int
	x, w          []float32
	values        map[string]*reference.Value
}

func newProduct(t *testing.T, rows, k, cols int, x, w []float32) *product {
	t.Helper()
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "product", Opset: 13, IR: 8})
	a := e.Input("x", elem, onnx.Fixed(int64(rows)), onnx.Fixed(int64(k)))
	b := e.Input("w", elem, onnx.Fixed(int64(k)), onnx.Fixed(int64(cols)))
	e.Step("y", "y")
	e.Output(e.Node("MatMul", "", []onnx.Value{a, b}), elem, onnx.Fixed(int64(rows)), onnx.Fixed(int64(cols)))
	p := &product{job: &job{options: Options{}.withDefaults(), model: onnxtest.Model(t, e)}, rows: rows, k: k, cols: cols, x: x, w: w}
	var err error
	if p.job.program, err = reference.Compile(p.job.model, reference.Options{}); err != nil {
		t.Fatal(err)
	}
	p.values = map[string]*reference.Value{
		"x": valueOf(&onnx.Tensor{Name: "x", Dims: []int{rows, k}, Data: onnx.Slice[float32](x)}),
		"w": valueOf(&onnx.Tensor{Name: "w", Dims: []int{k, cols}, Data: onnx.Slice[float32](w)}),
	}
	return p
}

// judge examines what a runtime gave.
func (p *product) judge(t *testing.T, y []float32) examination {
	t.Helper()
	r, err := p.job.program.RunNode(t.Context(), 0, p.values)
	if err != nil {
		t.Fatal(err)
	}
	got := valueOf(&onnx.Tensor{Name: "y", Dims: []int{p.rows, p.cols}, Data: onnx.Slice[float32](y)})
	e, err := examine(t.Context(), p.job.program, 0, 0, p.values, r.Outputs[0], got)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// inFloat32 adds the products in float32: lanes partial sums, each over blocks of
// the given length, which are added to the sum one after the other.
func (p *product) inFloat32(lanes, block int, of func(x, w float32) float32) []float32 {
	y := make([]float32, p.rows*p.cols)
	part := make([]float32, lanes)
	for i := range p.rows {
		for j := range p.cols {
			var sum float32
			for from := 0; from < p.k; from += block {
				clear(part)
				for k := from; k < min(from+block, p.k); k++ {
					part[k%lanes] += of(p.x[i*p.k+k], p.w[k*p.cols+j])
				}
				for _, s := range part {
					sum += s
				}
			}
			y[i*p.cols+j] = sum
		}
	}
	return y
}

func multiplied(x, w float32) float32 { return x * w }

func normals(r *rand.Rand, n int, scale float64) []float32 {
	return drawn(n, func() float32 { return float32(scale * r.NormFloat64()) })
}

// TestProductsAreAcquittedInEveryOrder holds float32, in the orders of addition
// that runtimes have, to the screen and the collective limits of a node.
func TestProductsAreAcquittedInEveryOrder(t *testing.T) {
	race.Skip(t)
	const rows, cols = 5, 40
	inputs := map[string]func(r *rand.Rand, k int) (x, w []float32){
		"normal": func(r *rand.Rand, k int) (x, w []float32) { return normals(r, rows*k, 1), normals(r, k*cols, 1) },
		"positive": func(r *rand.Rand, k int) (x, w []float32) {
			x, w = normals(r, rows*k, 1), normals(r, k*cols, 1)
			for _, s := range [][]float32{x, w} {
				for i := range s {
					s[i] = max(s[i], -s[i])
				}
			}
			return x, w
		},
		// Partial sums climb over half of the terms, and come back.
		"half a wave": func(r *rand.Rand, k int) (x, w []float32) {
			x, w = normals(r, rows*k, 0.01), normals(r, k*cols, 0.01)
			for i := range x {
				x[i] += float32(math.Sin(2 * math.Pi * float64(i%k) / float64(k)))
			}
			for i := range w {
				w[i]++
			}
			return x, w
		},
		// Every lane of a vector register has terms of one sign.
		"alternating": func(r *rand.Rand, k int) (x, w []float32) {
			x, w = normals(r, rows*k, 0.01), normals(r, k*cols, 0.01)
			for i := range x {
				x[i] += float32(1 - 2*(i%k%2))
			}
			for i := range w {
				w[i]++
			}
			return x, w
		},
		// Every addition rounds the same way, or nearly so.
		"all but equal": func(r *rand.Rand, k int) (x, w []float32) {
			x, w = make([]float32, rows*k), make([]float32, k*cols)
			for i := range x {
				x[i] = 0.1
			}
			for i := range w {
				w[i] = 0.7
			}
			x[0], w[0] = 0.2, 0.3
			return x, w
		},
		// Rows that differ in the last terms only share their roundings.
		"places behind a code": func(r *rand.Rand, k int) (x, w []float32) {
			x, w = make([]float32, rows*k), normals(r, k*cols, 1)
			code := normals(r, k, 1)
			for i := range rows {
				copy(x[i*k:], code)
				x[i*k+k-1] = float32(i)
			}
			return x, w
		},
		"rows equal up to rounding": func(r *rand.Rand, k int) (x, w []float32) {
			x, w = make([]float32, rows*k), normals(r, k*cols, 1)
			code := normals(r, k, 1)
			for i := range x {
				x[i] = code[i%k] * (1 + float32(r.IntN(3)-1)*0x1p-23)
			}
			return x, w
		},
		"few bits": func(r *rand.Rand, k int) (x, w []float32) {
			return drawn(rows*k, func() float32 { return float32(r.IntN(16)) }), drawn(k*cols, func() float32 { return float32(r.IntN(7)-3) * 0.1 })
		},
	}
	var largest statistics
	for name, draw := range inputs {
		for _, k := range []int{1, 2, 16, 100, 784, 2048} {
			for seed := range uint64(3) {
				x, w := draw(rand.New(rand.NewPCG(seed, uint64(k))), k)
				p := newProduct(t, rows, k, cols, x, w)
				for _, order := range [][2]int{{1, k}, {1, 64}, {4, k}, {8, 256}, {16, k}} {
					e := p.judge(t, p.inFloat32(order[0], order[1], multiplied))
					if e.fault != nil {
						t.Errorf("%s, %d terms in %d lanes, blocks of %d: %s", name, k, order[0], order[1], e.fault.verdict())
					}
					largest.add(e.spreads, e.collective)
				}
			}
		}
	}
	t.Logf("at most %.2g spreads, root mean square %.2g, bias %.2g", largest.spreads, largest.rms, largest.bias)
}

// TestWhatIsNotFloat32IsConvicted plants what the sound limit of a product lets pass.
func TestWhatIsNotFloat32IsConvicted(t *testing.T) {
	race.Skip(t)
	const rows, cols = 8, 64
	cut := func(x float32, bits uint) float32 { // to so many bits of the significand, to nearest
		b := math.Float32bits(x) + 1<<(22-bits) - 1 + math.Float32bits(x)>>(23-bits)&1
		return math.Float32frombits(b &^ (1<<(23-bits) - 1))
	}
	gain := func(g float32) func(x, w float32) float32 {
		return func(x, w float32) float32 { return x * (w * (1 + g)) }
	}
	for _, tc := range []struct {
		name  string
		of    func(x, w float32) float32
		terms []int
	}{
		{"TF32 operands", func(x, w float32) float32 { return cut(x, 10) * cut(w, 10) }, []int{16, 256, 1024, 4096}},
		{"bfloat16 operands", func(x, w float32) float32 { return cut(x, 7) * cut(w, 7) }, []int{16, 256, 1024, 4096}},
		{"weights too large by 1e-4", gain(1e-4), []int{16, 256, 1024, 4096}},
		{"weights too large by 3e-5", gain(3e-5), []int{16, 256, 1024, 4096}},
		{"weights too large by 1e-5", gain(1e-5), []int{16, 256, 1024}},
	} {
		for _, k := range tc.terms {
			r := rand.New(rand.NewPCG(uint64(k), 3))
			p := newProduct(t, rows, k, cols, normals(r, rows*k, 1), normals(r, k*cols, 1))
			e := p.judge(t, p.inFloat32(8, 256, tc.of))
			if e.fault == nil {
				t.Errorf("%s, %d terms: acquitted at %.3g spreads, %+v", tc.name, k, float64(e.spreads), e.collective)
				continue
			}
			if !e.fault.Proven && !(e.fault.Log10 < -12) {
				t.Errorf("%s, %d terms: convicted with a probability of 10^%.1f: %v", tc.name, k, float64(e.fault.Log10), e.fault)
			}
		}
	}
}

// TestErrorsThatAgreeAreConvictedTogether plants an error too small for any element
// to show, in one direction.
func TestErrorsThatAgreeAreConvictedTogether(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	p := newProduct(t, 40, 512, 60, normals(r, 40*512, 1), normals(r, 512*60, 1))
	y := p.inFloat32(8, 256, multiplied)
	if e := p.judge(t, y); e.fault != nil {
		t.Fatal(e.fault.verdict())
	}
	z := make([]float32, len(y))
	for _, tc := range []struct {
		shift float32
		want  bool
	}{{1e-7, false}, {2e-5, true}, {1e-4, true}} {
		for i := range y {
			z[i] = y[i] + tc.shift
		}
		e := p.judge(t, z)
		if (e.fault != nil) != tc.want {
			t.Errorf("all elements %g too large: fault %v, want one: %v (%+v)", tc.shift, e.fault, tc.want, e.collective)
		}
		if e.fault != nil && e.fault.Collective == nil {
			t.Errorf("all elements %g too large: no collective fault: %v", tc.shift, e.fault)
		}
	}
}

// TestRowsThatShareRoundingsAreNoBias has many rows that differ in their last
// term only, so that all elements of a column have almost the same error.
func TestRowsThatShareRoundingsAreNoBias(t *testing.T) {
	race.Skip(t)
	const rows, k, cols = 3000, 600, 16
	beyond := 0
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 4))
		x, code := make([]float32, rows*k), normals(r, k, 1)
		for i := range rows {
			copy(x[i*k:], code)
			x[i*k+k-1] = float32(r.NormFloat64())
		}
		e := newProduct(t, rows, k, cols, x, normals(r, k*cols, 1))
		got := e.judge(t, e.inFloat32(1, k, multiplied))
		if got.fault != nil {
			t.Error(got.fault.verdict())
		}
		if c := got.collective; float64(c.Bias) > reference.Screens+c.shared {
			beyond++ // were the elements independent
		}
	}
	if beyond == 0 {
		t.Error("no bias is beyond what independent errors give: the test shows nothing")
	}
}

func TestCollectiveLimitsByNumberOfElements(t *testing.T) {
	for _, tc := range []struct {
		n       int
		rms     float64 // the limit
		between float64
	}{{1, 8, 10}, {10, 3, 4}, {1000, 1.1, 1.3}, {100000, 1, 1.05}} {
		want := &reference.Value{Name: "y", Type: elem, Dims: []int{tc.n}}
		data, spread := make(onnx.Slice[float64], tc.n), make([]float64, tc.n)
		for i := range data {
			data[i], spread[i] = float64(i), 1e-9
		}
		want.Data, want.Spread, want.Sound, want.Declared = data, spread, spread, make([]float64, tc.n)
		c := collect(want, want)
		if l := float64(c.RMSLimit); !(l >= tc.rms && l <= tc.between) {
			t.Errorf("%d elements: a limit of %.3g for the root mean square, want %g to %g", tc.n, l, tc.rms, tc.between)
		}
	}
	if c := collect(&reference.Value{Type: elem, Dims: []int{1}, Data: onnx.Slice[float64]{1}}, &reference.Value{Data: onnx.Slice[float64]{1}}); c != nil {
		t.Errorf("exact elements have collective figures: %+v", c)
	}
}

func ExampleFault() {
	f := Fault{Node: `MatMul node of "y"`, Op: "MatMul", Output: "y", Log10: -40, At: Deviation{Index: []int{0, 3}, Got: 1.5, Want: 1.25, Limit: 0.1}}
	fmt.Println(f.verdict())
	// Output: improbable as rounding (about 1 in 10^40): MatMul node of "y": y[0,3] is 1.5, want 1.25 ± 0.1
}
