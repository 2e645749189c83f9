package pass

import (
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// fixDefaults takes inputs away that have an initializer.
func fixDefaults(g *graph) {
	given := map[string]int{}
	for i, t := range g.source.GetGraph().GetInitializer() {
		given[t.GetName()] = i
	}
	g.inputs = slices.DeleteFunc(slices.Clone(g.inputs), func(v *pb.ValueInfoProto) bool {
		i, ok := given[v.GetName()]
		if ok {
			g.constants[v.GetName()] = i
		}
		return ok
	})
}

// constantsToData replaces Constant nodes by initializers. Sparse ones stay.
func constantsToData(g *graph) {
	for i := range g.nodes.each {
		n := g.nodes.items[i]
		if !is(n, "Constant") || len(n.GetAttribute()) != 1 || len(n.GetOutput()) != 1 {
			continue
		}
		t := valueOf(n.GetAttribute()[0])
		if t == nil {
			continue
		}
		t.Name = proto.String(n.GetOutput()[0])
		g.put(i, nil)
		g.constants[t.GetName()] = g.data.add(g.data.last, t)
	}
}

// valueOf is the value of a Constant as a tensor of its own.
func valueOf(a *pb.AttributeProto) *pb.TensorProto {
	var t *onnx.Tensor
	switch a.GetName() {
	case "value":
		return shallow(a.GetT())
	case "value_float":
		t, _ = onnx.NewTensor("", []float32{a.GetF()})
	case "value_int":
		t, _ = onnx.NewTensor("", []int64{a.GetI()})
	case "value_floats":
		t, _ = onnx.NewTensor("", a.GetFloats(), len(a.GetFloats()))
	case "value_ints":
		t, _ = onnx.NewTensor("", a.GetInts(), len(a.GetInts()))
	default:
		return nil
	}
	return t.Proto()
}

// liftOverReshaping exchanges activations with the changes of shape in front of them.
func liftOverReshaping(g *graph) {
	for _, i := range slices.Backward(slices.Collect(g.nodes.each)) {
		shape := g.nodes.items[i]
		if !is(shape, "Reshape", "Flatten", "Squeeze", "Unsqueeze") || len(shape.GetOutput()) != 1 {
			continue
		}
		j, act := g.reader(shape.GetOutput()[0])
		if !is(act, "Relu", "Tanh", "Sigmoid", "Softplus", "LeakyRelu", "Elu") {
			continue
		}
		lifted, moved := shallow(act), shallow(shape)
		lifted.Input = shape.GetInput()[:1]
		lifted.Output = []string{g.fresh(shape.GetInput()[0] + ".activated")}
		moved.Input = append([]string{lifted.GetOutput()[0]}, shape.GetInput()[1:]...)
		moved.Output = act.GetOutput()
		g.put(i, lifted)
		g.put(j, moved)
	}
}

// is reports whether a node is one of these operators of the default domain.
func is(n *pb.NodeProto, ops ...string) bool {
	return n != nil && onnx.Domain(n.GetDomain()) == "" && slices.Contains(ops, n.GetOpType())
}
