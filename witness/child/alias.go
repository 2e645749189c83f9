package child

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"google.golang.org/protobuf/proto"
)

// usable returns the bytes of m for the driver. Inputs and outputs whose names its language cannot have get others there,
// which the map gives for theirs; an Identity leads from the one to the other, so that the graph stays as it is.
func (r *Runtime) usable(m *onnx.Model) ([]byte, map[string]string, error) {
	model, err := m.Bytes, error(nil)
	if model == nil {
		const most = 1<<31 - 1
		if size := proto.Size(m.Proto); size > most {
			return nil, nil, &onnx.UnsupportedError{Why: fmt.Sprintf("a message of %d bytes, more than the %d that protobuf holds, and it takes no files", size, most)}
		}
		if model, err = onnx.Marshal(m.Proto); err != nil {
			return nil, nil, err
		}
	}
	bad := func(v *pb.ValueInfoProto) bool { return r.unusable != nil && r.unusable(v.GetName()) }
	if g := m.Proto.GetGraph(); !slices.ContainsFunc(g.GetInput(), bad) && !slices.ContainsFunc(g.GetOutput(), bad) {
		return model, nil, nil
	}
	whole := proto.CloneOf(m.Proto)
	g := whole.GetGraph()
	if r.constants {
		g.Input = slices.DeleteFunc(g.Input, func(v *pb.ValueInfoProto) bool {
			return slices.ContainsFunc(g.Initializer, func(t *pb.TensorProto) bool { return t.GetName() == v.GetName() })
		})
	}
	aliases := map[string]string{}
	free := 0
	unused := func() string {
		for {
			name := fmt.Sprintf("petrify_alias_%d", free)
			if free++; !bytes.Contains(model, []byte(name)) {
				return name
			}
		}
	}
	identity := func(from, to, alias string) *pb.NodeProto {
		return &pb.NodeProto{OpType: new("Identity"), Name: &alias, Input: []string{from}, Output: []string{to}}
	}
	for _, v := range g.GetInput() {
		if !bad(v) {
			continue
		}
		name, alias := v.GetName(), unused()
		aliases[name] = alias
		v.Name = &alias
		for _, t := range g.GetInitializer() {
			if t.GetName() == name {
				t.Name = &alias
			}
		}
		g.Node = slices.Insert(g.Node, 0, identity(alias, name, alias))
	}
	for _, v := range g.GetOutput() {
		if !bad(v) {
			continue
		}
		name := v.GetName()
		alias, input := aliases[name] // of an input that is an output, too
		if !input {
			alias = unused()
			aliases[name] = alias
			g.Node = append(g.Node, identity(name, alias, alias))
		}
		v.Name = &alias
	}
	if !slices.ContainsFunc(whole.OpsetImport, func(o *pb.OperatorSetIdProto) bool { return o.GetDomain() == "" || o.GetDomain() == "ai.onnx" }) {
		whole.OpsetImport = append(whole.OpsetImport, &pb.OperatorSetIdProto{Domain: new(""), Version: new(int64(1))})
	}
	model, err = onnx.Marshal(whole)
	return model, aliases, err
}

// renamed returns the tensors under other names, where there are some. It changes nothing.
func renamed(tensors []*onnx.Tensor, names map[string]string) []*onnx.Tensor {
	if len(names) == 0 {
		return tensors
	}
	out := slices.Clone(tensors)
	for i, t := range tensors {
		if name, ok := names[t.Name]; ok {
			other := *t
			other.Name = name
			out[i] = &other
		}
	}
	return out
}
