package child

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/onnx"
)

func allTypes(t testing.TB) []*onnx.Tensor {
	nan := math.Float32frombits(0x7fc12345)
	return []*onnx.Tensor{
		onnxtest.Tensor(t, "f32", []float32{0, float32(math.Copysign(0, -1)), nan, float32(math.Inf(1)), 1e-45, -2.5}, 2, 3),
		onnxtest.Tensor(t, "f64", []float64{math.Pi, math.SmallestNonzeroFloat64}, 2, 1),
		onnxtest.Tensor(t, "f16", []onnx.Float16{0x3c00, 0x7e01}, 2),
		onnxtest.Tensor(t, "bf16", []onnx.BFloat16{0x3f80}, 1),
		onnxtest.Tensor(t, "i8", []int8{-128, 127}, 2),
		onnxtest.Tensor(t, "i16", []int16{-32768}, 1),
		onnxtest.Tensor(t, "i32", []int32{math.MinInt32, 1}, 1, 2),
		onnxtest.Tensor(t, "i64", []int64{math.MinInt64, math.MaxInt64}, 2),
		onnxtest.Tensor(t, "u8", []uint8{255}),
		onnxtest.Tensor(t, "u16", []uint16{65535}, 1, 1, 1),
		onnxtest.Tensor(t, "u32", []uint32{math.MaxUint32}, 1),
		onnxtest.Tensor(t, "u64", []uint64{math.MaxUint64}, 1),
		onnxtest.Tensor(t, "bool", []bool{true, false, true}, 3),
		onnxtest.Tensor(t, "text", []string{"", "grün", "a b\n"}, 3, 1),
		onnxtest.Tensor(t, "empty", []float32{}, 0, 4),
		onnxtest.Tensor(t, "no text", []string{}, 2, 0),
		onnxtest.Tensor(t, "a \"quoted\"\nname", []float32{1}),
	}
}

