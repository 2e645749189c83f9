package onnx

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

	"github.com/petrify-ml/petrify/onnx/pb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// field returns a field of wire type 2.
func lenField(number protowire.Number, b ...byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), b)
}

func varintField(number protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), v)
}

func cat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// nested returns a graph in a node's attribute in a graph, n times.
func nested(n int) []byte {
	g := lenField(2, 'g')
	for range n {
		g = lenField(1, lenField(5, lenField(6, g...)...)...)
	}
	return lenField(7, g...)
}

var wireFaults = []struct {
	name   string
	bytes  []byte
	offset int64
	want   string
}{
	{"a tag cut short", []byte{0x08, 0x08, 0x80}, 2, "middle of a number"},
	{"a number cut short", []byte{0x08, 0x80}, 1, "middle of a number"},
	{"a number without an end", append([]byte{0x08}, bytes.Repeat([]byte{0x80}, 12)...), 1, "beyond 64 bits"},
	{"a number of 65 bits", append([]byte{0x08}, append(bytes.Repeat([]byte{0xff}, 9), 0x02)...), 1, "beyond 64 bits"},
	{"an overlong number", []byte{0x08, 0x88, 0x00}, 1, "overlong"},
	{"an overlong tag", []byte{0x88, 0x00, 0x08}, 0, "overlong"},
	{"an overlong length", []byte{0x12, 0x81, 0x00, 'a'}, 1, "overlong"},
	{"a length past the end of the file", []byte{0x12, 0x05, 'a'}, 1, "length of 5 bytes, 1 are left"},
	{"a length of 2^63", append([]byte{0x12}, protowire.AppendVarint(nil, 1<<63)...), 1, "are left"},
	{"a length past the end of its message", cat(lenField(7, 0x12, 0x09, 'a')), 3, "length of 9 bytes, 1 are left"},
	{"a field of number 0", []byte{0x02, 0x00}, 0, "field of number 0"},
	{"a field number beyond 2^29", protowire.AppendVarint(nil, 1<<32), 0, "field of number 536870912"},
	{"wire type 6", []byte{0x0e}, 0, "wire type 6"},
	{"wire type 7", []byte{0x0f}, 0, "wire type 7"},
	{"an end of a group alone", []byte{0x0c}, 0, "did not begin"},
	{"a group that does not end", protowire.AppendTag(nil, 30, protowire.StartGroupType), 2, "does not end"},
	{"a group that another field ends", cat(protowire.AppendTag(nil, 30, protowire.StartGroupType), protowire.AppendTag(nil, 31, protowire.EndGroupType)), 2, "field 31 ends the group of field 30"},
	{"a number where a string belongs", varintField(2, 1), 1, "producer_name has wire type 0, want 2"},
	{"a string where a number belongs", lenField(1, 'a'), 1, "ir_version has wire type 2, want 0"},
	{"4 bytes where 8 belong", []byte{0x0d, 0, 0, 0, 0}, 1, "ir_version has wire type 5, want 0"},
	{"a fixed number cut short", lenField(7, lenField(1, lenField(5, 0x15, 0, 0)...)...), 7, "wants 4 bytes, 2 are left"},
	{"an unknown fixed number cut short", []byte{0xf1, 0x01, 0, 0}, 2, "wants 8 bytes, 2 are left"},
	{"packed floats of 6 bytes", lenField(7, lenField(5, lenField(4, 1, 2, 3, 4, 5, 6)...)...), 5, "which 4 does not divide"},
	{"packed numbers cut short", lenField(7, lenField(5, lenField(7, 1, 0x80)...)...), 7, "middle of a number"},
	{"a name that is not UTF-8", lenField(2, 0xff, 0xfe), 2, "not UTF-8"},
	{"a second graph", cat(lenField(7), lenField(7)), 2, "second time"},
	{"both members of a oneof", lenField(7, lenField(11, lenField(2, cat(lenField(1), lenField(4))...)...)...), 8, "excludes it"},
	{"a data type of 33 bits", lenField(7, lenField(5, varintField(2, 1<<32|1)...)...), 5, "32 bits do not hold"},
	{"trailing bytes", cat(varintField(1, 8), []byte{0}), 2, "field of number 0"},
}

func TestWireFaultsAreErrorsWithTheirOffset(t *testing.T) {
	for _, c := range wireFaults {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("m.onnx", c.bytes, Limits{})
			f, ok := errors.AsType[*FormatError](err)
			if !ok || f.Offset != c.offset || !strings.Contains(f.What, c.want) || f.File != "m.onnx" {
				t.Errorf("got %v, want a FormatError at byte %d with %q", err, c.offset, c.want)
			}
		})
	}
}

