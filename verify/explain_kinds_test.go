package verify

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/internal/race"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// A computation is one node with what it is given, and what some runtime made of it.
type computation struct {
	op     string
	opset  int64
	inputs []*onnx.Tensor
	attrs  []onnx.Attr
	output *onnx.Tensor
}

// judge verifies the recorded output.
func (c computation) judge(t *testing.T) Comparison {
	t.Helper()
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "computation", Opset: c.opset, IR: 8})
	dims := func(t *onnx.Tensor) []onnx.Dim {
		var all []onnx.Dim
		for _, n := range t.Dims {
			all = append(all, onnx.Fixed(int64(n)))
		}
		return all
	}
	var in []onnx.Value
	for _, x := range c.inputs {
		if x.Name == "" {
			in = append(in, onnx.Value{})
			continue
		}
		in = append(in, e.Input(x.Name, x.Type(), dims(x)...))
	}
	e.Step("y", "y")
	e.Output(e.Node(c.op, "", in, c.attrs...), c.output.Type(), dims(c.output)...)
	dir := t.TempDir()
	writeModel(t, dir, onnxtest.Model(t, e))
	inputs := slices.DeleteFunc(slices.Clone(c.inputs), func(x *onnx.Tensor) bool { return x.Name == "" })
	writeSet(t, dir, 0, inputs, []*onnx.Tensor{c.output})
	return rowsOf(report(t, Options{Paths: []string{dir}}), Recorded)[0]
}

// narrowed is a tensor of a floating-point type.
func narrowed(t *testing.T, name string, elem pb.TensorProto_DataType, x []float64, dims ...int) *onnx.Tensor {
	t.Helper()
	data, ok := onnx.Narrow(elem, onnx.Slice[float64](x))
	if !ok {
		t.Fatalf("%s: no elements of %s", name, elem)
	}
	v, err := onnx.TensorOf(name, data, dims...)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// A rounding is one to a format, or none.
type rounding func(float64) float64

func unrounded(x float64) float64 { return x }
func singled(x float64) float64   { return float64(float32(x)) }
func halved(x float64) float64    { return float64(onnx.NewFloat16(float32(x)).Float32()) }
func brain(x float64) float64     { return float64(onnx.NewBFloat16(float32(x)).Float32()) }

// tensorFloat keeps 10 bits after the point.
func tensorFloat(x float64) float64 {
	_, e := math.Frexp(x)
	return math.Ldexp(math.RoundToEven(math.Ldexp(x, 11-e)), e-11)
}

func cutTensorFloat(x float64) float64 {
	return float64(math.Float32frombits(math.Float32bits(float32(x)) &^ (1<<13 - 1)))
}

// A sum of products of x (rows, k) and w (k, cols): operands, products and partial sums
// in so many lanes, and results, each rounded in its own way.
func summed(x, w []float64, rows, k, cols, lanes int, operand, product, partial, store rounding) []float64 {
	y := make([]float64, rows*cols)
	for i := range y {
		part := make([]float64, lanes)
		for n := range k {
			p := product(operand(x[i/cols*k+n]) * operand(w[n*cols+i%cols]))
			part[n%lanes] = partial(part[n%lanes] + p)
		}
		sum := 0.0
		for _, s := range part {
			sum = partial(sum + s)
		}
		y[i] = store(sum)
	}
	return y
}

func gaussian(r *rand.Rand, n int, scale float64, store rounding) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = store(scale * r.NormFloat64())
	}
	return x
}

