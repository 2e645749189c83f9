package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

func TestWireFaultsAreErrorsWithTheirOffset(t *testing.T) {
	for _, c := range onnxtest.WireFaults {
		t.Run(c.Name, func(t *testing.T) {
			_, err := Parse("m.onnx", c.Bytes, Limits{})
			f, ok := errors.AsType[*onnx.FormatError](err)
			if !ok || f.Offset != c.Offset || !strings.Contains(f.What, c.Want) || f.File != "m.onnx" {
				t.Errorf("got %v, want a FormatError at byte %d with %q", err, c.Offset, c.Want)
			}
		})
	}
}

func TestLimitsAreUnsupportedNotWrong(t *testing.T) {
	tensor := func(fields ...[]byte) []byte {
		return onnxtest.LenField(7, onnxtest.LenField(5, onnxtest.Cat(fields...)...)...)
	}
	for _, c := range []struct {
		name  string
		bytes []byte
		lim   Limits
		want  string
	}{
		{"size", onnxtest.VarintField(1, 8), Limits{Size: 1}, "2 bytes, the limit is 1"},
		{"nesting", onnxtest.Nested(34), Limits{}, "nested more than 100 deep"},
		{"nesting of unknown groups", bytes.Repeat(protowire.AppendTag(nil, 30, protowire.StartGroupType), 200), Limits{}, "nested more than 100 deep"},
		{"nesting of types", onnxtest.LenField(7, onnxtest.LenField(11, onnxtest.LenField(2, onnxtest.Types(60)...)...)...), Limits{}, "nested more than 100 deep"},
		{"a name", onnxtest.LenField(2, bytes.Repeat([]byte{'a'}, 16<<10+1)...), Limits{}, "the limit of a name is 16384"},
		{"rank", tensor(bytes.Repeat(onnxtest.VarintField(1, 1), 33)), Limits{}, "more than 32 axes"},
		{"rank, packed", tensor(onnxtest.LenField(1, bytes.Repeat([]byte{1}, 33)...)), Limits{}, "more than 32 axes"},
		{"items", onnxtest.LenField(7, bytes.Repeat(onnxtest.LenField(1), 11)...), Limits{Items: 10}, "more than 10 entries"},
		{"memory, messages", onnxtest.LenField(7, bytes.Repeat(onnxtest.LenField(1), 1000)...), Limits{Memory: 100_000}, "decoded"},
		{"memory, packed numbers", tensor(onnxtest.LenField(7, make([]byte, 20_000)...)), Limits{Memory: 100_000}, "decoded"},
		{"memory, strings", onnxtest.LenField(6, bytes.Repeat([]byte{'a'}, 100_000)...), Limits{Memory: 100_000}, "decoded"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("m.onnx", c.bytes, c.lim)
			if u, ok := errors.AsType[*onnx.UnsupportedError](err); !ok || !strings.Contains(u.Why, c.want) || !strings.HasPrefix(u.Why, "m.onnx: ") {
				t.Errorf("got %v, want an UnsupportedError with %q", err, c.want)
			}
		})
	}
}

func TestTheLargestThingsWithinTheLimitsPass(t *testing.T) {
	for _, c := range []struct {
		name  string
		bytes []byte
	}{
		{"32 nested graphs", onnxtest.Nested(32)},
		{"32 axes", onnxtest.LenField(7, onnxtest.LenField(5, bytes.Repeat(onnxtest.VarintField(1, 1), 32)...)...)},
		{"a name of 16 KiB", onnxtest.LenField(2, bytes.Repeat([]byte{'a'}, 16<<10)...)},
		{"a doc string of 1 MiB", onnxtest.LenField(6, bytes.Repeat([]byte{'a'}, 1<<20)...)},
		{"an unknown field", onnxtest.Cat(onnxtest.VarintField(1, 8), onnxtest.VarintField(99, 1), onnxtest.LenField(100, 'x'))},
		{"an unknown group", onnxtest.Cat(protowire.AppendTag(nil, 30, protowire.StartGroupType), onnxtest.VarintField(1, 1), protowire.AppendTag(nil, 30, protowire.EndGroupType))},
		{"a negative number", onnxtest.VarintField(1, math.MaxUint64)},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := Parse("m.onnx", c.bytes, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			b, err := onnx.Marshal(m.Proto)
			if err != nil || !bytes.Equal(b, c.bytes) {
				t.Errorf("came back as %d other bytes, was %d (%v)", len(b), len(c.bytes), err)
			}
		})
	}
}

