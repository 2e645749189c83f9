package wire

import (
	"crypto/sha1" // what ONNX has for the checksum of external data
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/internal/sat"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/rule"
	"google.golang.org/protobuf/proto"
)

// CheckExternal compares what a model says of its external data with the files
// in its folder: each must be a regular file there, reached without a link of
// any kind, with the bytes that the tensor asks for and the checksum that it
// names. It says nothing of tensors that Check finds errors in.
func CheckExternal(m *onnx.Model) []rule.Finding {
	var found rule.Findings
	at := &rule.Place{Kind: "model"}
	x, err := openExternal(m.Path)
	if err != nil {
		found.Report(at, "external-data-file-missing", "%v", err)
		return found.List
	}
	defer x.close()
	for t := range onnx.Tensors(m.Proto) {
		if !onnx.IsExternal(t) {
			continue
		}
		if _, _, f := x.find(t); f != nil {
			found.Report(at.In("tensor", t.GetName()), f.Code, "%s", f.What)
		}
	}
	return found.List
}

// Embed reads the external data of a model into its tensors, under the rules of
// CheckExternal, so that nothing outside it is needed any more. Bytes are written
// again, or are nil where the elements are more than inlined. It fails with a
// *FormatError at the first tensor that breaks a rule, with an *UnsupportedError
// when the elements of all tensors together are more than the limit for them, and
// with another error where a file cannot be read to its end; the model is then not
// changed.
func Embed(m *onnx.Model, lim Limits) error {
	lim = lim.withDefaults()
	if !m.External() {
		return nil
	}
	x, err := openExternal(m.Path)
	if err != nil {
		return err
	}
	defer x.close()
	whole := proto.CloneOf(m.Proto)
	var total int64
	for t := range onnx.Tensors(whole) {
		if !onnx.IsExternal(t) {
			continue
		}
		file, e, f := x.find(t)
		if f != nil {
			return &onnx.FormatError{File: m.Path, Offset: -1, Where: "tensor " + onnx.Quote(t.GetName()), What: f.What}
		}
		if total = sat.Add(total, e.Length); total > lim.Elements {
			return &onnx.UnsupportedError{Why: fmt.Sprintf("%s: elements of %d bytes in other files, the limit is %d", m.Path, total, lim.Elements)}
		}
		if t.RawData, err = file.elements(e); err != nil {
			return fmt.Errorf("%s: tensor %s: %w", m.Path, onnx.Quote(t.GetName()), err)
		}
		t.DataLocation, t.ExternalData = nil, nil
	}
	var b []byte
	if total <= inlined {
		if b, err = onnx.Marshal(whole); err != nil {
			return err
		}
	}
	m.Proto, m.Bytes = whole, b
	return nil
}

// inlined is the most bytes of external data of which Embed makes a message: half
// of what protobuf can hold, which takes as much memory once more.
const inlined = 256 << 20

// An externalFolder is the folder of a model while its external data is read.
type externalFolder struct {
	root  *os.Root
	files map[string]*externalFile
	sums  map[string]string // SHA-1 of files, computed when a tensor asks for it
}

type externalFile struct {
	*os.File
	name string
	size int64
}

// elements are the bytes that find found.
func (f *externalFile) elements(e External) ([]byte, error) {
	b := make([]byte, e.Length)
	_, err := io.ReadFull(io.NewSectionReader(f, e.Offset, e.Length), b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("the file became shorter meanwhile")
	}
	if err != nil {
		return nil, fmt.Errorf("its external data, %d bytes at %d of %s, cannot be read: %w", e.Length, e.Offset, onnx.Quote(e.Location), err)
	}
	return b, nil
}

// mostOpen bounds how many files of one model are open at once: PyTorch's exporter writes one for each tensor.
const mostOpen = 256

func openExternal(model string) (*externalFolder, error) {
	root, err := os.OpenRoot(filepath.Dir(model))
	if err != nil {
		return nil, err
	}
	return &externalFolder{root: root, files: make(map[string]*externalFile), sums: make(map[string]string)}, nil
}

func (x *externalFolder) close() {
	x.closeFiles()
	x.root.Close()
}

func (x *externalFolder) closeFiles() {
	for _, f := range x.files {
		f.Close()
	}
	clear(x.files)
}

