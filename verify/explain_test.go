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
	"github.com/petrify-ml/petrify/reference"
)

// TestTheArithmeticThatExplainsADifferenceIsNamed records products as other
// arithmetics give them, and one that none of them does.
func TestTheArithmeticThatExplainsADifferenceIsNamed(t *testing.T) {
	const rows, k, cols = 4, 512, 24
	cut := func(bits int) func(float32) float32 {
		return func(x float32) float32 {
			b := math.Float32bits(x)
			b += 1<<(22-bits) - 1 + b>>(23-bits)&1
			return math.Float32frombits(b &^ (1<<(23-bits) - 1))
		}
	}
	half := func(x float32) float32 { return onnx.NewFloat16(x).Float32() }
	same := func(x float32) float32 { return x }
	for _, tc := range []struct {
		name           string
		operand, store func(float32) float32
		gain           float32
		declared, want string
		verdict        Verdict
	}{
		{"float32", same, same, 1, "", "", Equal},
		{"TF32", cut(10), same, 1, "", "tf32", Different},
		{"TF32, declared", cut(10), same, 1, "tf32", "", Equal},
		{"float16", cut(10), half, 1, "", "float16", Different},
		{"float16, declared", cut(10), half, 1, "float16", "", Equal},
		{"bfloat16", cut(7), cut(7), 1, "", "bfloat16", Different},
		{"bfloat16, though TF32 is declared", cut(7), cut(7), 1, "tf32", "bfloat16", Different},
		{"bfloat16 in bfloat16, declared", cut(7), cut(7), 1, "bfloat16-sums", "", Equal},
		{"one in a thousand too large", same, same, 1 + 1e-3, "", "", Different},
		{"one in a thousand too small", same, same, 1 - 1e-3, "", "", Different},
		{"three in ten thousand too large", same, same, 1 + 3e-4, "", "", Different},
		{"one in a hundred too large, and stored in float16", same, half, 1 + 1e-2, "", "", Different},
		{"three per cent too large", same, same, 1.03, "", "", Different},
		{"three in a million too large", same, same, 1 + 3e-6, "", "", Different},
	} {
		r := rand.New(rand.NewPCG(4, 4))
		p := newProduct(t, rows, k, cols, normals(r, rows*k, 1), normals(r, k*cols, 1))
		y := p.inFloat32(1, k, func(x, w float32) float32 { return tc.operand(x) * tc.operand(w) * tc.gain })
		for i := range y {
			y[i] = tc.store(y[i])
		}
		dir := t.TempDir()
		writeModel(t, dir, p.job.model)
		writeSet(t, dir, 0, []*onnx.Tensor{
			{Name: "x", Dims: []int{rows, k}, Data: onnx.Slice[float32](p.x)}, {Name: "w", Dims: []int{k, cols}, Data: onnx.Slice[float32](p.w)},
		}, []*onnx.Tensor{{Name: "y", Dims: []int{rows, cols}, Data: onnx.Slice[float32](y)}})
		profile, err := reference.FindProfile(tc.declared)
		if err != nil {
			t.Fatal(err)
		}
		rep := report(t, Options{Paths: []string{dir}, Reference: reference.Options{Profile: profile}})
		row := rowsOf(rep, Recorded)[0]
		if row.Verdict != tc.verdict || row.Explained != tc.want {
			t.Errorf("%s: %s, explained by %q, want %s and %q: %s", tc.name, row.Verdict, row.Explained, tc.verdict, tc.want, row.Reason)
		}
		if tc.want != "" && !strings.Contains(row.Reason, "different from "+profile.Name+"; "+tc.want+" explains it") {
			t.Errorf("%s: reason %q", tc.name, row.Reason)
		}
		if want := strings.TrimPrefix(profile.Name, "float32"); rep.Models[0].Arithmetic != want && tc.declared != "float16" {
			t.Errorf("%s: the report says arithmetic %q, want %q", tc.name, rep.Models[0].Arithmetic, want)
		}
	}
}

