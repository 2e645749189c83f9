package reference

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/onnx"
)

// Spreads of deep networks are compared with a float32 computation whose sums are added in random orders: errors may not be
// larger than they say, and in networks that mix them, spreads may not be larger than errors are by much.
func TestSpreadsOfDeepNetworks(t *testing.T) {
	const width, rows = 48, 6
	normal := func(r *rand.Rand, size float64) []float32 {
		return fill(width*width, func() float64 { return size * r.NormFloat64() / math.Sqrt(width) })
	}
	for _, c := range []struct {
		name    string
		layers  int
		weights func(r *rand.Rand) []float32
		body    string // of x, into y, with the weights w
		most    float64
	}{
		{"random", 40, func(r *rand.Rand) []float32 { return normal(r, math.Sqrt2) }, "m = MatMul(x, w)\ny = Relu(m)", 60},
		{"linear", 40, func(r *rand.Rand) []float32 { return normal(r, 1) }, "y = MatMul(x, w)", 60},
		{"residual", 40, func(r *rand.Rand) []float32 { return normal(r, 0.5) }, "m = MatMul(x, w)\na = Relu(m)\ny = Add(x, a)", 300},
		{"gated", 6, func(r *rand.Rand) []float32 { return normal(r, 3) }, "m = MatMul(x, w)\ns = Sigmoid(m)\ny = Mul(m, s)", 20},
		{"averages", 40, func(r *rand.Rand) []float32 {
			return fill(width*width, func() float64 { return (0.5 + r.Float64()) / width })
		}, "y = MatMul(x, w)", math.Inf(1)},
		{"equal columns", 40, func(r *rand.Rand) []float32 {
			w := normal(r, 1)
			for i := range w {
				w[i] = w[i/width*width]
			}
			return w
		}, "y = MatMul(x, w)", math.Inf(1)},
		{"near the identity", 40, func(r *rand.Rand) []float32 {
			w := normal(r, 0.1)
			for i := range width {
				w[i*width+i]++
			}
			return w
		}, "y = MatMul(x, w)", math.Inf(1)},
		{"one sum twice", 40, func(r *rand.Rand) []float32 { return normal(r, 0.7) }, "m = MatMul(x, w)\na = Relu(m)\nb = Sub(a, m)\nc = Add(x, b)\ny = Sub(c, b)", math.Inf(1)},
		{"normalised after", 24, func(r *rand.Rand) []float32 { return normal(r, 1) }, "m = MatMul(x, w)\na = Relu(m)\ns = Add(x, a)\ny = LayerNormalization(s, gain)", 5e4},
		{"normalised before", 24, func(r *rand.Rand) []float32 { return normal(r, 1) }, "n = LayerNormalization(x, gain)\nm = MatMul(n, w)\na = Relu(m)\ny = Add(x, a)", 1e5},
		{"normalised in pieces", 24, func(r *rand.Rand) []float32 { return normal(r, 1) }, "m = MatMul(x, w)\na = Relu(m)\ns = Add(x, a)\nmean = ReduceMean(s)\nd = Sub(s, mean)\nsquare = Mul(d, d)\nvariance = ReduceMean(square)\ndeviation = Sqrt(variance)\ny = Div(d, deviation)", 3e5},
		{"normalised twice", 24, func(r *rand.Rand) []float32 { return normal(r, 1) }, "m = MatMul(x, w)\nn = LayerNormalization(m, gain)\na = LayerNormalization(n, gain)\nd = Sub(n, a)\ny = Add(d, n)", math.Inf(1)},
		{"gated after", 24, func(r *rand.Rand) []float32 { return normal(r, 1) }, "m = MatMul(x, w)\na = Sigmoid(m)\ng = Mul(m, a)\ns = Add(x, g)\ny = LayerNormalization(s, gain)", 5e4},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(3, 4))
			var src strings.Builder
			fmt.Fprintf(&src, "in x0 float %d,%d\n", rows, width)
			gain, err := onnx.NewTensor("gain", fill(width, func() float64 { return 0.5 + r.Float64() }), width)
			if err != nil {
				t.Fatal(err)
			}
			inits := []*onnx.Tensor{gain}
			for i := range c.layers {
				w, err := onnx.NewTensor(fmt.Sprint("w", i), c.weights(r), width, width)
				if err != nil {
					t.Fatal(err)
				}
				inits = append(inits, w)
				for line := range strings.Lines(c.body) {
					fmt.Fprintln(&src, renamed(strings.TrimSpace(line), i))
				}
			}
			fmt.Fprintf(&src, "out x%d", c.layers)
			p, err := Compile(graph(t, 17, src.String(), inits...), Options{})
			if err != nil {
				t.Fatal(err)
			}
			x := tensor(t, "x0", fill(rows*width, r.NormFloat64), rows, width)
			want, err := p.RunTensors(t.Context(), []*onnx.Tensor{x})
			if err != nil {
				t.Fatal(err)
			}
			out := want.Outputs[0]
			var squares, largest, spreads, errors float64
			const repeats = 2
			for range repeats {
				got := inFloat32(t, r, c.body, x, inits, rows, width)
				for i, g := range got {
					d := float64(g) - out.Float(i)
					z := max(0, math.Abs(d)-out.Declared[i])
					if z > 0 {
						z /= out.Spread[i]
					}
					largest = max(largest, z)
					squares += z * z / float64(len(got)*repeats)
					spreads += out.Spread[i] * out.Spread[i]
					errors += d * d
				}
			}
			ratio := math.Sqrt(spreads / errors)
			t.Logf("errors are at most %.3g spreads, root mean square %.3g; spreads are %.3g times as large as errors", largest, math.Sqrt(squares), ratio)
			if errors == 0 {
				t.Fatal("there are no errors")
			}
			if largest > 4 || squares > 1.5 {
				t.Errorf("errors are %.3g spreads, root mean square %.3g", largest, math.Sqrt(squares))
			}
			if ratio > c.most {
				t.Errorf("spreads are %.3g times as large as errors, want at most %.3g", ratio, c.most)
			}
		})
	}
}

