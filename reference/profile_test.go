package reference

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"google.golang.org/protobuf/proto"
)

// What runtimes make of an operand, a partial sum or a result.

func tf32(x float64) float64 { return formatOf(pb.TensorProto_FLOAT16).nearest(x) } // the precision of float16, the range of float32

func cutTF32(x float64) float64 {
	return float64(math.Float32frombits(math.Float32bits(float32(x)) &^ (1<<13 - 1)))
}

func half(x float64) float64  { return float64(onnx.NewFloat16(float32(x)).Float32()) }
func brain(x float64) float64 { return float64(onnx.NewBFloat16(float32(x)).Float32()) }
func plain(x float64) float64 { return x }
func float(x float64) float64 {
	return float64(float32(x))
}

// TestProductsUnderEveryProfile adds up products as the runtimes do that a profile
// stands for, and as some that it does not.
func TestProductsUnderEveryProfile(t *testing.T) {
	type arithmetic struct{ operand, sum, store func(float64) float64 }
	runtimes := map[string]arithmetic{
		"float32":              {plain, float, plain},
		"tf32":                 {tf32, float, plain},
		"tf32, cut":            {cutTF32, float, plain},
		"float16":              {half, float, half},
		"float16 in float16":   {half, half, half},
		"bfloat16":             {brain, float, brain},
		"bfloat16 in bfloat16": {brain, brain, brain},
	}
	within := map[string][]string{
		"float32":       {"float32"},
		"tf32":          {"float32", "tf32", "tf32, cut"},
		"float16":       {"float32", "tf32", "float16"},
		"float16-sums":  {"float32", "tf32", "float16", "float16 in float16"},
		"bfloat16":      {"float32", "tf32", "tf32, cut", "float16", "bfloat16"},
		"bfloat16-sums": {"float32", "tf32", "tf32, cut", "float16", "bfloat16", "bfloat16 in bfloat16"},
	}
	beyond := map[string][]string{
		"float32":  {"tf32", "tf32, cut", "float16", "float16 in float16", "bfloat16", "bfloat16 in bfloat16"},
		"bfloat16": {"bfloat16 in bfloat16"},
		"tf32":     {"float16 in float16"},
		"float16":  {"float16 in float16", "bfloat16"},
	}
	const rows, k, cols = 8, 700, 16
	r := rand.New(rand.NewPCG(1, 8))
	x, w := make([]float32, rows*k), make([]float32, k*cols)
	for _, s := range [][]float32{x, w} {
		for i := range s {
			s[i] = float32(r.NormFloat64())
		}
	}
	for _, p := range Profiles() {
		if within[p.Name] == nil {
			continue
		}
		v := multiplied(t, p, rows, k, cols, x, w)
		for name, a := range runtimes {
			outside := 0
			for i := range rows {
				for j := range cols {
					y := 0.0
					for l := range k {
						y = a.sum(y + a.sum(a.operand(float64(x[i*k+l]))*a.operand(float64(w[l*cols+j]))))
					}
					at := i*cols + j
					if d := math.Abs(a.store(y) - v.floats()[at]); !(d <= v.Screen(at)) {
						outside++
					} else if !(d <= v.Sound[at]) {
						t.Errorf("%s: the screen is wider than the sound limit", p.Name)
					}
				}
			}
			if slices.Contains(within[p.Name], name) && outside > 0 || slices.Contains(beyond[p.Name], name) && outside == 0 {
				t.Errorf("%s: %d of %d elements computed in %s are beyond the screen", p.Name, outside, rows*cols, name)
			}
		}
	}
}

// multiplied is x (rows, k) times w (k, cols) with the figures of a profile.
func multiplied(t *testing.T, p Profile, rows, k, cols int, x, w []float32) *Value {
	t.Helper()
	c := &call{meter: &meter{ctx: t.Context(), memory: 1 << 30, work: 1 << 40, profile: p}, step: &step{}}
	a, err := FromTensor(&onnx.Tensor{Dims: []int{rows, k}, Data: onnx.Slice[float32](x)})
	if err != nil {
		t.Fatal(err)
	}
	b, err := FromTensor(&onnx.Tensor{Dims: []int{k, cols}, Data: onnx.Slice[float32](w)})
	if err != nil {
		t.Fatal(err)
	}
	return c.matMul(a, b)
}

