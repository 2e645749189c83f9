package rule

import (
	"fmt"
	"strings"
)

// Most is where Findings stop.
const Most = 1000

// Findings collects what is found in one model. Behind the first Most of them
// comes one that says so, and no more.
type Findings struct {
	List []Finding
	Full bool
}

// Report adds a finding under the code of a rule.
func (f *Findings) Report(at *Place, code, format string, args ...any) {
	if f.Full {
		return
	}
	if len(f.List) == Most {
		f.Full = true
		code, format, args = "too-many-findings", "there are more than %d findings", []any{Most}
	}
	f.List = append(f.List, Finding{severities[code], code, at.String(), cut(fmt.Sprintf(format, args...))})
}

// Errors reports whether there is an error among findings.
func Errors(list []Finding) bool {
	for _, f := range list {
		if f.Severity == Error {
			return true
		}
	}
	return false
}

// Hinders reports whether a finding says that a model cannot be evaluated. Errors do,
// except for one: an operator that no specification has may be one of ONNX Runtime's.
func (f Finding) Hinders() bool { return f.Severity == Error && f.Code != "operator-contributed" }

// A Fault is what is wrong with a part of a model, under the code of a rule.
type Fault struct{ Code, What string }

// Faultf is a fault in words.
func Faultf(code, format string, args ...any) *Fault {
	return &Fault{code, fmt.Sprintf(format, args...)}
}

// SeverityOf returns the severity of a code, false where no rule has it.
func SeverityOf(code string) (Severity, bool) {
	s, ok := severities[code]
	return s, ok
}

var severities = func() map[string]Severity {
	m := make(map[string]Severity, len(rules))
	for _, r := range rules {
		m[r.code] = r.severity
	}
	return m
}()

// cut shortens a message that a file made long.
func cut(s string) string {
	const most = 1000
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}
