package onnx

import (
	"iter"

	"github.com/petrify-ml/petrify/onnx/pb"
	"google.golang.org/protobuf/proto"
)

// Tensors yields every TensorProto in m, however deep, each once.
func Tensors(m proto.Message) iter.Seq[*pb.TensorProto] {
	return func(yield func(*pb.TensorProto) bool) { (&tensorWalk{yield}).message(m) }
}

// Nodes yields the nodes of a list and of all graphs nested in them.
func Nodes(list []*pb.NodeProto) iter.Seq[*pb.NodeProto] {
	return func(yield func(*pb.NodeProto) bool) { eachNode(list, yield) }
}

func eachNode(list []*pb.NodeProto, yield func(*pb.NodeProto) bool) bool {
	for _, n := range list {
		if !yield(n) {
			return false
		}
		for _, a := range n.Attribute {
			if !eachNode(a.GetG().GetNode(), yield) {
				return false
			}
			for _, g := range a.Graphs {
				if !eachNode(g.GetNode(), yield) {
					return false
				}
			}
		}
	}
	return true
}

// A tensorWalk's methods return false when the walk is to stop.
type tensorWalk struct{ yield func(*pb.TensorProto) bool }

func (w *tensorWalk) message(m proto.Message) bool {
	switch m := m.(type) {
	case *pb.ModelProto:
		return w.graph(m.Graph) && all(m.TrainingInfo, w.training) && all(m.Functions, w.function)
	case *pb.GraphProto:
		return w.graph(m)
	case *pb.TensorProto:
		return w.tensor(m)
	case *pb.SparseTensorProto:
		return w.sparse(m)
	case *pb.SequenceProto:
		return w.sequence(m)
	case *pb.MapProto:
		return w.mapping(m)
	case *pb.OptionalProto:
		return w.optional(m)
	}
	return true
}

func all[T any](list []T, f func(T) bool) bool {
	for _, v := range list {
		if !f(v) {
			return false
		}
	}
	return true
}

func (w *tensorWalk) tensor(t *pb.TensorProto) bool { return t == nil || w.yield(t) }

func (w *tensorWalk) sparse(s *pb.SparseTensorProto) bool {
	return w.tensor(s.GetValues()) && w.tensor(s.GetIndices())
}

func (w *tensorWalk) graph(g *pb.GraphProto) bool {
	return all(g.GetInitializer(), w.tensor) && all(g.GetSparseInitializer(), w.sparse) && all(g.GetNode(), w.node)
}

func (w *tensorWalk) node(n *pb.NodeProto) bool { return all(n.GetAttribute(), w.attribute) }

func (w *tensorWalk) attribute(a *pb.AttributeProto) bool {
	return w.tensor(a.GetT()) && all(a.GetTensors(), w.tensor) &&
		w.sparse(a.GetSparseTensor()) && all(a.GetSparseTensors(), w.sparse) &&
		w.graph(a.GetG()) && all(a.GetGraphs(), w.graph)
}

func (w *tensorWalk) training(t *pb.TrainingInfoProto) bool {
	return w.graph(t.GetInitialization()) && w.graph(t.GetAlgorithm())
}

func (w *tensorWalk) function(f *pb.FunctionProto) bool {
	return all(f.GetNode(), w.node) && all(f.GetAttributeProto(), w.attribute)
}

func (w *tensorWalk) sequence(s *pb.SequenceProto) bool {
	return all(s.GetTensorValues(), w.tensor) && all(s.GetSparseTensorValues(), w.sparse) &&
		all(s.GetSequenceValues(), w.sequence) && all(s.GetMapValues(), w.mapping) && all(s.GetOptionalValues(), w.optional)
}

func (w *tensorWalk) mapping(m *pb.MapProto) bool {
	return m.GetValues() == nil || w.sequence(m.GetValues())
}

func (w *tensorWalk) optional(o *pb.OptionalProto) bool {
	if o == nil {
		return true
	}
	return w.tensor(o.TensorValue) && w.sparse(o.SparseTensorValue) &&
		w.sequence(o.SequenceValue) && w.mapping(o.MapValue) && w.optional(o.OptionalValue)
}
