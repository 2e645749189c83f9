// Package wire reads ONNX from bytes that may be hostile.
//
// Nothing is allocated on the word of the file alone: a scanner first walks the wire format of a
// message and checks that every tag, length and number is well formed, that no singular field is
// repeated, and that the Limits hold. Then protobuf decodes it, without the elements of tensors,
// which are not copied out of the file's bytes. A *onnx.FormatError says that the bytes are not
// ONNX, and what they are instead if that can be recognised; an *onnx.UnsupportedError says that
// they exceed the limits.
//
// External data files are opened only inside the folder of their model, and not through links of
// any kind.
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"google.golang.org/protobuf/proto"
)

// Read reads the model at path. A *FormatError says that it is not ONNX, an
// *UnsupportedError that it is beyond the limits; other errors are the file
// system's.
func Read(path string, lim Limits) (*onnx.Model, error) {
	b, err := readFile(path, lim.withDefaults())
	if err != nil {
		return nil, err
	}
	return Parse(path, b, lim)
}

// ReadFrom reads a model from r, up to its end; errors call it name. It takes
// no more from r than the limit of size and one byte.
func ReadFrom(name string, r io.Reader, lim Limits) (*onnx.Model, error) {
	lim = lim.withDefaults()
	if f, ok := r.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() && info.Size() > lim.Size {
			return nil, tooLarge(name, info.Size(), lim)
		}
	}
	b, err := io.ReadAll(io.LimitReader(r, lim.Size+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if int64(len(b)) > lim.Size {
		return nil, &onnx.UnsupportedError{Why: fmt.Sprintf("%s: more than %d bytes, the limit", name, lim.Size)}
	}
	return Parse(name, b, lim)
}

// Parse is Read for bytes in memory; errors call them name. The model keeps b.
func Parse(name string, b []byte, lim Limits) (*onnx.Model, error) {
	m := &onnx.Model{Proto: &pb.ModelProto{}, Bytes: b, Path: name}
	if err := parse(name, b, m.Proto, lim.withDefaults()); err != nil {
		return nil, err
	}
	return m, nil
}

// ReadTensorFile reads a file that holds one TensorProto, as in ONNX's folders
// of test data.
func ReadTensorFile(path string, lim Limits) (*onnx.Tensor, error) {
	p := &pb.TensorProto{}
	if err := ReadMessageFile(path, p, lim); err != nil {
		return nil, err
	}
	t, err := onnx.FromProto(p)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// ReadMessageFile reads a file that holds one message of ONNX into m: a
// TensorProto, SequenceProto, OptionalProto or MapProto.
func ReadMessageFile(path string, m proto.Message, lim Limits) error {
	lim = lim.withDefaults()
	b, err := readFile(path, lim)
	if err != nil {
		return err
	}
	return parse(path, b, m, lim)
}

// ParseMessage is ReadMessageFile for bytes in memory; errors call them name. The
// message keeps b.
func ParseMessage(name string, b []byte, m proto.Message, lim Limits) error {
	return parse(name, b, m, lim.withDefaults())
}

func parse(name string, b []byte, m proto.Message, lim Limits) error {
	if int64(len(b)) > lim.Size {
		return tooLarge(name, int64(len(b)), lim)
	}
	if len(b) == 0 {
		return &onnx.FormatError{File: name, Offset: -1, What: "not ONNX: an empty file"}
	}
	skeleton, bulks, err := scan(b, wire(m.ProtoReflect().Descriptor().FullName()), lim)
	if err != nil {
		if what := foreign(b); what != "" {
			return &onnx.FormatError{File: name, Offset: -1, What: "not ONNX: this is " + what}
		}
		return inFile(name, err)
	}
	if err := proto.Unmarshal(skeleton, m); err != nil {
		return &onnx.FormatError{File: name, Offset: -1, What: "not a message of ONNX", Err: err}
	}
	for t := range onnx.Tensors(m) {
		restore(t, bulks)
	}
	return nil
}

// inFile completes an error of the scanner with the name of the file.
func inFile(name string, err error) error {
	if f, ok := errors.AsType[*onnx.FormatError](err); ok {
		f.File = name
		return f
	}
	if u, ok := errors.AsType[*onnx.UnsupportedError](err); ok {
		u.Why = name + ": " + u.Why
		return u
	}
	return fmt.Errorf("%s: %w", name, err)
}

// restore puts the elements that the scanner held back into their tensor. They
// are not copied: raw_data is part of the file's bytes, and so are long lists of
// packed numbers.
func restore(t *pb.TensorProto, bulks []bulk) {
	if t.RawData == nil {
		return
	}
	own := bulks[binary.LittleEndian.Uint64(t.RawData)]
	t.RawData = own.raw
	switch n := size(own.floats); {
	case n == 0:
	case len(own.floats) == 1 && n >= shared:
		t.FloatData = floatsOf(own.floats[0])
	default:
		t.FloatData = make([]float32, 0, n/4)
		for _, b := range own.floats {
			t.FloatData = appendFloats(t.FloatData, b)
		}
	}
	switch n := size(own.doubles); {
	case n == 0:
	case len(own.doubles) == 1 && n >= shared:
		t.DoubleData = doublesOf(own.doubles[0])
	default:
		t.DoubleData = make([]float64, 0, n/8)
		for _, b := range own.doubles {
			t.DoubleData = appendDoubles(t.DoubleData, b)
		}
	}
}

// shared is the number of bytes from which on numbers stay where they lie in
// the file. Fewer are not worth the missing alignment.
const shared = 4 << 10

func appendFloats(to []float32, b []byte) []float32 {
	for ; len(b) >= 4; b = b[4:] {
		to = append(to, math.Float32frombits(binary.LittleEndian.Uint32(b)))
	}
	return to
}

func appendDoubles(to []float64, b []byte) []float64 {
	for ; len(b) >= 8; b = b[8:] {
		to = append(to, math.Float64frombits(binary.LittleEndian.Uint64(b)))
	}
	return to
}

func size(parts [][]byte) (n int) {
	for _, b := range parts {
		n += len(b)
	}
	return n
}

func tooLarge(name string, size int64, lim Limits) error {
	return &onnx.UnsupportedError{Why: fmt.Sprintf("%s: %d bytes, the limit is %d", name, size, lim.Size)}
}

// readFile reads a regular file of at most lim.Size bytes.
func readFile(path string, lim Limits) ([]byte, error) {
	// A named pipe would block in Open, so the kind is asked first and again
	// of what was opened.
	if info, err := os.Stat(path); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("not a regular file")}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("not a regular file")}
	}
	if info.Size() > lim.Size {
		return nil, tooLarge(path, info.Size(), lim)
	}
	b := make([]byte, info.Size())
	if _, err := io.ReadFull(f, b); err != nil {
		return nil, &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("of %d bytes: %w", len(b), err)}
	}
	return b, nil
}
