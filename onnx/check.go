package onnx

import (
	"fmt"
	"slices"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// newestIR is the IR version that onnx.proto describes.
const newestIR = int64(pb.Version_IR_VERSION)

// mostFindings is where Check stops adding to its list.
const mostFindings = 1000

// Check says what is wrong with a model, and what is worth knowing about it:
// first what concerns the model as a whole, then its graph from the first node
// to the last, with the graphs nested in it, and at last, where no error was
// found by then, what Infer finds. It never changes m, and takes time and
// memory in proportion to the size of m. It does not look at files of external
// data.
func Check(m *pb.ModelProto) []Finding { return CheckWithin(m, Budget{}) }

// CheckWithin is Check under a budget.
func CheckWithin(m *pb.ModelProto, budget Budget) []Finding {
	c := &checker{ir: m.GetIrVersion(), operators: operators()}
	c.model(m)
	if !c.full && !slices.ContainsFunc(c.findings, isError) {
		c.findings = append(c.findings, InferWithin(m, budget).Findings...)
	}
	return c.findings
}

func isError(f Finding) bool { return f.Severity == Error }

// A checker goes through one model.
type checker struct {
	ir        int64
	operators *operatorTable
	imports   map[string]int64 // of the model
	functions map[functionKey]*function
	findings  []Finding
	full      bool
}

// A function is a FunctionProto with the names of its attributes.
type function struct {
	*pb.FunctionProto
	attributes map[string]bool
}

func newFunction(f *pb.FunctionProto) *function {
	names := make(map[string]bool, len(f.Attribute)+len(f.AttributeProto))
	for _, a := range f.Attribute {
		names[a] = true
	}
	for _, a := range f.AttributeProto {
		names[a.GetName()] = true
	}
	return &function{f, names}
}

type functionKey struct{ domain, name, overload string }

func (k functionKey) String() string {
	s := k.domain + "." + k.name
	if k.overload != "" {
		s += ":" + k.overload
	}
	return s
}

func keyOf(f *pb.FunctionProto) functionKey {
	return functionKey{canonicalDomain(f.GetDomain()), f.GetName(), f.GetOverload()}
}

// severities finds the severity of a code.
var severities = func() map[string]Severity {
	m := make(map[string]Severity, len(rules))
	for _, r := range rules {
		m[r.Code] = r.Severity
	}
	return m
}()

// report adds a finding under a code of rules.
func (c *checker) report(at *place, code, format string, args ...any) {
	if c.full {
		return
	}
	if len(c.findings) == mostFindings {
		c.full = true
		code, format, args = "too-many-findings", "there are more than %d findings", []any{mostFindings}
	}
	c.findings = append(c.findings, Finding{severities[code], code, at.String(), cut(fmt.Sprintf(format, args...))})
}

func (c *checker) model(m *pb.ModelProto) {
	at := &place{kind: "model"}
	switch {
	case m.IrVersion == nil || m.GetIrVersion() == 0:
		c.report(at, "ir-version-missing", "ir_version is not set")
		c.ir = newestIR
	case c.ir < 1 || c.ir > newestIR:
		c.report(at, "ir-version-unsupported", "ir_version is %d, want 1 to %d", c.ir, newestIR)
		c.ir = newestIR
	}
	c.imports = c.opsetImports(m.OpsetImport, at)
	if c.ir >= 3 && len(m.OpsetImport) == 0 {
		c.report(at, "opset-import-missing", "no operator set is imported, which IR version %d asks for", c.ir)
	}
	if c.ir < 3 {
		if len(m.OpsetImport) > 0 {
			c.report(at, "opset-import-unexpected", "operator sets are imported, which IR version %d does not have", c.ir)
		}
		c.imports[""] = max(c.imports[""], 1)
	}
	c.metadata(m.MetadataProps, at)
	c.countExternal(m, at)
	c.functionList(m.Functions, at)
	if m.Graph == nil {
		c.report(at, "required-field-missing", "there is no graph")
		return
	}
	main := c.graph(m.Graph, at, &scope{imports: c.imports}, true)
	c.constantOutputs(m.Graph, at)
	for _, f := range m.Functions {
		c.function(f, at.in("function", keyOf(f).String()))
	}
	for _, t := range m.TrainingInfo {
		training := at.in("training info", "")
		if t.Initialization != nil {
			c.graph(t.Initialization, training, main, false)
		}
		if t.Algorithm != nil {
			c.graph(t.Algorithm, training, main, false)
		}
	}
}

// countExternal reports that there is external data, which Check does not see.
func (c *checker) countExternal(m *pb.ModelProto, at *place) {
	n, first := 0, ""
	for t := range tensors(m) {
		if isExternal(t) {
			if n++; n == 1 {
				first = t.GetName()
			}
		}
	}
	if n > 0 {
		c.report(at, "external-data", "the elements of %d tensors are in other files, which were not looked at; the first is %s", n, Quote(first))
	}
}

// opsetImports reads a list of imports into versions by domain.
func (c *checker) opsetImports(list []*pb.OperatorSetIdProto, at *place) map[string]int64 {
	imports := make(map[string]int64, len(list))
	for _, o := range list {
		domain := canonicalDomain(o.GetDomain())
		c.name(domain, at, "domain")
		if _, ok := imports[domain]; ok {
			c.report(at, "opset-import-duplicate", "domain %s is imported twice", Quote(o.GetDomain()))
			continue
		}
		imports[domain] = o.GetVersion()
		newest, known := c.operators.newest[domain]
		switch {
		case o.Version == nil:
			c.report(at, "required-field-missing", "the import of domain %s has no version", Quote(o.GetDomain()))
		case o.GetVersion() < 1:
			c.report(at, "opset-version-invalid", "domain %s is imported at version %d, want 1 or more", Quote(o.GetDomain()), o.GetVersion())
		case known && o.GetVersion() > newest && domain != "ai.onnx.ml":
			c.report(at, "opset-version-unknown", "domain %s is imported at version %d, the newest known is %d", Quote(o.GetDomain()), o.GetVersion(), newest)
		}
	}
	return imports
}

func (c *checker) metadata(props []*pb.StringStringEntryProto, at *place) {
	if len(props) < 2 {
		return
	}
	seen := make(map[string]bool, len(props))
	for _, p := range props {
		if seen[p.GetKey()] {
			c.report(at, "metadata-props-duplicate-key", "two entries of metadata_props have the key %s", Quote(p.GetKey()))
		}
		seen[p.GetKey()] = true
	}
}

// name looks for characters that do not belong into a name.
func (c *checker) name(s string, at *place, what string) {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			c.report(at, "name-unprintable", "%s %s has a control character", what, Quote(s))
			return
		}
	}
}

