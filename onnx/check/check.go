// Package check says whether a model is valid ONNX.
//
// It checks everything in a model read by package wire against the rules: names and their
// definitions, tensors, functions, and each node against the schema of its operator. If that finds
// no error, package infer checks types and shapes. It reports findings under the codes of package
// rule; a model without findings of severity Error may be run.
package check

import (
	"math"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/infer"
	"github.com/petrify-ml/petrify/onnx/op"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/rule"
)

// newestIR is the IR version that onnx.proto describes.
const newestIR = int64(pb.Version_IR_VERSION)

// Model says what is wrong with a model, and what is worth knowing about it:
// first what concerns the model as a whole, then its graph from the first node
// to the last, with the graphs nested in it, and at last, where nothing was found
// that hinders it, what inference finds. It never changes m, and takes time and
// memory in proportion to the size of m. It does not look at files of external
// data.
func Model(m *pb.ModelProto) []rule.Finding { return Within(m, infer.Budget{}) }

// Within is Model with a budget.
func Within(m *pb.ModelProto, budget infer.Budget) []rule.Finding {
	c := &checker{ir: m.GetIrVersion()}
	c.model(m)
	if !c.Full && !slices.ContainsFunc(c.List, rule.Finding.Hinders) {
		c.List = append(c.List, infer.Model(m, budget).Findings...)
	}
	return c.List
}

// A checker goes through one model.
type checker struct {
	rule.Findings
	ir        int64
	imports   map[string]int64 // of the model
	functions map[onnx.FunctionKey]*function
	devices   map[string]bool // the names of device configurations
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

func (c *checker) model(m *pb.ModelProto) {
	at := &rule.Place{Kind: "model"}
	switch {
	case m.IrVersion == nil || m.GetIrVersion() == 0:
		c.Report(at, "ir-version-missing", "ir_version is not set")
		c.ir = newestIR
	case c.ir < 1 || c.ir > newestIR:
		c.Report(at, "ir-version-unsupported", "ir_version is %d, want 1 to %d", c.ir, newestIR)
		c.ir = newestIR
	}
	c.imports = c.opsetImports(m.OpsetImport, at)
	if c.ir >= 3 && len(m.OpsetImport) == 0 {
		c.Report(at, "opset-import-missing", "no operator set is imported, which IR version %d asks for", c.ir)
	}
	if c.ir < 3 {
		if len(m.OpsetImport) > 0 {
			c.Report(at, "opset-import-unexpected", "operator sets are imported, which IR version %d does not have", c.ir)
		}
		c.imports[""] = max(c.imports[""], 1)
	}
	c.metadata(m.MetadataProps, at)
	c.countExternal(m, at)
	c.functionList(m.Functions, at)
	c.configurations(m.Configuration, at)
	if m.Graph == nil {
		c.Report(at, "required-field-missing", "there is no graph")
		return
	}
	main := c.graph(m.Graph, at, &scope{imports: c.imports}, true)
	c.constantOutputs(m.Graph, at)
	for _, f := range m.Functions {
		c.function(f, at.In("function", onnx.KeyOf(f).String()))
	}
	for _, t := range m.TrainingInfo {
		training := at.In("training info", "")
		if t.Initialization != nil {
			c.graph(t.Initialization, training, main, false)
		}
		if t.Algorithm != nil {
			c.graph(t.Algorithm, training, main, false)
		}
	}
}

// countExternal reports that there is external data, which Check does not see.
func (c *checker) countExternal(m *pb.ModelProto, at *rule.Place) {
	n, first := 0, ""
	for t := range onnx.Tensors(m) {
		if onnx.IsExternal(t) {
			if n++; n == 1 {
				first = t.GetName()
			}
		}
	}
	if n > 0 {
		c.Report(at, "external-data", "the elements of %d tensors are in other files, which were not looked at; the first is %s", n, onnx.Quote(first))
	}
}

// opsetImports reads a list of imports into versions by domain.
func (c *checker) opsetImports(list []*pb.OperatorSetIdProto, at *rule.Place) map[string]int64 {
	imports := make(map[string]int64, len(list))
	for _, o := range list {
		domain := onnx.Domain(o.GetDomain())
		c.name(domain, at, "domain")
		if _, ok := imports[domain]; ok {
			c.Report(at, "opset-import-duplicate", "domain %s is imported twice", onnx.Quote(o.GetDomain()))
			continue
		}
		imports[domain] = o.GetVersion()
		newest, known := op.Newest(domain)
		switch {
		case o.Version == nil:
			c.Report(at, "required-field-missing", "the import of domain %s has no version", onnx.Quote(o.GetDomain()))
		case o.GetVersion() < 1 || o.GetVersion() > math.MaxInt32:
			c.Report(at, "opset-version-invalid", "domain %s is imported at version %d, want 1 to %d", onnx.Quote(o.GetDomain()), o.GetVersion(), math.MaxInt32)
		case known && o.GetVersion() > newest && domain != "ai.onnx.ml":
			c.Report(at, "opset-version-unknown", "domain %s is imported at version %d, the newest known is %d", onnx.Quote(o.GetDomain()), o.GetVersion(), newest)
		}
	}
	return imports
}

func (c *checker) metadata(props []*pb.StringStringEntryProto, at *rule.Place) {
	if len(props) < 2 {
		return
	}
	seen := make(map[string]bool, len(props))
	for _, p := range props {
		if seen[p.GetKey()] {
			c.Report(at, "metadata-props-duplicate-key", "two entries of metadata_props have the key %s", onnx.Quote(p.GetKey()))
		}
		seen[p.GetKey()] = true
	}
}

// name looks for characters that do not belong into a name.
func (c *checker) name(s string, at *rule.Place, what string) {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			c.Report(at, "name-unprintable", "%s %s has a control character", what, onnx.Quote(s))
			return
		}
	}
}

