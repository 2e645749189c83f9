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

// perturbed is a net in float32 with the roundings of a precision. Those of weights are known, and are in it. Those of a value on the way
// depend on the inputs: known, from other inputs, is how far they lie off on the average, which is far where many numbers fall between the
// same two steps (behind a leaky ReLU most are a little less than 0); what they have beyond that gets a drawn sign.
type perturbed struct {
	net    layer.Net
	proto  *pb.ModelProto
	points []point
}

// point is a value on the way that a precision rounds.
type point struct {
	signs string      // the input that drawn signs enter by
	error string      // the value that is by how much it is rounded
	usual string      // the constant that is how far that lies off on the average
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
	for _, w := range g.GetInitializer() {
		axis, ok := axes[w.GetName()]
		if !ok {
			continue
		}
		t, err := onnx.FromProto(w)
		if err != nil {
			return nil, err
		}
		t.Data = onnx.Slice[float32](s.options.Precision.round(t, axis).values)
		proto.Reset(w)
		proto.Merge(w, t.Proto())
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
		in, _, err := s.inputs(net, calibrationSamples, forRanges)
		if err != nil {
			return nil, err
		}
		if err := p.centre(in); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// centre takes how far roundings lie off on the average over some inputs.
func (p *perturbed) centre(in given) error {
	m := proto.Clone(p.proto).(*pb.ModelProto)
	for _, at := range p.points {
		t := onnx.Type{Elem: pb.TensorProto_FLOAT, Dims: axes(at.shape)}
		m.Graph.Output = append(m.Graph.Output, &pb.ValueInfoProto{Name: proto.String(at.error), Type: t.Proto()})
	}
	session, err := open(m)
	if err != nil {
		return err
	}
	defer session.Close()
	out, err := apply(session, p.inputs(in, func(point, []float32) {})...)
	if err != nil {
		return err
	}
	data := map[string]*pb.TensorProto{}
	for _, t := range p.proto.Graph.Initializer {
		data[t.GetName()] = t
	}
	errors := out[len(out)-len(p.points):]
	for i, at := range p.points {
		sums := make([]float64, at.shape.Len())
		for k, v := range errors[i] {
			sums[k%len(sums)] += float64(v)
		}
		usual := make(onnx.Slice[float32], len(sums))
		for k, sum := range sums {
			usual[k] = float32(sum * float64(len(sums)) / float64(len(errors[i])))
		}
		t := onnx.Tensor{Name: at.usual, Dims: dims(1, at.shape), Data: usual}
		proto.Reset(data[at.usual])
		proto.Merge(data[at.usual], t.Proto())
	}
	return nil
}

// inputs are those of a run: images, noise or points, classes where the net takes them, and signs.
func (p *perturbed) inputs(in given, signs func(point, []float32)) []onnx.Tensor {
	list := in.tensors(p.net)
	for _, at := range p.points {
		data := make(onnx.Slice[float32], in.n*at.shape.Len())
		signs(at, data)
		list = append(list, onnx.Tensor{Name: at.signs, Dims: dims(in.n, at.shape), Data: data})
	}
	return list
}

// roundAll rounds to float16 the input of a body, and what its nodes make, except for those that only move numbers.
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

// signed makes y = x + usual + sign (rounded - x - usual), with signs of an input of its own, and, until centre has been there, 0 for what
// is usual.
func (p *perturbed) signed(x, rounded, y string, shape layer.Shape) []*pb.NodeProto {
	at := point{y + ".sign", y + ".error", y + ".usual", shape}
	p.points = append(p.points, at)
	t := onnx.Type{Elem: pb.TensorProto_FLOAT, Dims: axes(shape)}
	p.proto.Graph.Input = append(p.proto.Graph.Input, &pb.ValueInfoProto{Name: proto.String(at.signs), Type: t.Proto()})
	usual := onnx.Tensor{Name: at.usual, Dims: dims(1, shape), Data: make(onnx.Slice[float32], shape.Len())}
	p.proto.Graph.Initializer = append(p.proto.Graph.Initializer, usual.Proto())
	return []*pb.NodeProto{
		node("Sub", at.error, []string{rounded, x}), node("Sub", y+".rest", []string{at.error, at.usual}), node("Mul", y+".change", []string{y + ".rest", at.signs}),
		node("Add", y+".shifted", []string{x, at.usual}), node("Add", y, []string{y + ".shifted", y + ".change"}),
	}
}

// draws are the first output for some inputs under n drawings of signs, of which one is enough where there are none.
func (p *perturbed) draws(n uint64, in given) (list [][]float32, err error) {
	session, err := open(p.proto)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	if len(p.points) == 0 {
		n = 1
	}
	for i := range n {
		out, err := apply(session, p.inputs(in, func(at point, signs []float32) {
			random.New(i, "effect/"+at.signs).Uniform(signs)
			for k, u := range signs {
				if signs[k] = 1; u < 0.5 {
					signs[k] = -1
				}
			}
		})...)
		if err != nil {
			return nil, err
		}
		list = append(list, slices.Clone(out[0]))
	}
	return list, nil
}
