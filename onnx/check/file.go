package check

import (
	"errors"
	"fmt"
	"io"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/infer"
	"github.com/petrify-ml/petrify/onnx/rule"
	"github.com/petrify-ml/petrify/onnx/wire"
)

// Options say how File checks. The zero value is suitable for untrusted files.
type Options struct {
	Limits   wire.Limits
	Budget   infer.Budget
	External bool // look at the files of external data, too
	Finite   bool // weights that are NaN or infinite are errors
}

// File reads the model at path and checks it, and its files of external
// data where the options say so. What is not ONNX is a finding as well, under
// the code file-format; the model is then nil. The error is one of the file
// system, or an *UnsupportedError for a file beyond the limits: nothing can be
// said of such a file.
func File(path string, o Options) (*onnx.Model, []rule.Finding, error) {
	m, err := wire.Read(path, o.Limits)
	return checkRead(m, err, o)
}

// From is File for the contents of r. Errors refer to it as name; external data is looked up in the
// folder of name.
func From(name string, r io.Reader, o Options) (*onnx.Model, []rule.Finding, error) {
	m, err := wire.ReadFrom(name, r, o.Limits)
	return checkRead(m, err, o)
}

func checkRead(m *onnx.Model, err error, o Options) (*onnx.Model, []rule.Finding, error) {
	if f, ok := errors.AsType[*onnx.FormatError](err); ok {
		return nil, []rule.Finding{finding(f)}, nil
	}
	if err != nil {
		return nil, nil, err
	}
	found := Within(m.Proto, o.Budget)
	if o.External && m.External() {
		kept := found[:0]
		for _, f := range found {
			if f.Code != "external-data" { // says that the files were not looked at
				kept = append(kept, f)
			}
		}
		found = append(kept, wire.CheckExternal(m)...)
	}
	for i, f := range found {
		if o.Finite && (f.Code == "weight-nan" || f.Code == "weight-infinite") {
			found[i].Severity = rule.Error
		}
	}
	return m, found, nil
}

// finding turns an error of the reader into a finding.
func finding(e *onnx.FormatError) rule.Finding {
	f := rule.Finding{Severity: rule.Error, Code: "file-format", Where: "file", Message: e.What}
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
