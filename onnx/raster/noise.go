package raster

import (
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// noiseValue is the name of the noise in a model of form sample, float32 (count, K).
const noiseValue = "noise"

// ClassesValue is the name of the classes of a model of form sample that takes them, int64 (count): one for each image.
const ClassesValue = "classes"

// Split parts a model of kind Seed where its noise enters the net: noise is what draws it, from seed, count and truncation,
// and points the rest, a model of kind Points, which takes a class for each image where the model takes classes. It is an *onnx.UnsupportedError where the two have more in common than that.
// Nothing says that the noise is random.Noise: a caller that draws its own compares the two.
func Split(m *pb.ModelProto) (noise, points *pb.ModelProto, err error) {
	g := m.GetGraph()
	maker := map[string]int{} // the node that a value comes from
	for i, n := range g.GetNode() {
		for _, name := range n.GetOutput() {
			maker[name] = i
		}
	}
	class, inputs, err := classOf(m, inputsOf(g))
	if err != nil {
		return nil, nil, err
	}
	if _, ok := maker[noiseValue]; !ok || !(Model{}).seeded(inputs) || len(m.GetFunctions()) > 0 {
		return nil, nil, unsupported("no noise is drawn in it from a seed")
	}
	width := noiseWidth(g)
	if width < 1 {
		return nil, nil, unsupported("its noise is of unknown width")
	}
	z := []*pb.ValueInfoProto{{
		Name: proto.String(noiseValue),
		Type: onnx.Type{Elem: pb.TensorProto_FLOAT, Dims: []onnx.Dim{onnx.Symbolic("N"), onnx.Fixed(width)}}.Proto(),
	}}
	into := z
	if class.Taken() {
		if _, ok := maker[ClassesValue]; !ok {
			return nil, nil, unsupported("it takes classes, but no value is named %s", ClassesValue)
		}
		t := onnx.Type{Elem: pb.TensorProto_INT64, Dims: []onnx.Dim{onnx.Symbolic("N")}}
		into = []*pb.ValueInfoProto{z[0], {Name: proto.String(ClassesValue), Type: t.Proto()}}
	}
	var results []string
	for _, v := range g.GetOutput() {
		results = append(results, v.GetName())
	}
	var cuts []string
	for _, v := range into {
		cuts = append(cuts, v.GetName())
	}
	rest := part(m, maker, results, cuts)
	for _, n := range rest.GetGraph().GetNode() {
		for _, name := range n.GetInput() {
			if name == "seed" || name == "count" || name == "truncation" || class.Taken() && name == class.Input {
				return nil, nil, unsupported("node %s takes %s, beside the noise", onnx.Quote(n.GetName()), name)
			}
		}
	}
	rest.Graph.Input = into
	rest.MetadataProps = nil
	for _, e := range m.GetMetadataProps() {
		if e.GetKey() == MetaForm {
			e = &pb.StringStringEntryProto{Key: e.Key, Value: proto.String("image")} // which is what it is now
		}
		rest.MetadataProps = append(rest.MetadataProps, e)
	}
	drawn := part(m, maker, []string{noiseValue}, nil)
	drawn.Graph.Input, drawn.Graph.Output = inputs, z
	return drawn, rest, nil
}

// noiseWidth is the number of columns of the counter that the noise is drawn from.
func noiseWidth(g *pb.GraphProto) int64 {
	for _, t := range g.GetInitializer() {
		if d := t.GetDims(); t.GetName() == noiseValue+".axis" && len(d) == 2 && d[0] == 1 && d[1] <= mostRow {
			return d[1]
		}
	}
	return 0
}

// part is the nodes of a model that values are made by, back to those where it is cut, and their constants.
func part(m *pb.ModelProto, maker map[string]int, wanted, cuts []string) *pb.ModelProto {
	g := m.GetGraph()
	needed, read := map[int]bool{}, map[string]bool{}
	for todo := wanted; len(todo) > 0; {
		name := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		i, ok := maker[name]
		if !ok || needed[i] {
			continue
		}
		needed[i] = true
		for _, in := range g.GetNode()[i].GetInput() {
			if read[in] = true; !slices.Contains(cuts, in) {
				todo = append(todo, in)
			}
		}
	}
	p := &pb.ModelProto{
		IrVersion: m.IrVersion, OpsetImport: m.OpsetImport, ProducerName: m.ProducerName, ProducerVersion: m.ProducerVersion,
		DocString: m.DocString, MetadataProps: m.MetadataProps,
		Graph: &pb.GraphProto{Name: g.Name, Input: g.Input, Output: g.Output},
	}
	for i, n := range g.GetNode() {
		if needed[i] {
			p.Graph.Node = append(p.Graph.Node, n)
		}
	}
	for _, t := range g.GetInitializer() {
		if read[t.GetName()] {
			p.Graph.Initializer = append(p.Graph.Initializer, t)
		}
	}
	return p
}
