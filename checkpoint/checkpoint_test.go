package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/petrify-ml/petrify/internal/race"
	"github.com/petrify-ml/petrify/internal/witnesstest"
)

// small is a snapshot with what is hard to keep: odd numbers, a scalar, names
// that JSON must escape, an order that is not the alphabet's.
func small() *Snapshot {
	return &Snapshot{
		Step: 1200,
		Tensors: []Tensor{
			{"generator.fc1.weight", []int{2, 3}, []float32{1, -2.5, float32(math.Copysign(0, -1)), math.MaxFloat32, math.SmallestNonzeroFloat32, 0.1}},
			{"generator.fc1.bias", []int{1}, []float32{-1e-40}},
			{"adam.m/generator.fc1.bias", []int{1, 1, 1}, []float32{float32(math.Inf(-1))}},
			{"a \"quoted\" <name> ü", nil, []float32{math.Float32frombits(0x7fa00001)}},
		},
		Meta: map[string]string{"stream/noise": "18446744073709551615", "z": "", "a": "<&> \u2028"},
	}
}

// same compares snapshots bit for bit.
func same(a, b *Snapshot) bool {
	return a.Step == b.Step && maps.Equal(a.Meta, b.Meta) &&
		slices.EqualFunc(a.Tensors, b.Tensors, func(x, y Tensor) bool {
			return x.Name == y.Name && slices.Equal(x.Dims, y.Dims) && slices.EqualFunc(x.Data, y.Data, func(p, q float32) bool {
				return math.Float32bits(p) == math.Float32bits(q)
			})
		})
}

func encoded(t testing.TB, s *Snapshot) []byte {
	t.Helper()
	b, err := Encode(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func decoded(b []byte) (*Snapshot, error) {
	s, _, err := decode("weights", bytes.NewReader(b), int64(len(b)))
	return s, err
}

// forge writes a file with any header and data; SUM in the header becomes the
// right checksum.
func forge(head string, data []byte) []byte {
	head = strings.Replace(head, "SUM", strings.Repeat("0", 64), 1)
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(head)))
	b = append(append(b, head...), data...)
	sum := sha256.Sum256(b)
	return bytes.Replace(b, bytes.Repeat([]byte("0"), 64), []byte(hex.EncodeToString(sum[:])), 1)
}

const goodMeta = `"__metadata__":{"petrify.step":"3","petrify.sha256":"SUM"}`

func TestRoundTripKeepsEveryBit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weights.safetensors")
	for name, want := range map[string]*Snapshot{
		"small":      small(),
		"no tensors": {Step: 0},
		"large":      {Step: math.MaxInt32, Tensors: []Tensor{{"w", []int{300, 257}, slices.Repeat([]float32{0.1}, 300*257)}}},
	} {
		if err := WriteFile(path, want); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := ReadFile(path)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !same(got, want) {
			t.Errorf("%s: wrote %v, read %v", name, want, got)
		}
	}
}

func TestSameSnapshotSameBytes(t *testing.T) {
	const want = "c25f0d7f4fba449263201b49c16495b9ecbecc1ad95540105d4c2af7b8027fda"
	for range 10 {
		sum := sha256.Sum256(encoded(t, small()))
		if got := hex.EncodeToString(sum[:]); got != want {
			t.Fatalf("sha256 of the file is %s, want %s", got, want)
		}
	}
}

func TestDataIsAligned(t *testing.T) {
	s := small()
	for range 20 {
		s.Meta["z"] += "x"
		b := encoded(t, s)
		if n := binary.LittleEndian.Uint64(b); n%8 != 0 {
			t.Errorf("header of %d bytes, want a multiple of 8", n)
		}
	}
}

// mustBeRefused checks that a file is a *FormatError which names it.
func mustBeRefused(t *testing.T, what string, b []byte) {
	t.Helper()
	_, err := decoded(b)
	if e, ok := errors.AsType[*FormatError](err); !ok {
		t.Errorf("%s: error %v, want a *FormatError", what, err)
	} else if e.File != "weights" || e.Why == "" {
		t.Errorf("%s: %q does not name the file or what is wrong", what, e)
	}
}

func TestEveryCutIsRefused(t *testing.T) {
	b := encoded(t, small())
	for n := range b {
		mustBeRefused(t, "cut to "+shape([]int{n}), b[:n])
	}
	for _, more := range []string{"\x00", " ", "more"} {
		mustBeRefused(t, "with something after it", append(slices.Clone(b), more...))
	}
}

