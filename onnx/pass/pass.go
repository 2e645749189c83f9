// Package pass rewrites ONNX models into equivalent ones with fewer nodes.
//
// A pass never changes the model that it is given. The result shares with it whatever stays the same, so the nodes,
// weights and types of both must only be read. Names stay where they can: those of the inputs and the
// outputs always, and a layer that takes on a normalisation keeps the names of its weights.
//
// Export applies a list of passes before it writes a file, package load before it runs one.
package pass

import (
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/infer"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// A Pass is one way of rewriting.
type Pass struct {
	Name, Doc string
	run       func(*graph)
}

// The passes.
var (
	FixDefaults       = Pass{"fix-defaults", "inputs that have an initializer are not inputs: nobody gives them another value", fixDefaults}
	ConstantsToData   = Pass{"constants-to-data", "Constant nodes become initializers", constantsToData}
	FoldBatchNorm     = Pass{"fold-batch-norm", "a BatchNormalization goes into the constant weights of the layer in front of it", foldBatchNorm}
	LiftOverReshaping = Pass{"lift-over-reshaping", "an activation after a change of shape goes before it, next to the layer that it follows", liftOverReshaping}
	ProductsToGemm    = Pass{"products-to-gemm", "a MatMul with constant weights, and the Add of its bias, become a Gemm with transB", productsToGemm}
)

// All lists the passes.
func All() []Pass {
	return []Pass{FixDefaults, ConstantsToData, FoldBatchNorm, LiftOverReshaping, ProductsToGemm}
}

// Apply returns m after the passes, one after the other. Graphs inside nodes, and functions, stay as they are. m must be a
// model that package check finds no error in.
func Apply(m *pb.ModelProto, passes ...Pass) *pb.ModelProto {
	g := newGraph(m)
	for _, p := range passes {
		p.run(g)
	}
	return g.model()
}

// A list keeps its items in order, each under a number that stays its own.
type list[T any] struct {
	items       []T
	next        []int // by number, -1 after the last
	first, last int
}

func listOf[T any](items []T) *list[T] {
	l := &list[T]{first: -1, last: -1}
	for _, item := range items {
		l.add(l.last, item)
	}
	return l
}

// add puts an item after number i, before all where that is -1, and returns its number.
func (l *list[T]) add(i int, item T) int {
	at := len(l.items)
	l.items = append(l.items, item)
	if i < 0 {
		l.next = append(l.next, l.first)
		l.first = at
	} else {
		l.next = append(l.next, l.next[i])
		l.next[i] = at
	}
	if i == l.last {
		l.last = at
	}
	return at
}

// each yields the numbers in order. Items may be added meanwhile.
func (l *list[T]) each(yield func(int) bool) {
	for i := l.first; i >= 0 && yield(i); i = l.next[i] {
	}
}

// A graph is the main graph of a model, with the books that a pass needs: who makes a value, and who reads it.
type graph struct {
	source *pb.ModelProto
	opset  int64
	inputs []*pb.ValueInfoProto
	nodes  *list[*pb.NodeProto]   // nil where it is gone
	data   *list[*pb.TensorProto] // the initializers, likewise

	constants map[string]int   // the numbers of initializers that nobody gives another value
	makers    map[string]int   // the numbers of nodes
	readers   map[string][]int // likewise, once for every reading
	fixed     map[string]bool  // names that must stay: outputs, and what graphs inside nodes may read
	taken     map[string]bool  // every name there is

	types map[string]onnx.Type // of the source, by inference, when it was first needed
}

func newGraph(m *pb.ModelProto) *graph {
	p := m.GetGraph()
	g := &graph{
		source: m, opset: onnx.Opset(m.GetOpsetImport(), ""), inputs: p.GetInput(), nodes: listOf(p.GetNode()), data: listOf(p.GetInitializer()),
		constants: map[string]int{}, makers: map[string]int{}, readers: map[string][]int{}, fixed: map[string]bool{}, taken: map[string]bool{},
	}
	for i, t := range p.GetInitializer() {
		g.constants[t.GetName()] = i
		g.taken[t.GetName()] = true
	}
	for _, v := range p.GetInput() {
		g.taken[v.GetName()] = true
		delete(g.constants, v.GetName())
	}
	for _, v := range p.GetOutput() {
		g.fixed[v.GetName()] = true
	}
	for _, s := range p.GetSparseInitializer() {
		g.taken[s.GetValues().GetName()] = true
	}
	for i, n := range p.GetNode() {
		g.enter(i, n)
		for _, a := range n.GetAttribute() {
			for _, inner := range append([]*pb.GraphProto{a.GetG()}, a.GetGraphs()...) {
				g.leave(inner)
			}
		}
	}
	return g
}

// leave fixes every name that a graph inside a node may read.
func (g *graph) leave(inner *pb.GraphProto) {
	for _, v := range inner.GetOutput() {
		g.fixed[v.GetName()] = true
	}
	for n := range onnx.Nodes(inner.GetNode()) {
		for _, name := range slices.Concat(n.GetInput(), n.GetOutput()) {
			g.fixed[name], g.taken[name] = true, true
		}
		for _, a := range n.GetAttribute() {
			for _, v := range a.GetG().GetOutput() {
				g.fixed[v.GetName()] = true
			}
		}
	}
}

// enter books node i.
func (g *graph) enter(i int, n *pb.NodeProto) {
	g.nodes.items[i] = n
	for _, in := range n.GetInput() {
		g.readers[in] = append(g.readers[in], i)
	}
	for _, out := range n.GetOutput() {
		g.makers[out] = i
		g.taken[out] = true
	}
}

// put gives node i another content, nil to remove it.
func (g *graph) put(i int, n *pb.NodeProto) {
	was := g.nodes.items[i]
	for _, in := range was.GetInput() {
		k := slices.Index(g.readers[in], i)
		g.readers[in] = slices.Delete(g.readers[in], k, k+1)
	}
	for _, out := range was.GetOutput() {
		delete(g.makers, out)
	}
	g.enter(i, n)
}

// insert adds a node right after node i.
func (g *graph) insert(i int, n *pb.NodeProto) { g.enter(g.nodes.add(i, nil), n) }

// reader is the one node that reads a value, if there is no other and the name may go.
func (g *graph) reader(name string) (i int, n *pb.NodeProto) {
	if len(g.readers[name]) != 1 || g.fixed[name] {
		return 0, nil
	}
	i = g.readers[name][0]
	return i, g.nodes.items[i]
}

// maker is the node that makes a value, if that is all it makes, one node reads it, and the name may go.
func (g *graph) maker(name string) (i int, n *pb.NodeProto) {
	i, made := g.makers[name]
	if _, reader := g.reader(name); reader == nil || !made || len(g.nodes.items[i].GetOutput()) != 1 {
		return 0, nil
	}
	return i, g.nodes.items[i]
}

// fresh is a name that the graph does not have yet.
func (g *graph) fresh(name string) string {
	for g.taken[name] {
		name += "'"
	}
	g.taken[name] = true
	return name
}

// constant is the tensor of a name that stands for one value forever, of elements of one type.
func constant[T onnx.Element](g *graph, name string) (dims []int, data []T, ok bool) {
	i, ok := g.constants[name]
	if !ok {
		return nil, nil, false
	}
	t, err := onnx.FromProto(g.data.items[i])
	if err != nil {
		return nil, nil, false // its elements are elsewhere
	}
	d, ok := t.Data.(onnx.Slice[T])
	return t.Dims, d, ok
}

// replace gives a node that reads an initializer other data: under its name where nothing else reads it, under a new one
// otherwise. It returns the name.
func (g *graph) replace(name string, dims []int, data []float32) string {
	if _, only := g.reader(name); only == nil {
		return g.add(name, name, dims, data)
	}
	g.data.items[g.constants[name]] = (&onnx.Tensor{Name: name, Dims: dims, Data: onnx.Slice[float32](data)}).Proto()
	return name
}

// add makes an initializer and puts it after another one. It returns its name, which is another one where that is taken.
func (g *graph) add(name, after string, dims []int, data []float32) string {
	t := &onnx.Tensor{Name: g.fresh(name), Dims: dims, Data: onnx.Slice[float32](data)}
	g.constants[t.Name] = g.data.add(g.constants[after], t.Proto())
	return t.Name
}

// tidy removes initializers that nothing reads any more.
func (g *graph) tidy(names []string) {
	for _, name := range names {
		if i, ok := g.constants[name]; ok && len(g.readers[name]) == 0 && !g.fixed[name] {
			g.data.items[i] = nil
			delete(g.constants, name)
		}
	}
}

// rank is the number of axes of a value of the source, -1 where it is not known.
func (g *graph) rank(name string) int {
	if g.types == nil {
		g.types, _ = infer.Types(g.source)
	}
	if t, ok := g.types[name]; ok && t.Dims != nil {
		return len(t.Dims)
	}
	return -1
}

// model is the source with what has become of its graph.
func (g *graph) model() *pb.ModelProto {
	p := shallow(g.source.GetGraph())
	p.Input, p.Node, p.Initializer = g.inputs, nil, nil
	for i := range g.nodes.each {
		if n := g.nodes.items[i]; n != nil {
			p.Node = append(p.Node, n)
		}
	}
	for i := range g.data.each {
		if t := g.data.items[i]; t != nil {
			p.Initializer = append(p.Initializer, t)
		}
	}
	p.ValueInfo = slices.DeleteFunc(slices.Clone(p.GetValueInfo()), func(v *pb.ValueInfoProto) bool {
		_, made := g.makers[v.GetName()]
		_, held := g.constants[v.GetName()]
		return !made && !held
	})
	m := shallow(g.source)
	m.Graph = p
	return m
}

// shallow is a message of its own with the fields of m.
func shallow[M proto.Message](m M) M {
	c := m.ProtoReflect().New()
	m.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		c.Set(f, v)
		return true
	})
	return c.Interface().(M)
}