// functionList checks what concerns the functions of a model together, and
// fills c.functions.
func (c *checker) functionList(list []*pb.FunctionProto, at *rule.Place) {
	c.functions = make(map[onnx.FunctionKey]*function, len(list))
	if len(list) > 0 && c.ir < 8 {
		c.Report(at, "function-ir-version", "the model defines functions, which IR version %d does not have", c.ir)
	}
	for _, f := range list {
		key := onnx.KeyOf(f)
		if c.functions[key] != nil {
			c.Report(at, "function-duplicate", "function %s is defined twice", onnx.Quote(key.String()))
			continue
		}
		c.functions[key] = newFunction(f)
		if len(op.Versions(key.Domain, key.Name)) > 0 {
			c.Report(at, "function-shadows-operator", "function %s has the name of an operator", onnx.Quote(key.String()))
		}
	}
	c.recursion(list, at)
}

// recursion reports each function that reaches itself.
func (c *checker) recursion(list []*pb.FunctionProto, at *rule.Place) {
	calls := make(map[onnx.FunctionKey][]onnx.FunctionKey)
	for _, f := range list {
		key := onnx.KeyOf(f)
		for n := range onnx.Nodes(f.Node) {
			if callee := onnx.CallOf(n); c.functions[callee] != nil {
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
	state := make(map[onnx.FunctionKey]int)
	type frame struct {
		key  onnx.FunctionKey
		next int
	}
	for _, f := range list {
		if state[onnx.KeyOf(f)] != unseen {
			continue
		}
		stack := []frame{{key: onnx.KeyOf(f)}}
		state[onnx.KeyOf(f)] = open
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
				c.Report(at, "function-recursive", "function %s is reached from itself, through %s", onnx.Quote(callee.String()), onnx.Quote(top.key.String()))
			case unseen:
				state[callee] = open
				stack = append(stack, frame{key: callee})
			}
		}
	}
}

// function checks a function by itself.
func (c *checker) function(f *pb.FunctionProto, at *rule.Place) {
	if f.GetName() == "" {
		c.Report(at, "required-field-empty", "the function has no name")
	}
	if f.Domain == nil && c.ir >= 8 {
		c.Report(at, "required-field-missing", "the function has no domain")
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
			c.Report(at, "output-undefined", "output %s is the output of no node and no input", onnx.Quote(name))
		}
	}
	for n := range onnx.Nodes(f.Node) {
		c.sameOpset(n, s, at)
	}
}

func (c *checker) parameters(names []string, at *rule.Place, what string) {
	seen := make(map[string]bool, len(names))
	for _, name := range names {
		if name == "" {
			c.Report(at, "required-field-empty", "an %s of the function has no name", what)
		} else if seen[name] {
			c.Report(at, "function-parameter-duplicate", "two %ss of the function are named %s", what, onnx.Quote(name))
		}
		seen[name] = true
	}
}

// sameOpset compares the operator that a node of a function means with the one
// that the model would mean.
func (c *checker) sameOpset(n *pb.NodeProto, s *scope, at *rule.Place) {
	domain := onnx.Domain(n.GetDomain())
	outer, ok := c.imports[domain]
	inner := s.imports[domain]
	if !ok || outer == inner || c.functions[onnx.CallOf(n)] != nil {
		return
	}
	a, b := op.Find(domain, n.GetOpType(), inner), op.Find(domain, n.GetOpType(), outer)
	if a != b {
		c.Report(at, "function-opset-mismatch", "%s is another operator at opset %d of the function than at opset %d of the model", onnx.Printable(n.GetOpType()), inner, outer)
	}
}
