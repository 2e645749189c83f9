package report

import (
	"encoding/json"
	"io"

	"github.com/petrify-ml/petrify/internal/quote"
)

// A Format is one way to write a report.
type Format struct {
	Name  string
	Doc   string
	Write func(w io.Writer, r *Report) error
}

// Formats lists the formats.
func Formats() []Format {
	return []Format{
		{"text", "80 columns for people", Text},
		{"json", "everything, by docs/schema/report.json", JSON},
		{"junit", "test results, which every CI system shows", JUnit},
		{"sarif", "SARIF 2.1.0, for code scanning", SARIF},
		{"github", "annotations of a GitHub workflow", GitHub},
		{"gitlab", "GitLab's code quality report", GitLab},
		{"markdown", "a summary for a pull request or $GITHUB_STEP_SUMMARY", Markdown},
		{"html", "one page, with pictures", HTML},
	}
}

// JSON writes a report as one indented document that does not act where it is shown.
func JSON(w io.Writer, r *Report) error { return writeJSON(w, r) }

func writeJSON(w io.Writer, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(quote.JSON(b), '\n'))
	return err
}

// A printer remembers the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) print(texts ...string) {
	for _, t := range texts {
		if p.err == nil {
			_, p.err = io.WriteString(p.w, t)
		}
	}
}
