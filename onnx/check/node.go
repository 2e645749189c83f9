package check

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/op"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/rule"
)

// node checks one node by itself: its operator, arity and attributes.
func (c *checker) node(n *pb.NodeProto, at *rule.Place, s *scope) {
	c.metadata(n.MetadataProps, at)
	c.placement(n, at)
	if len(n.Input) == 0 && len(n.Output) == 0 {
		c.Report(at, "node-empty", "the node has neither inputs nor outputs")
	}
	c.attributes(n, at, s)
	if n.GetOpType() == "" {
		c.Report(at, "required-field-empty", "op_type is empty")
		return
	}
	c.name(n.GetOpType(), at, "op_type")
	domain := onnx.Domain(n.GetDomain())
	opset, imported := s.imports[domain]
	if !imported {
		c.Report(at, "opset-import-missing", "domain %s is not imported", onnx.Quote(n.GetDomain()))
	}
	if f := c.functions[onnx.CallOf(n)]; f != nil {
		c.call(n, f, at)
		return
	}
	newest, known := op.Newest(domain)
	if !known {
		c.Report(at, "operator-custom-domain", "the model does not define %s, which is not of ONNX's domains", onnx.Quote(onnx.CallOf(n).String()))
		return
	}
	if !imported {
		return
	}
	schema := op.Find(domain, n.GetOpType(), opset)
	switch {
	case schema == nil && op.Partly(domain):
		c.Report(at, "operator-custom-domain", "the model does not define %s, which is not of ONNX's domains, nor among those known of another", onnx.Quote(onnx.CallOf(n).String()))
	case op.Undescribed(domain, n.GetOpType()):
		c.Report(at, "operator-undescribed", "%s was an experimental operator of opset 1, which no specification describes; %s", n.GetOpType(), runsIt(schema, opset))
		if schema != nil && !schema.Deprecated {
			c.holdAgainst(n, schema, at)
		}
	case schema == nil && opset > newest:
		c.Report(at, "operator-unknown", "no operator %s is known up to opset %d, the newest known; the model is of opset %d", onnx.Printable(n.GetOpType()), newest, opset)
	case schema == nil:
		c.Report(at, "operator-not-registered", "there is no operator %s in domain %s at opset %d%s", onnx.Printable(n.GetOpType()), onnx.Quote(n.GetDomain()), opset, c.since(domain, n.GetOpType()))
	case schema.Contributed:
		c.Report(at, "operator-contributed", "no specification has %s at opset %d; ONNX Runtime does", schema.Name, opset)
		c.holdAgainst(n, schema, at)
	case schema.Deprecated:
		c.Report(at, "operator-deprecated", "operator %s was withdrawn at opset %d, the model is of opset %d%s", schema.Name, schema.Since, opset, again(schema))
	default:
		c.holdAgainst(n, schema, at)
	}
}

// runsIt tells who runs an experimental operator.
func runsIt(schema *op.Schema, opset int64) string {
	switch {
	case schema == nil:
		return "ONNX Runtime does not run it"
	case schema.Deprecated:
		return fmt.Sprintf("ONNX Runtime runs it up to opset %d, the model is of opset %d", schema.Since-1, opset)
	}
	return "ONNX Runtime runs it"
}

// again tells when an operator that was withdrawn came back.
func again(withdrawn *op.Schema) string {
	for _, s := range op.Versions(withdrawn.Domain, withdrawn.Name) {
		if s.Since > withdrawn.Since && !s.Deprecated {
			return "; use opset " + strconv.FormatInt(s.Since, 10)
		}
	}
	return ""
}

// since tells from when on an operator exists, if it ever does.
func (c *checker) since(domain, name string) string {
	if v := op.Versions(domain, name); len(v) > 0 {
		return ", it begins at " + strconv.FormatInt(v[0].Since, 10)
	}
	return ""
}

