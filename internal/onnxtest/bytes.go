package onnxtest

import (
	"bytes"
	"encoding/binary"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// LenField returns a field of wire type 2.
func LenField(number protowire.Number, b ...byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), b)
}

// VarintField returns a field of wire type 0.
func VarintField(number protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), v)
}

// Cat joins bytes.
func Cat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// Nested returns a graph in a node's attribute in a graph, n times.
func Nested(n int) []byte {
	g := LenField(2, 'g')
	for range n {
		g = LenField(1, LenField(5, LenField(6, g...)...)...)
	}
	return LenField(7, g...)
}

// WireFaults are bytes that break the wire format, each at one offset.
var WireFaults = []struct {
	Name   string
	Bytes  []byte
	Offset int64
	Want   string
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
	{"a length past the end of its message", Cat(LenField(7, 0x12, 0x09, 'a')), 3, "length of 9 bytes, 1 are left"},
	{"a field of number 0", []byte{0x02, 0x00}, 0, "field of number 0"},
	{"a field number beyond 2^29", protowire.AppendVarint(nil, 1<<32), 0, "field of number 536870912"},
	{"wire type 6", []byte{0x0e}, 0, "wire type 6"},
	{"wire type 7", []byte{0x0f}, 0, "wire type 7"},
	{"an end of a group alone", []byte{0x0c}, 0, "did not begin"},
	{"a group that does not end", protowire.AppendTag(nil, 30, protowire.StartGroupType), 2, "does not end"},
	{"a group that another field ends", Cat(protowire.AppendTag(nil, 30, protowire.StartGroupType), protowire.AppendTag(nil, 31, protowire.EndGroupType)), 2, "field 31 ends the group of field 30"},
	{"a number where a string belongs", VarintField(2, 1), 1, "producer_name has wire type 0, want 2"},
	{"a string where a number belongs", LenField(1, 'a'), 1, "ir_version has wire type 2, want 0"},
	{"4 bytes where 8 belong", []byte{0x0d, 0, 0, 0, 0}, 1, "ir_version has wire type 5, want 0"},
	{"a fixed number cut short", LenField(7, LenField(1, LenField(5, 0x15, 0, 0)...)...), 7, "wants 4 bytes, 2 are left"},
	{"an unknown fixed number cut short", []byte{0xf1, 0x01, 0, 0}, 2, "wants 8 bytes, 2 are left"},
	{"packed floats of 6 bytes", LenField(7, LenField(5, LenField(4, 1, 2, 3, 4, 5, 6)...)...), 5, "which 4 does not divide"},
	{"packed numbers cut short", LenField(7, LenField(5, LenField(7, 1, 0x80)...)...), 7, "middle of a number"},
	{"a name that is not UTF-8", LenField(2, 0xff, 0xfe), 2, "not UTF-8"},
	{"a second graph", Cat(LenField(7), LenField(7)), 2, "second time"},
	{"both members of a oneof", LenField(7, LenField(11, LenField(2, Cat(LenField(1), LenField(4))...)...)...), 8, "excludes it"},
	{"a data type of 33 bits", LenField(7, LenField(5, VarintField(2, 1<<32|1)...)...), 5, "32 bits do not hold"},
	{"trailing bytes", Cat(VarintField(1, 8), []byte{0}), 2, "field of number 0"},
}

// Types returns a sequence of a sequence, n times.
func Types(n int) []byte {
	var b []byte
	for range n {
		b = LenField(4, LenField(1, b...)...)
	}
	return b
}

// ForeignFiles begin as files of other kinds do.
var ForeignFiles = []struct {
	Name  string
	Bytes string
	Want  string
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
