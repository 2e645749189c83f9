package card

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/petrify-ml/petrify/internal/quote"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/witness"
)

// FileName is the name of the card's file, in the model's folder.
const FileName = "ModelCard.md"

// Markdown returns the card as a Markdown page.
func (c *Card) Markdown() []byte {
	var b bytes.Buffer
	p := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	c.head(p)
	p("# %s\n\n", text(c.title()))
	if c.Title != "" {
		p("%s. ", text(c.Title))
	}
	p("What it does: %s.\n", orText(c.File.Doc, "not stated"))
	if c.Source != "" {
		p("After %s.\n", text(c.Source))
	}

	p("\n## Use\n\n| | name | type |\n|---|---|---|\n")
	for _, v := range c.File.Inputs {
		p("| in | %s | %s |\n", code(v.Name), code(typeText(v)))
	}
	for _, v := range c.File.Outputs {
		p("| out | %s | %s |\n", code(v.Name), code(typeText(v)))
	}
	p("\nN is any number of them at once.")
	if in := c.File.Inputs; c.Task == Generates && len(in) == 1 && in[0].Type.Elem == pb.TensorProto_FLOAT {
		p(" The input is standard normal noise; the same seed gives the same pictures with\n\n```\npetrify sample %s --seed 7 -o pictures.png\n```\n", shell(c.File.Name))
	} else {
		p("\n")
	}

	p("\n## Origin\n\n| | |\n|---|---|\n")
	row := func(name, value string) {
		if value != "" {
			p("| %s | %s |\n", name, value)
		}
	}
	row("made by", text(c.Tool))
	row("training data", orText(c.Data.Name, "not stated"))
	row("their SHA-256, decoded", code(c.Data.SHA256))
	row("their licence", orText(c.Data.Licence, "not known to petrify: ask whoever gave you the images"))
	row("seed", strconv.FormatUint(c.Seed, 10))
	row("iterations", strconv.Itoa(c.Step))
	for _, e := range c.Training {
		row(text(e.Name), text(e.Value))
	}
	row("licence of this file", orText(c.Licence, "not stated by whoever exported it"))

	if len(c.Figures) > 0 {
		p("\n## Figures\n\nThe last report of the training, after %d iterations.\n\n| figure | value |\n|---|---|\n", c.Step)
		for _, f := range c.Figures {
			p("| %s | %s |\n", text(f.Name), figure(f.Value))
		}
	}

	p("\n## File\n\n| | |\n|---|---|\n")
	row("file", code(c.File.Name))
	row("bytes", strconv.FormatInt(c.File.Bytes, 10))
	row("SHA-256", code(c.File.SHA256))
	row("weights' SHA-256", code(c.Weights))
	row("parameters", strconv.FormatInt(c.File.Parameters, 10))
	row("format", fmt.Sprintf("ONNX, opset %d, IR version %d", c.File.Opset, c.File.IR))
	var operators []string
	for _, o := range c.File.Operators {
		operators = append(operators, text(o.Name)+" "+text(o.Value))
	}
	row("operators", strings.Join(operators, ", "))

	p(`
## Checked

The folders %[1]stest_data_set_N%[1]s beside the file hold inputs and what the trained network made of them.

%[1]s%[1]s%[1]s
petrify verify %[2]s
%[1]s%[1]s%[1]s

compares every runtime at hand with them and with a reference in float64, which tells for each number how far rounding can have
moved it. After training, %[1]scertificate.json%[1]s in the folder above lists what was compared, with which limits and errors.

## Limits

`, "`", shell(c.File.Name))
	for _, l := range limits {
		p("- %s\n", l)
	}
	return b.Bytes()
}

// head is the front matter that model hubs read.
func (c *Card) head(p func(string, ...any)) {
	licence := "unknown"
	switch {
	case spdx(c.Licence):
		licence = strings.ToLower(c.Licence)
	case c.Licence != "":
		licence = "other"
	}
	p("---\nlicense: %s\n", licence)
	if licence == "other" {
		p("license_name: %s\n", yaml(c.Licence))
	}
	p("library_name: onnx\n")
	if c.Task != "" {
		p("pipeline_tag: %s\n", c.Task)
	}
	p("tags:\n- onnx\n- petrify\n")
	if c.Architecture != "" {
		p("- %s\n", yaml(c.Architecture))
	}
	if c.Data.Name != "" {
		p("- %s\n", yaml("trained on "+c.Data.Name))
	}
	p("---\n\n")
}

func figure(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "not a finite number"
	}
	return strconv.FormatFloat(v, 'g', 6, 64)
}

func typeText(v witness.Port) string {
	if v.Other {
		return "no tensor"
	}
	return v.Type.String()
}

// harmless text reads in Markdown as it stands, and is not a link.
var (
	harmless = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 .,()/+=_\[\]-]*$`)
	link     = regexp.MustCompile(`(?i)www\.|http|_.*_|\][\[(]`)
)

// text shows any text as text.
func text(s string) string {
	if harmless.MatchString(s) && !link.MatchString(s) {
		return s
	}
	return quote.Markdown(s)
}

func orText(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return text(s)
}

// code shows a name as code.
func code(s string) string {
	switch {
	case s == "":
		return ""
	case regexp.MustCompile(`^[A-Za-z0-9 .,()/+=_\[\]-]+$`).MatchString(s):
		return "`" + s + "`"
	}
	return "<code>" + quote.Markdown(s) + "</code>"
}

// shell is an argument of a command in a fenced block, which nothing in it can end.
func shell(s string) string {
	return strings.ReplaceAll(quote.Shell(s), "`", "?")
}

// yaml is a string in YAML: JSON's form of it, with whatever YAML does not print escaped.
func yaml(s string) string {
	b, err := json.Marshal(quote.Text(s))
	if err != nil {
		return `""`
	}
	return string(b)
}
