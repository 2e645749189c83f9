package onnx

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/petrify-ml/petrify/onnx/pb"
	"google.golang.org/protobuf/proto"
)

// Options say how CheckFile goes about it. The zero value is for files that
// nobody vouches for.
type Options struct {
	Limits   Limits
	Budget   Budget
	External bool // look at the files of external data, too
}

// CheckFile reads the model at path and checks it, and its files of external
// data where the options say so. What is not ONNX is a finding as well, under
// the code file-format; the model is then nil. The error is one of the file
// system, or an *UnsupportedError for a file beyond the limits: nothing can be
// said of such a file.
func CheckFile(path string, o Options) (*Model, []Finding, error) {
	m, err := Read(path, o.Limits)
	return checkRead(m, err, o)
}

// CheckFrom is CheckFile for what r gives, up to its end. Errors call it name;
// external data is looked for in the folder of name.
func CheckFrom(name string, r io.Reader, o Options) (*Model, []Finding, error) {
	m, err := ReadFrom(name, r, o.Limits)
	return checkRead(m, err, o)
}

func checkRead(m *Model, err error, o Options) (*Model, []Finding, error) {
	if f, ok := errors.AsType[*FormatError](err); ok {
		return nil, []Finding{f.finding()}, nil
	}
	if err != nil {
		return nil, nil, err
	}
	found := CheckWithin(m.Proto, o.Budget)
	if o.External && m.External() {
		kept := found[:0]
		for _, f := range found {
			if f.Code != "external-data" { // says that the files were not looked at
				kept = append(kept, f)
			}
		}
		found = append(kept, CheckExternal(m)...)
	}
	return m, found, nil
}

// finding turns an error of the reader into a finding.
func (e *FormatError) finding() Finding {
	f := Finding{Severity: Error, Code: "file-format", Where: "file", Message: e.What}
	if e.Where != "" {
		f.Where = e.Where
	}
	if e.Offset >= 0 {
		f.Where = fmt.Sprintf("byte %d", e.Offset)
	}
	if e.Err != nil {
		f.Message += ": " + e.Err.Error()
	}
	return f
}

// ReadFrom reads a model from r, up to its end; errors call it name. It takes
// no more from r than the limit of size and one byte.
func ReadFrom(name string, r io.Reader, lim Limits) (*Model, error) {
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
		return nil, &UnsupportedError{Why: fmt.Sprintf("%s: more than %d bytes, the limit", name, lim.Size)}
	}
	return Parse(name, b, lim)
}

// Annotate returns a model that declares the types which Infer found, beside
// what m declares already: those of its nodes' outputs as value infos, and
// better known lengths of its outputs. It shares the weights with m, and
// leaves nested graphs as they are.
func Annotate(m *pb.ModelProto, types map[string]Type) *pb.ModelProto {
	if m.GetGraph() == nil {
		return m
	}
	whole := shallow(m)
	g := shallow(m.Graph)
	whole.Graph = g
	declared := make(map[string]bool)
	refine := func(list []*pb.ValueInfoProto) []*pb.ValueInfoProto {
		out := make([]*pb.ValueInfoProto, len(list))
		for i, v := range list {
			declared[v.GetName()] = true
			out[i] = v
			t, known := types[v.GetName()]
			if _, tensor := TypeOf(v.Type); known && (tensor || v.Type == nil) {
				out[i] = proto.CloneOf(v)
				out[i].Type = t.Proto()
			}
		}
		return out
	}
	for _, v := range g.Input {
		declared[v.GetName()] = true
	}
	g.Output = refine(g.Output)
	g.ValueInfo = refine(g.ValueInfo)
	for _, n := range g.Node {
		for _, name := range n.Output {
			if t, ok := types[name]; ok && name != "" && !declared[name] {
				declared[name] = true
				g.ValueInfo = append(g.ValueInfo, &pb.ValueInfoProto{Name: proto.String(name), Type: t.Proto()})
			}
		}
	}
	return whole
}

// shallow copies a message without what is inside its fields.
func shallow[M proto.Message](m M) M {
	src := m.ProtoReflect()
	dst := src.New()
	for fd, v := range src.Range {
		dst.Set(fd, v)
	}
	dst.SetUnknown(src.GetUnknown())
	return dst.Interface().(M)
}
