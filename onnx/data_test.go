package onnx

import (
	"math"
	"reflect"
	"testing"

	"github.com/petrify-ml/petrify/onnx/pb"
)

func TestDataOfEveryTypeIsCopiedGatheredAndCompared(t *testing.T) {
	held := map[pb.TensorProto_DataType]bool{}
	for _, s := range samples {
		d := s.Data
		held[d.Type()] = true
		if made, ok := MakeData(d.Type(), 3); !ok || made.Type() != d.Type() || made.Len() != 3 {
			t.Errorf("%s: MakeData gives %v, %v", s.Name, made, ok)
		}
		if back, ok := DataOf(d.Plain()); !ok || !back.Equal(d) || reflect.TypeOf(d.Plain()).Name() != "" {
			t.Errorf("%s: DataOf gives %v, %v", s.Name, back, ok)
		}
		n := d.Len()
		twice := d.Make(2 * n)
		twice.Copy(0, d, 0, n)
		twice.Copy(n, d, 0, n)
		index := make([]int, 2*n)
		for i := range index {
			index[i] = i % max(n, 1)
		}
		gathered := d.Make(2 * n)
		gathered.Gather(0, d, index)
		if !gathered.Equal(twice) {
			t.Errorf("%s: gathered %v, copied %v", s.Name, gathered, twice)
		}
		if n > 0 {
			gathered.Gather(n-1, d.Make(2), []int{-1, 1})
			if gathered.Equal(twice) != reflect.ValueOf(d).Index(0).IsZero() {
				t.Errorf("%s: a zero in the middle of %v gives %v", s.Name, twice, gathered)
			}
			if d.Equal(twice) {
				t.Errorf("%s: %v equals %v", s.Name, d, twice)
			}
		}
		c := s.Clone()
		if !reflect.DeepEqual(c, s) {
			t.Errorf("%s: the clone is %v", s.Name, c)
		}
		if n > 0 {
			if c.Data.Copy(0, d.Make(1), 0, 1); s.Data.Equal(c.Data) != reflect.ValueOf(d).Index(0).IsZero() {
				t.Errorf("%s: a change of the clone is seen: %v", s.Name, s.Data)
			}
		}
	}
	for typ, s := range storages {
		if (s.none != nil) != held[typ] {
			t.Errorf("%v: a sample %v, a type %v", typ, held[typ], s.none != nil)
		}
		if s.none != nil && s.none.Type() != typ {
			t.Errorf("%v is found as %v", typ, s.none.Type())
		}
	}
	for _, none := range []any{nil, 1, "text", []int{1}, []uintptr{1}} {
		if d, ok := DataOf(none); ok {
			t.Errorf("%T is taken for %T", none, d)
		}
	}
}

func TestEqualIsAboutBits(t *testing.T) {
	zero, nan := float32(0), float32(math.NaN())
	for _, c := range []struct {
		a, b Data
		want bool
	}{
		{Slice[float32]{zero, nan}, Slice[float32]{zero, nan}, true},
		{Slice[float32]{zero}, Slice[float32]{-1 / float32(math.Inf(1))}, false},
		{Slice[float32]{nan}, Slice[float32]{math.Float32frombits(math.Float32bits(nan) ^ 1)}, false},
		{Slice[float32]{}, Slice[float32](nil), true},
		{Slice[float32]{}, Slice[float64]{}, false},
		{Slice[string]{"a"}, Slice[string]{"a"}, true},
		{Slice[string]{"a"}, Slice[string]{"b"}, false},
		{Slice[uint8]{1}, Slice[int8]{1}, false},
		{Slice[uint8]{1}, nil, false},
	} {
		if got := c.a.Equal(c.b); got != c.want {
			t.Errorf("%T%v equals %T%v: got %v", c.a, c.a, c.b, c.b, got)
		}
	}
}