func encode(t testing.TB, h header, model []byte, ts []*onnx.Tensor) []byte {
	f, err := newFrame(h, model, ts)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := f.send(bufio.NewWriter(&b)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestFrameKeepsEveryBit(t *testing.T) {
	want := allTypes(t)
	h, model, got, err := readFrame(bufio.NewReader(bytes.NewReader(encode(t, header{Do: "run", Repeat: 3}, []byte("model"), want))), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if h.Do != "run" || h.Repeat != 3 || string(model) != "model" || len(got) != len(want) {
		t.Fatalf("header %+v, model %q, %d tensors", h, model, len(got))
	}
	for i := range want {
		a, b := want[i].Proto(), got[i].Proto()
		if !want[i].Data.Equal(got[i].Data) {
			t.Errorf("%q came back as %v", want[i].Name, got[i].Data)
		}
		if want[i].Name != got[i].Name || a.GetDataType() != b.GetDataType() || !bytes.Equal(a.GetRawData(), b.GetRawData()) || len(a.GetDims()) != len(b.GetDims()) {
			t.Errorf("%q came back as %v", want[i].Name, b)
		}
		if len(a.Dims) > 0 && !reflect.DeepEqual(a.Dims, b.Dims) {
			t.Errorf("%q of dims %v came back as %v", want[i].Name, a.Dims, b.Dims)
		}
	}
}

func TestBrokenFrames(t *testing.T) {
	one := `{"tensors":[{"name":"y","type":"TYPE","dims":DIMS,"bytes":BYTES}]}` + "\n"
	tensorOf := func(typ, dims, bytes string) string {
		return strings.NewReplacer("TYPE", typ, "DIMS", dims, "BYTES", bytes).Replace(one)
	}
	for _, test := range []struct {
		claim, in, want string
		frame           bool // a *FrameError, as against a stream that ends
	}{
		{"nothing is the end", "", "EOF", false},
		{"no newline", "{}", "header ends after 2 bytes", false},
		{"not JSON", "hello\n", "header \"hello\\n\"", true},
		{"an array", "[]\n", "cannot unmarshal array", true},
		{"negative model", `{"model":-1}` + "\n", "a model of -1 bytes", true},
		{"model beyond the limit", `{"model":1001}` + "\n", "a model of 1001 bytes, limit 1000", true},
		{"model cut short", `{"model":4}` + "\nab", "model of 4 bytes: stream ends after 2 of 4 bytes", false},
		{"unknown type", tensorOf("float8", "[1]", "1"), `element type "float8"`, true},
		{"negative dimension", tensorOf("int8", "[-1]", "1"), "dims [-1]", true},
		{"two negative dimensions", tensorOf("int8", "[-1,-1]", "1"), "dims [-1 -1]", true},
		{"product overflows", tensorOf("int8", "[4294967296,4294967296]", "0"), "overflow", true},
		{"product overflows after a zero", tensorOf("int8", "[4294967296,4294967296,0]", "0"), "overflow", true},
		{"too few bytes", tensorOf("int64", "[2]", "15"), "takes 16 bytes, header says 15", true},
		{"too many bytes", tensorOf("int64", "[2]", "17"), "takes 16 bytes, header says 17", true},
		{"beyond the limit", tensorOf("int8", "[1001]", "1001"), "1001 bytes, 1000 are left", true},
		{"dims are not numbers", tensorOf("int8", `["N"]`, "1"), "cannot unmarshal string", true},
		{"too few bytes for strings", tensorOf("string", "[2]", "7"), "takes 8 bytes, header says 7", true},
		{"a string that is longer than what is left", tensorOf("string", "[1]", "4") + "\x01\x00\x00\x00", "string 0 of 1 bytes, 0 are left", true},
		{"half a length", tensorOf("string", "[1]", "6") + "\x00\x00\x00\x00\x00\x00", "2 bytes where the length of string 1", true},
		{"more strings than the shape has", tensorOf("string", "[1]", "8") + "\x00\x00\x00\x00\x00\x00\x00\x00", "wants 1 entries of string_data, got 2", true},
		{"a string that is not text", tensorOf("string", "[1]", "5") + "\x01\x00\x00\x00\xff", "not UTF-8 text", true},
		{"fractional dimension", tensorOf("int8", `[1.5]`, "1"), "cannot unmarshal number", true},
	} {
		_, _, _, err := readFrame(bufio.NewReader(strings.NewReader(test.in)), 1000)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error is %v, want %s", test.claim, err, test.want)
		}
		if got := isFrameError(err); got != test.frame {
			t.Errorf("%s: a FrameError: %v, want %v", test.claim, got, test.frame)
		}
	}
}

func TestTensorsShareOneLimit(t *testing.T) {
	b := encode(t, header{}, nil, []*onnx.Tensor{onnxtest.Tensor(t, "a", make([]uint8, 600), 600), onnxtest.Tensor(t, "b", make([]uint8, 600), 600)})
	if _, _, _, err := readFrame(bufio.NewReader(bytes.NewReader(b)), 1200); err != nil {
		t.Errorf("within the limit: %v", err)
	}
	if _, _, _, err := readFrame(bufio.NewReader(bytes.NewReader(b)), 1199); err == nil {
		t.Error("one byte beyond the limit passes")
	}
}

func TestAnnouncedLengthAllocatesNothing(t *testing.T) {
	line := `{"model":3000000000}` + "\nabc"
	allocated := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			if _, _, _, err := readFrame(bufio.NewReader(strings.NewReader(line)), 1<<40); !errors.Is(err, io.ErrUnexpectedEOF) {
				b.Fatal(err)
			}
		}
	}).AllocedBytesPerOp()
	if allocated > 4<<20 {
		t.Errorf("3 bytes of 3 GB took %d bytes of memory", allocated)
	}
}

// FuzzReadFrame wants an error or a frame that survives being sent again.
func FuzzReadFrame(f *testing.F) {
	f.Add(encode(f, header{Do: "run"}, []byte("m"), allTypes(f)))
	f.Add([]byte(`{"hello":1}` + "\n"))
	f.Add([]byte(`{"tensors":[{"name":"y","type":"string","dims":[2],"bytes":9}]}` + "\n\x01\x00\x00\x00a\x00\x00\x00\x00"))
	f.Add([]byte(`{"tensors":[{"name":"y","type":"bool","dims":[2],"bytes":2}]}` + "\n\x02\x00"))
	f.Add([]byte(`{"tensors":[{"name":"y","type":"float32","dims":[4611686018427387904,0],"bytes":0}]}` + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, model, ts, err := readFrame(bufio.NewReader(bytes.NewReader(b)), 1<<16)
		if err != nil {
			return
		}
		again := encode(t, *withoutBody(h), model, ts)
		_, model2, ts2, err := readFrame(bufio.NewReader(bytes.NewReader(again)), 1<<17)
		if err != nil {
			t.Fatalf("a frame that was read cannot be read again: %v", err)
		}
		if !bytes.Equal(model, model2) || len(ts) != len(ts2) {
			t.Fatal("the frame changed")
		}
		for i := range ts {
			if !bytes.Equal(ts[i].Proto().GetRawData(), ts2[i].Proto().GetRawData()) {
				t.Fatalf("tensor %d changed", i)
			}
		}
	})
}

func withoutBody(h *header) *header {
	c := *h
	c.Model, c.Tensors = 0, nil
	return &c
}