// TestAWrongFileIsNotExplained records a product without one of its inputs, and with
// one channel too large, at sizes where float16 would be as far off.
func TestAWrongFileIsNotExplained(t *testing.T) {
	race.Skip(t)
	const rows, cols = 4, 24
	for _, k := range []int{64, 512, 4096} {
		for name, spoil := range map[string]func(x, w []float32){
			"one input left out": func(x, w []float32) { clear(w[(k-1)*cols:]) },
			"the smallest input left out": func(x, w []float32) {
				least, at := math.Inf(1), 0
				for i := range k {
					if s := math.Abs(float64(x[i])); s < least {
						least, at = s, i
					}
				}
				clear(w[at*cols : (at+1)*cols])
			},
			"one channel 1e-3 too large": func(x, w []float32) {
				for i := range k {
					w[i*cols] *= 1.001
				}
			},
		} {
			r := rand.New(rand.NewPCG(6, uint64(k)))
			p := newProduct(t, rows, k, cols, normals(r, rows*k, 1), normals(r, k*cols, 1))
			right := slices.Clone(p.w)
			spoil(p.x, p.w)
			y := p.inFloat32(1, k, func(x, w float32) float32 { return x * w })
			dir := t.TempDir()
			writeModel(t, dir, p.job.model)
			writeSet(t, dir, 0, []*onnx.Tensor{
				{Name: "x", Dims: []int{rows, k}, Data: onnx.Slice[float32](p.x)}, {Name: "w", Dims: []int{k, cols}, Data: onnx.Slice[float32](right)},
			}, []*onnx.Tensor{{Name: "y", Dims: []int{rows, cols}, Data: onnx.Slice[float32](y)}})
			if row := rowsOf(report(t, Options{Paths: []string{dir}}), Recorded)[0]; row.Verdict != Different || row.Explained != "" {
				t.Errorf("%s of %d: %s, explained by %q: %s", name, k, row.Verdict, row.Explained, row.Reason)
			}
		}
	}
}

// TestFlushedSubnormalsAreExplained records a product of a subnormal number as a
// runtime gives it that takes it for zero.
func TestFlushedSubnormalsAreExplained(t *testing.T) {
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "g"})
	x, w := e.Input("x", elem, onnx.Fixed(3)), e.Input("w", elem, onnx.Fixed(3))
	e.Step("s", "y")
	e.Output(e.Node("Mul", "", []onnx.Value{x, w}), elem, onnx.Fixed(3))
	m := onnxtest.Model(t, e)
	small := float32(1e-40)
	for _, tc := range []struct {
		declared, want string
		verdict        Verdict
		y              []float32
	}{
		{"", "float32+ftz", Different, []float32{0, 2, 3}},
		{"float32+ftz", "", Equal, []float32{0, 2, 3}},
		{"float32+ftz", "", Equal, []float32{small * 1e20, 2, 3}},
		{"", "", Equal, []float32{small * 1e20, 2, 3}},
		{"", "", Different, []float32{1e-10, 2, 3}},
		{"tf32+ftz", "", Equal, []float32{0, 2, 3}},
	} {
		dir := t.TempDir()
		writeModel(t, dir, m)
		writeSet(t, dir, 0, []*onnx.Tensor{
			{Name: "x", Dims: []int{3}, Data: onnx.Slice[float32]{small, 2, 3}}, {Name: "w", Dims: []int{3}, Data: onnx.Slice[float32]{1e20, 1, 1}},
		}, []*onnx.Tensor{{Name: "y", Dims: []int{3}, Data: onnx.Slice[float32](tc.y)}})
		profile, err := reference.FindProfile(tc.declared)
		if err != nil {
			t.Fatal(err)
		}
		row := rowsOf(report(t, Options{Paths: []string{dir}, Reference: reference.Options{Profile: profile}}), Recorded)[0]
		if row.Verdict != tc.verdict || row.Explained != tc.want {
			t.Errorf("%v under %q: %s, explained by %q, want %s and %q: %s", tc.y, tc.declared, row.Verdict, row.Explained, tc.verdict, tc.want, row.Reason)
		}
	}
}

// TestHalfPrecisionThatIsNotRoundedBetweenNodes proves a runtime that keeps float32
// between nodes of float16, and rounds only what it is asked for.
func TestHalfPrecisionThatIsNotRoundedBetweenNodes(t *testing.T) {
	x := &reference.Value{Name: "x", Type: pb.TensorProto_FLOAT16, Dims: []int{3}, Data: onnx.Slice[float64]{1, 0, math.Inf(1)}}
	u := x.Unrounded()
	if got := u.Screen(0); !(got > 0x1p-12 && got < 0x1p-10) {
		t.Errorf("1 may have been 1 ± %g", got)
	}
	if u.Screen(2) != 0 {
		t.Errorf("infinity may have been off by %g", u.Screen(2))
	}
	if f := (&reference.Value{Type: elem, Dims: []int{1}, Data: onnx.Slice[float64]{1}}); f.Unrounded() != f {
		t.Error("float32 may have been wider")
	}
}
