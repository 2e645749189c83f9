package export

import (
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/infer"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// interval is what a value is quantised to: 256 steps, 0 among them, from lo to hi or a little farther.
type interval struct{ lo, hi float64 }

// outward is from the smallest to the largest number of a calibration: of percentiles, least squares and least divergence in their place none
// is better for all models (docs/loading.md). It has few bits at its ends, so that other roundings on another machine give the same file.
func outward(lo, hi float64) interval {
	ceil := func(x float64) float64 {
		fraction, exponent := math.Frexp(x)
		return math.Ldexp(math.Ceil(fraction*1024)/1024, exponent)
	}
	return interval{-ceil(max(-lo, 0)), ceil(max(hi, 0))}
}

// zero is the number of the step that stands for 0.
func (v interval) zero() uint8 {
	if v.hi-v.lo < 1e-30 {
		return 0 // nothing but 0
	}
	return uint8(math.RoundToEven(-v.lo / (v.hi - v.lo) * 255))
}

// step is the size of a step. One of the ends is a whole number of them: often the very value of all that is black.
func (v interval) step() float32 {
	zero := float64(v.zero())
	wide := max(-v.lo/max(zero, 1), v.hi/max(255-zero, 1))
	if wide < 1e-30 {
		return 1
	}
	return float32(wide)
}

// at is the value that step number q stands for.
func (v interval) at(q int) float32 { return float32(q-int(v.zero())) * v.step() }

// ranges are the intervals of values of a net, by body.value.
type ranges map[string]interval

const calibrationSamples = 256 // inputs on which ranges are taken

// integral are the operators that Int8 multiplies in.
func integral(n *pb.NodeProto) bool {
	return slices.Contains([]string{"Gemm", "Conv", "ConvTranspose"}, n.GetOpType())
}

// quantised are the values of a body that Int8 quantises, in the order of their first use.
func quantised(b *body, g *pb.GraphProto) (names []string) {
	inside := b.within(g)
	for _, n := range g.GetNode() {
		if x := n.GetInput(); inside[n] && integral(n) && !slices.Contains(names, x[0]) {
			names = append(names, x[0])
		}
	}
	return names
}

// calibrated are the ranges of the values of a net over inputs of its kind.
func (s *source) calibrated(net layer.Net) (ranges, error) {
	if r, ok := s.ranges[net.Name]; ok {
		return r, nil
	}
	in, _, err := s.inputs(net, calibrationSamples, forRanges)
	if err != nil {
		return nil, err
	}
	d := &draft{source: s.wide(), file: raw(net)}
	for _, step := range []func(*draft) error{emit, rewrite} {
		if err := step(d); err != nil {
			return nil, err
		}
	}
	b := d.bodies[0]
	values := quantised(b, d.proto.GetGraph())
	types := infer.Model(d.proto, infer.Budget{}).Types
	d.proto.Graph = proto.Clone(d.proto.Graph).(*pb.GraphProto)
	for _, name := range values {
		if name != b.input && !slices.Contains(b.results, name) {
			d.proto.Graph.Output = append(d.proto.Graph.Output, &pb.ValueInfoProto{Name: proto.String(name), Type: types[name].Proto()})
		}
	}
	session, err := open(d.proto)
	if err != nil {
		return nil, err
	}
	out, err := apply(session, in.tensors(net)...)
	if err != nil {
		return nil, err
	}
	data := map[string][]float32{b.input: in.x}
	for i, p := range session.Outputs() {
		data[p.Name] = out[i]
	}
	r := ranges{}
	for _, name := range values {
		r[b.value(name)] = outward(float64(slices.Min(data[name])), float64(slices.Max(data[name])))
	}
	s.ranges[net.Name] = r
	return r, nil
}

// quantise makes a file compute in int8, in the form that quantisers write (QDQ): what is multiplied by weights goes through a
// QuantizeLinear and a DequantizeLinear, weights are stored as int8 with a scale for each output channel, biases as int32 in the
// units of the products. A runtime may compute what lies between in integers, or in floats, and gives the same.
func quantise(d *draft) error {
	g := proto.Clone(d.proto.GetGraph()).(*pb.GraphProto)
	q := quantising{data: map[string]*pb.TensorProto{}, done: map[string]string{}}
	for _, t := range g.GetInitializer() {
		q.data[t.GetName()] = t
	}
	owner := map[*pb.NodeProto]*body{}
	for _, b := range d.bodies {
		for n := range b.within(g) {
			owner[n] = b
		}
	}
	for _, n := range g.GetNode() {
		b := owner[n]
		if b == nil || !integral(n) {
			q.nodes = append(q.nodes, n)
			continue
		}
		r, err := d.calibrated(b.Net)
		if err != nil {
			return err
		}
		v, ok := r[b.value(n.GetInput()[0])]
		if !ok {
			return fmt.Errorf("%s: %s has no range", n.GetName(), n.GetInput()[0])
		}
		if err := q.product(n, v); err != nil {
			return err
		}
	}
	g.Node = q.nodes
	q.store(g)
	d.proto.Graph = g
	return nil
}

// storeWeights does to the constants of one net what quantise does to its weights, without a look at values; biases are left out.
func storeWeights(d *draft) error {
	d.proto = proto.Clone(d.proto).(*pb.ModelProto)
	g := d.proto.Graph
	q := quantising{data: map[string]*pb.TensorProto{}, done: map[string]string{}}
	for _, t := range g.GetInitializer() {
		q.data[t.GetName()] = t
	}
	for _, n := range g.GetNode() {
		if integral(n) {
			w, _, _, err := q.weights(n)
			if err != nil {
				return err
			}
			q.added = append(q.added, w.stored...)
		}
	}
	q.store(g)
	return nil
}

// quantising is a graph on its way into int8.
type quantising struct {
	nodes []*pb.NodeProto
	data  map[string]*pb.TensorProto // constants that stay
	added []*onnx.Tensor
	done  map[string]string // by the name of a value, that of the value quantised
}

// product adds a node whose first input is quantised to an interval, and whose second and third are constants.
func (q *quantising) product(n *pb.NodeProto, v interval) error {
	x := n.GetInput()[0]
	if q.done[x] == "" {
		scale, zero := x+".uint8.scale", x+".uint8.zero_point"
		q.added = append(q.added,
			&onnx.Tensor{Name: scale, Data: onnx.Slice[float32]{v.step()}}, &onnx.Tensor{Name: zero, Data: onnx.Slice[uint8]{v.zero()}})
		q.done[x] = x + ".quantised"
		q.nodes = append(q.nodes,
			node("QuantizeLinear", x+".uint8", []string{x, scale, zero}), node("DequantizeLinear", q.done[x], []string{x + ".uint8", scale, zero}))
	}
	n.Input[0] = q.done[x]
	r, w, bias, err := q.weights(n)
	if err != nil {
		return err
	}
	scales := r.stored[1].Data.(onnx.Slice[float32])
	q.added = append(q.added, r.stored...)
	q.nodes = append(q.nodes, node("DequantizeLinear", w.Name, []string{r.stored[0].Name, r.stored[1].Name}, onnx.Int("axis", int64(r.axis))))
	if bias != nil {
		data := bias.Data.(onnx.Slice[float32])
		units := make(onnx.Slice[float32], len(data))
		whole := make(onnx.Slice[int32], len(data))
		for c, b := range data {
			units[c] = v.step() * scales[c%len(scales)]
			steps := math.RoundToEven(float64(b) / float64(units[c]))
			if !(math.Abs(steps) <= math.MaxInt32) {
				return fmt.Errorf("%s: the bias of channel %d is %g, and what is multiplied by its weights at most %g: in int8 they have no common unit", n.GetName(), c, b, max(v.hi, -v.lo))
			}
			whole[c] = int32(steps)
		}
		name := bias.Name
		q.added = append(q.added, &onnx.Tensor{Name: name + ".int32", Dims: bias.Dims, Data: whole}, &onnx.Tensor{Name: name + ".scale", Dims: bias.Dims, Data: units})
		q.nodes = append(q.nodes, node("DequantizeLinear", name, []string{name + ".int32", name + ".scale"}, onnx.Int("axis", 0)))
	}
	q.nodes = append(q.nodes, n)
	return nil
}

// weights takes the second and third input of a node, constants, out of the graph, and stores the second.
func (q *quantising) weights(n *pb.NodeProto) (r rounded, w, bias *onnx.Tensor, err error) {
	var tensors [2]*onnx.Tensor
	for k, name := range n.GetInput()[1:] {
		p := q.data[name]
		if p == nil {
			return r, nil, nil, fmt.Errorf("%s: %s is not a constant of its own", n.GetName(), name)
		}
		if tensors[k], err = onnx.FromProto(p); err != nil {
			return r, nil, nil, err
		}
		delete(q.data, name)
	}
	axis := 0
	if n.GetOpType() == "ConvTranspose" {
		axis = 1
	}
	var biases onnx.Slice[float32]
	if tensors[1] != nil {
		biases = tensors[1].Data.(onnx.Slice[float32])
	}
	return roundInt8(tensors[0], axis, pairedLevels, biases), tensors[0], tensors[1], nil
}

// store puts the constants into the graph.
func (q *quantising) store(g *pb.GraphProto) {
	g.Initializer = slices.DeleteFunc(g.Initializer, func(t *pb.TensorProto) bool { return q.data[t.GetName()] == nil })
	for _, t := range q.added {
		g.Initializer = append(g.Initializer, t.Proto())
	}
}
