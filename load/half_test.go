package load

import (
	"math"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// halved is a model with its floats in float16.
func halved(t testing.TB, m *onnx.Model) *onnx.Model {
	t.Helper()
	p := proto.CloneOf(m.Proto)
	for i, w := range p.Graph.Initializer {
		x, err := onnx.FromProto(w)
		if err != nil {
			t.Fatal(err)
		}
		if x.Type() != pb.TensorProto_FLOAT {
			continue
		}
		name := x.Name
		if x, err = cast(x, pb.TensorProto_FLOAT16); err != nil {
			t.Fatal(err)
		}
		x.Name = name
		p.Graph.Initializer[i] = x.Proto()
	}
	for _, list := range [][]*pb.ValueInfoProto{p.Graph.Input, p.Graph.Output} {
		for _, v := range list {
			v.Type.GetTensorType().ElemType = proto.Int32(int32(pb.TensorProto_FLOAT16))
		}
	}
	p.Graph.ValueInfo = nil
	b, err := onnx.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return &onnx.Model{Proto: p, Bytes: b}
}

// TestRoundingTo16Bits rounds as the types do: the ends, ties, what is subnormal, and what is no number.
func TestRoundingTo16Bits(t *testing.T) {
	var x []float32
	for bits := uint64(0); bits < 1<<32; bits += 104729 {
		x = append(x, math.Float32frombits(uint32(bits)))
	}
	for bits := range uint32(1 << 16) { // the halves between neighbours, and next to them
		h := onnx.Float16(bits).Float32()
		half := math.Float32bits(h) | 0x1000
		x = append(x, h, math.Float32frombits(half-1), math.Float32frombits(half), math.Float32frombits(half+1))
	}
	y := make([]float32, len(x))
	for elem, want := range map[pb.TensorProto_DataType]func(float32) float32{
		pb.TensorProto_FLOAT16:  func(v float32) float32 { return onnx.NewFloat16(v).Float32() },
		pb.TensorProto_BFLOAT16: func(v float32) float32 { return onnx.NewBFloat16(v).Float32() },
	} {
		roundingTo(elem)(y, x)
		for i, v := range x {
			if w := want(v); math.Float32bits(y[i]) != math.Float32bits(w) {
				t.Fatalf("%v of %v is %v, want %v", elem, v, y[i], w)
			}
		}
	}
}

// TestFloat16IsOneGraph holds generators in float16 against the reference: their weights are widened once, and not in each run.
func TestFloat16IsOneGraph(t *testing.T) {
	for name, m := range map[string]*onnx.Model{"dense": generator(t, false), "with all values": generator(t, true), "convolutional": convolutional(t, false)} {
		t.Run(name, func(t *testing.T) {
			m := halved(t, m)
			s := open(t, m)
			if !s.main.Load().whole() {
				t.Error("it runs by steps")
			}
			for _, n := range []int{1, 3} {
				z, err := cast(onnxtest.Tensor(t, "", normals(4, n*100, 1), n, 100), pb.TensorProto_FLOAT16)
				if err != nil {
					t.Fatal(err)
				}
				z.Name = "z"
				got, err := s.Run(t.Context(), []*onnx.Tensor{z})
				if err != nil {
					t.Fatal(err)
				}
				hold(t, m, []*onnx.Tensor{z}, got)
			}
		})
	}
}

// TestFloat16AmongOthers has casts to and from float16 and bfloat16, constants in them, and values that leave the graph half way.
func TestFloat16AmongOthers(t *testing.T) {
	m := modelOf(t, `
		in x float 2 3
		in h float16 2 3
		in k int64
		const c float16 3 = 0.1 1 -2
		const two float16 = 2
		a = Cast(x) to=10
		b = Add(a, h)
		cc = Mul(c, two)
		d = Mul(b, cc)
		e = Cast(d) to=1
		f = Sub(e, x)
		g = Cast(f) to=16
		i = Cast(g) to=1
		n = Cast(d) to=7
		o = Add(n, k)
		p = Identity(h)
		r = Greater(d, h)
		s = Where(r, d, h)
		out d float16 2 3
		out f float 2 3
		out g bfloat16 2 3
		out i float 2 3
		out o int64 2 3
		out p float16 2 3
		out cc float16 3
		out s float16 2 3`, nil)
	s := open(t, m)
	x := onnxtest.Tensor(t, "x", []float32{0.5, 1, -2, 3, 0.25, 7}, 2, 3)
	h, err := cast(onnxtest.Tensor(t, "", []float32{1, 2, 3, -4, 0.5, 6}, 2, 3), pb.TensorProto_FLOAT16)
	if err != nil {
		t.Fatal(err)
	}
	h.Name = "h"
	in := []*onnx.Tensor{x, h, onnxtest.Tensor(t, "k", []int64{5})}
	for range 2 {
		got, err := s.Run(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		hold(t, m, in, got)
	}
}