// TestHalfPrecisionIsAddedUpInFloat32 states what an element of a float16 graph
// may be off: half a unit in its last place, and little more.
func TestHalfPrecisionIsAddedUpInFloat32(t *testing.T) {
	const terms = 4096
	x := make([]onnx.Float16, terms)
	for i := range x {
		x[i] = onnx.NewFloat16(float32(1 + i%3))
	}
	for _, tc := range []struct {
		profile string
		least   float64 // of the screen over |y|, in units of 2^-11
		most    float64
	}{{"float32", 1, 1.6}, {"float16-sums", 50, math.Inf(1)}} {
		p, err := FindProfile(tc.profile)
		if err != nil {
			t.Fatal(err)
		}
		c := &call{meter: &meter{ctx: t.Context(), memory: 1 << 30, work: 1 << 40, profile: p}, step: &step{}}
		a, err := FromTensor(&onnx.Tensor{Dims: []int{1, terms}, Data: onnx.Slice[onnx.Float16](x)})
		if err != nil {
			t.Fatal(err)
		}
		y := c.matMul(a, reshaped(a, []int{terms, 1}))
		if got := y.Screen(0) / y.floats()[0] * 0x1p11; !(got >= tc.least && got <= tc.most) {
			t.Errorf("%s: a screen of %.3g units, want %g to %g", tc.profile, got, tc.least, tc.most)
		}
	}
}

// normalisation is a normalisation of float16, by 64 elements.
func normalisation(t *testing.T, opset int64, text, stash string) *Value {
	t.Helper()
	r := rand.New(rand.NewPCG(3, 8))
	draw := func(n int) []onnx.Float16 {
		x := make([]onnx.Float16, n)
		for i := range x {
			x[i] = onnx.NewFloat16(float32(3 + r.NormFloat64()))
		}
		return x
	}
	m := graph(t, opset, "in x float16 4,64\n"+strings.ReplaceAll(text, "STASH", stash), tensor(t, "s", draw(64), 64))
	return run(t, m, tensor(t, "x", draw(256), 4, 64))[0]
}

// TestStashTypeIsObeyed holds what a normalisation of float16 may be off to the
// type of its statistics.
func TestStashTypeIsObeyed(t *testing.T) {
	for op, text := range map[string]string{
		"LayerNormalization": "y = LayerNormalization(x, s) stash_type=STASH\nout y",
		"RMSNormalization":   "y = RMSNormalization(x, s) stash_type=STASH\nout y",
	} {
		width := map[string]float64{}
		for _, stash := range []string{"1", "10"} {
			v := normalisation(t, 23, text, stash)
			for i := range v.floats() {
				width[stash] = max(width[stash], v.Screen(i)/max(1, math.Abs(v.floats()[i])))
			}
		}
		if !(width["1"] <= 6*0x1p-11 && width["10"] > 2*width["1"]) {
			t.Errorf("%s: screens of %.3g with statistics in float32, %.3g in float16", op, width["1"], width["10"])
		}
	}
}

func TestPairsOfBytesThatSaturate(t *testing.T) {
	p, err := FindProfile("int8-saturating")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		a    []uint8
		b    []int8
		want float64 // what may be lost
	}{
		{"small", []uint8{1, 2, 3, 4}, []int8{1, -2, 3, -4}, 0},
		{"one pair", []uint8{255, 255, 1, 1}, []int8{127, 127, 1, 1}, 2*255*127 - 0x7FFF},
		{"two pairs, one below", []uint8{255, 255, 255, 255}, []int8{127, 127, -128, -128}, 2*255*127 - 0x7FFF + 2*255*128 - 0x8000},
		{"across pairs", []uint8{0, 255, 255, 0}, []int8{127, 127, 127, 127}, 0},
		{"an odd one", []uint8{0, 0, 255}, []int8{0, 0, 127}, 0},
	} {
		for _, profile := range []Profile{p, {}} {
			c := &call{meter: &meter{ctx: t.Context(), memory: 1 << 30, work: 1 << 40, profile: profile}, step: &step{}}
			a, err := FromTensor(&onnx.Tensor{Dims: []int{1, len(tc.a)}, Data: onnx.Slice[uint8](tc.a)})
			if err != nil {
				t.Fatal(err)
			}
			b, err := FromTensor(&onnx.Tensor{Dims: []int{len(tc.b), 1}, Data: onnx.Slice[int8](tc.b)})
			if err != nil {
				t.Fatal(err)
			}
			y := c.shiftedProduct(a, nil, b, nil)
			want := tc.want
			if profile.Name == "" {
				want = 0
			}
			if got := y.figures(0).sound; got != want {
				t.Errorf("%s, profile %q: %g may be lost, want %g", tc.name, profile.Name, got, want)
			}
		}
	}
}

