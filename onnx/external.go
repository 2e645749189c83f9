package onnx

import (
	"crypto/sha1" // what ONNX has for the checksum of external data
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/petrify-ml/petrify/onnx/pb"
	"google.golang.org/protobuf/proto"
)

// External reports whether a model has tensors whose elements are in other
// files. Read does not look at them; CheckExternal and Embed do.
func (m *Model) External() bool {
	for t := range tensors(m.Proto) {
		if isExternal(t) {
			return true
		}
	}
	return false
}

func isExternal(t *pb.TensorProto) bool {
	return t.GetDataLocation() == pb.TensorProto_EXTERNAL || len(t.ExternalData) > 0
}

// CheckExternal holds what a model says of its external data against the files
// in its folder: each must be a regular file there, reached without a link of
// any kind, with the bytes that the tensor asks for and the checksum that it
// names. It says nothing of tensors that Check finds errors in.
func CheckExternal(m *Model) []Finding {
	c := &checker{ir: m.Proto.GetIrVersion(), operators: operators()}
	at := &place{kind: "model"}
	x, err := openExternal(m.Path)
	if err != nil {
		c.report(at, "external-data-file-missing", "%v", err)
		return c.findings
	}
	defer x.close()
	for t := range tensors(m.Proto) {
		if !isExternal(t) {
			continue
		}
		if _, _, f := x.find(t); f != nil {
			c.report(at.in("tensor", t.GetName()), f.code, "%s", f.what)
		}
	}
	return c.findings
}

// Embed reads the external data of a model into its tensors, under the rules of
// CheckExternal, and writes Bytes anew, so that nothing outside it is needed
// any more. It fails with a *FormatError at the first tensor that breaks a rule,
// and with an *UnsupportedError when the elements of all tensors together are
// more than the limit of size; the model is then not changed.
func (m *Model) Embed(lim Limits) error {
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
	total := int64(len(m.Bytes))
	for t := range tensors(whole) {
		if !isExternal(t) {
			continue
		}
		file, e, f := x.find(t)
		if f != nil {
			return &FormatError{File: m.Path, Offset: -1, Where: "tensor " + Quote(t.GetName()), What: f.what}
		}
		if total = addSat(total, e.length); total > lim.Size {
			return tooLarge(m.Path+" with its external data", total, lim)
		}
		t.RawData = make([]byte, e.length)
		if _, err := io.ReadFull(io.NewSectionReader(file, e.offset, e.length), t.RawData); err != nil {
			return &FormatError{File: m.Path, Offset: -1, Where: "tensor " + Quote(t.GetName()), What: "its external data could not be read", Err: err}
		}
		t.DataLocation, t.ExternalData = nil, nil
	}
	b, err := Marshal(whole)
	if err != nil {
		return err
	}
	m.Proto, m.Bytes = whole, b
	return nil
}

// An externalFolder is the folder of a model while its external data is read.
type externalFolder struct {
	root  *os.Root
	files map[string]*externalFile
}

type externalFile struct {
	*os.File
	size int64
	sha1 string // computed when a tensor asks for it
}

// mostFiles bounds how many files of one model are open at once.
const mostFiles = 256

func openExternal(model string) (*externalFolder, error) {
	root, err := os.OpenRoot(filepath.Dir(model))
	if err != nil {
		return nil, err
	}
	return &externalFolder{root: root, files: make(map[string]*externalFile)}, nil
}

func (x *externalFolder) close() {
	for _, f := range x.files {
		f.Close()
	}
	x.root.Close()
}

// find opens the file of a tensor and checks that its elements are there. The
// length of what it returns is that of the elements.
func (x *externalFolder) find(t *pb.TensorProto) (*externalFile, externalData, *fault) {
	s, ok := storages[pb.TensorProto_DataType(t.GetDataType())]
	n, err := elementCount(t.Dims)
	if !ok || err != nil || s.bits == 0 {
		return nil, externalData{}, faultf("tensor-external", "a tensor of this type or shape cannot be external")
	}
	want, ok := s.rawBytes(n)
	if !ok {
		return nil, externalData{}, faultf("tensor-dims", "shape %s has too many elements for any file", few(t.Dims))
	}
	e, faults := parseExternal(t.ExternalData)
	if len(faults) > 0 {
		return nil, e, faults[0]
	}
	file, f := x.open(e.location)
	if f != nil {
		return nil, e, f
	}
	if e.length < 0 {
		e.length = file.size - e.offset
	}
	if e.length != want {
		return nil, e, faultf("tensor-length", "shape %s wants %d bytes, external data has %d", few(t.Dims), want, e.length)
	}
	if e.offset > file.size || e.length > file.size-e.offset {
		return nil, e, faultf("external-data-range", "%d bytes at %d of %s, which has %d", e.length, e.offset, Quote(e.location), file.size)
	}
	if e.checksum != "" {
		sum, err := file.checksum()
		if err != nil {
			return nil, e, faultf("external-data-file-missing", "%s cannot be read: %v", Quote(e.location), err)
		}
		if !strings.EqualFold(sum, e.checksum) {
			return nil, e, faultf("external-data-checksum", "the SHA-1 of %s is %s, want %s", Quote(e.location), sum, Quote(e.checksum))
		}
	}
	return file, e, nil
}

// open opens a location that parseExternal accepted. The root keeps every step
// inside the folder, whatever happens to the files meanwhile; links inside it
// are refused as well.
func (x *externalFolder) open(location string) (*externalFile, *fault) {
	name := path.Clean(location)
	if f := x.files[name]; f != nil {
		return f, nil
	}
	if len(x.files) == mostFiles {
		return nil, faultf("external-data-file-missing", "the model is spread over more than %d files", mostFiles)
	}
	missing := func(err error) *fault {
		if p, ok := errors.AsType[*fs.PathError](err); ok {
			err = p.Err // the rest of it repeats the name, unquoted
		}
		return faultf("external-data-file-missing", "%s cannot be opened: %v", Quote(location), err)
	}
	for i := range len(name) {
		if name[i] != '/' {
			continue
		}
		if info, err := x.root.Lstat(name[:i]); err != nil {
			return nil, missing(err)
		} else if !info.IsDir() {
			return nil, faultf("external-data-link", "%s is reached through %s, which is no folder but %s", Quote(location), Quote(name[:i]), kindOf(info.Mode()))
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
		x.files[name] = &externalFile{File: opened, size: info.Size()}
		return x.files[name], nil
	}
	opened.Close()
	return nil, missing(err)
}

// plain holds a file against what external data may be in: a regular file with
// one name. A second name could be that of any file of the system.
func plain(info fs.FileInfo, location string) *fault {
	if !info.Mode().IsRegular() {
		return faultf("external-data-link", "%s is %s, want a regular file", Quote(location), kindOf(info.Mode()))
	}
	if n := linkCount(info); n > 1 {
		return faultf("external-data-link", "%s has %d names (hard links), want one", Quote(location), n)
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
func (f *externalFile) checksum() (string, error) {
	if f.sha1 == "" {
		h := sha1.New()
		if _, err := io.Copy(h, io.NewSectionReader(f, 0, f.size)); err != nil {
			return "", err
		}
		f.sha1 = hex.EncodeToString(h.Sum(nil))
	}
	return f.sha1, nil
}
