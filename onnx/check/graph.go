package check

import (
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/op"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/rule"
	"google.golang.org/protobuf/proto"
)

// A scope holds the values that nodes of one graph may read: its own, and
// those of the graphs around it.
type scope struct {
	up       *scope
	values   map[string]bool // defined; true once something reads it
	imports  map[string]int64
	function *function // whose body this is, nil in a model's graph
	depth    int
}

func (s *scope) define(name string) { s.values[name] = false }

// here reports whether this graph itself defines the value.
func (s *scope) here(name string) bool {
	_, ok := s.values[name]
	return ok
}

// around reports whether a graph around this one defines the value.
func (s *scope) around(name string) bool {
	for s = s.up; s != nil; s = s.up {
		if s.here(name) {
			return true
		}
	}
	return false
}

// read marks a value as read. It is false when there is no such value.
func (s *scope) read(name string) bool {
	for ; s != nil; s = s.up {
		if s.here(name) {
			s.values[name] = true
			return true
		}
	}
	return false
}

// graph checks a graph whose nodes may read the values of up. It returns the
// scope of the graph.
func (c *checker) graph(g *pb.GraphProto, above *rule.Place, up *scope, main bool) *scope {
	at := above.In("graph", g.GetName())
	s := &scope{up: up, values: make(map[string]bool), imports: up.imports, function: up.function, depth: up.depth + 1}
	if s.depth > 100 {
		c.Report(at, "nesting-too-deep", "the graph is nested more than 100 deep")
		return s
	}
	if g.GetName() == "" {
		c.Report(at, "required-field-empty", "the graph has no name")
	}
	c.name(g.GetName(), at, "graph name")
	c.metadata(g.MetadataProps, at)
	c.inputs(g, at, s, main)
	c.initializers(g, at, s)
	c.nodeList(g.Node, at, s)
	c.outputs(g, at, s, main)
	c.valueInfos(g, at, s)
	c.unused(g, at, s)
	return s
}

func (c *checker) inputs(g *pb.GraphProto, at *rule.Place, s *scope, main bool) {
	for _, v := range g.Input {
		in := at.In("input", v.GetName())
		c.valueInfo(v, in, main)
		switch {
		case s.here(v.GetName()):
			c.Report(in, "input-duplicate", "two inputs have this name")
		case s.around(v.GetName()):
			c.Report(in, "value-shadowed", "a graph around this one has a value of this name")
		}
		s.define(v.GetName())
	}
}

func (c *checker) initializers(g *pb.GraphProto, at *rule.Place, s *scope) {
	seen := make(map[string]bool, len(g.Initializer))
	add := func(in *rule.Place) {
		name := in.Name
		switch {
		case name == "":
			c.Report(in, "required-field-empty", "the initializer has no name")
			return
		case seen[name]:
			c.Report(in, "initializer-duplicate", "two initializers have this name")
			return
		case s.here(name): // the input's default
		case c.ir < 4:
			c.Report(in, "initializer-not-input", "IR version %d requires each initializer to be an input", c.ir)
		case s.around(name):
			c.Report(in, "value-shadowed", "a graph around this one has a value of this name")
		}
		c.name(name, in, "the name")
		seen[name] = true
		if !s.here(name) {
			s.define(name)
		}
	}
	for _, t := range g.Initializer {
		in := at.In("initializer", t.GetName())
		add(in)
		c.tensor(t, in)
		c.numbers(t, in)
	}
	for _, t := range g.SparseInitializer {
		in := at.In("sparse initializer", t.GetValues().GetName())
		add(in)
		c.sparse(t, in)
	}
}

// nodeList checks nodes in their order and defines what they give.
func (c *checker) nodeList(list []*pb.NodeProto, at *rule.Place, s *scope) {
	producer := make(map[string]int)
	for i, n := range list {
		for _, out := range n.Output {
			if _, ok := producer[out]; !ok && out != "" {
				producer[out] = i
			}
		}
	}
	var cyclic map[int]bool
	names := make(map[string]bool, len(list))
	for i, n := range list {
		in := at.Node(n)
		if name := n.GetName(); name != "" {
			if names[name] {
				c.Report(in, "node-name-duplicate", "two nodes have this name")
			}
			names[name] = true
			c.name(name, in, "the name")
		}
		for j, name := range n.Input {
			if name == "" || s.read(name) {
				continue
			}
			if _, ok := producer[name]; !ok {
				c.Report(in, "value-undefined", "input %d, %s, is defined nowhere", j, onnx.Quote(name))
				continue
			}
			if cyclic == nil {
				cyclic = cycles(list, producer)
			}
			if cyclic[i] {
				c.Report(in, "graph-cycle", "input %d, %s, depends on the node itself", j, onnx.Quote(name))
			} else {
				c.Report(in, "node-order", "input %d, %s, is the output of a later node, %s", j, onnx.Quote(name), onnx.Quote(list[producer[name]].GetName()))
			}
		}
		c.node(n, in, s)
		for _, name := range n.Output {
			switch {
			case name == "":
				continue
			case s.here(name):
				c.Report(in, "value-redefined", "output %s is defined before", onnx.Quote(name))
				continue
			case s.around(name):
				c.Report(in, "value-redefined", "output %s is defined in a graph around this one", onnx.Quote(name))
			}
			c.name(name, in, "output")
			s.define(name)
		}
	}
}

