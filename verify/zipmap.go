package verify

import (
	"fmt"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"google.golang.org/protobuf/proto"
)

// unzip makes outputs of the scores that ZipMap takes, in the place of the maps that it
// gives: neither ONNX Runtime for JavaScript nor a witness.Session hands over maps, and
// ZipMap does nothing but to write the label of each column beside its score, which
// check compares with the number of columns. It says what it did.
func unzip(m *onnx.Model) (notes []string, err error) {
	g := m.Proto.GetGraph()
	zips := map[string]*pb.NodeProto{} // by output
	for _, n := range g.GetNode() {
		if n.GetOpType() == "ZipMap" && n.GetDomain() == "ai.onnx.ml" && len(n.Input) == 1 && len(n.Output) == 1 {
			zips[n.Output[0]] = n
		}
	}
	isZip := func(v *pb.ValueInfoProto) bool { return zips[v.GetName()] != nil }
	if !slices.ContainsFunc(g.GetOutput(), isZip) {
		return nil, nil
	}
	bare := shallow(m.Proto)
	bare.Graph = shallow(g)
	bare.Graph.Output = nil
	given := func(name string) bool {
		same := func(v *pb.ValueInfoProto) bool { return v.GetName() == name }
		return slices.ContainsFunc(g.GetOutput(), same) || slices.ContainsFunc(bare.Graph.Output, same)
	}
	gone := map[*pb.NodeProto]bool{}
	for _, v := range g.GetOutput() {
		n := zips[v.GetName()]
		if n == nil {
			bare.Graph.Output = append(bare.Graph.Output, v)
			continue
		}
		gone[n] = true
		scores := n.Input[0]
		notes = append(notes, fmt.Sprintf("output %q is maps of classes to scores, which runtimes do not hand over: judged by the scores %q", v.GetName(), scores))
		if !given(scores) {
			bare.Graph.Output = append(bare.Graph.Output, &pb.ValueInfoProto{Name: proto.String(scores), Type: onnx.Type{Elem: pb.TensorProto_FLOAT}.Proto()})
		}
	}
	bare.Graph.Node = slices.DeleteFunc(slices.Clone(g.GetNode()), func(n *pb.NodeProto) bool { return gone[n] })
	b, err := onnx.Marshal(bare)
	if err != nil {
		return nil, err
	}
	m.Proto, m.Bytes = bare, b
	return notes, nil
}
