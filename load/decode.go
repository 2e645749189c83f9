package load

import (
	"errors"
	"fmt"
	"slices"

	goonnx "github.com/owulveryck/onnx-go"
	"gonum.org/v1/gonum/graph"
	"google.golang.org/protobuf/proto"
	"gorgonia.org/tensor"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/op"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// decode hands the graph to onnx-go's decoder and returns the operations that it has read, after comparing them with the
// message. onnx-go allocates what declared types ask for and misreads some element types, so it is given the nodes, and the
// weights in the one form that it reads rightly; the names of everything else are enough for it.
func decode(inputs, outputs []string, nodes []*pb.NodeProto, weights []*pb.TensorProto, constants map[string]*onnx.Tensor) (ops []operation, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("onnx-go: panic: %v", r)
		}
	}()
	plain := &pb.GraphProto{Name: proto.String("graph"), Node: simplified(nodes)}
	for _, name := range inputs {
		plain.Input = append(plain.Input, &pb.ValueInfoProto{Name: proto.String(name)})
	}
	for _, name := range outputs {
		plain.Output = append(plain.Output, &pb.ValueInfoProto{Name: proto.String(name)})
	}
	for _, t := range weights {
		c := constants[t.GetName()]
		switch {
		case !readRightly(c):
		case c.Len() > pieceOfWeights:
			if err := decodeInPieces(c); err != nil {
				return nil, err
			}
		default:
			plain.Initializer = append(plain.Initializer, c.Proto())
		}
	}
	dst, err := decoded(plain)
	if err != nil {
		return nil, err
	}
	if err := dst.compare(plain, constants); err != nil {
		return nil, err
	}
	for i, n := range nodes {
		dst.ops[i].node, dst.ops[i].in, dst.ops[i].out = n, n.GetInput(), n.GetOutput()
	}
	return dst.ops, nil
}

// decoded is what onnx-go reads.
func decoded(g *pb.GraphProto) (*backend, error) {
	b, err := onnx.Marshal(&pb.ModelProto{IrVersion: proto.Int64(8), Graph: g})
	if err != nil {
		return nil, err
	}
	dst := &backend{}
	if err := goonnx.NewModel(dst).UnmarshalBinary(b); err != nil {
		return nil, fmt.Errorf("onnx-go: %w", err)
	}
	return dst, nil
}

// pieceOfWeights is how many elements onnx-go is given at once: what it reads is a copy, and so is what it reads it from.
const pieceOfWeights = 1 << 20

// decodeInPieces has onnx-go read weights that are long, and compares what it has read.
func decodeInPieces(t *onnx.Tensor) error {
	for from := 0; from < t.Len(); from += pieceOfWeights {
		n := min(pieceOfWeights, t.Len()-from)
		piece := &onnx.Tensor{Name: t.Name, Dims: []int{n}, Data: t.Data.Make(n)}
		piece.Data.Copy(0, t.Data, from, n)
		used := &pb.NodeProto{OpType: proto.String("Identity"), Input: []string{t.Name}, Output: []string{t.Name + " used"}} // it reads no graph without nodes
		g := &pb.GraphProto{Name: proto.String("weights"), Node: []*pb.NodeProto{used}, Initializer: []*pb.TensorProto{piece.Proto()}, Output: []*pb.ValueInfoProto{{Name: &used.Output[0]}}}
		dst, err := decoded(g)
		if err != nil {
			return err
		}
		if err := dst.compare(g, map[string]*onnx.Tensor{t.Name: piece}); err != nil {
			return err
		}
	}
	return nil
}

// simplified takes out of nodes what onnx-go misreads: attributes that are tensors, graphs or types. For a node without inputs it
// would invent one, so that has one that is left out; and outputs that are left out get names, or they would be one value.
func simplified(nodes []*pb.NodeProto) []*pb.NodeProto {
	nodes = slices.Clone(nodes)
	for i, n := range nodes {
		plain := &pb.NodeProto{Name: n.Name, OpType: n.OpType, Input: n.GetInput(), Output: n.GetOutput()}
		if len(n.GetInput()) == 0 {
			plain.Input = []string{""}
		}
		if slices.Contains(n.GetOutput(), "") {
			plain.Output = slices.Clone(n.GetOutput())
			for k, name := range plain.Output {
				if name == "" {
					plain.Output[k] = fmt.Sprintf("\x00 %d of node %d", k, i)
				}
			}
		}
		for _, a := range n.GetAttribute() {
			if !complicated(a) {
				plain.Attribute = append(plain.Attribute, a)
			}
		}
		nodes[i] = plain
	}
	return nodes
}

func complicated(a *pb.AttributeProto) bool {
	switch a.GetType() {
	case pb.AttributeProto_FLOAT, pb.AttributeProto_FLOATS, pb.AttributeProto_INT, pb.AttributeProto_INTS, pb.AttributeProto_STRING, pb.AttributeProto_STRINGS:
		return false
	}
	return true
}