// cycles returns the nodes that are on a cycle or after one: those that
// cannot be put in order. The map is never nil.
func cycles(list []*pb.NodeProto, producer map[string]int) map[int]bool {
	waits := make([]int, len(list))     // inputs of a node that are not there yet
	readers := make([][]int, len(list)) // of a node's outputs
	ready := make([]int, 0, len(list))
	for i, n := range list {
		for _, name := range n.Input {
			if p, ok := producer[name]; ok && name != "" {
				waits[i]++
				readers[p] = append(readers[p], i)
			}
		}
		if waits[i] == 0 {
			ready = append(ready, i)
		}
	}
	for len(ready) > 0 {
		i := ready[len(ready)-1]
		ready = ready[:len(ready)-1]
		for _, r := range readers[i] {
			if waits[r]--; waits[r] == 0 {
				ready = append(ready, r)
			}
		}
	}
	left := make(map[int]bool)
	for i, n := range waits {
		if n > 0 {
			left[i] = true
		}
	}
	return left
}

func (c *checker) outputs(g *pb.GraphProto, at *rule.Place, s *scope, main bool) {
	seen := make(map[string]bool, len(g.Output))
	for _, v := range g.Output {
		out := at.In("output", v.GetName())
		c.valueInfo(v, out, main)
		if seen[v.GetName()] {
			c.Report(out, "output-duplicate", "two outputs have this name")
		}
		seen[v.GetName()] = true
		if !s.here(v.GetName()) && v.GetName() != "" {
			c.Report(out, "output-undefined", "no node of the graph has this output, and no input or initializer has this name")
		}
		if s.here(v.GetName()) {
			s.read(v.GetName())
		}
	}
}

func (c *checker) valueInfos(g *pb.GraphProto, at *rule.Place, s *scope) {
	seen := make(map[string]*pb.ValueInfoProto, len(g.ValueInfo))
	for _, v := range g.ValueInfo {
		in := at.In("value info", v.GetName())
		c.valueInfo(v, in, false)
		switch first := seen[v.GetName()]; {
		case first == nil:
			seen[v.GetName()] = v
		case proto.Equal(first.Type, v.Type):
			c.Report(in, "value-info-repeated", "two value infos have this name, and are alike")
		default:
			c.Report(in, "value-info-duplicate", "two value infos have this name, and are not alike")
		}
		if !s.here(v.GetName()) {
			c.Report(in, "value-info-unknown", "the graph has no value of this name")
		}
	}
	for _, q := range g.QuantizationAnnotation {
		in := at.In("quantization annotation", q.GetTensorName())
		if !s.here(q.GetTensorName()) {
			c.Report(in, "quantization-annotation", "the graph has no value of this name")
		}
		c.metadata(q.QuantParameterTensorNames, in)
	}
}

// unused reports what nothing reads.
func (c *checker) unused(g *pb.GraphProto, at *rule.Place, s *scope) {
	for _, n := range g.Node {
		used := len(n.Output) == 0
		for _, out := range n.Output {
			used = used || out != "" && s.values[out]
		}
		if !used {
			c.Report(at.Node(n), "node-unused", "nothing reads what the node gives")
		}
	}
	for _, t := range g.Initializer {
		if name := t.GetName(); name != "" && !s.values[name] {
			c.Report(at.In("initializer", name), "initializer-unused", "nothing reads it")
		}
	}
}

// constantOutputs reports the outputs of a model that are the same in each run.
func (c *checker) constantOutputs(g *pb.GraphProto, above *rule.Place) {
	defaults := make(map[string]bool, len(g.Initializer))
	for _, t := range g.Initializer {
		defaults[t.GetName()] = true
	}
	varies := make(map[string]bool)
	for _, v := range g.Input {
		if !defaults[v.GetName()] {
			varies[v.GetName()] = true
		}
	}
	if len(varies) == 0 {
		return
	}
	for _, n := range g.Node {
		if c.variesItself(n) || readsAny(n, varies) {
			for _, name := range n.Output {
				varies[name] = true
			}
		}
	}
	at := above.In("graph", g.GetName())
	for _, v := range g.Output {
		if !varies[v.GetName()] {
			c.Report(at.In("output", v.GetName()), "output-constant", "no input of the graph has a say in it")
		}
	}
}

// variesItself reports whether a node may give something else each time, as
// random numbers and operators that nobody knows do.
func (c *checker) variesItself(n *pb.NodeProto) bool {
	for inner := range onnx.Nodes([]*pb.NodeProto{n}) {
		if len(op.Versions(inner.GetDomain(), inner.GetOpType())) == 0 {
			return true
		}
		switch inner.GetOpType() {
		case "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli", "Dropout":
			return true
		}
	}
	return false
}

// readsAny reports whether a node, or one nested in it, reads one of the values.
func readsAny(n *pb.NodeProto, values map[string]bool) bool {
	for inner := range onnx.Nodes([]*pb.NodeProto{n}) {
		for _, name := range inner.Input {
			if values[name] {
				return true
			}
		}
		for _, a := range inner.Attribute {
			for _, out := range a.GetG().GetOutput() {
				if values[out.GetName()] {
					return true
				}
			}
		}
	}
	return false
}
