package onnx

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/onnx/pb"
	"google.golang.org/protobuf/proto"
)

// samples has a tensor of every element type, with values at the edges.
var samples = []*Tensor{
	{"f", []int{2, 2}, Slice[float32]{0, float32(math.Copysign(0, -1)), math.MaxFloat32, float32(math.Inf(-1))}},
	{"d", []int{3}, Slice[float64]{math.SmallestNonzeroFloat64, math.Pi, math.Inf(1)}},
	{"i8", []int{3}, Slice[int8]{-128, -1, 127}},
	{"i16", []int{3}, Slice[int16]{-32768, -1, 32767}},
	{"i32", []int{3}, Slice[int32]{math.MinInt32, -1, math.MaxInt32}},
	{"i64", []int{3}, Slice[int64]{math.MinInt64, -1, math.MaxInt64}},
	{"u8", []int{2}, Slice[uint8]{0, 255}},
	{"u16", []int{2}, Slice[uint16]{0, 65535}},
	{"u32", []int{2}, Slice[uint32]{0, math.MaxUint32}},
	{"u64", []int{2}, Slice[uint64]{0, math.MaxUint64}},
	{"b", []int{1, 2}, Slice[bool]{true, false}},
	{"s", []int{2}, Slice[string]{"", "\x00ö"}},
	{"f16", []int{2}, Slice[Float16]{0x3c00, 0xfbff}},
	{"bf16", []int{2}, Slice[BFloat16]{0x3f80, 0xff7f}},
	{"c64", []int{2}, Slice[complex64]{1 - 2i, 3i}},
	{"c128", []int{1}, Slice[complex128]{-1 + 0.5i}},
	{"e4m3fn", []int{2}, Slice[Float8E4M3FN]{0x7e, 0x81}},
	{"e4m3fnuz", []int{2}, Slice[Float8E4M3FNUZ]{0x7f, 0x81}},
	{"e5m2", []int{3}, Slice[Float8E5M2]{0x7b, 0x81, 0xfc}},
	{"e5m2fnuz", []int{2}, Slice[Float8E5M2FNUZ]{0x7f, 0x81}},
	{"e8m0", []int{2}, Slice[Float8E8M0]{0xfe, 0}},
	{"e2m1", []int{3}, Slice[Float4E2M1]{7, 9, 8}},
	{"i4", []int{3}, Slice[Int4]{-8, 7, -1}},
	{"u4", []int{2}, Slice[UInt4]{15, 1}},
	{"i2", []int{5}, Slice[Int2]{-2, 1, 0, -1, 1}},
	{"u2", []int{1, 3}, Slice[UInt2]{3, 0, 2}},
	{"scalar", []int{}, Slice[float32]{7}},
	{"empty", []int{2, 0}, Slice[int64]{}},
}

func TestTensorsComeBackFromProto(t *testing.T) {
	for _, want := range samples {
		got, err := FromProto(want.Proto())
		if err != nil {
			t.Errorf("%s: %v", want.Name, err)
			continue
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", want.Name, got, want)
		}
	}
	if len(storages) != len(pb.TensorProto_DataType_name)-1 {
		t.Errorf("%d storages for %d data types", len(storages), len(pb.TensorProto_DataType_name)-1)
	}
}

// typed moves the elements of t into the field that its type has beside
// raw_data.
func typed(t *Tensor) *pb.TensorProto {
	p := t.Proto()
	p.RawData = nil
	switch d := t.Data.(type) {
	case Slice[float32]:
		p.FloatData = d
	case Slice[float64]:
		p.DoubleData = d
	case Slice[int64]:
		p.Int64Data = d
	case Slice[uint64]:
		p.Uint64Data = d
	case Slice[uint32]:
		for _, v := range d {
			p.Uint64Data = append(p.Uint64Data, uint64(v))
		}
	case Slice[complex64]:
		for _, v := range d {
			p.FloatData = append(p.FloatData, real(v), imag(v))
		}
	case Slice[complex128]:
		for _, v := range d {
			p.DoubleData = append(p.DoubleData, real(v), imag(v))
		}
	case Slice[bool]:
		for _, v := range d {
			p.Int32Data = append(p.Int32Data, map[bool]int32{true: 1}[v])
		}
	case Slice[string]:
	case Slice[Float4E2M1], Slice[Int4], Slice[UInt4], Slice[Int2], Slice[UInt2]:
		for _, b := range d.raw() {
			p.Int32Data = append(p.Int32Data, int32(b))
		}
	default:
		v := reflect.ValueOf(d)
		for i := range v.Len() {
			if e := v.Index(i); e.CanInt() {
				p.Int32Data = append(p.Int32Data, int32(e.Int()))
			} else {
				p.Int32Data = append(p.Int32Data, int32(e.Uint()))
			}
		}
	}
	return p
}

