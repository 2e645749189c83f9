package diff

import (
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/petrify-ml/petrify/internal/quote"
	"github.com/petrify-ml/petrify/verify"
)

// mostLines is how many changes of one part are shown to people; JSON has them all.
const mostLines = 30

// Text writes a report for people.
func (r *Report) Text(w io.Writer) error { return r.write(w, false) }

// Markdown writes a report for a pull request.
func (r *Report) Markdown(w io.Writer) error { return r.write(w, true) }

func (r *Report) write(w io.Writer, markdown bool) error {
	var b strings.Builder
	name := quote.Name
	item, head := "  ", "%s\n"
	if markdown {
		name = func(s string) string { return "`" + strings.ReplaceAll(quote.Text(s), "`", "'") + "`" }
		item, head = "- ", "\n**%s**\n\n"
		b.WriteString("### " + name(r.Old) + " → " + name(r.New) + "\n")
	} else {
		b.WriteString(name(r.Old) + " -> " + name(r.New) + "\n")
	}
	line := func(format string, args ...any) {
		text := quote.Text(fmt.Sprintf(format, args...))
		if markdown {
			text = "`" + strings.ReplaceAll(text, "`", "'") + "`"
		}
		b.WriteString(item + text + "\n")
	}
	more := func(n int) {
		if n > mostLines {
			line("%d more", n-mostLines)
		}
	}
	changes := func(title string, list []Change) {
		if len(list) == 0 {
			return
		}
		fmt.Fprintf(&b, head, title)
		for _, c := range list[:min(len(list), mostLines)] {
			text := c.What + ": "
			switch {
			case c.New == "":
				text += c.Old
			case c.Old == "":
				text += c.New
			default:
				text += c.Old + " -> " + c.New
			}
			if c.Why != "" {
				text += " (" + c.Why + ")"
			}
			if c.Breaks {
				text = "BREAKS CALLERS " + text
			}
			line("%s", text)
		}
		more(len(list))
	}
	changes("interface", r.Interface)
	changes("versions", r.Versions)
	changes("metadata", r.Metadata)
	changes("graph", r.Graph)
	if len(r.Weights) > 0 {
		fmt.Fprintf(&b, head, fmt.Sprintf("weights: %d changed, %d equal bit for bit", len(r.Weights), r.Kept))
		for _, x := range r.Weights[:min(len(r.Weights), mostLines)] {
			switch {
			case x.New == "":
				line("%s: gone, was %s", x.Name, x.Old)
			case x.Old == "":
				line("%s: new, %s", x.Name, x.New)
			case x.Old != x.New:
				line("%s: %s -> %s", x.Name, x.Old, x.New)
			case x.ULPs == nil:
				line("%s: %d of %d elements differ", x.Name, x.Differ, x.Elements)
			default:
				line("%s: %d of %d elements differ, by at most %.3g (%.2g of the largest); ulps 1: %d, to 4: %d, to 16: %d, to 256: %d, to 65536: %d, more: %d",
					x.Name, x.Differ, x.Elements, float64(x.Largest), float64(x.Relative), x.ULPs[0], x.ULPs[1], x.ULPs[2], x.ULPs[3], x.ULPs[4], x.ULPs[5])
			}
		}
		more(len(r.Weights))
	}
	titled := false
	for _, s := range r.Sizes {
		if s.Old == s.New {
			continue
		}
		if !titled {
			fmt.Fprintf(&b, head, "sizes")
			titled = true
		}
		if s.Old > 0 {
			line("%s: %d -> %d (%+.1f %%)", s.What, s.Old, s.New, 100*(float64(s.New)/float64(s.Old)-1))
		} else {
			line("%s: %d -> %d", s.What, s.Old, s.New)
		}
	}
	if o := r.Outputs; o != nil {
		fmt.Fprintf(&b, head, "outputs: "+string(o.Verdict))
		if o.Reason != "" {
			line("%s", o.Reason)
		}
		if o.Model != nil {
			for _, row := range o.Model.Rows {
				if row.Measure == nil || row.Worst == nil {
					at := row.Output + " of " + row.Set
					if row.Output == "" {
						at = row.Set // which the new model does not take
					}
					line("%s: %s", at, row.Reason)
					continue
				}
				spreads := fmt.Sprintf("%.2g spreads of rounding", float64(row.Spreads))
				if math.IsInf(float64(row.Spreads), 0) {
					spreads = "where rounding allows nothing"
				}
				line("%s of %s: differs by at most %.3g, %s; %s", row.Output, row.Set, float64(row.Worst.Error), spreads, effect(&row))
			}
		}
	}
	if r.Outputs != nil {
		for _, text := range r.Outputs.Quantisation.Lines() {
			line("%s", text)
		}
	}
	if b.String() == "" || !titled && len(r.Interface)+len(r.Versions)+len(r.Metadata)+len(r.Graph)+len(r.Weights) == 0 && r.Outputs == nil {
		line("no difference, except possibly in the bytes of the file")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func effect(row *verify.Comparison) string {
	switch {
	case row.Verdict != verify.Equal:
		return string(row.Verdict)
	case row.Caveat != "":
		return "no more than rounding, but " + row.Caveat
	}
	return "no more than rounding"
}
