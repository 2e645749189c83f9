package verify

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"

	"github.com/petrify-ml/petrify/internal/quote"
)

// A Report holds the results of a verification.
type Report struct {
	Models  []*ModelReport `json:"models"`
	Summary Summary        `json:"summary"`
	named   bool           // a broken runtime was requested by name
}

// A Summary counts models.
type Summary struct {
	Models      int `json:"models"`
	Passed      int `json:"passed"`      // something was compared, and everything is equal
	Failed      int `json:"failed"`      // there is a finding
	Unsupported int `json:"unsupported"` // the reference cannot judge it
	Uncompared  int `json:"uncompared"`  // every runtime was skipped
	Unreadable  int `json:"unreadable"`  // a file is missing or cannot be read
	Unjudged    int `json:"unjudged"`    // the reference could not evaluate it with these inputs, or within its limits
	Unrecorded  int `json:"unrecorded"`  // data sets that have inputs but no outputs
	Compared    int `json:"compared"`    // outputs compared with the reference
	Skipped     int `json:"skipped"`     // runtimes, over all models
	Broken      int `json:"broken"`      // runtimes that could not be started, or that failed, over all models
	Crashes     int `json:"crashes"`     // calls in which a runtime's process crashed, over all models
}

// A ModelReport holds the findings on one model.
type ModelReport struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256,omitempty"`
	Opset  int64  `json:"opset,omitempty"`
	// Arithmetic is the one that runtimes were expected to compute in, if it is not float32.
	Arithmetic string          `json:"arithmetic,omitempty"`
	External   bool            `json:"external_data,omitempty"` // it has external data, which SHA256 does not cover
	Sets       []SetReport     `json:"sets,omitempty"`
	Weights    *Weights        `json:"weights,omitempty"`
	Runtimes   []RuntimeReport `json:"runtimes,omitempty"`
	Rows       []Comparison    `json:"rows,omitempty"`
	Notes      []string        `json:"notes,omitempty"`
	// Caveats say for which outputs a verdict of Equal means little: all NaN, or independent of the
	// inputs.
	Caveats []Caveat `json:"caveats,omitempty"`
	// Problem says why the model could not be judged, and one of the flags says what kind of problem
	// it is.
	Problem     string `json:"problem,omitempty"`
	Unsupported bool   `json:"unsupported,omitempty"` // valid as far as is known, but the reference does not support it
	Invalid     bool   `json:"invalid,omitempty"`     // not ONNX
	Unreadable  bool   `json:"unreadable,omitempty"`  // the file is missing or damaged, or its data do not fit
	Unjudged    bool   `json:"unjudged,omitempty"`    // fine as far as is known, but not evaluated: too much to compute, or inputs that the model refuses
	// Unrecorded counts the data sets that have inputs but no outputs.
	Unrecorded int `json:"unrecorded,omitempty"`
	// Crashes counts the calls in which a runtime's process crashed.
	Crashes int `json:"crashes,omitempty"`
}

// A SetReport describes the inputs of a data set.
type SetReport struct {
	Name     string       `json:"name"`
	Recorded bool         `json:"recorded"` // read from files, not drawn
	Inputs   []PortReport `json:"inputs"`
	Files    []string     `json:"-"`
}

// A PortReport describes an input, or a recorded output, of one data set.
type PortReport struct {
	Name string `json:"name"`
	Type string `json:"type"`
	// Drawn says which numbers were drawn, or where they come from, and Why what in the graph calls
	// for them.
	Drawn string `json:"drawn,omitempty"`
	Why   string `json:"why,omitempty"`
}

// A RuntimeReport says how a runtime fared on a model.
type RuntimeReport struct {
	Name     string  `json:"name"`
	Version  string  `json:"version,omitempty"`
	Settings string  `json:"settings,omitempty"` // of its sessions, where they differ from the defaults: provider, optimisations, threads
	Status   Verdict `json:"status"`
	Reason   string  `json:"reason,omitempty"` // why it was skipped, or how it is broken
}

// A Comparison compares one output of one runtime, on one data set, with the reference.
type Comparison struct {
	Runtime string  `json:"runtime"`
	Set     string  `json:"set"`
	Output  string  `json:"output,omitempty"`
	Type    string  `json:"type,omitempty"`
	Shape   []int   `json:"shape"`
	Verdict Verdict `json:"verdict"`
	Stage   Stage   `json:"stage,omitempty"`
	Reason  string  `json:"reason,omitempty"`
	// Caveat says why Equal means little here, such as "every element is NaN".
	Caveat string `json:"caveat,omitempty"`
	// Explained is the arithmetic that explains a difference, if one does.
	Explained string `json:"explained_by,omitempty"`

	explanation string // what Reason begins with where something is Explained
	vague       bool   // the screen lets everything pass
	*Measure
	Fault *Fault `json:"fault,omitempty"`
}

