// Package target says which models a runtime loads, without running it: for each node of a model, whether each release of the
// runtime supports it.
//
// Its knowledge is in tables, one file each, dated and with sources: measured on the releases themselves if they are available (ONNX
// Runtime, ONNX Runtime Web, OpenCV), or taken from a page by the runtime's authors (TensorRT, Core ML). A [Target] is a runtime with
// a range of releases, as a policy names it: "onnxruntime>=1.17". [Target.Judge] puts each node into one of four classes.
package target

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/petrify-ml/petrify/internal/suggest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/infer"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/rule"
)

// A Class is what a table says about a node, from best to worst.
type Class int

const (
	Supported   Class = iota
	Partial           // some forms of it are supported, and the table cannot tell whether this one is; or it runs elsewhere
	Unknown           // the table does not mention it
	Unsupported       // it is not supported
)

func (c Class) String() string {
	return [...]string{Supported: "supported", Partial: "partial", Unknown: "unknown", Unsupported: "unsupported"}[c]
}

// A Target is a runtime and the releases of it that must load a model.
type Target struct {
	Text     string // as written: onnxruntime>=1.17
	table    *table
	releases []int // of the table, ascending
}

// Parse parses the name of a runtime with or without releases: NAME, NAME>=RELEASE or NAME==RELEASE. NAME alone means the
// newest release known.
func Parse(text string) (*Target, error) {
	name, at := text, len(text)
	if i := strings.IndexAny(text, "<>=! "); i >= 0 {
		name, at = text[:i], i
	}
	t, err := tableOf(name)
	if err != nil {
		return nil, err
	}
	found := &Target{Text: strings.ReplaceAll(text, " ", ""), table: t}
	if len(t.releases) == 0 {
		return nil, fmt.Errorf("the table of %s has no release", name)
	}
	condition := strings.TrimSpace(text[at:])
	if condition == "" {
		found.releases = []int{len(t.releases) - 1}
		return found, nil
	}
	relation, version := condition[:min(2, len(condition))], strings.TrimSpace(condition[min(2, len(condition)):])
	numbers, ok := versionOf(version)
	if relation != ">=" && relation != "==" || !ok {
		return nil, fmt.Errorf("%q is not a target, want one such as onnxruntime, onnxruntime>=1.17 or opencv==4.8", text)
	}
	for i, r := range t.releases {
		has, ok := versionOf(r.name)
		if !ok {
			return nil, fmt.Errorf("%s has no releases to choose from, want %s alone", name, name)
		}
		if relation == ">=" && slices.Compare(has, numbers) >= 0 || relation == "==" && len(has) >= len(numbers) && slices.Equal(has[:len(numbers)], numbers) {
			found.releases = append(found.releases, i)
		}
	}
	if len(found.releases) == 0 {
		var names []string
		for _, r := range t.releases {
			names = append(names, r.name)
		}
		return nil, fmt.Errorf("%s: no such release is in the table of %s, which has %s", text, t.date, strings.Join(names, ", "))
	}
	return found, nil
}

// versionOf reads a version of numbers with points between them.
func versionOf(text string) ([]int, bool) {
	var numbers []int
	for part := range strings.SplitSeq(text, ".") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 {
			return nil, false
		}
		numbers = append(numbers, n)
	}
	return numbers, true
}

// Names lists the runtimes for which there are tables.
func Names() []string {
	var names []string
	for _, t := range tables() {
		names = append(names, t.name)
	}
	return names
}

func tableOf(name string) (*table, error) {
	for _, t := range tables() {
		if t.name == name {
			return t, nil
		}
	}
	return nil, fmt.Errorf("unknown target %q, want one of %s%s", name, strings.Join(Names(), ", "), suggest.DidYouMean(name, Names()))
}

// Source names the source of the table and its date.
func (t *Target) Source() string { return t.table.source + ", " + t.table.date }

// basis is what a verdict rests on, and of which day.
func (t *Target) basis() string {
	if t.table.measured {
		return "measured on " + t.table.date
	}
	return "by its source, of " + t.table.date
}