func TestFromProtoReadsEveryValueField(t *testing.T) {
	for _, want := range samples {
		got, err := FromProto(typed(want))
		if err != nil {
			t.Errorf("%s: %v", want.Name, err)
			continue
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", want.Name, got, want)
		}
	}
}

func TestFromProtoRejectsWhatContradictsItself(t *testing.T) {
	float := func(change func(p *pb.TensorProto)) *pb.TensorProto {
		p := &pb.TensorProto{Name: proto.String("w"), DataType: proto.Int32(1), Dims: []int64{2}, RawData: make([]byte, 8)}
		change(p)
		return p
	}
	for _, c := range []struct {
		name string
		p    *pb.TensorProto
		want string
	}{
		{"too few bytes", float(func(p *pb.TensorProto) { p.RawData = p.RawData[:7] }), "wants 8 bytes of raw_data, got 7"},
		{"too many bytes", float(func(p *pb.TensorProto) { p.RawData = make([]byte, 12) }), "wants 8 bytes of raw_data, got 12"},
		{"too few entries", float(func(p *pb.TensorProto) { p.RawData = nil; p.FloatData = []float32{1} }), "wants 2 entries of float_data, got 1"},
		{"two fields", float(func(p *pb.TensorProto) { p.FloatData = []float32{1, 2} }), "in both raw_data and float_data"},
		{"no field", float(func(p *pb.TensorProto) { p.RawData = nil }), "wants 2 elements, got none"},
		{"another type's field", float(func(p *pb.TensorProto) { p.RawData = nil; p.Int64Data = []int64{1, 2} }), "float do not go into int64_data"},
		{"a string in raw_data", float(func(p *pb.TensorProto) { p.DataType = proto.Int32(8) }), "string do not go into raw_data"},
		{"elements of none", float(func(p *pb.TensorProto) { p.Dims = []int64{0} }), "wants 0 bytes of raw_data, got 8"},
		{"a negative axis", float(func(p *pb.TensorProto) { p.Dims = []int64{-2} }), "axis 0 has a negative length, -2"},
		{"a shape of 2^64 elements", float(func(p *pb.TensorProto) { p.Dims = []int64{1 << 32, 1 << 32} }), "more than 2^63"},
		{"a shape whose size wraps to 2", float(func(p *pb.TensorProto) { p.Dims = []int64{1<<62 + 1, 4, 1 << 61, 2} }), "more than 2^63"},
		{"a shape of 2^62 elements", float(func(p *pb.TensorProto) { p.Dims = []int64{1 << 62} }), "more than any memory"},
		{"a shape whose bytes wrap", float(func(p *pb.TensorProto) { p.Dims = []int64{1<<58 + 2} }), "too many for any file"},
		{"no data type", float(func(p *pb.TensorProto) { p.DataType = nil }), "data type 0 is not"},
		{"an unknown data type", float(func(p *pb.TensorProto) { p.DataType = proto.Int32(99) }), "data type 99 is not"},
		{"a negative data type", float(func(p *pb.TensorProto) { p.DataType = proto.Int32(-1) }), "data type -1 is not"},
		{"int8 beyond its range", &pb.TensorProto{DataType: proto.Int32(3), Dims: []int64{1}, Int32Data: []int32{128}}, "element 0 is 128"},
		{"float16 beyond its bits", &pb.TensorProto{DataType: proto.Int32(10), Dims: []int64{1}, Int32Data: []int32{-1}}, "element 0 is -1"},
		{"uint32 beyond its range", &pb.TensorProto{DataType: proto.Int32(12), Dims: []int64{1}, Uint64Data: []uint64{1 << 32}}, "element 0 is 4294967296"},
		{"a bool of 2", &pb.TensorProto{DataType: proto.Int32(9), Dims: []int64{1}, RawData: []byte{2}}, "element 0 is 2, want 0 or 1"},
		{"a packed byte beyond its bits", &pb.TensorProto{DataType: proto.Int32(22), Dims: []int64{2}, Int32Data: []int32{256}}, "entry 0 of int32_data is 256"},
		{"an entry for each packed number", &pb.TensorProto{DataType: proto.Int32(21), Dims: []int64{2}, Int32Data: []int32{1, 2}}, "wants 1 entries of int32_data, got 2"},
		{"half a complex number", &pb.TensorProto{DataType: proto.Int32(14), Dims: []int64{1}, FloatData: []float32{1}}, "wants 2 entries"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := FromProto(c.p)
			if _, ok := errors.AsType[*FormatError](err); !ok || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want a FormatError with %q", err, c.want)
			}
		})
	}
	for _, c := range []struct {
		name string
		p    *pb.TensorProto
	}{
		{"external data", float(func(p *pb.TensorProto) {
			p.RawData = nil
			p.DataLocation = pb.TensorProto_EXTERNAL.Enum()
		})},
		{"a segment", float(func(p *pb.TensorProto) { p.Segment = &pb.TensorProto_Segment{} })},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := FromProto(c.p); err == nil || !isUnsupported(err) {
				t.Errorf("got %v, want an UnsupportedError", err)
			}
		})
	}
}