// holdAgainst compares a node with its operator.
func (c *checker) holdAgainst(n *pb.NodeProto, schema *op.Schema, at *rule.Place) {
	c.args(n.Input, schema.In, at, "input")
	c.args(n.Output, schema.Out, at, "output")
	for _, a := range n.Attribute {
		spec, ok := schema.Attrs[a.GetName()]
		switch {
		case !ok && strings.HasPrefix(a.GetName(), "__"): // private to a tool
		case !ok:
			c.Report(at, "attribute-unknown", "%s of opset %d has no attribute %s", schema.Name, schema.Since, onnx.Quote(a.GetName()))
		case a.Type != nil && a.GetType() != spec.Type:
			c.Report(at, "attribute-type", "attribute %s is of type %s, want %s", onnx.Quote(a.GetName()), a.GetType(), spec.Type)
		case a.Type == nil && !holds(a, spec.Type):
			c.Report(at, "attribute-type", "attribute %s has no value of type %s", onnx.Quote(a.GetName()), spec.Type)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(schema.Attrs)) {
		if schema.Attrs[name].Required && onnx.Attribute(n, name) == nil {
			c.Report(at, "attribute-missing", "%s of opset %d requires attribute %s", schema.Name, schema.Since, onnx.Quote(name))
		}
	}
}

// args compares the number of inputs or outputs with the operator's, and looks
// for required ones that are left out.
func (c *checker) args(names []string, formals []op.Formal, at *rule.Place, what string) {
	least, most := op.Arity(formals)
	if n := len(names); n < least || n > most {
		switch {
		case least == most:
			c.Report(at, what+"-count", "%d %ss, want %d", n, what, least)
		case n < least:
			c.Report(at, what+"-count", "%d %ss, want %d at least", n, what, least)
		default:
			c.Report(at, what+"-count", "%d %ss, want %d at most", n, what, most)
		}
		return
	}
	for i, name := range names {
		p, ok := op.FormalOf(formals, i)
		if ok && name == "" && !p.Optional && (!p.Variadic || i < least) {
			c.Report(at, what+"-missing", "%s %d, %s, is left out", what, i, p.Name)
		}
	}
}

// call compares a node with the function of the model that it calls.
func (c *checker) call(n *pb.NodeProto, f *function, at *rule.Place) {
	if len(n.Input) > len(f.Input) {
		c.Report(at, "input-count", "%d inputs, the function takes %d", len(n.Input), len(f.Input))
	}
	if len(n.Output) > len(f.Output) {
		c.Report(at, "output-count", "%d outputs, the function gives %d", len(n.Output), len(f.Output))
	}
	given := make(map[string]bool, len(n.Attribute))
	for _, a := range n.Attribute {
		given[a.GetName()] = true
		if !f.attributes[a.GetName()] {
			c.Report(at, "attribute-unknown", "the function has no attribute %s", onnx.Quote(a.GetName()))
		}
	}
	for _, name := range f.Attribute {
		if !given[name] {
			c.Report(at, "function-attribute-missing", "the function has attribute %s without a default, and the call does not give it", onnx.Quote(name))
		}
	}
}

// attributes checks what holds for attributes of any operator.
func (c *checker) attributes(n *pb.NodeProto, at *rule.Place, s *scope) {
	seen := make(map[string]bool, len(n.Attribute))
	for _, a := range n.Attribute {
		if seen[a.GetName()] {
			c.Report(at, "attribute-duplicate", "two attributes are named %s", onnx.Quote(a.GetName()))
		}
		seen[a.GetName()] = true
		c.attribute(a, at.In("attribute", a.GetName()), s)
	}
}

// holds reports whether the value field of a type is there. Repeated ones may
// be empty, and numbers and strings are left out by writers of proto3 when they
// are zero.
func holds(a *pb.AttributeProto, typ pb.AttributeProto_AttributeType) bool {
	switch typ {
	case pb.AttributeProto_TENSOR:
		return a.T != nil
	case pb.AttributeProto_GRAPH:
		return a.G != nil
	case pb.AttributeProto_SPARSE_TENSOR:
		return a.SparseTensor != nil
	case pb.AttributeProto_TYPE_PROTO:
		return a.Tp != nil
	}
	return true
}

// given returns the types whose value fields an attribute has.
func given(a *pb.AttributeProto) []pb.AttributeProto_AttributeType {
	var types []pb.AttributeProto_AttributeType
	for _, f := range [...]struct {
		typ   pb.AttributeProto_AttributeType
		there bool
	}{
		{pb.AttributeProto_FLOAT, a.F != nil},
		{pb.AttributeProto_INT, a.I != nil},
		{pb.AttributeProto_STRING, a.S != nil},
		{pb.AttributeProto_TENSOR, a.T != nil},
		{pb.AttributeProto_GRAPH, a.G != nil},
		{pb.AttributeProto_SPARSE_TENSOR, a.SparseTensor != nil},
		{pb.AttributeProto_TYPE_PROTO, a.Tp != nil},
		{pb.AttributeProto_FLOATS, len(a.Floats) > 0},
		{pb.AttributeProto_INTS, len(a.Ints) > 0},
		{pb.AttributeProto_STRINGS, len(a.Strings) > 0},
		{pb.AttributeProto_TENSORS, len(a.Tensors) > 0},
		{pb.AttributeProto_GRAPHS, len(a.Graphs) > 0},
		{pb.AttributeProto_SPARSE_TENSORS, len(a.SparseTensors) > 0},
		{pb.AttributeProto_TYPE_PROTOS, len(a.TypeProtos) > 0},
	} {
		if f.there {
			types = append(types, f.typ)
		}
	}
	return types
}

// attribute checks one attribute and what is inside it.
func (c *checker) attribute(a *pb.AttributeProto, at *rule.Place, s *scope) {
	if a.GetName() == "" {
		c.Report(at, "required-field-empty", "the attribute has no name")
	}
	c.name(a.GetName(), at, "the name")
	typ, has := a.GetType(), given(a)
	switch {
	case typ == pb.AttributeProto_UNDEFINED && c.ir >= 2:
		c.Report(at, "required-field-missing", "the attribute has no type")
	case len(has) > 1:
		c.Report(at, "attribute-value", "the attribute has values of %d types, %v", len(has), has)
	case a.GetRefAttrName() != "" && len(has) > 0:
		c.Report(at, "attribute-reference", "the attribute refers to %s and has a value", onnx.Quote(a.GetRefAttrName()))
	case a.GetRefAttrName() != "":
		c.reference(a, at, s)
	case typ != pb.AttributeProto_UNDEFINED && len(has) == 1 && has[0] != typ:
		c.Report(at, "attribute-value", "the attribute is of type %s and has a value of type %s", typ, has[0])
	case !holds(a, typ):
		c.Report(at, "attribute-value", "the attribute of type %s has no value", typ)
	}
	if a.T != nil {
		c.tensor(a.T, at)
	}
	for _, t := range a.Tensors {
		c.tensor(t, at)
	}
	if a.SparseTensor != nil {
		c.sparse(a.SparseTensor, at)
	}
	for _, t := range a.SparseTensors {
		c.sparse(t, at)
	}
	if a.Tp != nil {
		c.typeProto(a.Tp, at, false)
	}
	for _, t := range a.TypeProtos {
		c.typeProto(t, at, false)
	}
	if a.G != nil {
		c.graph(a.G, at, s, false)
	}
	for _, g := range a.Graphs {
		c.graph(g, at, s, false)
	}
}

// reference checks that an attribute refers to one of the function around it.
func (c *checker) reference(a *pb.AttributeProto, at *rule.Place, s *scope) {
	name := a.GetRefAttrName()
	switch f := s.function; {
	case f == nil:
		c.Report(at, "attribute-reference", "the attribute refers to %s outside a function", onnx.Quote(name))
	case !f.attributes[name]:
		c.Report(at, "attribute-reference", "the attribute refers to %s, which the function does not have", onnx.Quote(name))
	}
}