// find opens the file of a tensor and checks that its elements are there. The
// length of what it returns is that of the elements.
func (x *externalFolder) find(t *pb.TensorProto) (*externalFile, External, *rule.Fault) {
	typ := pb.TensorProto_DataType(t.GetDataType())
	n, err := onnx.ElementCount(t.Dims)
	if !onnx.IsElem(typ) || err != nil || typ == pb.TensorProto_STRING {
		return nil, External{}, rule.Faultf("tensor-external", "a tensor of this type or shape cannot be external")
	}
	want, ok := onnx.RawBytes(typ, n)
	if !ok {
		return nil, External{}, rule.Faultf("tensor-dims", "shape %s has too many elements for any file", onnx.Few(t.Dims))
	}
	e, faults := ParseExternal(t.ExternalData)
	if len(faults) > 0 {
		return nil, e, faults[0]
	}
	file, f := x.open(e.Location)
	if f != nil {
		return nil, e, f
	}
	if e.Length < 0 {
		e.Length = file.size - e.Offset
	}
	if e.Length != want {
		return nil, e, rule.Faultf("tensor-length", "shape %s wants %d bytes, external data has %d", onnx.Few(t.Dims), want, e.Length)
	}
	if e.Offset > file.size || e.Length > file.size-e.Offset {
		return nil, e, rule.Faultf("external-data-range", "%d bytes at %d of %s, which has %d", e.Length, e.Offset, onnx.Quote(e.Location), file.size)
	}
	if e.Checksum != "" {
		sum, err := x.checksum(file)
		if err != nil {
			return nil, e, rule.Faultf("external-data-file-missing", "%s cannot be read: %v", onnx.Quote(e.Location), err)
		}
		if !strings.EqualFold(sum, e.Checksum) {
			return nil, e, rule.Faultf("external-data-checksum", "the SHA-1 of %s is %s, want %s", onnx.Quote(e.Location), sum, onnx.Quote(e.Checksum))
		}
	}
	return file, e, nil
}

// open opens a location that ParseExternal accepted. The root keeps every step
// inside the folder, whatever happens to the files meanwhile; links inside it
// are refused as well.
func (x *externalFolder) open(location string) (*externalFile, *rule.Fault) {
	name := path.Clean(location)
	if f := x.files[name]; f != nil {
		return f, nil
	}
	if len(x.files) == mostOpen {
		x.closeFiles()
	}
	missing := func(err error) *rule.Fault {
		if p, ok := errors.AsType[*fs.PathError](err); ok {
			err = p.Err // the rest of it repeats the name, unquoted
		}
		return rule.Faultf("external-data-file-missing", "%s cannot be opened: %v", onnx.Quote(location), err)
	}
	for i := range len(name) {
		if name[i] != '/' {
			continue
		}
		if info, err := x.root.Lstat(name[:i]); err != nil {
			return nil, missing(err)
		} else if !info.IsDir() {
			return nil, rule.Faultf("external-data-link", "%s is reached through %s, which is not a folder but %s", onnx.Quote(location), onnx.Quote(name[:i]), kindOf(info.Mode()))
		}
	}
	info, err := x.root.Lstat(name)
	if err != nil {
		return nil, missing(err)
	}
	if f := plain(info, location); f != nil {
		return nil, f
	}
	opened, err := x.root.OpenFile(name, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return nil, missing(err)
	}
	info, err = opened.Stat() // what was opened, whatever has been put in its place
	if err == nil {
		if f := plain(info, location); f != nil {
			opened.Close()
			return nil, f
		}
		x.files[name] = &externalFile{File: opened, name: name, size: info.Size()}
		return x.files[name], nil
	}
	opened.Close()
	return nil, missing(err)
}

// plain compares a file with what external data may be in: a regular file with
// one name. A second name could be that of any file of the system.
func plain(info fs.FileInfo, location string) *rule.Fault {
	if !info.Mode().IsRegular() {
		return rule.Faultf("external-data-link", "%s is %s, want a regular file", onnx.Quote(location), kindOf(info.Mode()))
	}
	if n := linkCount(info); n > 1 {
		return rule.Faultf("external-data-link", "%s has %d names (hard links), want one", onnx.Quote(location), n)
	}
	return nil
}

func kindOf(m fs.FileMode) string {
	switch {
	case m&fs.ModeSymlink != 0:
		return "a symbolic link"
	case m.IsDir():
		return "a folder"
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeDevice != 0:
		return "a device"
	case m.IsRegular():
		return "a file"
	}
	return "no regular file"
}

// checksum returns the SHA-1 of the whole file.
func (x *externalFolder) checksum(f *externalFile) (string, error) {
	if x.sums[f.name] == "" {
		h := sha1.New()
		if _, err := io.Copy(h, io.NewSectionReader(f, 0, f.size)); err != nil {
			return "", err
		}
		x.sums[f.name] = hex.EncodeToString(h.Sum(nil))
	}
	return x.sums[f.name], nil
}
