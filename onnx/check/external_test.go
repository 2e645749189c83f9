//go:build unix

package check

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/rule"
	"github.com/petrify-ml/petrify/onnx/wire"
)

// weights are the elements of net.fc1.weight.
var weights = (&onnx.Tensor{Dims: []int{6}, Data: onnx.Slice[float32]{1, 2, 3, 4, 5, 6}}).Proto().RawData

// externalModel writes the dense model into dir with its weight external.
func externalModel(t *testing.T, dir string, entries ...string) *onnx.Model {
	m := onnxtest.DenseModel(t)
	onnxtest.External(entries...)(m)
	path := filepath.Join(dir, "m.onnx")
	if err := os.WriteFile(path, onnxtest.Bytes(t, m), 0o644); err != nil {
		t.Fatal(err)
	}
	read, err := wire.Read(path, wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// An externalCase lays files into the model's folder and says what is wrong
// with them. Outside is a folder beside it, with a file "secret" of the right
// length in it.
var externalCases = []struct {
	name    string
	entries []string
	lay     func(t *testing.T, dir, outside string)
	code    string
	what    string
}{
	{"no file", []string{"location", "w"}, nil, "external-data-file-missing", `"w" cannot be opened: no such file`},
	{"no folder", []string{"location", "a/w"}, nil, "external-data-file-missing", "no such file"},
	{"a symbolic link to a file outside", []string{"location", "w"}, func(t *testing.T, dir, outside string) {
		must(t, os.Symlink(filepath.Join(outside, "secret"), filepath.Join(dir, "w")))
	}, "external-data-link", "a symbolic link"},
	{"a symbolic link to a file inside", []string{"location", "w"}, func(t *testing.T, dir, outside string) {
		must(t, os.WriteFile(filepath.Join(dir, "v"), weights, 0o644))
		must(t, os.Symlink("v", filepath.Join(dir, "w")))
	}, "external-data-link", "a symbolic link"},
	{"a folder that is a symbolic link", []string{"location", "a/secret"}, func(t *testing.T, dir, outside string) {
		must(t, os.Symlink(outside, filepath.Join(dir, "a")))
	}, "external-data-link", `reached through "a", which is not a folder but a symbolic link`},
	{"a hard link", []string{"location", "w"}, func(t *testing.T, dir, outside string) {
		must(t, os.Link(filepath.Join(outside, "secret"), filepath.Join(dir, "w")))
	}, "external-data-link", "2 names"},
	{"a folder", []string{"location", "w"}, func(t *testing.T, dir, outside string) { must(t, os.Mkdir(filepath.Join(dir, "w"), 0o755)) }, "external-data-link", "a folder"},
	{"a named pipe", []string{"location", "w"}, func(t *testing.T, dir, outside string) { must(t, syscall.Mkfifo(filepath.Join(dir, "w"), 0o644)) }, "external-data-link", "a named pipe"},
	{"a socket", []string{"location", "w"}, func(t *testing.T, dir, outside string) {
		l, err := net.Listen("unix", filepath.Join(dir, "w"))
		must(t, err)
		t.Cleanup(func() { l.Close() })
	}, "external-data-link", "a socket"},
	{"a file in place of a folder", []string{"location", "a/w"}, func(t *testing.T, dir, outside string) {
		must(t, os.WriteFile(filepath.Join(dir, "a"), weights, 0o644))
	}, "external-data-link", "not a folder but a file"},
	{"a file too short", []string{"location", "w", "length", "24"}, func(t *testing.T, dir, outside string) {
		must(t, os.WriteFile(filepath.Join(dir, "w"), weights[:23], 0o644))
	}, "external-data-range", `24 bytes at 0 of "w", which has 23`},
	{"an offset past the end", []string{"location", "w", "offset", "1", "length", "24"}, func(t *testing.T, dir, outside string) {
		must(t, os.WriteFile(filepath.Join(dir, "w"), weights, 0o644))
	}, "external-data-range", "24 bytes at 1"},
	{"an offset far past the end", []string{"location", "w", "offset", "9223372036854775000", "length", "24"}, func(t *testing.T, dir, outside string) {
		must(t, os.WriteFile(filepath.Join(dir, "w"), weights, 0o644))
	}, "external-data-range", "24 bytes at 9223372036854775000"},
	{"a file of another length, none said", []string{"location", "w"}, func(t *testing.T, dir, outside string) {
		must(t, os.WriteFile(filepath.Join(dir, "w"), append(weights, 0), 0o644))
	}, "tensor-length", "wants 24 bytes, external data has 25"},
	{"another checksum", []string{"location", "w", "checksum", "00"}, func(t *testing.T, dir, outside string) {
		must(t, os.WriteFile(filepath.Join(dir, "w"), weights, 0o644))
	}, "external-data-checksum", `want "00"`},
	{"a location outside", []string{"location", "../secret/w"}, nil, "external-data-path", "leaves the folder"},
}

func TestExternalDataStaysInsideTheFolder(t *testing.T) {
	for _, c := range externalCases {
		t.Run(c.name, func(t *testing.T) {
			dir, outside := t.TempDir(), t.TempDir()
			must(t, os.WriteFile(filepath.Join(outside, "secret"), weights, 0o644))
			m := externalModel(t, dir, c.entries...)
			if c.lay != nil {
				c.lay(t, dir, outside)
			}
			found := wire.CheckExternal(m)
			if len(found) != 1 || found[0].Code != c.code || !strings.Contains(found[0].Message, c.what) || found[0].Where != `tensor "net.fc1.weight"` {
				t.Errorf("got %s, want %s: %s", onnxtest.Lines(found), c.code, c.what)
			}
			before := m.Proto
			err := wire.Embed(m, wire.Limits{})
			if _, ok := errors.AsType[*onnx.FormatError](err); !ok || m.Proto != before {
				t.Errorf("embedded with %v, want a FormatError and the model as it was", err)
			}
		})
	}
}

func TestEmbedTakesTheElementsIn(t *testing.T) {
	sum := sha1.Sum(append(make([]byte, 8), weights...))
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "sub"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "sub", "w"), append(make([]byte, 8), weights...), 0o644))
	for _, entries := range [][]string{
		{"location", "sub/w", "offset", "8", "length", "24", "checksum", hex.EncodeToString(sum[:])},
		{"location", "./sub/w", "offset", "8"},
	} {
		m := externalModel(t, dir, entries...)
		if !m.External() {
			t.Error("the model does not say that it has external data")
		}
		if _, err := onnx.FromProto(m.Proto.Graph.Initializer[0]); !unsupported(err) {
			t.Errorf("before Embed FromProto gives %v, want an UnsupportedError", err)
		}
		if found := wire.CheckExternal(m); len(found) > 0 {
			t.Errorf("got %s", onnxtest.Lines(found))
		}
		must(t, wire.Embed(m, wire.Limits{}))
		again, err := wire.Parse("again", m.Bytes, wire.Limits{})
		if err != nil || m.External() || !bytes.Equal(m.Bytes, onnxtest.Bytes(t, onnxtest.DenseModel(t))) || again.External() {
			t.Errorf("after Embed the model is not the one with its weights inside (%v)", err)
		}
	}
}