// functionList checks what concerns the functions of a model together, and
// fills c.functions.
func (c *checker) functionList(list []*pb.FunctionProto, at *place) {
	c.functions = make(map[functionKey]*function, len(list))
	if len(list) > 0 && c.ir < 8 {
		c.report(at, "function-ir-version", "the model defines functions, which IR version %d does not have", c.ir)
	}
	for _, f := range list {
		key := keyOf(f)
		if c.functions[key] != nil {
			c.report(at, "function-duplicate", "function %s is defined twice", Quote(key.String()))
			continue
		}
		c.functions[key] = newFunction(f)
	}
	c.recursion(list, at)
}

// recursion reports each function that reaches itself.
func (c *checker) recursion(list []*pb.FunctionProto, at *place) {
	calls := make(map[functionKey][]functionKey)
	for _, f := range list {
		key := keyOf(f)
		for n := range nodes(f.Node) {
			if callee := callOf(n); c.functions[callee] != nil {
				calls[key] = append(calls[key], callee)
			}
		}
	}
	// Depth first, by hand, so that a long chain costs no stack.
	const (
		unseen = iota
		open
		done
	)
	state := make(map[functionKey]int)
	type frame struct {
		key  functionKey
		next int
	}
	for _, f := range list {
		if state[keyOf(f)] != unseen {
			continue
		}
		stack := []frame{{key: keyOf(f)}}
		state[keyOf(f)] = open
		for len(stack) > 0 {
			top := &stack[len(stack)-1]
			if top.next == len(calls[top.key]) {
				state[top.key] = done
				stack = stack[:len(stack)-1]
				continue
			}
			callee := calls[top.key][top.next]
			top.next++
			switch state[callee] {
			case open:
				c.report(at, "function-recursive", "function %s is reached from itself, through %s", Quote(callee.String()), Quote(top.key.String()))
			case unseen:
				state[callee] = open
				stack = append(stack, frame{key: callee})
			}
		}
	}
}

// callOf returns the function that a node calls, if the model has it.
func callOf(n *pb.NodeProto) functionKey {
	return functionKey{canonicalDomain(n.GetDomain()), n.GetOpType(), n.GetOverload()}
}

// function checks a function by itself.
func (c *checker) function(f *pb.FunctionProto, at *place) {
	if f.GetName() == "" {
		c.report(at, "required-field-empty", "the function has no name")
	}
	if f.Domain == nil && c.ir >= 8 {
		c.report(at, "required-field-missing", "the function has no domain")
	}
	s := &scope{imports: c.opsetImports(f.OpsetImport, at), function: newFunction(f), values: make(map[string]bool)}
	c.metadata(f.MetadataProps, at)
	c.parameters(f.Input, at, "input")
	c.parameters(f.Output, at, "output")
	attributes := slices.Clone(f.Attribute)
	for _, a := range f.AttributeProto {
		attributes = append(attributes, a.GetName())
		c.attribute(a, at, s)
	}
	c.parameters(attributes, at, "attribute")
	for _, name := range f.Input {
		s.define(name)
	}
	c.nodeList(f.Node, at, s)
	for _, name := range f.Output {
		if !s.read(name) {
			c.report(at, "output-undefined", "output %s is the output of no node and no input", Quote(name))
		}
	}
	for n := range nodes(f.Node) {
		c.sameOpset(n, s, at)
	}
}

func (c *checker) parameters(names []string, at *place, what string) {
	seen := make(map[string]bool, len(names))
	for _, name := range names {
		if name == "" {
			c.report(at, "required-field-empty", "an %s of the function has no name", what)
		} else if seen[name] {
			c.report(at, "function-parameter-duplicate", "two %ss of the function are named %s", what, Quote(name))
		}
		seen[name] = true
	}
}

// sameOpset holds the operator that a node of a function means against the one
// that the model would mean.
func (c *checker) sameOpset(n *pb.NodeProto, s *scope, at *place) {
	domain := canonicalDomain(n.GetDomain())
	outer, ok := c.imports[domain]
	inner := s.imports[domain]
	if !ok || outer == inner || c.functions[callOf(n)] != nil {
		return
	}
	a, b := c.operators.lookup(domain, n.GetOpType(), inner), c.operators.lookup(domain, n.GetOpType(), outer)
	if a != b {
		c.report(at, "function-opset-mismatch", "%s is another operator at opset %d of the function than at opset %d of the model", Printable(n.GetOpType()), inner, outer)
	}
}