func TestEveryChangedByteIsRefused(t *testing.T) {
	b := encoded(t, small())
	for at := range b {
		was := b[at]
		for flip := 1; flip < 256; flip++ {
			b[at] = was ^ byte(flip)
			mustBeRefused(t, "byte "+shape([]int{at}), b)
		}
		b[at] = was
	}
	if _, err := decoded(b); err != nil {
		t.Fatalf("the file itself: %v", err)
	}
}

// crafted are files with a right checksum and a wrong layout. The fuzz target
// starts from them too.
var crafted = []struct {
	name, head string
	data       int
	say        string
}{
	{"no header", ``, 0, "header does not start with {"},
	{"a list", `[]`, 0, "header does not start with {"},
	{"a space in front", ` {}`, 0, "header does not start with {"},
	{"open object", `{` + goodMeta, 0, "header ends in it"},
	{"two objects", `{` + goodMeta + `}{}`, 0, "goes on after its end"},
	{"bad UTF-8", "{\"a\xff\":1}", 0, "not valid UTF-8"},
	{"deep", `{"w":` + strings.Repeat("[", 10000), 0, `tensor "w": [, want {`},
	{"no metadata", `{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4, "no petrify.sha256 in its metadata"},
	{"metadata of numbers", `{"__metadata__":{"petrify.step":3}}`, 0, `"petrify.step": 3, want a string`},
	{"metadata twice", `{` + goodMeta + `,"__metadata__":{}}`, 0, `key "__metadata__" appears twice`},
	{"step twice", `{"__metadata__":{"petrify.step":"3","petrify.step":"3","petrify.sha256":"SUM"}}`, 0, `key "petrify.step" appears twice`},
	{"no step", `{"__metadata__":{"petrify.sha256":"SUM"}}`, 0, `petrify.step is ""`},
	{"step below 0", `{"__metadata__":{"petrify.step":"-3","petrify.sha256":"SUM"}}`, 0, `petrify.step is "-3"`},
	{"step with a plus", `{"__metadata__":{"petrify.step":"+3","petrify.sha256":"SUM"}}`, 0, `petrify.step is "+3"`},
	{"short sum", `{"__metadata__":{"petrify.step":"3","petrify.sha256":"abc"}}`, 0, `petrify.sha256 is "abc"`},
	{"empty sum", `{"__metadata__":{"petrify.step":"3","petrify.sha256":""}}`, 0, `petrify.sha256 is ""`},
	{"from the future", `{"__metadata__":{"petrify.step":"3","petrify.sha256":"SUM","petrify.new":""}}`, 0, `unknown metadata "petrify.new"`},
	{"tensor twice", `{` + goodMeta + `,"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8, `key "w" appears twice`},
	{"tensor twice, escaped", `{` + goodMeta + `,"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"\u0077":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8, `key "w" appears twice`},
	{"shape twice", `{` + goodMeta + `,"w":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}}`, 4, `tensor "w": key "shape" appears twice`},
	{"capital key", `{` + goodMeta + `,"w":{"Dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4, `tensor "w": unknown key "Dtype"`},
	{"no dtype", `{` + goodMeta + `,"w":{"shape":[1],"data_offsets":[0,4]}}`, 4, `tensor "w": dtype missing`},
	{"no shape", `{` + goodMeta + `,"w":{"dtype":"F32","data_offsets":[0,4]}}`, 4, `tensor "w": shape missing`},
	{"no offsets", `{` + goodMeta + `,"w":{"dtype":"F32","shape":[1]}}`, 4, `tensor "w": data_offsets missing`},
	{"no name", `{` + goodMeta + `,"":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4, `an empty name`},
	{"half precision", `{` + goodMeta + `,"w":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}`, 4, `tensor "w": dtype "F16", want F32`},
	{"not an object", `{` + goodMeta + `,"w":4}`, 4, `tensor "w": 4, want {`},
	{"null", `{` + goodMeta + `,"w":null}`, 4, `tensor "w": <nil>, want {`},
	{"three offsets", `{` + goodMeta + `,"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}`, 4, "3 data_offsets, want 2"},
	{"backwards", `{` + goodMeta + `,"w":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}`, 4, "before it begins"},
	{"negative dimension", `{` + goodMeta + `,"w":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}`, 4, "shape: -1, want a whole number"},
	{"fraction", `{` + goodMeta + `,"w":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}`, 4, "shape: 1.0, want a whole number"},
	{"exponent", `{` + goodMeta + `,"w":{"dtype":"F32","shape":[1e0],"data_offsets":[0,4]}}`, 4, "shape: 1e0, want a whole number"},
	{"number as text", `{` + goodMeta + `,"w":{"dtype":"F32","shape":["1"],"data_offsets":[0,4]}}`, 4, "shape: 1, want a whole number"},
	{"empty tensor", `{` + goodMeta + `,"w":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}`, 0, "shape 0, want dimensions from 1 on"},
	{"2^40 elements", `{` + goodMeta + `,"w":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}}`, 4, "ends at byte 4398046511104 of the data, the file has 4"},
	{"product overflows to 1", `{` + goodMeta + `,"w":{"dtype":"F32","shape":[4294967297,4294967297],"data_offsets":[0,4]}}`, 4, "can be addressed"},
	{"product overflows to 0", `{` + goodMeta + `,"w":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}`, 0, "can be addressed"},
	{"number beyond 63 bits", `{` + goodMeta + `,"w":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,4]}}`, 4, "want a whole number"},
	{"shape and bytes disagree", `{` + goodMeta + `,"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,20]}}`, 20, "bytes 0 to 20, want 24 bytes for shape 2x3"},
	{"hole in front", `{` + goodMeta + `,"w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8, "begins at byte 4, leaves a hole after the header, which ends at 0"},
	{"hole", `{` + goodMeta + `,"v":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}`, 12, `tensor "w": begins at byte 8, leaves a hole after "v", which ends at 4`},
	{"overlap", `{` + goodMeta + `,"v":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"w":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}`, 12, `tensor "w": begins at byte 4, overlaps "v", which ends at 8`},
	{"one place for two", `{` + goodMeta + `,"v":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4, "overlaps"},
	{"data too long", `{` + goodMeta + `,"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 5, `1 bytes after "w", where the data should end`},
	{"data without tensors", `{` + goodMeta + `}`, 4, "4 bytes after the header"},
}

func TestCraftedFilesAreRefused(t *testing.T) {
	for _, test := range crafted {
		t.Run(test.name, func(t *testing.T) {
			b := forge(test.head, make([]byte, test.data))
			mustBeRefused(t, test.name, b)
			if _, err := decoded(b); err != nil && !strings.Contains(err.Error(), test.say) {
				t.Errorf("%q does not say %q", err, test.say)
			}
		})
	}
	head := `{` + goodMeta + `,"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`
	if s, err := decoded(forge(head, make([]byte, 4))); err != nil || s.Step != 3 {
		t.Errorf("the file that the others are made from: %v", err)
	}
}

func TestLyingLengthTakesNoMemory(t *testing.T) {
	for _, n := range []uint64{math.MaxUint64, math.MaxInt64, 1 << 40, 100} {
		b := binary.LittleEndian.AppendUint64(nil, n)
		b = append(b, "{}"...)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		mustBeRefused(t, "lying length", b)
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 64<<10 {
			t.Errorf("header length %d: %d bytes taken", n, took)
		}
	}
}

// Headers that are made to take long are refused before, or bounded by what a header may have.
func TestLargeHeadersAreBounded(t *testing.T) {
	many := func(first, more, last string, size int) string {
		var b strings.Builder
		b.WriteString(first)
		for i := 0; b.Len() < size; i++ {
			fmt.Fprintf(&b, more, i)
		}
		return b.String() + last
	}
	for _, test := range []struct{ name, head, say string }{
		{"40 MB of tensors", many(`{"":{}`, `,"%d":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}`, "}", 40<<20), "want at most 2097152"},
		{"40 MB of metadata", many(`{"__metadata__":{"":""`, `,"%d":""`, "}}", 40<<20), "want at most 2097152"},
		{"dimensions", many(`{"x":{"dtype":"F32","data_offsets":[0,4],"shape":[1`, `,%d`, "]}}", 1<<20), "more than 32 numbers"},
	} {
		mustBeRefused(t, test.name, forge(test.head, nil))
		if _, err := decoded(forge(test.head, nil)); err == nil || !strings.Contains(err.Error(), test.say) || len(err.Error()) > 200 {
			t.Errorf("%s: %v, want %q", test.name, err, test.say)
		}
	}
	began := time.Now()
	n := race.AllocsPerRun(1, func() {
		mustBeRefused(t, "2 MB of tensors", forge(many(`{"":{}`, `,"%d":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}`, "}", maxHeader-100), nil))
	})
	if took := time.Since(began); took > 30*time.Second || n > 4e6 {
		t.Errorf("a header of 2 MB takes %v and %v allocations", took, n)
	}
}

func TestOrderIsThatOfTheData(t *testing.T) {
	head := `{"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]},` + goodMeta + `,"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`
	s, err := decoded(forge(head, []byte{0, 0, 0x80, 0x3f, 0, 0, 0, 0x40}))
	if err != nil {
		t.Fatal(err)
	}
	want := &Snapshot{Step: 3, Tensors: []Tensor{{"a", []int{1}, []float32{1}}, {"b", []int{1}, []float32{2}}}}
	if !same(s, want) {
		t.Errorf("read %v, want %v", s, want)
	}
}

func TestBadSnapshotsAreNotWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weights.safetensors")
	for _, test := range []struct {
		name string
		s    Snapshot
		say  string
	}{
		{"step", Snapshot{Step: -1}, "step is -1"},
		{"count", Snapshot{Tensors: []Tensor{{"w", []int{2, 3}, make([]float32, 5)}}}, "w: 5 values, want 6 for shape 2x3"},
		{"scalar", Snapshot{Tensors: []Tensor{{"w", nil, nil}}}, "w: 0 values, want 1 for shape scalar"},
		{"empty", Snapshot{Tensors: []Tensor{{"w", []int{0}, nil}}}, "w: shape 0"},
		{"overflow", Snapshot{Tensors: []Tensor{{"w", []int{1 << 16, 1 << 16, 1 << 16, 1 << 16}, nil}}}, "can be addressed"},
		{"twice", Snapshot{Tensors: []Tensor{{"w", nil, []float32{1}}, {"w", nil, []float32{1}}}}, "w: appears twice"},
		{"no name", Snapshot{Tensors: []Tensor{{"", nil, []float32{1}}}}, `tensor 0: "" cannot be a name`},
		{"metadata's name", Snapshot{Tensors: []Tensor{{"__metadata__", nil, []float32{1}}}}, "cannot be a name"},
		{"name in bad UTF-8", Snapshot{Tensors: []Tensor{{"\xff", nil, []float32{1}}}}, "cannot be a name"},
		{"reserved", Snapshot{Meta: map[string]string{"petrify.step": "3"}}, "reserved"},
		{"meta in bad UTF-8", Snapshot{Meta: map[string]string{"a": "\xff"}}, "not valid UTF-8"},
	} {
		err := WriteFile(path, &test.s)
		if err == nil || !strings.Contains(err.Error(), test.say) {
			t.Errorf("%s: error %v, want %q in it", test.name, err, test.say)
		}
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("something was written")
	}
}

func TestWhatCannotBeReadIsNoFormatError(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Join(dir, "missing")} {
		_, err := ReadFile(path)
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v", path, err)
		}
		if _, ok := errors.AsType[*FormatError](err); ok {
			t.Errorf("%s: %v is a *FormatError", path, err)
		}
	}
}

func TestDigestSeesEveryPart(t *testing.T) {
	base := Digest(small().Tensors)
	const want = "4dd4b5ea11b96eed24e0280c3ce572ad49b08cfa2f006c4a204c82325978ad3f"
	if base != want {
		t.Errorf("digest %s, want %s on every machine", base, want)
	}
	for name, change := range map[string]func(s *Snapshot){
		"a sign":  func(s *Snapshot) { s.Tensors[0].Data[2] = 0 },
		"a name":  func(s *Snapshot) { s.Tensors[1].Name += "x" },
		"a shape": func(s *Snapshot) { s.Tensors[0].Dims = []int{3, 2} },
		"a rank":  func(s *Snapshot) { s.Tensors[1].Dims = nil },
		"order":   func(s *Snapshot) { s.Tensors[0], s.Tensors[1] = s.Tensors[1], s.Tensors[0] },
		"count":   func(s *Snapshot) { s.Tensors = s.Tensors[1:] },
	} {
		s := small()
		change(s)
		if Digest(s.Tensors) == base {
			t.Errorf("%s: the digest stays the same", name)
		}
	}
	if got := len(small().Weights()); got != 3 {
		t.Errorf("%d weights, want 3 and the optimiser's left out", got)
	}
}

// opinion is what testdata/witness.py prints about a file.
type opinion struct {
	Meta    map[string]string `json:"meta"`
	Digest  string            `json:"digest"`
	Tensors []struct {
		Name string `json:"name"`
		Dims []int  `json:"dims"`
		Bits string `json:"bits"`
	} `json:"tensors"`
}

// witness runs testdata/witness.py.
func witness(t *testing.T, args ...string) opinion {
	t.Helper()
	python := witnesstest.Python(t, "numpy", "torch")
	out, err := exec.CommandContext(t.Context(), python, append([]string{"testdata/witness.py"}, args...)...).Output()
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		t.Fatalf("witness.py %v: %v\n%s", args, err, e.Stderr)
	} else if err != nil {
		t.Fatal(err)
	}
	var o opinion
	if err := json.Unmarshal(out, &o); err != nil {
		t.Fatal(err)
	}
	return o
}

// agree compares tensors bit for bit with the witness's.
func agree(t *testing.T, tensors []Tensor, o opinion) {
	t.Helper()
	if len(tensors) != len(o.Tensors) {
		t.Fatalf("%d tensors, the witness has %d", len(tensors), len(o.Tensors))
	}
	for i, w := range o.Tensors {
		var b []byte
		for _, v := range tensors[i].Data {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
		if tensors[i].Name != w.Name || !slices.Equal(tensors[i].Dims, w.Dims) || hex.EncodeToString(b) != w.Bits {
			t.Errorf("tensor %d: %s %v %x, the witness has %s %v %s", i, tensors[i].Name, tensors[i].Dims, b, w.Name, w.Dims, w.Bits)
		}
	}
	if got := Digest(tensors); got != o.Digest {
		t.Errorf("digest %s, the witness has %s", got, o.Digest)
	}
}

func TestNumpyAndTorchReadWhatWeWrite(t *testing.T) {
	s := small()
	path := filepath.Join(t.TempDir(), "weights.safetensors")
	if err := WriteFile(path, s); err != nil {
		t.Fatal(err)
	}
	o := witness(t, "read", path)
	if o.Meta[stepKey] != "1200" {
		t.Errorf("step %q, want 1200", o.Meta[stepKey])
	}
	delete(o.Meta, stepKey)
	delete(o.Meta, sumKey)
	if !maps.Equal(o.Meta, s.Meta) {
		t.Errorf("meta %q, want %q", o.Meta, s.Meta)
	}
	agree(t, s.Tensors, o)
}

func TestWeReadWhatTorchWrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weights.safetensors")
	o := witness(t, "write", path)
	s, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if s.Step != 41 || !maps.Equal(s.Meta, o.Meta) {
		t.Errorf("step %d, meta %q; want 41, %q", s.Step, s.Meta, o.Meta)
	}
	agree(t, s.Tensors, o)
}

func FuzzDecode(f *testing.F) {
	f.Add(encoded(f, small()))
	f.Add(encoded(f, &Snapshot{}))
	for _, c := range crafted {
		f.Add(forge(c.head, make([]byte, c.data)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decoded(b)
		if err != nil {
			if _, ok := errors.AsType[*FormatError](err); !ok {
				t.Fatalf("%v is not a *FormatError", err)
			}
			return
		}
		again, err := decoded(encoded(t, s))
		if err != nil || !same(s, again) {
			t.Fatalf("read, written and read again: %v, %v, %v", s, again, err)
		}
	})
}

// The checksum keeps random bytes from getting far: here it is put right.
func FuzzDecodeHeader(f *testing.F) {
	for _, c := range crafted {
		f.Add(c.head, c.data)
	}
	f.Add(`{`+goodMeta+`,"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4)
	f.Fuzz(func(t *testing.T, head string, data int) {
		if data < 0 || data > 1<<16 || strings.Count(head, "SUM") > 1 {
			return
		}
		s, err := decoded(forge(head, make([]byte, data)))
		if err != nil {
			if _, ok := errors.AsType[*FormatError](err); !ok {
				t.Fatalf("%v is not a *FormatError", err)
			}
			return
		}
		total := 0
		for _, tensor := range s.Tensors {
			total += 4 * len(tensor.Data)
		}
		if total != data {
			t.Fatalf("%d bytes in tensors, %d in the file", total, data)
		}
		if again, err := decoded(encoded(t, s)); err != nil || !same(s, again) {
			t.Fatalf("read, written and read again: %v, %v, %v", s, again, err)
		}
	})
}

func BenchmarkWriteFile(b *testing.B) { benchmark(b, true) }
func BenchmarkReadFile(b *testing.B)  { benchmark(b, false) }

// benchmark takes a dense GAN with its optimiser's state: 4 MB.
func benchmark(b *testing.B, write bool) {
	s := &Snapshot{Step: 1, Tensors: []Tensor{{"w", []int{1 << 20}, make([]float32, 1<<20)}}}
	path := filepath.Join(b.TempDir(), "weights.safetensors")
	if err := WriteFile(path, s); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(4 << 20)
	for b.Loop() {
		var err error
		if write {
			err = WriteFile(path, s)
		} else {
			_, err = ReadFile(path)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