func describe(d dataSet) SetReport {
	s := SetReport{Name: d.name, Recorded: len(d.files) > 0, Files: d.files, Inputs: []PortReport{}}
	for i, v := range d.values {
		p := PortReport{Name: v.Name, Type: v.String()}
		if i < len(d.drawn) {
			p.Drawn, p.Why = d.drawn[i].what, d.drawn[i].why
		}
		s.Inputs = append(s.Inputs, p)
	}
	return s
}

// gravity orders verdicts: what must not be hidden by the others comes last.
var gravity = map[Verdict]int{Skipped: 0, Broken: 1, Equal: 2, Unchecked: 3, Failed: 4, Different: 5}

func worse(a, b Verdict) Verdict {
	if gravity[b] > gravity[a] {
		return b
	}
	return a
}

// Verdict returns the verdict on the model as a whole: Skipped if nothing was compared.
func (m *ModelReport) Verdict() Verdict {
	switch {
	case m.Invalid, m.Weights != nil && !m.Weights.Equal:
		return Different
	case m.Problem != "":
		return Unchecked
	}
	v := Skipped
	for _, r := range m.Rows {
		v = worse(v, r.Verdict)
	}
	return v
}

// compared counts the outputs that were compared with the reference.
func (m *ModelReport) compared() int {
	n := 0
	for _, r := range m.Rows {
		if r.Verdict == Equal || r.Verdict == Different {
			n++
		}
	}
	return n
}

func (r *Report) summarize() {
	s := Summary{Models: len(r.Models)}
	for _, m := range r.Models {
		s.Compared += m.compared()
		s.Unrecorded += m.Unrecorded
		s.Crashes += m.Crashes
		for _, rt := range m.Runtimes {
			switch rt.Status {
			case Skipped:
				s.Skipped++
			case Broken:
				s.Broken++
			}
		}
		switch v := m.Verdict(); {
		case v == Different || v == Failed:
			s.Failed++
		case m.Unsupported:
			s.Unsupported++
		case m.Unreadable:
			s.Unreadable++
		case m.Unjudged:
			s.Unjudged++
		case v == Equal:
			s.Passed++
		default:
			s.Uncompared++
		}
	}
	r.Summary = s
}

// Verdict returns the worst verdict of all models; Skipped if nothing was compared.
func (r *Report) Verdict() Verdict {
	switch s := r.Summary; {
	case s.Failed > 0:
		return Different
	case s.Unreadable+s.Unjudged+s.Crashes > 0:
		return Unchecked
	case s.Compared == 0:
		return Skipped
	case s.Passed == 0:
		return Unchecked
	}
	return Equal
}

// Exit returns the exit status of a program that shows this report, and why it is not 0: 1 for a
// finding, 2 if something could not be checked: a file that cannot be read, nothing compared, a
// runtime that crashed, a broken one that was requested by name, or, if strict, anything skipped,
// broken or unsupported, or recorded without outputs.
func (r *Report) Exit(strict bool) (code int, why string) {
	s := r.Summary
	switch {
	case s.Failed > 0:
		return 1, fmt.Sprintf("findings in %d of %d models", s.Failed, s.Models)
	case s.Unreadable+s.Unjudged > 0:
		return 2, fmt.Sprintf("%d of %d models could not be read or judged", s.Unreadable+s.Unjudged, s.Models)
	case s.Crashes > 0:
		return 2, "a runtime crashed"
	case s.Compared == 0:
		return 2, "nothing was compared"
	case s.Passed == 0:
		return 2, "outputs were left unchecked"
	case r.named && s.Broken > 0:
		return 2, "a runtime that was named is broken"
	case !strict:
		return 0, ""
	}
	for _, x := range []struct {
		n    int
		what string
	}{
		{s.Unsupported, "models that the reference does not support"}, {s.Uncompared, "models that were not compared"},
		{s.Unrecorded, "data sets without recorded outputs"}, {s.Broken, "broken runtimes"}, {s.Skipped, "skipped runtimes"},
	} {
		if x.n > 0 {
			return 2, fmt.Sprintf("%s: %d, which --strict does not pass over", x.what, x.n)
		}
	}
	return 0, ""
}

// ExitCode is Exit without the reason.
func (r *Report) ExitCode(strict bool) int {
	code, _ := r.Exit(strict)
	return code
}

// WriteTable writes the report as one table per model, for people to read.
func (r *Report) WriteTable(w io.Writer) error {
	p := &printer{w: w}
	for i, m := range r.Models {
		if i > 0 {
			p.printf("\n")
		}
		m.writeTable(p)
	}
	s := r.Summary
	if len(r.Models) > 1 {
		p.printf("\n%d passed / %d failed / %d unsupported", s.Passed, s.Failed, s.Unsupported)
		if s.Uncompared > 0 {
			p.printf(" / %d not compared", s.Uncompared)
		}
		if s.Unreadable > 0 {
			p.printf(" / %d unreadable", s.Unreadable)
		}
		if s.Unjudged > 0 {
			p.printf(" / %d not judged", s.Unjudged)
		}
		p.printf("\n")
	}
	if s.Compared == 0 && s.Failed == 0 {
		p.printf("nothing was compared\n")
	}
	return p.err
}