// TestAnArithmeticIsNamedAtEveryWidth has products computed in each arithmetic, in
// orders and roundings that it leaves open.
func TestAnArithmeticIsNamedAtEveryWidth(t *testing.T) {
	race.Skip(t)
	const rows, cols = 4, 24
	float, half, bfloat := pb.TensorProto_FLOAT, pb.TensorProto_FLOAT16, pb.TensorProto_BFLOAT16
	for _, tc := range []struct {
		name                             string
		elem                             pb.TensorProto_DataType
		lanes                            int
		operand, product, partial, store rounding
		want                             string
	}{
		{"TF32", float, 1, tensorFloat, unrounded, singled, singled, "tf32"},
		{"TF32, cut off", float, 8, cutTensorFloat, unrounded, singled, singled, "tf32"},
		{"float16", float, 1, halved, singled, singled, halved, "float16"},
		{"float16, results in float32", float, 4, halved, singled, singled, singled, "tf32"}, // which has as many bits
		{"bfloat16", float, 1, brain, singled, singled, brain, "bfloat16"},
		{"bfloat16, results in float32", float, 16, brain, singled, singled, singled, "bfloat16"},
		{"float16 sums", float, 1, halved, unrounded, halved, halved, "float16-sums"},
		{"float16 sums, products rounded", half, 8, unrounded, halved, halved, halved, "float16-sums"},
		{"bfloat16 sums", bfloat, 1, unrounded, brain, brain, brain, "bfloat16-sums"},
		{"bfloat16 sums of float32", float, 4, brain, unrounded, brain, brain, "bfloat16-sums"},
	} {
		for _, k := range []int{8, 64, 512, 4096} {
			r := rand.New(rand.NewPCG(12, uint64(k)))
			own := map[pb.TensorProto_DataType]rounding{float: singled, half: halved, bfloat: brain}[tc.elem]
			x, w := gaussian(r, rows*k, 1, own), gaussian(r, k*cols, 1, own)
			c := computation{"MatMul", 13, []*onnx.Tensor{narrowed(t, "x", tc.elem, x, rows, k), narrowed(t, "w", tc.elem, w, k, cols)}, nil,
				narrowed(t, "y", tc.elem, summed(x, w, rows, k, cols, tc.lanes, tc.operand, tc.product, tc.partial, tc.store), rows, cols)}
			if row := c.judge(t); row.Verdict != Different || row.Explained != tc.want {
				t.Errorf("%s, %d terms: %s, explained by %q, want %q: %s", tc.name, k, row.Verdict, row.Explained, tc.want, row.Reason)
			}
		}
	}
	for _, k := range []int{8, 64, 512, 4096} {
		r := rand.New(rand.NewPCG(13, uint64(k)))
		x, w, y := make([]uint8, rows*k), make([]int8, k*cols), make([]int32, rows*cols)
		for i := range x {
			x[i] = uint8(r.IntN(256))
		}
		for i := range w {
			w[i] = int8(r.IntN(256) - 128)
		}
		for i := range y {
			for n := 0; n < k; n += 2 {
				at := func(n int) int { return int(x[i/cols*k+n]) * int(w[n*cols+i%cols]) }
				y[i] += int32(min(max(at(n)+at(n+1), -1<<15), 1<<15-1))
			}
		}
		c := computation{"MatMulInteger", 10, []*onnx.Tensor{
			{Name: "x", Dims: []int{rows, k}, Data: onnx.Slice[uint8](x)}, {Name: "w", Dims: []int{k, cols}, Data: onnx.Slice[int8](w)},
		}, nil, &onnx.Tensor{Name: "y", Dims: []int{rows, cols}, Data: onnx.Slice[int32](y)}}
		if row := c.judge(t); row.Verdict != Different || row.Explained != "int8-saturating" {
			t.Errorf("saturating bytes, %d terms: %s, explained by %q: %s", k, row.Verdict, row.Explained, row.Reason)
		}
		for i := range y {
			y[i]++
		}
		if row := c.judge(t); row.Verdict != Different || row.Explained != "" {
			t.Errorf("saturating bytes off by one, %d terms: %s, explained by %q", k, row.Verdict, row.Explained)
		}
	}
}

// TestNoArithmeticExplainsAFault plants faults that are of the size of a narrower
// arithmetic's errors, or make numbers that it could store, into graphs of each type.
func TestNoArithmeticExplainsAFault(t *testing.T) {
	race.Skip(t)
	types := map[pb.TensorProto_DataType]rounding{pb.TensorProto_FLOAT: singled, pb.TensorProto_FLOAT16: halved, pb.TensorProto_BFLOAT16: brain}
	for elem, own := range types {
		for _, k := range []int{8, 64, 512, 4096} {
			for name, c := range faultyProducts(t, elem, own, k) {
				if row := c.judge(t); row.Explained != "" || row.Verdict != Different && elem == pb.TensorProto_FLOAT {
					t.Errorf("%s, %s, %d terms: %s, explained by %q: %s", name, elem, k, row.Verdict, row.Explained, row.Reason)
				}
			}
		}
		for name, c := range faultyOperators(t, elem, own) {
			if row := c.judge(t); row.Verdict != Different || row.Explained != "" {
				t.Errorf("%s, %s: %s, explained by %q: %s", name, elem, row.Verdict, row.Explained, row.Reason)
			}
		}
	}
}

// faultyProducts are products that are wrong, and rounded as the type says.
func faultyProducts(t *testing.T, elem pb.TensorProto_DataType, own rounding, k int) map[string]computation {
	const rows, cols = 4, 24
	all := map[string]computation{}
	for name, spoil := range map[string]func(x, w, y []float64){
		"3 % too large":    func(_, w, _ []float64) { scale(w, 1.03) },
		"1e-3 too small":   func(_, w, _ []float64) { scale(w, 1-1e-3) },
		"one row left out": func(_, w, _ []float64) { clear(w[(k-1)*cols:]) },
		"one channel 5 % too large": func(_, w, _ []float64) {
			for i := range k {
				w[i*cols] *= 1.05
			}
		},
		"two channels swapped": func(_, w, _ []float64) {
			for i := range k {
				w[i*cols], w[i*cols+1] = w[i*cols+1], w[i*cols]
			}
		},
		"weights in bytes": func(_, w, _ []float64) {
			for i := range w {
				w[i] = math.Round(w[i]*32) / 32
			}
		},
		"a bias of a hundredth": func(_, _, y []float64) {
			for i := range y {
				y[i] += 0.01 * math.Sqrt(float64(k))
			}
		},
	} {
		r := rand.New(rand.NewPCG(14, uint64(k)))
		x, w := gaussian(r, rows*k, 1, own), gaussian(r, k*cols, 1, own)
		in := []*onnx.Tensor{narrowed(t, "x", elem, x, rows, k), narrowed(t, "w", elem, w, k, cols)}
		before := make([]float64, rows*cols)
		wrong := slices.Clone(w)
		spoil(x, wrong, before)
		y := summed(x, wrong, rows, k, cols, 1, unrounded, unrounded, singled, unrounded)
		for i := range y {
			y[i] = own(y[i] + before[i])
		}
		all[name] = computation{"MatMul", 13, in, nil, narrowed(t, "y", elem, y, rows, cols)}
	}
	return all
}