// renamed is a line of a layer's body for layer i: x is what the layer before made, y what this one makes.
func renamed(line string, i int) string {
	fields := strings.FieldsFunc(line, func(c rune) bool { return strings.ContainsRune(" =(),", c) })
	args := []string{}
	for k, f := range fields {
		switch {
		case k == 1:
		case f == "x":
			fields[k] = fmt.Sprint("x", i)
		case f == "y":
			fields[k] = fmt.Sprint("x", i+1)
		case f == "gain": // one for all layers
		default:
			fields[k] = fmt.Sprint(f, i)
		}
		if k > 1 {
			args = append(args, fields[k])
		}
	}
	attributes := ""
	if fields[1] == "ReduceMean" {
		attributes = " axes=1,"
	}
	return fmt.Sprintf("%s = %s(%s)%s", fields[0], fields[1], strings.Join(args, ", "), attributes)
}

// inFloat32 computes the layers one after the other.
func inFloat32(t *testing.T, r *rand.Rand, body string, x *onnx.Tensor, weights []*onnx.Tensor, rows, width int) []float32 {
	t.Helper()
	values := map[string][]float32{"x": floats32(t, x), "gain": floats32(t, weights[0])}
	for _, w := range weights[1:] {
		values["w"] = floats32(t, w)
		for line := range strings.Lines(body) {
			f := strings.FieldsFunc(strings.TrimSpace(line), func(c rune) bool { return strings.ContainsRune(" =(),", c) })
			a := values[f[2]]
			out := make([]float32, len(a))
			if f[1] == "ReduceMean" {
				out = out[:rows]
			}
			row := func(i int) []float32 { return a[i/width*width : (i/width+1)*width] }
			second := func(i int) float32 { // of one size, or one for each row
				b := values[f[3]]
				return b[i*len(b)/len(a)]
			}
			for i := range out {
				switch f[1] {
				case "MatMul":
					column := make([]float32, width)
					for k := range column {
						column[k] = values[f[3]][k*width+i%width]
					}
					out[i] = dot32(r, row(i), column)
				case "ReduceMean":
					out[i] = mean32(r, row(i*width))
				case "Sqrt":
					out[i] = float32(math.Sqrt(float64(a[i])))
				case "Div":
					out[i] = a[i] / second(i)
				case "LayerNormalization":
					if i%width > 0 {
						continue // the whole row was computed
					}
					mean := mean32(r, row(i))
					squares := make([]float32, width)
					for k, v := range row(i) {
						squares[k] = (v - mean) * (v - mean)
					}
					factor := 1 / float32(math.Sqrt(float64(mean32(r, squares)+1e-5)))
					for k, v := range row(i) {
						out[i+k] = (v - mean) * factor * values["gain"][k]
					}
				case "Relu":
					out[i] = max(0, a[i])
				case "Neg":
					out[i] = -a[i]
				case "Sigmoid":
					out[i] = float32(1 / (1 + math.Exp(-float64(a[i]))))
				case "Add":
					out[i] = a[i] + second(i)
				case "Sub":
					out[i] = a[i] - second(i)
				case "Mul":
					out[i] = a[i] * second(i)
				default:
					t.Fatalf("no %s", f[1])
				}
			}
			values[f[0]] = out
		}
		values["x"] = values["y"]
	}
	return values["x"]
}

func mean32(r *rand.Rand, x []float32) float32 {
	ones := make([]float32, len(x))
	for i := range ones {
		ones[i] = 1
	}
	return dot32(r, x, ones) / float32(len(x))
}

func floats32(t *testing.T, x *onnx.Tensor) []float32 {
	t.Helper()
	s, ok := x.Weights()
	if !ok {
		t.Fatalf("%s is not a float32", x.Name)
	}
	return s
}
