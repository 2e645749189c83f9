package reduce

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/verify"
	"github.com/petrify-ml/petrify/witness"
)

// A Class is what sort of failure one is.
type Class string

const (
	Different Class = "different" // the outputs are not what the model says
	Unsteady  Class = "unsteady"  // they change from run to run, or the inputs are written to
	Unfit     Class = "unfit"     // they have another type, another shape, or another number
	Refused   Class = "refused"   // the runtime gives an error
	Lacking   Class = "lacking"   // it says that it lacks something
	Crashed   Class = "crashed"   // its process dies
	Hung      Class = "hung"      // it does not return in its time
)

// A Failure says how a runtime fails. Two are of one kind if they are of the same class, blame the same operator where a node
// is to blame, are as certain, and say the same where the runtime says something, names and numbers apart.
type Failure struct {
	Class  Class
	Op     string // of the first wrong node, where that is known
	Proven bool   // no rounding can explain it
	Reason string // in words

	output  string // that fails, where one does
	value   string // of the first wrong node
	message string // of the runtime, without what belongs to this model alone
}

func (f Failure) String() string { return fmt.Sprintf("%s: %s", f.Class, f.Reason) }

func (f Failure) same(aim Failure) bool {
	switch {
	case f.Class != aim.Class, f.message != aim.message:
		return false
	case aim.Class != Different:
		return true
	}
	return (aim.Op == "" || f.Op == aim.Op) && (f.Proven || !aim.Proven)
}

// failureOf says how a runtime fails, if it does. A runtime that lacks something fails if it was asked for by name.
func failureOf(t *verify.Trial, m *onnx.Model, named bool) (Failure, bool) {
	if t.Err != nil {
		f := Failure{Class: Refused, Reason: t.Err.Error()}
		if _, lacks := errors.AsType[*onnx.UnsupportedError](t.Err); lacks {
			f.Class = Lacking
		}
		if _, crashed := errors.AsType[*witness.CrashError](t.Err); crashed {
			return Failure{Class: Crashed, Reason: t.Err.Error()}, true
		}
		if t.Hung() {
			return Failure{Class: Hung, Reason: t.Err.Error()}, true
		}
		f.message = withoutNames(t.Err.Error(), m)
		return f, f.Class != Lacking || named
	}
	var found []Failure
	for _, r := range t.Rows {
		if r.Verdict != verify.Different {
			continue
		}
		f := Failure{Class: Different, Reason: r.Reason, output: r.Output}
		switch {
		case r.Fault != nil:
			f.Op, f.Proven, f.value = r.Fault.Op, r.Fault.Proven, r.Fault.Value()
		case r.Measure == nil:
			f.Class = Unfit
		case r.Outside == 0:
			f.Class = Unsteady
		case len(m.Proto.GetGraph().GetNode()) == 1:
			f.Op = m.Proto.GetGraph().GetNode()[0].GetOpType()
		}
		found = append(found, f)
	}
	if len(found) == 0 {
		return Failure{}, false
	}
	// What is known best leads farthest.
	return slices.MinFunc(found, func(a, b Failure) int {
		return cmp.Or(cmp.Compare(truth(a.value == ""), truth(b.value == "")), cmp.Compare(truth(!a.Proven), truth(!b.Proven)))
	}), true
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

var (
	quotedText = regexp.MustCompile(`'[^']*'|"[^"]*"|Name:\S*`)
	numbers    = regexp.MustCompile(`0x[0-9a-fA-F]+|[-+]?[0-9][0-9.]*(e[-+]?[0-9]+)?`)
	lists      = regexp.MustCompile(`#([,x ]*#)+`)
	spaces     = regexp.MustCompile(`\s+`)
)

// withoutNames is a message without what is this model's own: its names, numbers and shapes.
func withoutNames(message string, m *onnx.Model) string {
	var names []string
	for n := range onnx.Nodes(m.Proto.GetGraph().GetNode()) {
		names = append(names, n.GetName())
		names = append(names, n.GetInput()...)
		names = append(names, n.GetOutput()...)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), strings.Compare(a, b)) })
	for _, name := range slices.Compact(names) {
		if len(name) > 2 { // shorter ones are in words, too
			message = strings.ReplaceAll(message, name, "''")
		}
	}
	message = quotedText.ReplaceAllString(message, "''")
	message = numbers.ReplaceAllString(message, "#")
	message = lists.ReplaceAllString(message, "#")
	return spaces.ReplaceAllString(message, " ")
}
