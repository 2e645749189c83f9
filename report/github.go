package report

import (
	"io"
	"strings"

	"github.com/petrify-ml/petrify/internal/quote"
)

// GitHub writes a workflow command for each finding, which GitHub shows beside the file. What is out of files cannot end such a
// command or begin another one: they are escaped twice, as text and as GitHub's runner reads it back (data: %, CR and LF;
// properties: colon and comma, too).
func GitHub(w io.Writer, r *Report) error {
	p := &printer{w: w}
	for _, f := range r.Files {
		for _, i := range f.Findings {
			level := "notice"
			switch {
			case i.Counts():
				level = "error"
			case i.Suppressed == nil && i.Severity == "warning":
				level = "warning"
			}
			p.print("::", level, " file=", property(quote.Text(slashed(f.Path))), ",line=1,title=", property(i.Rule), "::",
				data(i.message()), "\n")
		}
	}
	if r.Reason != "" {
		p.print("::notice title=", property(r.Tool), "::", data(quote.Text(r.Reason)), "\n")
	}
	return p.err
}

var commandData = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")

func data(s string) string { return commandData.Replace(s) }

func property(s string) string { return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(data(s)) }