// readRightly reports whether onnx-go's decoder is known to read such a tensor.
func readRightly(t *onnx.Tensor) bool {
	switch t.Type() {
	case pb.TensorProto_FLOAT, pb.TensorProto_DOUBLE, pb.TensorProto_INT32, pb.TensorProto_INT64:
		return t.Len() > 0 && len(t.Dims) > 0
	}
	return false
}

// operation is a node of the graph as onnx-go has read it.
type operation struct {
	node    *pb.NodeProto // as petrify has read it, which is the same
	schema  *op.Schema    // nil for an operator that is not known
	name    string
	attrs   map[string]any     // float32, int64, string, and slices of them
	bodies  map[string]*region // the attributes that are graphs
	in, out []string           // an optional input that is left out is ""
	reads   []string           // the inputs that are not, and what the bodies read
}

// backend is the graph that onnx-go's decoder builds. It has the methods that the decoder calls; a call of another one of the
// embedded interface, which is nil, would be a panic that decode turns into an error.
type backend struct {
	graph.DirectedWeightedBuilder
	nodes []*node
	ops   []operation
}

var _ goonnx.Backend = (*backend)(nil)

// node is a value of the graph.
type node struct {
	id     int64
	name   string
	tensor tensor.Tensor
	in     []*node // inputs of the operation that makes it
}

func (n *node) ID() int64                       { return n.id }
func (n *node) SetName(s string)                { n.name = s }
func (n *node) GetName() string                 { return n.name }
func (n *node) SetTensor(t tensor.Tensor) error { n.tensor = t; return nil }
func (n *node) GetTensor() tensor.Tensor        { return n.tensor }

type edge struct {
	from, to *node
	weight   float64
}

func (e edge) From() graph.Node         { return e.from }
func (e edge) To() graph.Node           { return e.to }
func (e edge) Weight() float64          { return e.weight }
func (e edge) ReversedEdge() graph.Edge { return edge{e.to, e.from, e.weight} }

func (b *backend) NewNode() graph.Node  { return &node{id: int64(len(b.nodes))} }
func (b *backend) AddNode(n graph.Node) { b.nodes = append(b.nodes, n.(*node)) }

func (b *backend) NewWeightedEdge(from, to graph.Node, w float64) graph.WeightedEdge {
	return edge{from.(*node), to.(*node), w}
}

// SetWeightedEdge takes the next input of a node: the decoder numbers them from zero, and a value may come twice.
func (b *backend) SetWeightedEdge(e graph.WeightedEdge) {
	n := e.From().(*node)
	if int(e.Weight()) != len(n.in) {
		panic(fmt.Errorf("input %v of %q comes after %d others", e.Weight(), n.name, len(n.in)))
	}
	n.in = append(n.in, e.To().(*node))
}

// ApplyOperation ends the description of a node.
func (b *backend) ApplyOperation(o goonnx.Operation, ns ...graph.Node) error {
	if len(ns) == 0 {
		return fmt.Errorf("%s has no output", o.Name)
	}
	op := operation{name: o.Name, attrs: o.Attributes}
	for _, in := range ns[0].(*node).in {
		op.in = append(op.in, in.name)
	}
	for _, out := range ns {
		op.out = append(op.out, out.(*node).name)
	}
	b.ops = append(b.ops, op)
	return nil
}

// compare compares what onnx-go has read with the message that it was given.
func (b *backend) compare(g *pb.GraphProto, constants map[string]*onnx.Tensor) error {
	var errs []error
	if len(b.ops) != len(g.GetNode()) {
		return fmt.Errorf("onnx-go read %d nodes of %d", len(b.ops), len(g.GetNode()))
	}
	for i, n := range g.GetNode() {
		op := &b.ops[i]
		op.node = n
		if op.name != n.GetOpType() || !slices.Equal(op.in, n.GetInput()) || !slices.Equal(op.out, n.GetOutput()) || len(op.attrs) != len(n.GetAttribute()) {
			errs = append(errs, fmt.Errorf("onnx-go read node %d as %s of %q with %d attributes, it is %s of %q with %d",
				i, op.name, op.in, len(op.attrs), n.GetOpType(), n.GetInput(), len(n.GetAttribute())))
		}
	}
	read := map[string]tensor.Tensor{}
	for _, n := range b.nodes {
		if n.tensor != nil {
			read[n.name] = n.tensor
		}
	}
	for _, t := range g.GetInitializer() {
		if err := sameTensor(read[t.GetName()], constants[t.GetName()]); err != nil {
			errs = append(errs, fmt.Errorf("onnx-go read the weights %q differently: %w", t.GetName(), err))
		}
	}
	return errors.Join(errs...)
}

func sameTensor(got tensor.Tensor, want *onnx.Tensor) error {
	if got == nil {
		return errors.New("not at all")
	}
	if !slices.Equal([]int(got.Shape()), want.Dims) {
		return fmt.Errorf("shape %v, want %v", got.Shape(), want.Dims)
	}
	if d, ok := onnx.DataOf(got.Data()); !ok || !d.Equal(want.Data) {
		return errors.New("the bits are not the same")
	}
	return nil
}
