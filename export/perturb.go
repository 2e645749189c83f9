package export

import (
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/infer"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/random"
)

// perturbed is a net in float32 in which each rounding of a precision has its own size and a drawn sign: what such roundings do on the
// average says what the precision's own may be expected to do.
type perturbed struct {
	net     layer.Net
	proto   *pb.ModelProto
	weights []perturbedWeight
	points  []point
}

// perturbedWeight is a constant that a precision rounds.
type perturbedWeight struct {
	at     int // of the initializers
	was    *onnx.Tensor
	stored []float32
}

// point is a value on the way that a precision rounds.
type point struct {
	signs string      // the input that drawn signs enter by
	shape layer.Shape // of a sample
}

func (s *source) perturbed(net layer.Net) (*perturbed, error) {
	d := &draft{source: s.wide(), file: raw(net)}
	for _, step := range []func(*draft) error{emit, rewrite} {
		if err := step(d); err != nil {
			return nil, err
		}
	}
	types := infer.Model(d.proto, infer.Budget{}).Types
	m := proto.Clone(d.proto).(*pb.ModelProto)
	p := &perturbed{net: net, proto: m}
	b, g := d.bodies[0], m.Graph
	inside := b.within(g)

	axes := weightsToNarrow(m)
	if s.options.Precision == Float16 {
		for _, n := range g.GetNode() {
			for k, name := range n.GetInput() {
				if floats := halved[n.GetOpType()]; inside[n] && (floats < 0 || k < floats) {
					axes[name] = 0
				}
			}
		}
	}
	for i, w := range g.GetInitializer() {
		axis, ok := axes[w.GetName()]
		if !ok {
			continue
		}
		t, err := onnx.FromProto(w)
		if err != nil {
			return nil, err
		}
		p.weights = append(p.weights, perturbedWeight{i, t, s.options.Precision.round(t, axis).values})
	}

	shape := func(name string) (shape layer.Shape) {
		for _, d := range types[name].Dims[1:] {
			shape = append(shape, int(d.Size))
		}
		return shape
	}
	switch s.options.Precision {
	case Float16:
		p.roundAll(b, shape)
	case Int8:
		r, err := s.calibrated(net)
		if err != nil {
			return nil, err
		}
		p.quantise(b, r, shape)
	}
	return p, nil
}

// roundAll rounds to float16 the input of a body, and what its nodes make, but for those that only move numbers.
func (p *perturbed) roundAll(b *body, shape func(string) layer.Shape) {
	g := p.proto.Graph
	inside := b.within(g)
	var nodes []*pb.NodeProto
	round := func(x, y string, shape layer.Shape) {
		half := node("Cast", y+".half", []string{x}, onnx.Int("to", int64(pb.TensorProto_FLOAT16)))
		nodes = append(nodes, half, node("Cast", y+".again", half.Output, onnx.Int("to", int64(pb.TensorProto_FLOAT))))
		nodes = append(nodes, p.signed(x, y+".again", y, shape)...)
	}
	entered := b.input + ".rounded"
	round(b.input, entered, shape(b.input))
	for _, n := range g.GetNode() {
		for k, name := range n.GetInput() {
			if name == b.input {
				n.Input[k] = entered
			}
		}
		nodes = append(nodes, n)
		if moves := []string{"Concat", "Flatten", "Identity", "MaxPool", "Relu", "Reshape", "Resize"}; inside[n] && !slices.Contains(moves, n.GetOpType()) {
			out := n.GetOutput()[0]
			n.Output[0], n.Name = out+".exact", proto.String(out+".exact")
			round(n.Output[0], out, shape(out))
		}
	}
	g.Node = nodes
}

// quantise cuts what is multiplied by weights to its interval, and rounds it to a step.
func (p *perturbed) quantise(b *body, r ranges, shape func(string) layer.Shape) {
	g := p.proto.Graph
	values := quantised(b, g)
	var nodes []*pb.NodeProto
	done := map[string]bool{}
	for _, n := range g.GetNode() {
		if x := n.GetInput()[0]; integral(n) && slices.Contains(values, x) {
			if !done[x] {
				done[x] = true
				v := r[b.value(x)]
				for _, t := range []onnx.Tensor{
					{Name: x + ".lo", Data: onnx.Slice[float32]{v.at(0)}}, {Name: x + ".hi", Data: onnx.Slice[float32]{v.at(255)}},
					{Name: x + ".uint8.scale", Data: onnx.Slice[float32]{v.step()}}, {Name: x + ".uint8.zero_point", Data: onnx.Slice[uint8]{v.zero()}},
				} {
					g.Initializer = append(g.Initializer, t.Proto())
				}
				nodes = append(nodes,
					node("Clip", x+".cut", []string{x, x + ".lo", x + ".hi"}),
					node("QuantizeLinear", x+".uint8", []string{x + ".cut", x + ".uint8.scale", x + ".uint8.zero_point"}),
					node("DequantizeLinear", x+".again", []string{x + ".uint8", x + ".uint8.scale", x + ".uint8.zero_point"}))
				nodes = append(nodes, p.signed(x+".cut", x+".again", x+".rounded", shape(x))...)
			}
			n.Input[0] = x + ".rounded"
		}
		nodes = append(nodes, n)
	}
	g.Node = nodes
}

// signed makes y = x + sign (rounded - x), with signs of an input of its own.
func (p *perturbed) signed(x, rounded, y string, shape layer.Shape) []*pb.NodeProto {
	at := point{y + ".sign", shape}
	p.points = append(p.points, at)
	t := onnx.Type{Elem: pb.TensorProto_FLOAT, Dims: axes(shape)}
	p.proto.Graph.Input = append(p.proto.Graph.Input, &pb.ValueInfoProto{Name: proto.String(at.signs), Type: t.Proto()})
	return []*pb.NodeProto{
		node("Sub", y+".error", []string{rounded, x}), node("Mul", y+".change", []string{y + ".error", at.signs}), node("Add", y, []string{x, y + ".change"}),
	}
}

// draw is the first output for inputs x under drawing i.
func (p *perturbed) draw(i uint64, x []float32) ([]float32, error) {
	m := proto.Clone(p.proto).(*pb.ModelProto)
	for _, w := range p.weights {
		signs := random.New(i, "effect/signs/"+w.was.Name)
		was := w.was.Data.(onnx.Slice[float32])
		data := make(onnx.Slice[float32], len(was))
		for k := range data {
			data[k] = was[k] + float32(1-2*signs.Intn(2))*(w.stored[k]-was[k])
		}
		t := onnx.Tensor{Name: w.was.Name, Dims: w.was.Dims, Data: data}
		m.Graph.Initializer[w.at] = t.Proto()
	}
	session, err := open(m)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	in := entrance(p.net)
	batch := len(x) / in.Shape.Len()
	inputs := []onnx.Tensor{{Name: in.Name, Dims: dims(batch, in.Shape), Data: onnx.Slice[float32](x)}}
	for _, at := range p.points {
		signs := make(onnx.Slice[float32], batch*at.shape.Len())
		random.New(i, "effect/"+at.signs).Uniform(signs)
		for k, u := range signs {
			if signs[k] = 1; u < 0.5 {
				signs[k] = -1
			}
		}
		inputs = append(inputs, onnx.Tensor{Name: at.signs, Dims: dims(batch, at.shape), Data: signs})
	}
	out, err := apply(session, inputs...)
	if err != nil {
		return nil, err
	}
	return out[0], nil
}
