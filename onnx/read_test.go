package onnx

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var foreignFiles = []struct {
	name  string
	bytes string
	want  string
}{
	{"nothing", "", "an empty file"},
	{"gzip", "\x1f\x8b\x08\x00\x00\x00\x00\x00", "a gzip file"},
	{"zip", "PK\x03\x04\x14\x00", "a zip file"},
	{"png", "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "a PNG image"},
	{"jpeg", "\xff\xd8\xff\xe0\x00\x10JFIF", "a JPEG image"},
	{"hdf5", "\x89HDF\r\n\x1a\n\x00", "an HDF5 file"},
	{"numpy", "\x93NUMPY\x01\x00", "a NumPy array"},
	{"gguf", "GGUF\x03\x00\x00\x00", "a GGUF file"},
	{"elf", "\x7fELF\x02\x01", "an ELF program"},
	{"tar", strings.Repeat("\x00", 257) + "ustar" + strings.Repeat("\x00", 250), "a tar file"},
	{"tflite", "\x1c\x00\x00\x00TFL3\x14\x00", "a TensorFlow Lite model"},
	{"ort", "\x10\x00\x00\x00ORTM\x00", "(.ort)"},
	{"lfs", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "a Git LFS pointer"},
	{"pickle", "\x80\x02}q\x00(X\x05\x00\x00\x00state", "a Python pickle"},
	{"old torch checkpoint", "\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "a Python pickle"},
	{"safetensors", string(binary.LittleEndian.AppendUint64(nil, 40)) + `{"w":{"dtype":"F32","shape":[1],`, "a safetensors file"},
	{"html", "\n <!DOCTYPE html>\n<html><head>", "an HTML page"},
	{"json", `{"ir_version": 8, "graph": {}}`, "JSON text"},
	{"prototxt", "ir_version: 8\ngraph {\n}\n", "protobuf's text form"},
	{"onnx text", "<ir_version: 8, opset_import: [\"\" : 13]>\nagraph (float[N] x) => (float[N] y) {}", "textual form"},
	{"text", "These are not the bytes you are looking for.\n" + strings.Repeat("ä", 400), "text"},
	{"blank", "   \n\n", "blank text"},
}

func TestFilesOfOtherKindsAreNamed(t *testing.T) {
	for _, c := range foreignFiles {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("m.onnx", []byte(c.bytes), Limits{})
			f, ok := errors.AsType[*FormatError](err)
			if !ok || !strings.Contains(f.What, "not ONNX: ") || !strings.Contains(f.What, c.want) {
				t.Errorf("got %v, want a FormatError with %q", err, c.want)
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
	if _, err := Read(path, Limits{}); !isUnsupported(err) || !strings.Contains(err.Error(), "1099511627776 bytes, the limit is 2147483648") {
		t.Errorf("got %v, want an UnsupportedError", err)
	}
}

func TestReadKeepsBytesAndPath(t *testing.T) {
	b, err := Marshal(denseModel(t))
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
