package export

import (
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/checkpoint"
	"github.com/petrify-ml/petrify/model"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// Precision is how the weights of products and convolutions are stored. Biases and what belongs to normalisations stay float32, and so
// does all arithmetic.
type Precision string

// The precisions.
const (
	Float32        Precision = "float32"
	Float16Weights Precision = "float16-weights" // float16, and a Cast
	Int8Weights    Precision = "int8-weights"    // int8 with a scale for each output channel, symmetric, and a DequantizeLinear
)

// Precisions lists them.
func Precisions() []Precision { return []Precision{Float32, Float16Weights, Int8Weights} }

func (p Precision) narrow() bool { return p != "" && p != Float32 }

// rounded is a weight as it is stored, and what it stands for.
type rounded struct {
	stored []*onnx.Tensor // of int8: the numbers, and the scale of each channel
	axis   int            // that channels lie along
	values []float32      // what a runtime makes of them
}

// round stores a weight whose output channels lie along an axis.
func (p Precision) round(w *onnx.Tensor, axis int) rounded {
	data := w.Data.(onnx.Slice[float32])
	r := rounded{axis: axis, values: make([]float32, len(data))}
	if p == Float16Weights {
		half := make(onnx.Slice[onnx.Float16], len(data))
		for i, v := range data {
			half[i] = onnx.NewFloat16(min(max(v, -65504), 65504))
			r.values[i] = half[i].Float32()
		}
		r.stored = []*onnx.Tensor{{Name: w.Name + ".float16", Dims: w.Dims, Data: half}}
		return r
	}
	channels, run := w.Dims[axis], 1
	for _, d := range w.Dims[axis+1:] {
		run *= d
	}
	scales := make(onnx.Slice[float32], channels)
	for i, v := range data {
		c := i / run % channels
		scales[c] = max(scales[c], float32(math.Abs(float64(v))))
	}
	for c := range scales {
		if scales[c] /= 127; scales[c] == 0 {
			scales[c] = 1 // all are 0, or so small that it makes no difference
		}
	}
	small := make(onnx.Slice[int8], len(data))
	for i, v := range data {
		scale := scales[i/run%channels]
		small[i] = int8(math.RoundToEven(min(max(float64(v)/float64(scale), -127), 127)))
		r.values[i] = float32(small[i]) * scale
	}
	r.stored = []*onnx.Tensor{{Name: w.Name + ".int8", Dims: w.Dims, Data: small}, {Name: w.Name + ".scale", Dims: []int{channels}, Data: scales}}
	return r
}

// weightsToNarrow are the constants of a model that a precision is about, with the axis of their output channels.
func weightsToNarrow(m *pb.ModelProto) map[string]int {
	axes := map[string]int{}
	for _, n := range m.GetGraph().GetNode() {
		switch n.GetOpType() {
		case "MatMul", "ConvTranspose": // (in, out, ...)
			axes[n.GetInput()[1]] = 1
		case "Conv": // (out, in, ...)
			axes[n.GetInput()[1]] = 0
		case "Gemm": // (out, in) as ProductsToGemm writes it
			axes[n.GetInput()[1]] = 0
		}
	}
	return axes
}

// narrowWeights is a pass: weights are stored in the precision of the options, and widened by nodes in front of all others, under the
// names that they had.
func narrowWeights(d *draft) error {
	p := d.options.Precision
	if !p.narrow() {
		return nil
	}
	axes := weightsToNarrow(d.model)
	g := proto.Clone(d.model.GetGraph()).(*pb.GraphProto)
	var data []*pb.TensorProto
	var nodes []*pb.NodeProto
	for _, w := range g.GetInitializer() {
		axis, ok := axes[w.GetName()]
		if !ok {
			data = append(data, w)
			continue
		}
		t, err := onnx.FromProto(w)
		if err != nil {
			return err
		}
		r := p.round(t, axis)
		n := &pb.NodeProto{Name: proto.String(t.Name), Output: []string{t.Name}}
		for _, s := range r.stored {
			data = append(data, s.Proto())
			n.Input = append(n.Input, s.Name)
		}
		if p == Float16Weights {
			n.OpType, n.Attribute = proto.String("Cast"), []*pb.AttributeProto{onnx.Int("to", int64(pb.TensorProto_FLOAT)).Proto()}
		} else {
			n.OpType, n.Attribute = proto.String("DequantizeLinear"), []*pb.AttributeProto{onnx.Int("axis", int64(axis)).Proto()}
		}
		nodes = append(nodes, n)
	}
	g.Initializer, g.Node = data, append(nodes, g.GetNode()...)
	d.model.Graph = g
	return nil
}

// change says what becomes of every element of a weight.
type change func(name string, was, stored []float32) []float32

// changed is a snapshot in which the weights that a precision is about are others.
func (p Precision) changed(m model.Model, s *checkpoint.Snapshot, to change) (*checkpoint.Snapshot, error) {
	weights := map[string]rounded{}
	for _, net := range m.Nets {
		d := &draft{file: raw(net), snapshot: s, options: Options{Opset: DefaultOpset, KeepBatchNorm: true}}
		if err := emit(d); err != nil {
			return nil, err
		}
		axes := weightsToNarrow(d.model)
		for _, w := range d.model.GetGraph().GetInitializer() {
			axis, ok := axes[w.GetName()]
			if !ok {
				continue
			}
			t, err := onnx.FromProto(w)
			if err != nil {
				return nil, err
			}
			weights[t.Name] = p.round(t, axis)
		}
	}
	c := *s
	c.Tensors = slices.Clone(s.Tensors)
	for i, t := range c.Tensors {
		if r, ok := weights[t.Name]; ok {
			c.Tensors[i].Data = to(t.Name, t.Data, r.values)
		}
	}
	return &c, nil
}

// stored is the snapshot as it is after rounding.
func (p Precision) stored(m model.Model, s *checkpoint.Snapshot) (*checkpoint.Snapshot, error) {
	if !p.narrow() {
		return s, nil
	}
	return p.changed(m, s, func(_ string, _, stored []float32) []float32 { return stored })
}

// checkPrecision says what is wrong with the options of precision.
func (o Options) checkPrecision() error {
	if o.Precision != "" && !slices.Contains(Precisions(), o.Precision) {
		return fmt.Errorf("precision is %q, want one of %v", o.Precision, Precisions())
	}
	if !(o.MaxError >= 0) {
		return fmt.Errorf("the largest error is %g, want 0 or more", o.MaxError)
	}
	return nil
}
