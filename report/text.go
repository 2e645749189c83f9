package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/petrify-ml/petrify/internal/count"
	"github.com/petrify-ml/petrify/internal/quote"
)

// columns is how wide text is, except for words that are wider.
const columns = 80

// Text writes a report for people: a line a file, a line a runtime, the findings, and last what it all comes to and what to do
// next. Which inputs were drawn is said where there is but one file.
func Text(w io.Writer, r *Report) error {
	p := &printer{w: w}
	name, word := 0, 0
	absent := absentEverywhere(r)
	for _, f := range r.Files {
		for _, rt := range f.Runtimes {
			name, word = max(name, width(quote.Text(rt.Name))), max(word, width(rt.Word))
		}
	}
	for _, f := range r.Files {
		p.print(quote.Name(f.Path), "  ", fileWord(&f), "\n")
		for _, rt := range f.Runtimes {
			if _, ok := absent[rt.Name]; ok {
				continue
			}
			head := fmt.Sprintf("  %s  %s  ", pad(quote.Text(rt.Name), name), pad(rt.Word, word))
			p.print(strings.TrimRight(wrap(head, quote.Text(rt.Text)), " "), "\n")
		}
		for _, i := range f.Findings {
			p.print(wrap("  ", i.line()), "\n")
		}
		for _, n := range f.Notes {
			if len(r.Files) == 1 || f.Verification == nil || !slices.Contains(f.Verification.Drawn(), n) {
				p.print(wrap("  note: ", quote.Text(n)), "\n")
			}
		}
	}
	for _, rt := range slices.Sorted(maps.Keys(absent)) {
		p.print(wrap(quote.Text(rt)+"  SKIP  ", quote.Text(absent[rt])), "\n")
	}
	s := r.Summary
	if s.Files != 1 || r.Reason == "" {
		p.print(totals(s), "\n")
	}
	if r.Reason != "" {
		p.print(wrap("", fmt.Sprintf("exit code %d: %s", r.ExitCode, quote.Text(r.Reason))), "\n")
	}
	for _, n := range r.Next {
		p.print(wrap("next: ", quote.Text(n)), "\n")
	}
	return p.err
}

// absentEverywhere are runtimes that were skipped on all of several files for one reason, which is then said once.
func absentEverywhere(r *Report) map[string]string {
	absent := map[string]string{}
	ran := map[string]bool{}
	lines := map[string]int{}
	for _, f := range r.Files {
		for _, rt := range f.Runtimes {
			lines[rt.Name]++
			if before, ok := absent[rt.Name]; rt.Status != Skipped || ok && before != rt.Text {
				ran[rt.Name] = true
			}
			absent[rt.Name] = rt.Text
		}
	}
	maps.DeleteFunc(absent, func(name, _ string) bool { return ran[name] || lines[name] < 2 })
	return absent
}

// line is a finding in one line.
func (i *Item) line() string { return i.Severity + ": " + i.Rule + ": " + i.message() }

// message is a finding in one line, where its severity and its rule are shown beside it.
func (i *Item) message() string {
	text := quote.Text(i.Message)
	if i.Where != "" {
		text = quote.Text(i.Where) + ": " + text
	}
	if s := i.Suppressed; s != nil {
		text += fmt.Sprintf(" [%s: %s]", s.Kind, quote.Text(s.Reason))
	}
	return text
}

func fileWord(f *File) string {
	switch f.Status {
	case Pass:
		return "ok"
	case Problem:
		return "NOT JUDGED"
	case Skipped:
		return "skipped"
	}
	n := 0
	for _, i := range f.Findings {
		if i.Counts() && !i.Problem {
			n++
		}
	}
	return strings.ToUpper(count.Of(n, "finding"))
}

func totals(s Summary) string {
	parts := []string{fmt.Sprintf("%s: %d ok", count.Of(s.Files, "file"), s.Passed)}
	for _, x := range []struct {
		n    int
		what string
	}{{s.Findings, "with findings"}, {s.Problems, "not judged"}, {s.Skipped, "skipped"}} {
		if x.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", x.n, x.what))
		}
	}
	text := strings.Join(parts, ", ")
	if s.Suppressed > 0 {
		text += fmt.Sprintf("; %s suppressed", count.Of(s.Suppressed, "finding"))
	}
	return text
}

// wrap breaks a text into lines of at most so many columns, the first after head, the others as far in. None of them begins with
// ::, which a CI system would take for a command of ours.
func wrap(head, text string) string {
	indent := min(width(head), columns/2)
	var b strings.Builder
	b.WriteString(head)
	at, first := width(head), true
	for _, word := range strings.SplitAfter(text, " ") {
		bare := strings.TrimRight(word, " ")
		if !first && at+width(bare) > columns && bare != "" && !strings.HasPrefix(bare, "::") {
			b.WriteString("\n" + strings.Repeat(" ", max(indent, 4)))
			at = max(indent, 4)
		}
		b.WriteString(word)
		at += width(word)
		first = false
	}
	lines := strings.Split(b.String(), "\n")
	for i := range lines[:len(lines)-1] {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

func width(s string) int { return utf8.RuneCountInString(s) }

func pad(s string, n int) string { return s + strings.Repeat(" ", max(0, n-width(s))) }