func TestEmbedHoldsTheLimitOfSize(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "w"), weights, 0o644))
	m := externalModel(t, dir, "location", "w")
	// The same bytes for a thousand tensors: each is small, all are not.
	for range 1000 {
		m.Proto.Graph.Initializer = append(m.Proto.Graph.Initializer, m.Proto.Graph.Initializer[0])
	}
	if err := wire.Embed(m, wire.Limits{Elements: 20_000}); !unsupported(err) {
		t.Errorf("got %v, want an UnsupportedError", err)
	}
}

func TestCheckExternalOfAModelWithout(t *testing.T) {
	m := &onnx.Model{Proto: &pb.ModelProto{}, Path: filepath.Join(t.TempDir(), "m.onnx")}
	if found := wire.CheckExternal(m); len(found) > 0 || m.External() || wire.Embed(m, wire.Limits{}) != nil {
		t.Errorf("got %s", onnxtest.Lines(found))
	}
}

// Whatever a tensor says of its external data, it is given elements of files in the model's folder that have one name, or none.
func FuzzCheckExternal(f *testing.F) {
	for _, c := range externalCases {
		f.Add(strings.Join(c.entries, "\x00"), []byte(weights))
	}
	f.Add("location\x00./sub/../w\x00offset\x004096", make([]byte, 4096+24))
	f.Add("location\x00sub/w", []byte(nil))
	secret := bytes.Repeat([]byte("s"), len(weights))
	f.Fuzz(func(t *testing.T, entries string, data []byte) {
		outside, dir := t.TempDir(), t.TempDir()
		must(t, os.WriteFile(filepath.Join(outside, "secret"), secret, 0o644))
		must(t, os.Symlink(filepath.Join(outside, "secret"), filepath.Join(dir, "link")))
		must(t, os.Symlink(outside, filepath.Join(dir, "folder")))
		must(t, os.Link(filepath.Join(outside, "secret"), filepath.Join(dir, "twin")))
		must(t, os.Mkdir(filepath.Join(dir, "sub"), 0o755))
		must(t, os.WriteFile(filepath.Join(dir, "sub", "w"), weights, 0o644))
		must(t, os.WriteFile(filepath.Join(dir, "w"), data, 0o644))
		words := strings.Split(entries, "\x00")
		m := onnxtest.DenseModel(t)
		onnxtest.External(words[:len(words)/2*2]...)(m)
		model := &onnx.Model{Proto: m, Path: filepath.Join(dir, "m.onnx")}
		found := wire.CheckExternal(model)
		for _, f := range found {
			if s, ok := rule.SeverityOf(f.Code); !ok || s != f.Severity {
				t.Fatalf("finding without a rule: %+v", f)
			}
		}
		err := wire.Embed(model, wire.Limits{})
		if (err == nil) != (len(found) == 0) {
			t.Fatalf("embedded with %v, and found %s", err, onnxtest.Lines(found))
		}
		if raw := model.Proto.Graph.Initializer[0].RawData; err == nil && !bytes.Equal(raw, weights) && (len(raw) != len(weights) || !bytes.Contains(data, raw)) {
			t.Fatalf("took in %q, which is in no file of the folder", raw)
		}
	})
}