func TestNarrowTakesBackWhatIsWide(t *testing.T) {
	for _, s := range samples {
		wide := s.Data.Wide()
		if typ := s.Type(); typ == pb.TensorProto_COMPLEX64 || typ == pb.TensorProto_COMPLEX128 {
			if _, ok := Narrow(typ, Slice[float64]{1}); ok || wide != nil {
				t.Errorf("%v has a wide form, %v", typ, wide)
			}
			continue
		}
		if back, ok := Narrow(s.Type(), wide); !ok || !back.Equal(s.Data) {
			t.Errorf("%s: %v comes back from %v as %v, %v", s.Name, s.Data, wide, back, ok)
		}
		if again := wide.Wide(); !again.Equal(wide) {
			t.Errorf("%s: %v becomes wider, %v", s.Name, wide, again)
		}
	}
	for _, c := range []struct {
		typ  pb.TensorProto_DataType
		wide Data
		want Data
	}{
		{pb.TensorProto_INT8, Slice[int64]{-129, 255, 1}, Slice[int8]{127, -1, 1}},
		{pb.TensorProto_UINT16, Slice[uint64]{65536 + 7}, Slice[uint16]{7}},
		{pb.TensorProto_FLOAT, Slice[float64]{1e300, 0.1}, Slice[float32]{float32(math.Inf(1)), 0.1}},
		{pb.TensorProto_FLOAT16, Slice[float64]{1e5}, Slice[Float16]{0x7c00}},
		{pb.TensorProto_FLOAT, Slice[int64]{1}, nil},
		{pb.TensorProto_INT8, Slice[uint64]{1}, nil},
		{pb.TensorProto_BOOL, Slice[int64]{1}, nil},
		{pb.TensorProto_FLOAT16, Slice[float32]{1}, nil},
		{pb.TensorProto_FLOAT, nil, nil},
		{pb.TensorProto_INT4, Slice[int64]{8, -9, 3}, Slice[Int4]{-8, 7, 3}},
		{pb.TensorProto_UINT4, Slice[uint64]{17}, Slice[UInt4]{1}},
		{pb.TensorProto_INT2, Slice[int64]{2, -1}, Slice[Int2]{-2, -1}},
		{pb.TensorProto_UINT2, Slice[uint64]{7}, Slice[UInt2]{3}},
		{pb.TensorProto_INT4, Slice[uint64]{1}, nil},
		{pb.TensorProto_FLOAT8E5M2, Slice[int64]{1}, nil},
		{-1, Slice[int64]{1}, nil},
	} {
		got, ok := Narrow(c.typ, c.wide)
		if ok != (c.want != nil) || ok && !got.Equal(c.want) {
			t.Errorf("%v of %v is %v, %v, want %v", c.typ, c.wide, got, ok, c.want)
		}
	}
}

func TestBytesTurnRoundUnitByUnit(t *testing.T) {
	b := []byte{1, 2, 3, 4, 5, 6, 7, 8}
	if reverse(b, 4); !reflect.DeepEqual(b, []byte{4, 3, 2, 1, 8, 7, 6, 5}) {
		t.Errorf("got %v", b)
	}
	if got := (Slice[complex64]{complex(1, 2)}).raw(); !reflect.DeepEqual(got, append(Slice[float32]{1}.raw(), Slice[float32]{2}.raw()...)) {
		t.Errorf("a complex number is %v", got)
	}
	if got := (Slice[int32]{-2}).raw(); !reflect.DeepEqual(got, []byte{0xfe, 0xff, 0xff, 0xff}) {
		t.Errorf("-2 is %v", got)
	}
}

func TestIntegerRangeIsWhatATypeHolds(t *testing.T) {
	n := 0
	for _, typ := range held {
		least, greatest, ok := IntegerRange(typ)
		if !ok {
			continue
		}
		n++
		ends, beyond := Data(Slice[int64]{least, int64(greatest)}), Data(Slice[int64]{int64(greatest) + 1, least - 1})
		if least == 0 {
			ends, beyond = Slice[uint64]{0, greatest}, Slice[uint64]{greatest + 1, ^uint64(0)}
		}
		held, _ := Narrow(typ, ends)
		wrapped, _ := Narrow(typ, beyond)
		if !held.Wide().Equal(ends) || !wrapped.Equal(held) {
			t.Errorf("%v: %v are held as %v, and what comes after them is %v", typ, ends, held, wrapped)
		}
	}
	if n != 12 {
		t.Errorf("%d types of integers, want 12", n)
	}
	if _, _, ok := IntegerRange(pb.TensorProto_BOOL); ok {
		t.Error("a bool is a number")
	}
}

func TestViewIsFromProtoWithoutACopy(t *testing.T) {
	for _, typ := range held {
		d, _ := MakeData(typ, 6)
		p := (&Tensor{Name: "x", Dims: []int{6}, Data: d}).Proto()
		for i := range p.RawData {
			p.RawData[i] = byte(i * 37)
		}
		if typ == pb.TensorProto_BOOL {
			copy(p.RawData, []byte{1, 0, 1, 1, 0, 0})
		}
		want, err := FromProto(p)
		if err != nil {
			t.Fatalf("%v: %v", typ, err)
		}
		if got, err := View(p); err != nil || !got.Data.Equal(want.Data) {
			t.Errorf("%v: %v, %v, want %v", typ, got, err, want)
		}
	}
}
