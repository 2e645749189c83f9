package pass

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// foldBatchNorm merges every batch normalisation into the layer in front of it, whose weights take on its scale and whose
// bias its offset. That layer is a convolution, a transposed one, or a product with a matrix, there also with changes of
// shape between them. Where nothing of the kind stands in front, where its weights are not constants, or where something
// else sees a value between, the normalisation stays.
//
// The running statistics enter, in float64, with one rounding at the end: gamma/sqrt(variance + epsilon) for the scale s of
// a channel, weight s for a weight, (bias - mean) s + beta for a bias.
func foldBatchNorm(g *graph) {
	for i := range g.nodes.each {
		if is(g.nodes.items[i], "BatchNormalization") {
			g.fold(i)
		}
	}
}

// fold merges node i into an earlier one, if that can be, and removes it.
func (g *graph) fold(i int) {
	norm := g.nodes.items[i]
	scale, offset, ok := g.affine(norm)
	if !ok {
		return
	}
	at, n := g.maker(norm.GetInput()[0])
	reshaped, runs := false, 1 // so many neighbouring outputs are one channel
	for is(n, "Reshape", "Flatten") {
		if !reshaped && n.GetOpType() == "Reshape" {
			if runs, ok = g.runs(n.GetInput()[1], len(scale)); !ok {
				return
			}
		}
		reshaped = true
		at, n = g.maker(n.GetInput()[0])
	}
	l, ok := g.linearAt(at, n)
	switch {
	case !ok || l.outputs != len(scale)*runs || l.spatial && reshaped:
		return
	case !l.spatial && !reshaped && g.rank(norm.GetOutput()[0]) != 2: // a product of more axes has its channels elsewhere
		return
	}

	weights := make([]float32, len(l.weights))
	for k, v := range l.weights {
		weights[k] = float32(float64(v) * scale[l.output(k)/runs])
	}
	bias := make([]float32, l.outputs)
	for k := range bias {
		v := offset[k/runs]
		if l.bias != nil {
			v += float64(float64(l.bias[k]) * scale[k/runs])
		}
		bias[k] = float32(v)
	}
	product := shallow(l.product)
	product.Input = slices.Clone(product.Input)
	product.Input[1] = g.replace(product.Input[1], l.dims, weights)
	var sum *pb.NodeProto // a new one
	after, name := product.Input[1], strings.TrimSuffix(l.product.Input[1], ".weight")+".bias"
	switch {
	case l.bias != nil && l.sum != nil:
		changed := shallow(l.sum)
		changed.Input = slices.Clone(changed.Input)
		changed.Input[l.biasAt] = g.replace(changed.Input[l.biasAt], l.biasDims, bias)
		g.put(at, changed)
	case l.bias != nil:
		product.Input[l.biasAt] = g.replace(product.Input[l.biasAt], l.biasDims, bias)
	case product.GetOpType() != "MatMul":
		product.Input = append(product.Input[:2], g.add(name, after, []int{l.outputs}, bias))
	default:
		out := product.GetOutput()[0]
		product = named(product, g.fresh(out+".matmul"))
		sum = &pb.NodeProto{
			Input: []string{product.Output[0], g.add(name, after, []int{1, l.outputs}, bias)}, Output: []string{out},
			Name: proto.String(out), OpType: proto.String("Add"),
		}
	}
	if g.put(l.at, product); sum != nil {
		g.insert(l.at, sum)
	}
	g.remove(i)
	g.tidy(norm.GetInput()[1:])
}

// remove takes node i out, which only carries its input on. Its output lives on under the name of its input, or, where it
// must stay, its input under the name of its output.
func (g *graph) remove(i int) {
	n := g.nodes.items[i]
	in, out := n.GetInput()[0], n.GetOutput()[0]
	g.put(i, nil)
	if at := g.makers[in]; g.fixed[out] {
		g.put(at, named(shallow(g.nodes.items[at]), out))
		return
	}
	for _, at := range slices.Clone(g.readers[out]) {
		reader := shallow(g.nodes.items[at])
		reader.Input = slices.Clone(reader.Input)
		for k, name := range reader.Input {
			if name == out {
				reader.Input[k] = in
			}
		}
		g.put(at, reader)
	}
}

// named gives a node's only output another name, and the node too where both had the same.
func named(n *pb.NodeProto, out string) *pb.NodeProto {
	if n.GetName() == n.Output[0] {
		n.Name = proto.String(out)
	}
	n.Output = []string{out}
	return n
}