// The reader keeps elements out of protobuf's hands; what it puts together
// must be what protobuf alone would have read.
func TestParseReadsWhatProtobufReads(t *testing.T) {
	floats := func(v ...float32) []byte {
		var b []byte
		for _, f := range v {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
		}
		return b
	}
	unpacked := onnxtest.Cat(protowire.AppendTag(nil, 4, protowire.Fixed32Type), floats(3))
	tensors := [][]byte{
		onnxtest.Cat(onnxtest.VarintField(1, 2), onnxtest.VarintField(2, 1), onnxtest.LenField(9, floats(1, 2)...), onnxtest.LenField(8, 'r')),
		onnxtest.Cat(onnxtest.VarintField(1, 2), onnxtest.VarintField(2, 1), onnxtest.LenField(4, floats(1, 2)...)),
		onnxtest.Cat(onnxtest.LenField(4, floats(1, 2)...), unpacked, onnxtest.LenField(4, floats(4)...)),
		onnxtest.Cat(onnxtest.LenField(10, make([]byte, 16)...), protowire.AppendTag(nil, 10, protowire.Fixed64Type), make([]byte, 8)),
		onnxtest.Cat(onnxtest.LenField(9), onnxtest.LenField(4), onnxtest.LenField(10)),
		onnxtest.Cat(onnxtest.LenField(9, 1, 2, 3), onnxtest.LenField(4, floats(1)...)),                                     // contradicts itself, and is kept as it is
		onnxtest.Cat(onnxtest.LenField(8, 'n'), onnxtest.LenField(4, floats(slices.Repeat([]float32{1, 2}, shared)...)...)), // these stay where they lie
		onnxtest.LenField(10, slices.Repeat([]byte{0, 1, 2, 3, 4, 5, 6, 7}, shared)...),
		onnxtest.LenField(7, 1, 2, 3),
		onnxtest.LenField(6, 's'),
		{},
	}
	var initializers, attributes []byte
	for _, b := range tensors {
		initializers = append(initializers, onnxtest.LenField(5, b...)...)
		attributes = append(attributes, onnxtest.LenField(5, onnxtest.Cat(onnxtest.LenField(5, b...), onnxtest.LenField(10, b...), onnxtest.LenField(22, onnxtest.LenField(1, b...)...))...)...)
	}
	sub := onnxtest.LenField(5, onnxtest.LenField(6, initializers...)...)
	graph := onnxtest.Cat(onnxtest.LenField(1, onnxtest.Cat(attributes, sub)...), initializers, onnxtest.LenField(15, onnxtest.LenField(2, tensors[0]...)...))
	b := onnxtest.Cat(onnxtest.VarintField(1, 8), onnxtest.LenField(7, graph...), onnxtest.LenField(20, onnxtest.LenField(1, graph...)...),
		onnxtest.LenField(25, onnxtest.Cat(onnxtest.LenField(7, attributes...), onnxtest.LenField(11, onnxtest.LenField(5, tensors[1]...)...))...))
	got, err := Parse("m.onnx", b, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	want := &pb.ModelProto{}
	if err := proto.Unmarshal(b, want); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(got.Proto, want) {
		t.Errorf("got %v\nwant %v", got.Proto, want)
	}
}

func TestElementsAreNotCopied(t *testing.T) {
	const n = 16 << 20
	for _, c := range []struct {
		field  string
		tensor *pb.TensorProto
		count  func(*pb.TensorProto) int
	}{
		{"raw_data", &pb.TensorProto{RawData: make([]byte, 4*n)}, func(t *pb.TensorProto) int { return len(t.RawData) / 4 }},
		{"float_data", &pb.TensorProto{FloatData: make([]float32, n)}, func(t *pb.TensorProto) int { return len(t.FloatData) }},
		{"double_data", &pb.TensorProto{DoubleData: make([]float64, n/2)}, func(t *pb.TensorProto) int { return 2 * len(t.DoubleData) }},
	} {
		b, err := proto.Marshal(&pb.ModelProto{Graph: &pb.GraphProto{Initializer: []*pb.TensorProto{c.tensor}}})
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got, err := Parse("m.onnx", b, Limits{})
		runtime.ReadMemStats(&after)
		if err != nil {
			t.Fatal(err)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 && (c.field == "raw_data" || aliased) {
			t.Errorf("reading 64 MiB of %s allocated %d bytes, want less than 1 MiB", c.field, n)
		}
		if got := c.count(got.Proto.Graph.Initializer[0]); got != n {
			t.Errorf("%d of %d numbers of %s came", got, n, c.field)
		}
	}
}

// aliased says that numbers stay where they lie on this machine.
const aliased = runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64"

// Every message type and every field must be in the scanner's table, with a
// wire type; a gap would let elements through unread.
func TestTheSchemaTableIsWhole(t *testing.T) {
	if n := len(wireMessages()); n != 31 {
		t.Errorf("%d message types, want 31", n)
	}
	for name, w := range wireMessages() {
		if w.size == 0 {
			t.Errorf("%s: unknown size", name)
		}
		known := 0
		for _, f := range w.fields {
			if f.kind != unknownKind {
				known++
			}
			if f.slot >= 64 {
				t.Errorf("%s: slot %d does not fit the set of fields that came", f.full, f.slot)
			}
		}
		if known == 0 || len(w.fields) > 64 {
			t.Errorf("%s: %d fields known of %d numbers", name, known, len(w.fields))
		}
	}
	if w := wire("petrify.onnx.TensorProto"); !w.tensor || w.fields[rawNumber].full != "TensorProto.raw_data" ||
		w.fields[floatNumber].full != "TensorProto.float_data" || w.fields[doubleNumber].full != "TensorProto.double_data" {
		t.Error("the numbers of the fields of elements are not the schema's")
	}
}

func FuzzScan(f *testing.F) {
	for _, b := range [][]byte{
		{}, {0x08, 0x08}, onnxtest.Nested(2), onnxtest.LenField(7, onnxtest.LenField(5, onnxtest.Cat(onnxtest.VarintField(1, 1), onnxtest.VarintField(2, 1), onnxtest.LenField(9, 0, 0, 0, 0))...)...),
		onnxtest.LenField(7, onnxtest.LenField(11, onnxtest.LenField(2, onnxtest.Types(2)...)...)...),
		onnxtest.Cat(protowire.AppendTag(nil, 30, protowire.StartGroupType), protowire.AppendTag(nil, 30, protowire.EndGroupType)),
	} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		skeleton, bulks, err := scan(b, wire("petrify.onnx.ModelProto"), Limits{}.withDefaults())
		if err != nil {
			return
		}
		if err := proto.Unmarshal(skeleton, &pb.ModelProto{}); err != nil {
			t.Fatalf("accepted, and then: %v", err)
		}
		m, err := Parse("", b, Limits{})
		if len(b) == 0 {
			return
		}
		if err != nil {
			t.Fatalf("scanned, and then: %v (%d bulks)", err, len(bulks))
		}
		want := &pb.ModelProto{}
		if err := proto.Unmarshal(b, want); err != nil {
			t.Fatalf("accepted, and protobuf says: %v", err)
		}
		if !equalBytes(t, m.Proto, want) {
			t.Fatal("not what protobuf reads")
		}
	})
}

// equalBytes compares by bytes, so that NaN equals itself.
func equalBytes(t *testing.T, a, b proto.Message) bool {
	x, err := onnx.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := onnx.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Equal(x, y)
}

func ExampleParse() {
	_, err := Parse("model.onnx", []byte("<html>Sign in</html>"), Limits{})
	fmt.Println(err)
	// Output: model.onnx: not ONNX: this is an HTML page (a download that needed a login, or a link to the page instead of the file?)
}
