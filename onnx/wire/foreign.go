package wire

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"
)

// A signature is how another kind of file begins.
type signature struct {
	at    int
	bytes string
	what  string
}

var signatures = []signature{
	{0, "\x1f\x8b", "a gzip file"},
	{0, "PK\x03\x04", "a zip file (PyTorch checkpoints and .npz files are zip files too)"},
	{0, "PK\x05\x06", "an empty zip file"},
	{0, "\x89PNG\r\n\x1a\n", "a PNG image"},
	{0, "\xff\xd8\xff", "a JPEG image"},
	{0, "GIF8", "a GIF image"},
	{0, "%PDF-", "a PDF document"},
	{0, "\x7fELF", "an ELF program or library"},
	{0, "\x89HDF\r\n\x1a\n", "an HDF5 file (Keras weights)"},
	{0, "\x93NUMPY", "a NumPy array"},
	{0, "GGUF", "a GGUF file"},
	{0, "BZh", "a bzip2 file"},
	{0, "\xfd7zXZ\x00", "an xz file"},
	{0, "7z\xbc\xaf\x27\x1c", "a 7z file"},
	{0, "\x28\xb5\x2f\xfd", "a zstd file"},
	{4, "TFL3", "a TensorFlow Lite model"},
	{4, "ORTM", "a model in ONNX Runtime's own format (.ort)"},
	{257, "ustar", "a tar file"},
	{0, "version https://git-lfs.github.com/spec/", "a Git LFS pointer: the file itself was not fetched (git lfs pull)"},
	{0, "\x00asm", "a WebAssembly module"},
	{0, "MZ", "a Windows program or library"},
}

// foreign says what kind of file b is, when that is known, and "" otherwise. It
// is asked about bytes that are not a message of ONNX.
func foreign(b []byte) string {
	for _, s := range signatures {
		if len(b) >= s.at+len(s.bytes) && string(b[s.at:s.at+len(s.bytes)]) == s.bytes {
			return s.what
		}
	}
	switch {
	case isPickle(b):
		return "a Python pickle (an old PyTorch checkpoint?)"
	case isSafetensors(b):
		return "a safetensors file"
	}
	return text(b)
}

// isPickle recognises protocols 2 to 5: an opcode, the version, and a frame or
// one of the opcodes that pickled objects begin with.
func isPickle(b []byte) bool {
	return len(b) >= 3 && b[0] == 0x80 && b[1] >= 2 && b[1] <= 5 && bytes.IndexByte([]byte("\x95}]()\x8ac\x8cX"), b[2]) >= 0
}

// isSafetensors recognises the length of a JSON header, and the header.
func isSafetensors(b []byte) bool {
	return len(b) >= 10 && b[8] == '{' && (b[9] == '"' || b[9] == '}' || b[9] == ' ') && binary.LittleEndian.Uint64(b) < 100<<20
}

// text recognises text by its first bytes.
func text(b []byte) string {
	head := b[:min(len(b), 512)]
	for cut := 0; !utf8.Valid(head); cut++ {
		if cut == utf8.UTFMax || len(b) <= 512 { // more than a rune cut short
			return ""
		}
		head = head[:len(head)-1]
	}
	for _, c := range head {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' {
			return ""
		}
	}
	trimmed := bytes.ToLower(bytes.TrimSpace(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))))
	switch {
	case len(trimmed) == 0:
		return "blank text"
	case bytes.HasPrefix(trimmed, []byte("<!doctype html")), bytes.HasPrefix(trimmed, []byte("<html")):
		return "an HTML page (a download that needed a login, or a link to the page instead of the file?)"
	case trimmed[0] == '<':
		return "XML text, or ONNX's textual form; the binary form is wanted"
	case trimmed[0] == '{', trimmed[0] == '[':
		return "JSON text"
	case bytes.HasPrefix(trimmed, []byte("ir_version:")):
		return "a model in protobuf's text form; the binary form is wanted"
	case len(head) < 16:
		return "" // too short to tell
	}
	return "text"
}