// Releases names the releases that must load a model.
func (t *Target) Releases() string {
	first, last := t.table.releases[t.releases[0]].name, t.table.releases[t.releases[len(t.releases)-1]].name
	if first == last {
		return first
	}
	return first + " to " + last
}

// A Verdict is the class of a node, or of the model as a whole.
type Verdict struct {
	Class  Class
	Where  string // such as `node "fc1" (MatMul)`
	Node   bool   // it is about a node
	Reason string // empty where the class is Supported
}

// Judge returns a verdict for each node of a model, including those of nested graphs and of functions that are called, and one
// for the model if its versions are too new for a release.
func (t *Target) Judge(m *pb.ModelProto) []Verdict {
	types, _ := infer.Types(m)
	j := &judge{target: t, functions: map[onnx.FunctionKey]*pb.FunctionProto{}, called: map[onnx.FunctionKey]bool{}}
	for _, f := range m.GetFunctions() {
		j.functions[onnx.KeyOf(f)] = f
	}
	j.versions(m)
	j.edges(m.GetGraph())
	imports := map[string]int64{}
	for _, o := range m.GetOpsetImport() {
		imports[onnx.Domain(o.GetDomain())] = o.GetVersion()
	}
	constants := map[string]bool{}
	for _, x := range m.GetGraph().GetInitializer() {
		constants[x.GetName()] = true
	}
	j.nodes(m.GetGraph().GetNode(), scope{imports, types, constants, nil})
	return j.verdicts
}

type judge struct {
	target    *Target
	functions map[onnx.FunctionKey]*pb.FunctionProto
	called    map[onnx.FunctionKey]bool
	verdicts  []Verdict
}

// A scope is where nodes stand.
type scope struct {
	imports   map[string]int64
	types     map[string]onnx.Type
	constants map[string]bool
	at        *rule.Place // a function, or a graph within a node
}

// versions compares the model's IR version and opsets with what releases take.
func (j *judge) versions(m *pb.ModelProto) {
	for _, i := range j.target.releases {
		r := j.target.table.releases[i]
		if r.ir > 0 && m.GetIrVersion() > r.ir {
			j.verdicts = append(j.verdicts, Verdict{Class: Unsupported, Where: "model", Reason: fmt.Sprintf("IR version %d, and %s takes at most %d", m.GetIrVersion(), j.target.named(i), r.ir)})
			break
		}
	}
	for _, o := range m.GetOpsetImport() {
		domain := onnx.Domain(o.GetDomain())
		if domain == "" {
			domain = "ai.onnx"
		}
		for _, i := range j.target.releases {
			r := j.target.table.releases[i]
			if most := r.opsets[domain]; most > 0 && o.GetVersion() > most {
				class, verb := Unsupported, "takes"
				if !j.target.table.measured {
					class, verb = Unknown, "is said to take"
				}
				j.verdicts = append(j.verdicts, Verdict{Class: class, Where: "model", Reason: fmt.Sprintf("opset %d of %s, and %s %s at most %d", o.GetVersion(), domain, j.target.named(i), verb, most)})
				break
			}
		}
	}
}

// edges looks at the types of the model's inputs and outputs. ONNX Runtime has tensors of all types, and its interface to JavaScript
// of those up to BOOL and the 64-bit integers.
func (j *judge) edges(g *pb.GraphProto) {
	if !strings.HasPrefix(j.target.table.name, "onnxruntime") {
		return
	}
	for _, list := range [][]*pb.ValueInfoProto{g.GetInput(), g.GetOutput()} {
		for _, v := range list {
			if t, ok := onnx.TypeOf(v.GetType()); ok && t.Elem >= pb.TensorProto_BFLOAT16 {
				j.verdicts = append(j.verdicts, Verdict{Class: Partial, Where: "value " + onnx.Quote(v.GetName()), Reason: fmt.Sprintf("%s is the type of an input or output, which ONNX Runtime's JavaScript API does not support", onnx.ElemName(t.Elem))})
			}
		}
	}
}

