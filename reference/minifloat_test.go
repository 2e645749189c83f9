package reference

import (
	"math"
	"strconv"
	"testing"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// TestCastToFloatsOfEightBitsFollowsItsTables is about the tables in the operator
// document of Cast, opset 24.
func TestCastToFloatsOfEightBitsFollowsItsTables(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	x := []float32{0, float32(inf), float32(-inf), float32(nan), 1e6, -1e6, 1.0625, 1.1875}
	for _, c := range []struct {
		to    pb.TensorProto_DataType
		attrs string
		want  []float64
	}{
		{pb.TensorProto_FLOAT8E4M3FN, "", []float64{0, 448, -448, nan, 448, -448, 1, 1.25}},
		{pb.TensorProto_FLOAT8E4M3FNUZ, "", []float64{0, 240, -240, nan, 240, -240, 1, 1.25}},
		{pb.TensorProto_FLOAT8E5M2, "", []float64{0, 57344, -57344, nan, 57344, -57344, 1, 1.25}},
		{pb.TensorProto_FLOAT8E5M2FNUZ, "", []float64{0, 57344, -57344, nan, 57344, -57344, 1, 1.25}},
		{pb.TensorProto_FLOAT8E4M3FN, "saturate=0", []float64{0, nan, nan, nan, nan, nan, 1, 1.25}},
		{pb.TensorProto_FLOAT8E4M3FNUZ, "saturate=0", []float64{0, nan, nan, nan, nan, nan, 1, 1.25}},
		{pb.TensorProto_FLOAT8E5M2, "saturate=0", []float64{0, inf, -inf, nan, inf, -inf, 1, 1.25}},
		{pb.TensorProto_FLOAT8E5M2FNUZ, "saturate=0", []float64{0, nan, nan, nan, nan, nan, 1, 1.25}},
		{pb.TensorProto_FLOAT8E8M0, "", []float64{0x1p-127, 0x1p127, 0, nan, 0x1p20, 0, 2, 2}},
		{pb.TensorProto_FLOAT8E8M0, `round_mode="down"`, []float64{0x1p-127, 0x1p127, 0, nan, 0x1p19, 0, 1, 1}},
		{pb.TensorProto_FLOAT8E8M0, `round_mode="nearest" saturate=0`, []float64{nan, nan, 0, nan, 0x1p20, 0, 1, 1}},
		{pb.TensorProto_FLOAT4E2M1, "", []float64{0, 6, -6, 0, 6, -6, 1, 1}},
	} {
		m := graph(t, 24, "in x float 8\ny = Cast(x) to="+strconv.Itoa(int(c.to))+" "+c.attrs+"\nout y")
		y := run(t, m, tensor(t, "x", x, 8))[0]
		if y.Type != c.to {
			t.Errorf("%v %s: got %v", c.to, c.attrs, y)
		}
		for i, want := range c.want {
			got := y.Float(i)
			switch n := y.at(i); {
			case c.to == pb.TensorProto_FLOAT8E8M0 && x[i] < 0, c.to == pb.TensorProto_FLOAT4E2M1 && x[i] != x[i]:
				if !math.IsInf(n.sound, 1) {
					t.Errorf("%v of %v: got %v, which the standard leaves undefined, within %v", c.to, x[i], got, n.sound)
				}
			case got != want && !(math.IsNaN(got) && math.IsNaN(want)):
				t.Errorf("%v %s of %v: got %v, want %v", c.to, c.attrs, x[i], got, want)
			case n.sound != 0:
				t.Errorf("%v %s of %v: an exact number has the limit %v", c.to, c.attrs, x[i], n.sound)
			}
		}
	}
}

func TestRoundingToFewBitsTurnsOverOnlyNearTheMiddle(t *testing.T) {
	// 1.0625 is the middle between 1 and 1.125, of e4m3fn; the sums have errors.
	third := float32(1.0) / 3
	m := graph(t, 19, "in x float 3\ns = Mul(x, x)\ny = Cast(s) to=17\nout y")
	y := run(t, m, tensor(t, "x", []float32{float32(math.Sqrt(1.0625)), third, 1.2}, 3))[0]
	if y.Declared[0] != 0.125 && y.Sound[0] != 0.125 {
		t.Errorf("next to the middle: sound %v, declared %v, want a step of 0.125", y.Sound[0], y.Declared[0])
	}
	if y.Sound[1] != 0 || y.Sound[2] != 0 {
		t.Errorf("far from the middle: sound %v", y.Sound[1:])
	}
}

func TestQuantizationToFewBits(t *testing.T) {
	x := tensor(t, "x", []float32{0, 1, -2.5, 100, -100, 3}, 2, 3)
	scale := tensor(t, "s", []float32{0.5, 2}, 2)
	for _, c := range []struct {
		zero *onnx.Tensor
		want []float64
	}{
		{tensor(t, "z", []onnx.Int4{1, 0}, 2), []float64{1, 3, -4, 7, -8, 2}},
		{tensor(t, "z", []onnx.UInt4{1, 0}, 2), []float64{1, 3, 0, 15, 0, 2}},
		{tensor(t, "z", []onnx.Int2{0, 0}, 2), []float64{0, 1, -2, 1, -2, 1}},
		{tensor(t, "z", []onnx.UInt2{1, 1}, 2), []float64{1, 3, 0, 3, 0, 3}},
		{tensor(t, "z", []onnx.Float8E4M3FN{0, 0}, 2), []float64{0, 2, -5, 48, -48, 1.5}},
		{tensor(t, "z", []onnx.Float4E2M1{0, 0}, 2), []float64{0, 2, -4, 6, -6, 1.5}},
	} {
		m := graph(t, 25, "in x float 2,3\ny = QuantizeLinear(x, s, z) axis=0\nb = DequantizeLinear(y, s, z) axis=0\nout y b", scale, c.zero)
		got := run(t, m, x)
		for i, want := range c.want {
			if got[0].Float(i) != want {
				t.Errorf("%v: %v becomes %v, want %v", c.zero.Type(), x.Data.Wide().(onnx.Slice[float64])[i], got[0].Float(i), want)
			}
			zero, _ := FromTensor(c.zero)
			s := []float64{0.5, 2}[i/3]
			if back := (got[0].Float(i) - zero.Float(i/3)) * s; got[1].Float(i) != back {
				t.Errorf("%v: %v comes back as %v, want %v", c.zero.Type(), got[0].Float(i), got[1].Float(i), back)
			}
		}
	}
	// Blocks of two along the last axis, and scales that are powers of two.
	m := graph(t, 25, "in s float8e8m0 2,2\nb = DequantizeLinear(q, s) axis=1 block_size=2 output_dtype=1\nr = Reshape(q, shape)\nt = Transpose(r)\nout b t",
		tensor(t, "q", []onnx.Int4{1, -2, 3, -4, 5, -6}, 2, 3), tensor(t, "shape", []int64{3, 2}, 2))
	got := run(t, m, tensor(t, "s", []onnx.Float8E8M0{127, 128, 126, 129}, 2, 2))
	for i, want := range []float64{1, -2, 6, -2, 2.5, -24} {
		if got[0].Float(i) != want {
			t.Errorf("element %d in blocks: got %v, want %v", i, got[0].Float(i), want)
		}
	}
	back, err := got[1].Tensor()
	if err != nil || !back.Data.Equal(onnx.Slice[onnx.Int4]{1, 3, 5, -2, -4, -6}) {
		t.Errorf("moved: got %v, %v", back, err)
	}
}
