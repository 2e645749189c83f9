package export

import (
	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// halved are the operators that Float16 computes in float16, with how many of their inputs, from the first on, are floats. What else a net
// may hold stays float32 between Casts: normalisations, whose sums of squares leave the range of float16 early.
var halved = map[string]int{
	"Add": 2, "AveragePool": 1, "Concat": -1, "Conv": 3, "ConvTranspose": 3, "Elu": 1, "Flatten": 1, "Gemm": 3, "GlobalAveragePool": 1,
	"Identity": 1, "LeakyRelu": 1, "MatMul": 2, "MaxPool": 1, "Relu": 1, "Reshape": 1, "Resize": 1, "Sigmoid": 1, "Softplus": 1, "Tanh": 1,
}

// halve puts the nets of a file into float16: constants and values alike. Where values come in and where they go out stands a Cast, so that
// the rest of the file, its inputs and its outputs are as they are in float32. Constants and values keep their names; what a Cast makes of
// one is called NAME.float16 or NAME.float32.
func halve(d *draft) error {
	g := proto.Clone(d.proto.GetGraph()).(*pb.GraphProto)
	h := halving{half: map[string]string{}, full: map[string]string{}, outputs: map[string]bool{}, data: map[string]*pb.TensorProto{}}
	inside := map[*pb.NodeProto]bool{}
	for _, b := range d.bodies {
		for n := range b.within(g) {
			inside[n] = halved[n.GetOpType()] != 0
		}
	}
	for _, t := range g.GetInitializer() {
		h.data[t.GetName()] = t
	}
	for _, n := range g.GetNode() {
		for _, name := range n.GetInput() {
			if !inside[n] {
				delete(h.data, name) // somebody needs it as it is
			}
		}
	}
	for _, out := range g.GetOutput() {
		h.outputs[out.GetName()] = true
	}
	for _, n := range g.GetNode() {
		if !inside[n] {
			h.keep(n)
		} else if err := h.halve(n); err != nil {
			return err
		}
	}
	g.Node = h.nodes
	d.proto.Graph = g
	return nil
}

// halving is a graph on its way into float16.
type halving struct {
	nodes   []*pb.NodeProto            // so far
	half    map[string]string          // by the name of a value, its name in float16, where it has one
	full    map[string]string          // of values that are float16 under their own name, the name in float32; "" where there is none yet
	outputs map[string]bool            // of the graph
	data    map[string]*pb.TensorProto // the constants that only nodes in float16 read
}

// keep adds a node that stays as it is.
func (h *halving) keep(n *pb.NodeProto) {
	for k, name := range n.GetInput() {
		full, narrow := h.full[name]
		if !narrow {
			continue
		}
		if full == "" {
			full = name + ".float32"
			h.nodes = append(h.nodes, node("Cast", full, []string{name}, onnx.Int("to", int64(pb.TensorProto_FLOAT))))
			h.full[name] = full
		}
		n.Input[k] = full
	}
	h.nodes = append(h.nodes, n)
}

// halve adds a node that computes in float16.
func (h *halving) halve(n *pb.NodeProto) error {
	floats := halved[n.GetOpType()]
	for k, name := range n.GetInput() {
		if name == "" || floats >= 0 && k >= floats {
			continue
		}
		if h.half[name] == "" {
			if err := h.enter(name); err != nil {
				return err
			}
		}
		n.Input[k] = h.half[name]
	}
	out := n.GetOutput()[0]
	if !h.outputs[out] {
		h.half[out], h.full[out] = out, ""
		h.nodes = append(h.nodes, n)
		return nil
	}
	h.half[out] = out + ".float16"
	n.Output[0], n.Name = h.half[out], proto.String(h.half[out])
	h.nodes = append(h.nodes, n, node("Cast", out, []string{h.half[out]}, onnx.Int("to", int64(pb.TensorProto_FLOAT))))
	return nil
}

// enter makes a value that is float32 one of float16.
func (h *halving) enter(name string) error {
	p := h.data[name]
	if p == nil {
		h.half[name] = name + ".float16"
		h.nodes = append(h.nodes, node("Cast", h.half[name], []string{name}, onnx.Int("to", int64(pb.TensorProto_FLOAT16))))
		return nil
	}
	t, err := onnx.FromProto(p)
	if err != nil {
		return err
	}
	stored := *Float16.round(t, 0).stored[0]
	stored.Name = name
	proto.Reset(p)
	proto.Merge(p, stored.Proto())
	h.half[name] = name
	return nil
}
