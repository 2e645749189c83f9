package onnx

import (
	"fmt"
	"strings"

	"github.com/petrify-ml/petrify/internal/quote"
)

// A FormatError says that a file, or a part of one, is not what ONNX or its
// wire format asks for.
type FormatError struct {
	File   string // as the caller named it; may be empty
	Offset int64  // of the byte to blame, negative when there is no single one
	Where  string // the part to blame, such as `tensor "w"`; may be empty
	What   string // what was wanted, what came
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

// An UnsupportedError says that a file is right as far as is known, and that
// the program cannot handle it.
type UnsupportedError struct {
	Op     string // operator, empty when none is to blame
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
