package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/report"
)

// hostilePolicy finds something of every kind: targets, licence, provenance, metadata, budgets, domains and operators.
const hostilePolicy = `version: 1
models: ["*.onnx"]
targets: ["onnxruntime>=1.17", onnxruntime-web, opencv, tensorrt, coreml]
license: {allow: [MIT]}
provenance: [author, source, producer, training-data]
metadata: [version]
budgets: {bytes: 1, parameters: 1, opset: 1, ir: 1}
domains: [own]
operators: {deny: [Relu]}
`

// Nothing in a model acts in any format of a report, whichever finding of a policy names it; nor in what diff says of a quantised copy.
func TestHostileNamesDoNotActInReports(t *testing.T) {
	command := regexp.MustCompile(`^::(error|warning) file=(own|model).onnx,line=1,title=[a-z-]+::|^::notice title=petrify gate::`)
	names := append(hostile(), "a%0A::error::pwned%0D", "]]></failure><testcase name='x'>", "</code></td></tr></table></details>@x #1", "{{.}}${{ github.token }}$(id)`id`", strings.Repeat("long\u202e\n::error::", 900)) // near the limit of a name
	if testing.Short() {
		names = names[len(names)-20:]
	}
	seen := map[string]bool{}
	for k, name := range names {
		if k%3 > 0 && k < len(names)-40 {
			continue // another character of a kind that is tried
		}
		dir := t.TempDir()
		t.Chdir(dir)
		text := strings.ToValidUTF8(name, "?")
		makeFile(t, policyName, []byte(hostilePolicy))
		model := modelFile(t, dir, "model.onnx", func(m *pb.ModelProto) {
			m.Graph.Name, m.Graph.Node[0].Name, m.Graph.Initializer[0].Name, m.Graph.Node[0].Input[1] = &text, &text, &text, text
			m.MetadataProps = []*pb.StringStringEntryProto{{Key: proto.String("license"), Value: &text}, {Key: &text, Value: &text}}
		})
		modelFile(t, dir, "own.onnx", func(m *pb.ModelProto) { // an operator of a domain of its own, in a function of that name
			call := &pb.NodeProto{OpType: &text, Domain: &text, Name: &text, Input: []string{"s"}, Output: []string{"t"}}
			m.Graph.Node = append(m.Graph.Node[:1], call, &pb.NodeProto{OpType: proto.String("Reciprocal"), Name: proto.String(text + "2"), Input: []string{"t"}, Output: []string{"u"}},
				&pb.NodeProto{OpType: proto.String("Hardmax"), Name: proto.String(text + "3"), Input: []string{"u"}, Output: []string{"y"}})
			m.Functions = []*pb.FunctionProto{{Name: &text, Domain: &text, Input: []string{"a"}, Output: []string{"b"}, OpsetImport: m.OpsetImport,
				Node: []*pb.NodeProto{{OpType: proto.String("Softsign"), Name: &text, Input: []string{"a"}, Output: []string{"b"}}}}}
			m.OpsetImport = append(m.OpsetImport, &pb.OperatorSetIdProto{Domain: &text, Version: proto.Int64(1)})
			m.MetadataProps = []*pb.StringStringEntryProto{{Key: proto.String("spdx"), Value: proto.String("MIT OR " + text)}, {Key: proto.String("author"), Value: &text}}
		})
		quantised := modelFile(t, dir, "quantised.bin", func(m *pb.ModelProto) {
			w := (&onnx.Tensor{Name: text + "q", Dims: []int{4}, Data: onnx.Slice[int8]{25, 50, 76, 101}}).Proto()
			s := (&onnx.Tensor{Name: text + "s", Dims: []int{}, Data: onnx.Slice[float32]{0.0396}}).Proto()
			m.Graph.Initializer = []*pb.TensorProto{w, s}
			m.Graph.Node[0].Name, m.Graph.Node[0].Input[1] = &text, text
			m.Graph.Node = append([]*pb.NodeProto{{OpType: proto.String("DequantizeLinear"), Input: []string{text + "q", text + "s"}, Output: []string{text}}}, m.Graph.Node...)
		})
		outputs := map[string]string{}
		args := []string{"gate", "--format", "github"}
		for _, f := range report.Formats() {
			if f.Name != "github" {
				args = append(args, "--report", f.Name+"="+f.Name+".out")
			}
		}
		code, github, errs := cli(t, "", args...)
		if code != exitFinding || errs != "" {
			t.Fatalf("%.200q: exit code %d, want 1: %.2000s", name, code, errs)
		}
		for line := range strings.Lines(github) {
			if !command.MatchString(line) {
				t.Errorf("%q: github has the line %q", name, line)
			}
			outputs["github"] += command.ReplaceAllString(line, "")
		}
		for _, f := range report.Formats() {
			if f.Name != "github" {
				outputs[f.Name] = string(read(t, f.Name+".out"))
			}
		}
		for _, format := range diffFormats {
			_, outputs["diff in "+format], _ = cli(t, "", "diff", model, quantised, "--format", format)
		}
		_, outputs["verify --against"], _ = cli(t, "", "verify", model, "--against", quantised, "--runtime", "load")
		for format, out := range outputs {
			if strings.HasSuffix(format, "markdown") {
				out = strings.NewReplacer("⚠\ufe0f", "").Replace(out) // the sign of a warning, which is ours
			}
			if why := acts(out); why != "" {
				t.Errorf("%.200q: %s has %s:\n%.2000s", name, format, why, out)
			}
			if format == "markdown" && strings.Contains(out, "](http://example.com)") {
				t.Errorf("%q: %s has a link of the model's:\n%s", name, format, out)
			}
			if out == "" {
				t.Errorf("%q: %s says nothing", name, format)
			}
		}
		if !strings.Contains(outputs["diff in text"], "predicted") {
			t.Errorf("%q: nothing is said of the quantisation:\n%s", name, outputs["diff in text"])
		}
		var r report.Report
		if err := json.Unmarshal([]byte(outputs["json"]), &r); err != nil {
			t.Fatal(err)
		}
		for _, f := range r.Files {
			for _, i := range f.Findings {
				seen[i.Rule] = true
			}
		}
		if err := os.Remove(filepath.Join(dir, policyName)); err != nil {
			t.Fatal(err)
		}
	}
	for _, rule := range []string{"target-unsupported", "target-unknown", "target-partial", "license-not-allowed", "provenance-missing", "metadata-missing", "budget-bytes", "budget-opset", "domain-not-allowed", "operator-not-allowed"} {
		if !seen[rule] {
			t.Errorf("no model breaks %s", rule)
		}
	}
}