// WriteTable writes the table of one model, for people to read.
func (m *ModelReport) WriteTable(w io.Writer) error {
	p := &printer{w: w}
	m.writeTable(p)
	return p.err
}

// A printer remembers the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

// Kind names, in a word or two, the kind of problem that a model has.
func (m *ModelReport) Kind() string {
	switch {
	case m.Unsupported:
		return "unsupported"
	case m.Invalid:
		return "invalid"
	case m.Unjudged:
		return "not judged"
	}
	return "unreadable"
}

func (m *ModelReport) writeTable(p *printer) {
	p.printf("%s\n", quote.Name(m.Path))
	if m.Problem != "" {
		p.printf("  %s: %s\n", m.Kind(), clean(strings.TrimPrefix(m.Problem, "unsupported: ")))
	}
	if w := m.Weights; w != nil {
		if w.Equal {
			p.printf("  weights: %d tensors, %d elements, equal bit for bit\n", w.Tensors, w.Elements)
		}
		for _, problem := range w.Problems {
			p.printf("  weights: %s\n", clean(problem))
		}
	}
	for _, n := range m.Notes {
		p.printf("  note: %s\n", clean(n))
	}
	for _, line := range m.Drawn() {
		p.printf("  %s\n", clean(line))
	}
	if p.err == nil && len(m.Rows)+len(m.Runtimes) > 0 {
		p.err = m.writeRows(p.w)
	}
	for _, r := range m.Rows {
		if r.Caveat != "" {
			p.printf("  %s, %s, %s: equal, but %s\n", r.Runtime, r.Set, clean(r.Output), clean(r.Caveat))
		}
		if r.Reason != "" {
			p.printf("  %s, %s, %s: %s\n", r.Runtime, r.Set, clean(r.Output), clean(r.Reason))
		}
	}
}

// Drawn describes the drawn inputs of the first data set that has any, one line per input.
func (m *ModelReport) Drawn() []string {
	for _, s := range m.Sets {
		if s.Recorded {
			continue
		}
		var lines []string
		for _, in := range s.Inputs {
			line := fmt.Sprintf("input %s %s: %s", in.Name, in.Type, in.Drawn)
			if in.Why != "" {
				line += " (" + in.Why + ")"
			}
			lines = append(lines, line)
		}
		return lines
	}
	return nil
}

func (m *ModelReport) writeRows(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  runtime\tdata\toutput\tshape\tlargest error\tat\tgot\twant\tspread\tspreads\tsound limit\tatol\trtol\tverdict\tstage")
	for _, r := range m.Rows {
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t", clean(r.Runtime), clean(r.Set), dash(clean(r.Output)), shapeText(r.Shape))
		if r.Measure == nil || r.Worst == nil {
			fmt.Fprint(t, "-\t-\t-\t-\t-\t-\t-\t-\t-\t")
		} else {
			d := r.Worst
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t", short(d.Error), indexText(d.Index), long(d.Got), long(d.Want),
				short(d.Spread), short(r.Spreads), short(d.Sound), short(r.Smallest.Atol), short(r.Smallest.Rtol))
		}
		fmt.Fprintf(t, "%s\t%s\n", verdictText(r.Verdict), dash(string(r.Stage)))
	}
	for _, rt := range m.Runtimes {
		if rt.Settings != "" {
			fmt.Fprintf(t, "  %s\tran with %s\n", clean(rt.Name), clean(rt.Settings))
		}
		if rt.Reason != "" {
			fmt.Fprintf(t, "  %s\t%s: %s\n", clean(rt.Name), verdictText(rt.Status), clean(rt.Reason))
		}
	}
	return t.Flush()
}

func verdictText(v Verdict) string {
	switch v {
	case Different, Failed, Broken:
		return strings.ToUpper(string(v))
	case Skipped:
		return "SKIP"
	}
	return string(v)
}

func shapeText(dims []int) string {
	if dims == nil {
		return "-"
	}
	if len(dims) == 0 {
		return "scalar"
	}
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(dims), " ", "x"), "[]")
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func short(n Number) string {
	if n == 0 {
		return "0"
	}
	return fmt.Sprintf("%.2g", float64(n))
}

func long(n Number) string {
	if f := float64(n); math.Abs(f) < 1e15 && f == math.Trunc(f) {
		return fmt.Sprintf("%.0f", f)
	}
	return fmt.Sprintf("%.9g", float64(n))
}

// clean makes text from a file safe for a terminal, a log, and one line of a table.
func clean(s string) string { return quote.Text(s) }