func scale(x []float64, by float64) {
	for i := range x {
		x[i] *= by
	}
}

// faultyOperators are other operators that are wrong, and rounded as the type says.
func faultyOperators(t *testing.T, elem pb.TensorProto_DataType, own rounding) map[string]computation {
	r := rand.New(rand.NewPCG(15, 1))
	all := map[string]computation{}

	// Resize of whole numbers by 0.6 with aligned corners, counting from the length that was rounded down: whole numbers again.
	x := make([]float64, 8)
	for i := range x {
		x[i] = float64(i + 1)
	}
	if elem != pb.TensorProto_BFLOAT16 {
		all["Resize, aligned corners"] = computation{"Resize", 13, []*onnx.Tensor{
			narrowed(t, "x", elem, x, 1, 1, 2, 4), {}, {Name: "scales", Dims: []int{4}, Data: onnx.Slice[float32]{1, 1, 0.6, 0.6}},
		}, []onnx.Attr{onnx.String("coordinate_transformation_mode", "align_corners"), onnx.String("mode", "linear")}, narrowed(t, "y", elem, []float64{1, 4}, 1, 1, 1, 2)}
	}

	const rows, n = 24, 64
	x = gaussian(r, rows*n, 0.05, own)
	scales, y := slices.Repeat([]float64{1}, n), make([]float64, rows*n)
	for i := range rows {
		row := x[i*n : (i+1)*n]
		mean, variance := 0.0, 0.0
		for _, v := range row {
			mean += v / n
		}
		for _, v := range row {
			variance += (v - mean) * (v - mean) / n
		}
		for j, v := range row {
			y[i*n+j] = own((v - mean) / math.Sqrt(variance+1e-3))
		}
	}
	all["layer normalisation, another epsilon"] = computation{"LayerNormalization", 17, []*onnx.Tensor{
		narrowed(t, "x", elem, x, rows, n), narrowed(t, "scale", elem, scales, n),
	}, nil, narrowed(t, "y", elem, y, rows, n)}

	// A mean over windows that lie one place further.
	x, y = gaussian(r, n, 1, own), make([]float64, n-4)
	for i := range y {
		for _, v := range x[min(i+1, n-5):][:5] {
			y[i] += v / 5
		}
		y[i] = own(y[i])
	}
	all["mean, windows off by one"] = computation{"AveragePool", 11, []*onnx.Tensor{narrowed(t, "x", elem, x, 1, 1, n)},
		[]onnx.Attr{onnx.Ints("kernel_shape", 5)}, narrowed(t, "y", elem, y, 1, 1, n-4)}
	if elem == pb.TensorProto_BFLOAT16 {
		delete(all, "mean, windows off by one") // opset 11 has none
	}
	return all
}

// TestAnExplanationHoldsOnEveryDataSet records one data set as TF32 gives it, and one
// that is wrong in another way.
func TestAnExplanationHoldsOnEveryDataSet(t *testing.T) {
	const rows, k, cols = 4, 256, 24
	for _, tc := range []struct {
		gain float64
		want string
	}{{1, "tf32"}, {1.001, ""}} {
		r := rand.New(rand.NewPCG(16, 1))
		p := newProduct(t, rows, k, cols, normals(r, rows*k, 1), normals(r, k*cols, 1))
		dir := t.TempDir()
		writeModel(t, dir, p.job.model)
		for n := range 2 {
			x, w := gaussian(r, rows*k, 1, singled), gaussian(r, k*cols, 1, singled)
			operand := tensorFloat
			if n == 1 && tc.gain != 1 {
				operand = func(x float64) float64 { return x * math.Sqrt(tc.gain) }
			}
			y := summed(x, w, rows, k, cols, 1, operand, unrounded, singled, singled)
			elem := pb.TensorProto_FLOAT
			writeSet(t, dir, n, []*onnx.Tensor{narrowed(t, "x", elem, x, rows, k), narrowed(t, "w", elem, w, k, cols)}, []*onnx.Tensor{narrowed(t, "y", elem, y, rows, cols)})
		}
		for _, row := range rowsOf(report(t, Options{Paths: []string{dir}}), Recorded) {
			if row.Verdict != Different || row.Explained != tc.want || strings.Contains(row.Reason, "explains") != (tc.want != "") {
				t.Errorf("gain %g: %s, explained by %q: %s", tc.gain, row.Verdict, row.Explained, row.Reason)
			}
		}
	}
}