func TestNamesOfProfiles(t *testing.T) {
	if p, err := FindProfile(""); err != nil || p.Name != "float32" {
		t.Errorf("the default is %q, %v", p.Name, err)
	}
	for _, name := range []string{"fp8", Flush, "fp8" + Flush, "tf32" + Flush + Flush} {
		if _, err := FindProfile(name); err == nil {
			t.Errorf("%q, which is not a profile, is found", name)
		}
	}
	if p, err := FindProfile("tf32" + Flush); err != nil || !p.Flushes() || p.Name != "tf32+ftz" {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestFusedProductsOfBytesSaturate is the same for operators that have such a product
// inside: two pairs of 255 by 127, times a scale of 1/2.
func TestFusedProductsOfBytesSaturate(t *testing.T) {
	saturating, err := FindProfile("int8-saturating")
	if err != nil {
		t.Fatal(err)
	}
	bytes, weights := slices.Repeat([]uint8{255}, 4), slices.Repeat([]int8{127}, 4)
	half, one := tensor(t, "h", []float32{0.5}), tensor(t, "e", []float32{1})
	none, nothing := tensor(t, "z", []uint8{0}), tensor(t, "n", []int8{0})
	const lost = 2 * (2*255*127 - 0x7FFF)
	for _, tc := range []struct {
		name, src string
		x         *onnx.Tensor
		want      float64
	}{
		{"MatMulIntegerToFloat", "in x uint8 1,4\ny = MatMulIntegerToFloat(x, w, h, e)\nout y", tensor(t, "x", bytes, 1, 4), lost / 2},
		{"QGemm", "in x uint8 1,4\ny = QGemm(x, h, z, w, e, n)\nout y", tensor(t, "x", bytes, 1, 4), lost / 2},
		{"DynamicQuantizeMatMul", "in x float 1,4\ny = DynamicQuantizeMatMul(x, w, h)\nout y", tensor(t, "x", []float32{255, 255, 255, 255}, 1, 4), lost / 2},
		{"QLinearConv", "in x uint8 1,1,1,4\ny = QLinearConv(x, h, z, k, e, n, g, z) channels_last=1\nout y", tensor(t, "x", bytes, 1, 1, 1, 4), lost / 2 / 500.},
	} {
		for _, profile := range []Profile{saturating, {}} {
			m := graph(t, 21, tc.src, half, one, none, nothing, tensor(t, "w", weights, 4, 1), tensor(t, "k", weights, 1, 4, 1, 1), tensor(t, "g", []float32{500}))
			m.Proto.Graph.Node[0].Domain = proto.String(microsoft)
			m.Proto.OpsetImport = append(m.Proto.OpsetImport, &pb.OperatorSetIdProto{Domain: proto.String(microsoft), Version: proto.Int64(1)})
			p, err := Compile(m, Options{Profile: profile})
			if err != nil {
				t.Fatal(err)
			}
			r, err := p.RunTensors(t.Context(), []*onnx.Tensor{tc.x})
			if err != nil {
				t.Fatal(err)
			}
			got := r.Outputs[0].figures(0).declared
			if wide := got > 0.9*tc.want; wide != (profile.Name != "") || tc.want <= 0 {
				t.Errorf("%s, profile %q: declared %g, want %g of what saturation loses", tc.name, profile.Name, got, tc.want)
			}
		}
	}
}