// affine is a normalisation in inference: y = scale x + offset for each channel.
func (g *graph) affine(norm *pb.NodeProto) (scale, offset []float64, ok bool) {
	if g.opset < 7 || len(norm.GetInput()) != 5 || len(norm.GetOutput()) != 1 {
		return nil, nil, false
	}
	if integer(norm, "training_mode", 0) != 0 || integer(norm, "spatial", 1) != 1 {
		return nil, nil, false
	}
	epsilon := 1e-5
	if a := onnx.Attribute(norm, "epsilon"); a != nil {
		epsilon = decimal(a.GetF())
	}
	var in [4][]float32 // gamma, beta, mean, variance
	for k := range in {
		dims, data, ok := constant[float32](g, norm.GetInput()[k+1])
		if !ok || len(dims) != 1 || k > 0 && len(data) != len(in[0]) {
			return nil, nil, false
		}
		in[k] = data
	}
	for c, gamma := range in[0] {
		s := float64(gamma) / math.Sqrt(float64(in[3][c])+epsilon)
		scale = append(scale, s)
		offset = append(offset, float64(in[1][c])-float64(float64(in[2][c])*s))
	}
	return scale, offset, true
}

// decimal is the number that was meant by v: 1e-5, not the float32 next to it.
func decimal(v float32) float64 {
	d, _ := strconv.ParseFloat(strconv.FormatFloat(float64(v), 'g', -1, 32), 64)
	return d
}

func integer(n *pb.NodeProto, name string, otherwise int64) int64 {
	if a := onnx.Attribute(n, name); a != nil {
		return a.GetI()
	}
	return otherwise
}

func number(n *pb.NodeProto, name string, otherwise float32) float32 {
	if a := onnx.Attribute(n, name); a != nil {
		return a.GetF()
	}
	return otherwise
}

// runs is how many neighbours become one channel under a constant shape of (N, channels, ...).
func (g *graph) runs(shape string, channels int) (n int, ok bool) {
	_, to, ok := constant[int64](g, shape)
	if !ok || len(to) < 2 || to[1] != int64(channels) {
		return 0, false
	}
	n = 1
	for _, d := range to[2:] {
		if d < 1 || d > math.MaxInt32 || n > math.MaxInt32/int(d) {
			return 0, false
		}
		n *= int(d)
	}
	return n, true
}

// linear is a layer with constant weights.
type linear struct {
	at       int // of the product
	product  *pb.NodeProto
	sum      *pb.NodeProto // of a MatMul with its bias, where it has one
	dims     []int
	weights  []float32
	outputs  int             // channels, or columns
	output   func(k int) int // that weight k is for
	spatial  bool            // the channels are axis 1, and axes follow
	biasAt   int             // among the inputs of the sum, or of the product
	biasDims []int
	bias     []float32 // nil for none
}

// linearAt describes node i as a layer.
func (g *graph) linearAt(i int, n *pb.NodeProto) (l linear, ok bool) {
	l = linear{at: i, product: n, biasAt: 2}
	if is(n, "Add") {
		for k := range 2 {
			if at, product := g.maker(n.GetInput()[k]); is(product, "MatMul") {
				l = linear{at: at, product: product, sum: n, biasAt: 1 - k}
			}
		}
	}
	if !is(l.product, "Conv", "ConvTranspose", "MatMul", "Gemm") || len(l.product.GetInput()) < 2 {
		return l, false
	}
	if l.dims, l.weights, ok = constant[float32](g, l.product.GetInput()[1]); !ok || len(l.dims) < 2 || slices.Contains(l.dims, 0) {
		return l, false
	}
	d := l.dims
	switch l.product.GetOpType() {
	case "Conv": // (outputs, inputs of a group, ...)
		each := len(l.weights) / d[0]
		l.spatial, l.outputs, l.output = true, d[0], func(k int) int { return k / each }
	case "ConvTranspose": // (inputs, outputs of a group, ...)
		groups := integer(l.product, "group", 1)
		if groups < 1 || groups > int64(d[0]) || d[0]%int(groups) != 0 {
			return l, false
		}
		perGroup, taps := d[0]/int(groups), len(l.weights)/d[0]/d[1]
		l.spatial, l.outputs = true, d[1]*int(groups)
		l.output = func(k int) int { return k/(d[1]*taps)/perGroup*d[1] + k/taps%d[1] }
	default: // (inputs, outputs)
		l.outputs, l.output = d[1], func(k int) int { return k % d[1] }
		if integer(l.product, "transB", 0) != 0 {
			l.outputs, l.output = d[0], func(k int) int { return k / d[1] }
		}
		if len(d) != 2 || number(l.product, "alpha", 1) != 1 || number(l.product, "beta", 1) != 1 || integer(l.product, "transA", 0) != 0 {
			return l, false
		}
	}
	holder := l.product
	if l.sum != nil {
		holder = l.sum
	}
	if len(holder.GetInput()) <= l.biasAt || holder.GetInput()[l.biasAt] == "" {
		return l, true
	}
	l.biasDims, l.bias, ok = constant[float32](g, holder.GetInput()[l.biasAt])
	last := len(l.biasDims) - 1
	return l, ok && last >= 0 && l.biasDims[last] == l.outputs && len(l.bias) == l.outputs
}
