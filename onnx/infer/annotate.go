package infer

import (
	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// Annotate returns a model that declares the types which Types found, beside
// what m declares already: those of its nodes' outputs as value infos, and
// better known lengths of its outputs. It shares the weights with m, and
// leaves nested graphs as they are.
func Annotate(m *pb.ModelProto, types map[string]onnx.Type) *pb.ModelProto {
	if m.GetGraph() == nil {
		return m
	}
	whole := shallow(m)
	g := shallow(m.Graph)
	whole.Graph = g
	declared := make(map[string]bool)
	refine := func(list []*pb.ValueInfoProto) []*pb.ValueInfoProto {
		out := make([]*pb.ValueInfoProto, len(list))
		for i, v := range list {
			declared[v.GetName()] = true
			out[i] = v
			t, known := types[v.GetName()]
			if _, tensor := onnx.TypeOf(v.Type); known && (tensor || v.Type == nil) {
				out[i] = proto.CloneOf(v)
				out[i].Type = t.Proto()
			}
		}
		return out
	}
	for _, v := range g.Input {
		declared[v.GetName()] = true
	}
	g.Output = refine(g.Output)
	g.ValueInfo = refine(g.ValueInfo)
	for _, n := range g.Node {
		for _, name := range n.Output {
			if t, ok := types[name]; ok && name != "" && !declared[name] {
				declared[name] = true
				g.ValueInfo = append(g.ValueInfo, &pb.ValueInfoProto{Name: proto.String(name), Type: t.Proto()})
			}
		}
	}
	return whole
}

// shallow copies a message without what is inside its fields.
func shallow[M proto.Message](m M) M {
	src := m.ProtoReflect()
	dst := src.New()
	for fd, v := range src.Range {
		dst.Set(fd, v)
	}
	dst.SetUnknown(src.GetUnknown())
	return dst.Interface().(M)
}
