package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/internal/count"
	"github.com/petrify-ml/petrify/internal/quote"
	"github.com/petrify-ml/petrify/onnx/rule"
	"github.com/petrify-ml/petrify/verify"
)

// AddVerification adds what a verification found about a model.
func (f *File) AddVerification(m *verify.ModelReport) {
	f.SHA256 = m.SHA256
	f.Verification = m
	f.Notes = append(append(f.Notes, m.Notes...), m.Drawn()...)
	if m.Problem != "" {
		f.AddRule("model-"+strings.ReplaceAll(m.Kind(), " ", "-"), "", m.Problem)
	}
	if w := m.Weights; w != nil {
		if w.Equal {
			f.Notes = append(f.Notes, fmt.Sprintf("weights: %d tensors, %d elements, equal bit for bit", w.Tensors, w.Elements))
		}
		for _, problem := range w.Problems {
			f.AddRule("weights-differ", "", problem)
		}
	}
	if m.Unrecorded > 0 {
		f.AddRule("outputs-unrecorded", "", count.Of(m.Unrecorded, "data set")+" without recorded outputs")
	}
	for _, c := range m.Caveats {
		where := ""
		if c.Output != "" {
			where = "output " + quote.Quote(c.Output)
		}
		why := c.Why
		if c.Cause != "" {
			why += ": " + c.Cause
		}
		f.AddRule(c.Rule, where, why)
	}
	compared := false
	for _, l := range runtimeLines(m) {
		f.Runtimes = append(f.Runtimes, l.Runtime)
		compared = compared || l.compared
		if l.rule != "" {
			f.AddRule(l.rule, l.where, l.message)
		}
	}
	if !compared && m.Problem == "" {
		f.AddRule("nothing-compared", "", "no runtime was compared with the reference")
	}
}

// addRule adds a finding of verify's own rules.
func (f *File) AddRule(code, where, message string) {
	r := find(code)
	f.Add(Item{Rule: code, Severity: r.Severity.String(), Where: where, Message: message, Problem: r.Problem})
}

// A line is what the rows of a runtime come to.
type line struct {
	Runtime
	compared             bool
	rule, where, message string
}

// runtimeLines gathers the rows of each runtime, in the order in which they come.
func runtimeLines(m *verify.ModelReport) []*line {
	var lines []*line
	of := map[string]*line{}
	get := func(name string) *line {
		if of[name] == nil {
			of[name] = &line{Runtime: Runtime{Name: name, Status: Skipped}}
			lines = append(lines, of[name])
		}
		return of[name]
	}
	type tally struct {
		sets, wrong  map[string]bool
		spreads      float64
		worst        verify.Verdict
		row          *verify.Comparison
		arithmetical bool
		equal        []*verify.Comparison
	}
	tallies := map[string]*tally{}
	gravity := map[verify.Verdict]int{verify.Skipped: 1, verify.Equal: 2, verify.Broken: 3, verify.Unchecked: 4, verify.Failed: 5, verify.Different: 6}
	for k := range m.Rows {
		row := &m.Rows[k]
		get(row.Runtime)
		t := tallies[row.Runtime]
		if t == nil {
			t = &tally{sets: map[string]bool{}, wrong: map[string]bool{}}
			tallies[row.Runtime] = t
		}
		t.sets[row.Set] = true
		if row.Verdict == verify.Equal {
			t.equal = append(t.equal, row)
		}
		if row.Verdict == verify.Different || row.Verdict == verify.Failed {
			t.wrong[row.Set] = true
		}
		if row.Measure != nil && row.Worst != nil {
			t.arithmetical = true
			if s := float64(row.Spreads); !math.IsNaN(s) {
				t.spreads = max(t.spreads, s)
			}
		}
		if gravity[row.Verdict] > gravity[t.worst] {
			t.worst, t.row = row.Verdict, row
		}
	}
	for _, rt := range m.Runtimes {
		l := get(rt.Name)
		l.Version, l.Settings = rt.Version, rt.Settings
		if tallies[rt.Name] != nil {
			continue
		}
		l.Word, l.Text = word(rt.Status), brief(strings.TrimPrefix(rt.Reason, rt.Name+": "))
		switch rt.Status {
		case verify.Broken:
			l.Status, l.rule, l.where, l.message = Problem, "runtime-broken", rt.Name, rt.Reason
		case verify.Failed:
			l.Status, l.rule, l.where, l.message = Finding, "runtime-failed", rt.Name, rt.Reason
		}
	}
	for _, l := range lines {
		t := tallies[l.Name]
		if t == nil {
			continue
		}
		l.Word, l.Status = word(t.worst), Pass
		sets := count.Of(len(t.sets), "set")
		if len(t.wrong) > 0 {
			sets = fmt.Sprintf("%d of %s", len(t.wrong), sets)
		}
		l.Text = sets
		if t.arithmetical {
			l.Text += fmt.Sprintf("  worst %s spreads", figure(t.spreads))
		}
		if l.Settings != "" {
			l.Text += ", " + l.Settings
		}
		switch t.worst {
		case verify.Equal:
			l.compared = true
			l.Text += but(t.equal)
		case verify.Broken: // it crashed
			l.Status, l.rule, l.where, l.message = Problem, "runtime-broken", l.Name+", "+t.row.Set, t.row.Reason
		case verify.Different:
			l.Status, l.compared, l.rule = Finding, true, "outputs-differ"
			l.where, l.message = l.Name+", "+t.row.Set+", "+t.row.Output, t.row.Reason
			if f := t.row.Fault; f != nil {
				l.where = l.Name + ", " + f.Node
				l.message = "output " + t.row.Output + " of " + t.row.Set + ": " + t.row.Reason
			}
		case verify.Failed:
			l.Status, l.rule, l.where, l.message = Finding, "runtime-failed", l.Name+", "+t.row.Set, t.row.Reason
		case verify.Unchecked:
			l.Status, l.rule, l.where, l.message = Problem, "outputs-unbounded", l.Name+", "+t.row.Set+", "+t.row.Output, t.row.Reason
			if t.row.Output == "" { // the runtime gave none: it refused what was drawn
				l.Word, l.rule, l.where = "REFUSED", "model-not-judged", l.Name+", "+t.row.Set
			}
		case verify.Skipped:
			l.Status, l.Text = Skipped, brief(strings.TrimPrefix(t.row.Reason, l.Name+": "))
		}
	}
	return lines
}

