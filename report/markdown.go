package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/internal/count"
	"github.com/petrify-ml/petrify/internal/quote"
)

// Markdown writes a report as a summary for a pull request or a job: what needs attention first, the rest folded away.
func Markdown(w io.Writer, r *Report) error {
	p := &printer{w: w}
	p.print("### ", verdictMark(r), " ", r.Tool, ": ", plain(totals(r.Summary)), "\n\n")
	if r.Reason != "" {
		p.print(fmt.Sprintf("Exit code %d: ", r.ExitCode), plain(r.Reason), ".\n\n")
	}
	var rows int
	for _, f := range r.Files {
		for _, i := range f.Findings {
			if i.Suppressed != nil {
				continue
			}
			if rows == 0 {
				p.print("| file | rule | severity | what was found |\n|---|---|---|---|\n")
			}
			if rows++; rows > mostRows {
				continue
			}
			message := i.Message
			if i.Where != "" {
				message = i.Where + ": " + message
			}
			p.print("| ", code(f.Path), " | [", plain(i.Rule), "](", home, "/blob/main/docs/rules.md#", i.Rule, ") | ", i.Severity, " | ", plain(message), " |\n")
		}
	}
	if rows > mostRows {
		p.print(fmt.Sprintf("\n%d more are in the other reports.\n", rows-mostRows))
	}
	if rows > 0 {
		p.print("\n")
	}
	p.print("<details><summary>", plain(count.Of(len(r.Files), "file")), "</summary>\n\n| file | status | runtimes |\n|---|---|---|\n")
	absent := absentEverywhere(r)
	for k, f := range r.Files {
		if k == mostRows {
			p.print(fmt.Sprintf("\n%d more files.\n", len(r.Files)-mostRows))
			break
		}
		var lines []string
		for _, rt := range f.Runtimes {
			if _, ok := absent[rt.Name]; ok {
				continue // said once, below the table
			}
			lines = append(lines, plain(strings.TrimSpace(rt.Name+" "+rt.Word+" "+rt.Text)))
		}
		p.print("| ", code(f.Path), " | ", plain(fileWord(&f)), " | ", strings.Join(lines, "<br>"), " |\n")
	}
	for _, name := range slices.Sorted(maps.Keys(absent)) {
		p.print("\n", plain(name), " was skipped: ", plain(absent[name]), "\n")
	}
	p.print("\n</details>\n")
	for _, n := range r.Next {
		p.print("\n", plain(n), "\n")
	}
	return p.err
}

// mostRows is how much a person reads; GitHub takes a megabyte.
const mostRows = 200

func verdictMark(r *Report) string {
	switch r.ExitCode {
	case 0:
		return "✅"
	case 1:
		return "❌"
	}
	return "⚠️"
}

// code shows a name as code: letters, digits and a few harmless signs as they are, the rest as character references, so that
// neither Markdown nor HTML nor a host's own syntax (mentions, issue numbers, emoji) sees anything in it.
func code(s string) string { return "<code>" + plain(s) + "</code>" }

// plain shows text as text.
func plain(s string) string { return quote.Markdown(s) }