// named is a release with the runtime's name.
func (t *Target) named(release int) string {
	return t.table.name + " " + t.table.releases[release].name
}

func (j *judge) nodes(list []*pb.NodeProto, s scope) {
	constants := s.constants
	for _, n := range list {
		if n.GetOpType() == "Constant" && onnx.Domain(n.GetDomain()) == "" {
			for _, out := range n.Output {
				constants[out] = true
			}
		}
	}
	for _, n := range list {
		at := s.at.Node(n)
		if f := j.functions[onnx.CallOf(n)]; f != nil {
			j.call(f)
			continue
		}
		class, reason := j.target.node(n, s)
		j.verdicts = append(j.verdicts, Verdict{class, at.String(), true, reason})
		for _, a := range n.Attribute {
			for _, g := range append(slices.Clone(a.Graphs), a.G) {
				if g != nil {
					inner := map[string]bool{}
					for _, x := range g.Initializer {
						inner[x.GetName()] = true
					}
					j.nodes(g.Node, scope{s.imports, nil, inner, at.In("graph", g.GetName())}) // of values in there no types are known
				}
			}
		}
	}
}

// call judges the nodes of a function, once.
func (j *judge) call(f *pb.FunctionProto) {
	key := onnx.KeyOf(f)
	if j.called[key] {
		return
	}
	j.called[key] = true
	imports := map[string]int64{}
	for _, o := range f.GetOpsetImport() {
		imports[onnx.Domain(o.GetDomain())] = o.GetVersion()
	}
	j.nodes(f.Node, scope{imports, nil, map[string]bool{}, (*rule.Place)(nil).In("function", f.GetName())})
}

// node is the worst that any of the releases makes of a node.
func (t *Target) node(n *pb.NodeProto, s scope) (worst Class, reason string) {
	from, to := "", ""
	for _, i := range t.releases {
		class, why := t.table.node(i, n, s)
		name := t.table.releases[i].name
		switch {
		case class > worst:
			worst, reason, from, to = class, why, name, name
		case class == worst && why == reason:
			to = name
		}
	}
	if worst == Supported {
		return worst, ""
	}
	if len(t.table.releases) > 1 {
		if from != to {
			from += " to " + to
		}
		reason += fmt.Sprintf(" (%s %s)", t.table.name, from)
	}
	return worst, reason
}

// codes are the rules that classes break.
var codes = map[Class]string{Partial: "target-partial", Unknown: "target-unknown", Unsupported: "target-unsupported"}

// mostFindings is how many nodes of one class are findings of their own.
const mostFindings = 50

// Findings judges a model and returns a finding for each node that is not fully supported, or for the model, and a note that sums
// them up, with the date and source of the table.
func (t *Target) Findings(m *pb.ModelProto) (found []rule.Finding, note string) {
	counts := map[Class]int{}
	nodes := map[Class]int{}
	for _, v := range t.Judge(m) {
		if v.Node {
			nodes[v.Class]++
		}
		if v.Class == Supported {
			continue
		}
		severity := rule.Warning
		if v.Class == Unsupported {
			severity = rule.Error
		}
		if counts[v.Class]++; counts[v.Class] <= mostFindings {
			found = append(found, rule.Finding{Severity: severity, Code: codes[v.Class], Where: t.Text + ": " + v.Where, Message: v.Reason + "; " + t.basis()})
		}
	}
	var parts []string
	for class := Supported; class <= Unsupported; class++ {
		if nodes[class] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", nodes[class], class))
		}
	}
	if len(parts) == 0 {
		parts = []string{"none"}
	}
	note = fmt.Sprintf("%s (%s): of the nodes %s; %s", t.Text, t.Releases(), strings.Join(parts, ", "), t.Source())
	for _, class := range []Class{Unsupported, Unknown, Partial} {
		if n := counts[class] - mostFindings; n > 0 {
			note += fmt.Sprintf("; %d more are %s than are listed", n, class)
		}
	}
	return found, note
}
