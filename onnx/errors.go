package onnx

import (
	"fmt"
	"strings"

	"github.com/petrify-ml/petrify/internal/quote"
)

// A FormatError says that a file, or a part of one, violates ONNX or its wire format.
type FormatError struct {
	File   string // as the caller named it; may be empty
	Offset int64  // of the offending byte; negative if there is no single one
	Where  string // the offending part, such as `tensor "w"`; may be empty
	What   string // what was expected and what was found
	Err    error  // the cause; may be nil
}

func (e *FormatError) Error() string {
	var b strings.Builder
	if e.File != "" {
		fmt.Fprintf(&b, "%s: ", quote.Name(e.File))
	}
	if e.Offset >= 0 {
		fmt.Fprintf(&b, "byte %d: ", e.Offset)
	}
	if e.Where != "" {
		fmt.Fprintf(&b, "%s: ", e.Where)
	}
	b.WriteString(e.What)
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	return b.String()
}

func (e *FormatError) Unwrap() error { return e.Err }

// An UnsupportedError says that a file is valid as far as is known, but that the program cannot
// handle it.
type UnsupportedError struct {
	Op     string // operator; empty if the reason is another one
	Domain string // of Op; empty is ai.onnx
	Opset  int64  // the model's version of Domain, 0 when unknown
	Why    string
}

func (e *UnsupportedError) Error() string {
	if e.Op == "" {
		return "unsupported: " + e.Why
	}
	op := e.Op
	if e.Domain != "" {
		op = e.Domain + "." + op
	}
	op = Printable(op)
	if e.Opset > 0 {
		op = fmt.Sprintf("%s at opset %d", op, e.Opset)
	}
	if e.Why == "" {
		return "unsupported operator " + op
	}
	return fmt.Sprintf("unsupported operator %s: %s", op, e.Why)
}