func isUnsupported(err error) bool {
	_, ok := errors.AsType[*UnsupportedError](err)
	return ok
}

func TestNewTensorChecksDataAgainstTheShape(t *testing.T) {
	for _, c := range []struct {
		name string
		data Data
		dims []int
		want string
	}{
		{"too few", Slice[float32]{1}, []int{2}, "shape [2] wants 2 elements, got 1"},
		{"a scalar without an element", Slice[float32]{}, nil, "wants 1 elements, got 0"},
		{"a negative axis", Slice[float32]{}, []int{-1, 0}, "axis 0 has a negative length"},
		{"a product that overflows", Slice[float32]{}, []int{math.MaxInt, math.MaxInt}, "more than 2^63"},
		{"no data", nil, []int{0}, "no data"},
	} {
		if _, err := TensorOf("w", c.data, c.dims...); err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), `tensor "w": `) {
			t.Errorf("%s: got %v, want an error with %q", c.name, err, c.want)
		}
	}
	dims := []int{1, 2}
	got, err := NewTensor("w", []bool{true, false}, dims...)
	if err != nil {
		t.Fatal(err)
	}
	if dims[0] = 9; got.Dims[0] != 1 {
		t.Error("the tensor shares the caller's dims")
	}
}

func TestHalvesRoundToTheNearest(t *testing.T) {
	// All numbers of 16 bits come back from float32, and midpoints between
	// neighbours go to the even one.
	for i := range 1 << 16 {
		h := Float16(i)
		v := h.Float32()
		if back := NewFloat16(v); back != h && !(v != v && back.Float32() != back.Float32()) {
			t.Fatalf("Float16 %#04x is %g, which comes back as %#04x", i, v, back)
		}
		if next := (h + 1).Float32(); v >= 0 && next > v && !math.IsInf(float64(next), 1) {
			even := h + h&1
			if mid := NewFloat16(v + (next-v)/2); mid != even {
				t.Fatalf("halfway above Float16 %#04x goes to %#04x, want %#04x", i, mid, even)
			}
		}
		b := BFloat16(i)
		w := b.Float32()
		if back := NewBFloat16(w); back != b && !(w != w && back.Float32() != back.Float32()) {
			t.Fatalf("BFloat16 %#04x is %g, which comes back as %#04x", i, w, back)
		}
	}
	for _, c := range []struct {
		in   float32
		want Float16
	}{
		{65504, 0x7bff}, {65519.996, 0x7bff}, {65520, 0x7c00}, {math.MaxFloat32, 0x7c00}, {-1e9, 0xfc00},
		{1.0 / (1 << 24), 1}, {1.0 / (1 << 25), 0}, {1.0 / (1 << 25) * 1.001, 1}, {-1.0 / (1 << 26), 0x8000}, {math.SmallestNonzeroFloat32, 0},
		{0.99999994 / (1 << 14), 0x0400},
	} {
		if got := NewFloat16(c.in); got != c.want {
			t.Errorf("NewFloat16(%g) is %#04x, want %#04x", c.in, got, c.want)
		}
	}
	if got := NewBFloat16(math.MaxFloat32); got != 0x7f80 {
		t.Errorf("NewBFloat16(MaxFloat32) is %#04x, want infinity", got)
	}
}