// but says why the equals of a runtime are worth little, where they are.
func but(equal []*verify.Comparison) string {
	var doubtful []string // outputs
	why, all := "", true
	for _, row := range equal {
		switch {
		case row.Caveat == "":
			all = false
			continue
		case why == "":
			why = row.Caveat
		case row.Caveat != why:
			all = false
		}
		if !slices.Contains(doubtful, row.Output) {
			doubtful = append(doubtful, row.Output)
		}
	}
	switch {
	case why == "":
		return ""
	case all:
		return ", but " + why
	case len(doubtful) == 1:
		return fmt.Sprintf(", but of output %s: %s", quote.Quote(doubtful[0]), why)
	}
	return fmt.Sprintf(", but of output %s: %s; caveats of %s", quote.Quote(doubtful[0]), why, count.Of(len(doubtful)-1, "more output"))
}

func word(v verify.Verdict) string {
	switch v {
	case verify.Equal:
		return "equal"
	case verify.Skipped:
		return "SKIP"
	case verify.Unchecked:
		return "NO LIMIT"
	}
	return strings.ToUpper(string(v))
}

// brief is the beginning of a reason, as long as three lines; the whole stands in the verification.
func brief(reason string) string {
	const most = 180
	reason, _, cut := strings.Cut(reason, "\n")
	if r := []rune(reason); len(r) > most {
		reason, cut = string(r[:most]), true
		if end := strings.LastIndexByte(reason, ' '); end > 0 {
			reason = reason[:end]
		}
	}
	if cut {
		return strings.TrimRight(reason, " .,;:") + " ..."
	}
	return reason
}

// figure writes a number to two digits.
func figure(x float64) string {
	switch {
	case math.IsInf(x, 0):
		return "infinitely many"
	case x >= 1e6:
		return fmt.Sprintf("%.1e", x)
	case x >= 100:
		return fmt.Sprintf("%.0f", x)
	case x == 0:
		return "0"
	}
	return fmt.Sprintf("%.2g", x)
}

// AddFindings adds what check found in a model.
func (f *File) AddFindings(found []rule.Finding) {
	for _, x := range found {
		f.Add(Item{Rule: x.Code, Severity: x.Severity.String(), Where: x.Where, Message: x.Message})
	}
}