func TestLimitsAreUnsupportedNotWrong(t *testing.T) {
	tensor := func(fields ...[]byte) []byte { return lenField(7, lenField(5, cat(fields...)...)...) }
	for _, c := range []struct {
		name  string
		bytes []byte
		lim   Limits
		want  string
	}{
		{"size", varintField(1, 8), Limits{Size: 1}, "2 bytes, the limit is 1"},
		{"nesting", nested(34), Limits{}, "nested more than 100 deep"},
		{"nesting of unknown groups", bytes.Repeat(protowire.AppendTag(nil, 30, protowire.StartGroupType), 200), Limits{}, "nested more than 100 deep"},
		{"nesting of types", lenField(7, lenField(11, lenField(2, types(60)...)...)...), Limits{}, "nested more than 100 deep"},
		{"a name", lenField(2, bytes.Repeat([]byte{'a'}, 16<<10+1)...), Limits{}, "the limit of a name is 16384"},
		{"rank", tensor(bytes.Repeat(varintField(1, 1), 33)), Limits{}, "more than 32 axes"},
		{"rank, packed", tensor(lenField(1, bytes.Repeat([]byte{1}, 33)...)), Limits{}, "more than 32 axes"},
		{"items", lenField(7, bytes.Repeat(lenField(1), 11)...), Limits{Items: 10}, "more than 10 entries"},
		{"memory, messages", lenField(7, bytes.Repeat(lenField(1), 1000)...), Limits{Memory: 100_000}, "decoded"},
		{"memory, packed numbers", tensor(lenField(7, make([]byte, 20_000)...)), Limits{Memory: 100_000}, "decoded"},
		{"memory, strings", lenField(6, bytes.Repeat([]byte{'a'}, 100_000)...), Limits{Memory: 100_000}, "decoded"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("m.onnx", c.bytes, c.lim)
			if u, ok := errors.AsType[*UnsupportedError](err); !ok || !strings.Contains(u.Why, c.want) || !strings.HasPrefix(u.Why, "m.onnx: ") {
				t.Errorf("got %v, want an UnsupportedError with %q", err, c.want)
			}
		})
	}
}

// types returns a sequence of a sequence, n times.
func types(n int) []byte {
	var b []byte
	for range n {
		b = lenField(4, lenField(1, b...)...)
	}
	return b
}

func TestTheLargestThingsWithinTheLimitsPass(t *testing.T) {
	for _, c := range []struct {
		name  string
		bytes []byte
	}{
		{"32 nested graphs", nested(32)},
		{"32 axes", lenField(7, lenField(5, bytes.Repeat(varintField(1, 1), 32)...)...)},
		{"a name of 16 KiB", lenField(2, bytes.Repeat([]byte{'a'}, 16<<10)...)},
		{"a doc string of 1 MiB", lenField(6, bytes.Repeat([]byte{'a'}, 1<<20)...)},
		{"an unknown field", cat(varintField(1, 8), varintField(99, 1), lenField(100, 'x'))},
		{"an unknown group", cat(protowire.AppendTag(nil, 30, protowire.StartGroupType), varintField(1, 1), protowire.AppendTag(nil, 30, protowire.EndGroupType))},
		{"a negative number", varintField(1, math.MaxUint64)},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := Parse("m.onnx", c.bytes, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			b, err := Marshal(m.Proto)
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
	unpacked := cat(protowire.AppendTag(nil, 4, protowire.Fixed32Type), floats(3))
	tensors := [][]byte{
		cat(varintField(1, 2), varintField(2, 1), lenField(9, floats(1, 2)...), lenField(8, 'r')),
		cat(varintField(1, 2), varintField(2, 1), lenField(4, floats(1, 2)...)),
		cat(lenField(4, floats(1, 2)...), unpacked, lenField(4, floats(4)...)),
		cat(lenField(10, make([]byte, 16)...), protowire.AppendTag(nil, 10, protowire.Fixed64Type), make([]byte, 8)),
		cat(lenField(9), lenField(4), lenField(10)),
		cat(lenField(9, 1, 2, 3), lenField(4, floats(1)...)),                                     // contradicts itself, and is kept as it is
		cat(lenField(8, 'n'), lenField(4, floats(slices.Repeat([]float32{1, 2}, shared)...)...)), // these stay where they lie
		lenField(10, slices.Repeat([]byte{0, 1, 2, 3, 4, 5, 6, 7}, shared)...),
		lenField(7, 1, 2, 3),
		lenField(6, 's'),
		{},
	}
	var initializers, attributes []byte
	for _, b := range tensors {
		initializers = append(initializers, lenField(5, b...)...)
		attributes = append(attributes, lenField(5, cat(lenField(5, b...), lenField(10, b...), lenField(22, lenField(1, b...)...))...)...)
	}
	sub := lenField(5, lenField(6, initializers...)...)
	graph := cat(lenField(1, cat(attributes, sub)...), initializers, lenField(15, lenField(2, tensors[0]...)...))
	b := cat(varintField(1, 8), lenField(7, graph...), lenField(20, lenField(1, graph...)...),
		lenField(25, cat(lenField(7, attributes...), lenField(11, lenField(5, tensors[1]...)...))...))
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
		{}, {0x08, 0x08}, nested(2), lenField(7, lenField(5, cat(varintField(1, 1), varintField(2, 1), lenField(9, 0, 0, 0, 0))...)...),
		lenField(7, lenField(11, lenField(2, types(2)...)...)...),
		cat(protowire.AppendTag(nil, 30, protowire.StartGroupType), protowire.AppendTag(nil, 30, protowire.EndGroupType)),
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
	x, err := Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := Marshal(b)
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
