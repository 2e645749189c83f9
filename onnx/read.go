package onnx

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/petrify-ml/petrify/onnx/pb"
	"google.golang.org/protobuf/proto"
)

// Model is a file: the message and the bytes it was read from, which nobody
// may change.
type Model struct {
	Proto *pb.ModelProto
	Bytes []byte
	Path  string
}

// Opset returns the version of the default operator set that the model
// imports, 0 when it imports none.
func (m *Model) Opset() int64 { return opset(m.Proto.GetOpsetImport(), "") }

// opset returns the version of a domain among imports, 0 when it is absent.
// "ai.onnx" is another spelling of the default domain "".
func opset(imports []*pb.OperatorSetIdProto, domain string) int64 {
	for _, o := range imports {
		if canonicalDomain(o.GetDomain()) == canonicalDomain(domain) {
			return o.GetVersion()
		}
	}
	return 0
}

func canonicalDomain(d string) string {
	if d == "ai.onnx" {
		return ""
	}
	return d
}

// Limits bound what a reader accepts. A zero field stands for its default.
type Limits struct {
	Size int64 // bytes of the file; default 2 GiB, the most protobuf allows
}

func (l Limits) withDefaults() Limits {
	if l.Size == 0 {
		l.Size = 2 << 30
	}
	return l
}

// Read reads the model at path. A *FormatError says that it is not ONNX, an
// *UnsupportedError that it is beyond the limits; other errors are the file
// system's.
func Read(path string, lim Limits) (*Model, error) {
	b, err := readFile(path, lim.withDefaults())
	if err != nil {
		return nil, err
	}
	return Parse(path, b, lim)
}

// Parse is Read for bytes in memory; errors call them name. The model keeps b.
func Parse(name string, b []byte, lim Limits) (*Model, error) {
	m := &Model{Proto: &pb.ModelProto{}, Bytes: b, Path: name}
	if err := parse(name, b, m.Proto, lim.withDefaults()); err != nil {
		return nil, err
	}
	return m, nil
}

// ReadTensorFile reads a file that holds one TensorProto, as in ONNX's folders
// of test data.
func ReadTensorFile(path string, lim Limits) (*Tensor, error) {
	lim = lim.withDefaults()
	b, err := readFile(path, lim)
	if err != nil {
		return nil, err
	}
	p := &pb.TensorProto{}
	if err := parse(path, b, p, lim); err != nil {
		return nil, err
	}
	t, err := FromProto(p)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

func parse(name string, b []byte, m proto.Message, lim Limits) error {
	if int64(len(b)) > lim.Size {
		return tooLarge(name, int64(len(b)), lim)
	}
	if err := proto.Unmarshal(b, m); err != nil {
		return &FormatError{File: name, Offset: -1, What: "not a message of ONNX", Err: err}
	}
	return nil
}

func tooLarge(name string, size int64, lim Limits) error {
	return &UnsupportedError{Why: fmt.Sprintf("%s: %d bytes, the limit is %d", name, size, lim.Size)}
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
