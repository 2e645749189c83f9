package wire

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/onnx"
)

func TestFilesOfOtherKindsAreNamed(t *testing.T) {
	for _, c := range onnxtest.ForeignFiles {
		t.Run(c.Name, func(t *testing.T) {
			_, err := Parse("m.onnx", []byte(c.Bytes), Limits{})
			f, ok := errors.AsType[*onnx.FormatError](err)
			if !ok || !strings.Contains(f.What, "not ONNX: ") || !strings.Contains(f.What, c.Want) {
				t.Errorf("got %v, want a FormatError with %q", err, c.Want)
			}
		})
	}
}

func TestReadHoldsTheSizeBeforeItReads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "large.onnx")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 1<<40); err != nil { // takes no space
		t.Fatal(err)
	}
	if _, err := Read(path, Limits{}); !unsupported(err) || !strings.Contains(err.Error(), "1099511627776 bytes, the limit is 2147483648") {
		t.Errorf("got %v, want an UnsupportedError", err)
	}
}

func TestReadKeepsBytesAndPath(t *testing.T) {
	b, err := onnx.Marshal(onnxtest.DenseModel(t))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "m.onnx")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := Read(path, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if m.Path != path || string(m.Bytes) != string(b) || m.Opset() != 13 {
		t.Errorf("path %q, %d bytes, opset %d; want %q, %d, 13", m.Path, len(m.Bytes), m.Opset(), path, len(b))
	}
}

func unsupported(err error) bool {
	_, ok := errors.AsType[*onnx.UnsupportedError](err)
	return ok
}
