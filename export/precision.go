package export

import (
	"math"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// A Precision says how the weights of products and convolutions are stored, and in which precision a net computes. In all of them, the
// conversion between pictures and a net's inputs and outputs is float32, and so are the floating-point inputs and outputs of files.
type Precision string

// The precisions.
const (
	Float32        Precision = "float32"
	Float16        Precision = "float16"         // weights and arithmetic, with a Cast where values enter a net or leave it
	Float16Weights Precision = "float16-weights" // weights alone, with a Cast behind each; arithmetic is float32
	Int8           Precision = "int8"            // weights per channel and what they are multiplied by per tensor: QDQ, see Int8Weights
	Int8Weights    Precision = "int8-weights"    // weights alone, with a scale for each output channel, symmetric, and a DequantizeLinear
)

// Precisions lists them.
func Precisions() []Precision {
	return []Precision{Float32, Float16, Float16Weights, Int8, Int8Weights}
}

func (p Precision) narrow() bool { return p != "" && p != Float32 }

// narrow is a pass: it puts a model into the precision of the options.
func narrow(d *draft) error {
	switch d.options.Precision {
	case Float16:
		return halve(d)
	case Int8:
		return quantise(d)
	case Float16Weights, Int8Weights:
		return narrowWeights(d)
	}
	return nil
}

// pairedLevels is the largest number of a weight that is multiplied by uint8: so large that the sum of two products is within int16.
// Processors of x86 without VNNI add them up there, and would stop at its ends.
const pairedLevels = math.MaxInt16 / (2 * math.MaxUint8)

// largestFloat16 is the largest finite number of float16.
const largestFloat16 = 65504

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
	if p == Float16Weights || p == Float16 {
		half := make(onnx.Slice[onnx.Float16], len(data))
		for i, v := range data {
			half[i] = onnx.NewFloat16(min(max(v, -largestFloat16), largestFloat16))
			r.values[i] = half[i].Float32()
		}
		r.stored = []*onnx.Tensor{{Name: w.Name + ".float16", Dims: w.Dims, Data: half}}
		return r
	}
	if p == Int8 {
		return roundInt8(w, axis, pairedLevels, nil)
	}
	return roundInt8(w, axis, math.MaxInt8, nil)
}

// roundInt8 stores a weight as int8, from -most to most, with a scale for each output channel: so large that a bias, in units of the scale
// and of the steps of what is multiplied by the weight, is within int32, if these steps are not very small.
func roundInt8(w *onnx.Tensor, axis int, most float32, bias []float32) rounded {
	data := w.Data.(onnx.Slice[float32])
	r := rounded{axis: axis, values: make([]float32, len(data))}
	channels, run := w.Dims[axis], 1
	for _, d := range w.Dims[axis+1:] {
		run *= d
	}
	scales := make(onnx.Slice[float32], channels)
	for i, v := range data {
		c := i / run % channels
		scales[c] = max(scales[c], float32(math.Abs(float64(v)))/most)
	}
	for i, b := range bias {
		c := i % channels
		scales[c] = max(scales[c], float32(math.Abs(float64(b))/(1<<16)))
	}
	for c := range scales {
		if scales[c] == 0 {
			scales[c] = 1 // all are 0, or so small that it makes no difference
		}
	}
	small := make(onnx.Slice[int8], len(data))
	for i, v := range data {
		scale := scales[i/run%channels]
		small[i] = int8(math.RoundToEven(min(max(float64(v)/float64(scale), -float64(most)), float64(most))))
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

// narrowWeights stores weights in the precision of the options, and widens them by nodes in front of all others, under the names that
// they had.
func narrowWeights(d *draft) error {
	axes := weightsToNarrow(d.proto)
	g := proto.Clone(d.proto.GetGraph()).(*pb.GraphProto)
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
		r := d.options.Precision.round(t, axis)
		var names []string
		for _, s := range r.stored {
			data, names = append(data, s.Proto()), append(names, s.Name)
		}
		if d.options.Precision == Float16Weights {
			nodes = append(nodes, node("Cast", t.Name, names, onnx.Int("to", int64(pb.TensorProto_FLOAT))))
		} else {
			nodes = append(nodes, node("DequantizeLinear", t.Name, names, onnx.Int("axis", int64(axis))))
		}
	}
	g.Initializer, g.Node = data, append(nodes, g.GetNode()...)
	d.proto.Graph = g
	return nil
}

// node is a node of one output that bears its name.
func node(op, output string, inputs []string, attrs ...onnx.Attr) *pb.NodeProto {
	n := &pb.NodeProto{Input: inputs, Output: []string{output}, Name: proto.String(output), OpType: proto.String(op)}
	for _, a := range attrs {
		n.Attribute = append(n.Attribute, a.Proto())
	}
	return n
}
