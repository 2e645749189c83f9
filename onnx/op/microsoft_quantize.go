package op

import (
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/internal/sat"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// Operators of com.microsoft that quantisers and ONNX Runtime's optimiser write:
// those on bytes with their scales, and products with what follows them.
func microsoftQuantized() map[string]Rule {
	return map[string]Rule{
		"DequantizeLinear":         ruleDequantize,
		"DynamicQuantizeLSTM":      ruleDynamicLSTM,
		"DynamicQuantizeMatMul":    ruleDynamicMatMul,
		"FusedConv":                ruleFusedConv,
		"FusedGemm":                ruleGemm,
		"FusedMatMul":              ruleFusedMatMul,
		"FusedMatMulActivation":    ruleFusedMatMul,
		"MatMulInteger16":          ruleMatMulInteger16,
		"MatMulIntegerToFloat":     ruleMatMulIntegerToFloat,
		"NhwcFusedConv":            func(n *Node) { n.imageLast(true, ruleFusedConv) },
		"NhwcMaxPool":              func(n *Node) { n.imageLast(true, rulePool) },
		"QAttention":               ruleQAttention,
		"QEmbedLayerNormalization": ruleQEmbed,
		"QGemm":                    ruleQGemm,
		"QLinearAdd":               ruleQLinearBinary,
		"QLinearAveragePool":       func(n *Node) { n.imageLast(n.flag("channels_last"), rulePool) },
		"QLinearConcat":            ruleQLinearConcat,
		"QLinearConv":              func(n *Node) { n.imageLast(n.flag("channels_last"), ruleQLinearConv) },
		"QLinearGlobalAveragePool": func(n *Node) { n.imageLast(n.flag("channels_last"), ruleGlobalPool) },
		"QLinearLeakyRelu":         ruleSame,
		"QLinearMul":               ruleQLinearBinary,
		"QLinearReduceMean":        ruleQLinearReduce,
		"QLinearSigmoid":           ruleSame,
		"QLinearSoftmax":           ruleQLinearSoftmax,
		"QLinearWhere":             ruleQLinearWhere,
		"QuantizeLinear":           ruleQuantize,
		"TransposeMatMul":          ruleFusedMatMul,
	}
}

// imageLast is a rule for images (N, C, D1...) on one that may have its channels
// last, as its result then has.
func (n *Node) imageLast(last bool, rule func(*Node)) {
	x := n.dims(0)
	if !last || x == nil {
		rule(n)
		return
	}
	if !n.rank(0, 2, anyRank) {
		return
	}
	in := n.in
	defer func() { n.in = in }()
	n.in = slices.Clone(n.in)
	n.in[0].Dims = join(x[:1], x[len(x)-1:], x[1:len(x)-1])
	if n.given(3) && n.Name == "NhwcFusedConv" {
		if z := n.dims(3); len(z) > 1 {
			n.in[3].Dims = join(z[:1], z[len(z)-1:], z[1:len(z)-1])
		}
	}
	rule(n)
	if len(n.out) > 0 && len(n.out[0].Dims) > 1 {
		y := n.out[0].Dims
		n.shape(0, join(y[:1], y[2:], y[1:2]))
	}
}

// ruleQLinearBinary is for A and B, which broadcast, each followed by its scale and its
// zero point.
func ruleQLinearBinary(n *Node) { n.broadcastOf(0, 3) }

func ruleQLinearWhere(n *Node) { n.broadcastOf(0, 1, 4) }

// broadcastOf says that the result has the shape that some inputs stretch to.
func (n *Node) broadcastOf(inputs ...int) {
	dims := n.dims(inputs[0])
	for _, i := range inputs[1:] {
		joined, ok := Broadcast(dims, n.dims(i))
		if !ok {
			n.wrong("shape-mismatch", "input %d, %s, is %v, which does not broadcast with %s", i, onnx.Quote(n.proto.Input[i]), n.arg(i), shapeText(dims))
			return
		}
		dims = joined
	}
	n.shape(0, dims)
}

// ruleQLinearConcat has triples of a tensor, its scale and its zero point after
// the scale and the zero point of the result.
func ruleQLinearConcat(n *Node) {
	if (len(n.in)-2)%3 != 0 {
		n.wrong("input-count", "%d inputs, want two and three for each part", len(n.in))
		return
	}
	parts := make([]onnx.Dim, 0, len(n.in)/3)
	var dims []onnx.Dim
	axis := 0
	known := true
	for i := 2; i < len(n.in); i += 3 {
		for k, want := range []pb.TensorProto_DataType{n.arg(1).Elem, pb.TensorProto_FLOAT, n.arg(1).Elem} {
			if !n.given(i + k) {
				n.wrong("input-missing", "input %d is left out, and is not optional", i+k)
				return
			}
			if v := n.arg(i + k); v.Elem != want && v.Elem != pb.TensorProto_UNDEFINED && want != pb.TensorProto_UNDEFINED {
				n.wrong("type-mismatch", "input %d, %s, is %v, want %s", i+k, onnx.Quote(n.proto.Input[i+k]), v, onnx.ElemName(want))
				return
			}
			if d := n.dims(i + k); k > 0 && d != nil && !(len(d) == 0 || len(d) == 1) {
				n.wrong("shape-mismatch", "input %d, %s, is %v, want one element", i+k, onnx.Quote(n.proto.Input[i+k]), n.arg(i+k))
				return
			}
		}
		d := n.dims(i)
		if d == nil {
			known = false
			continue
		}
		if dims == nil {
			a, ok := n.axis(n.int("axis"), len(d))
			if !ok {
				return
			}
			axis, dims = a, slices.Clone(d)
		} else if len(d) != len(dims) {
			n.wrong("shape-mismatch", "input %d, %s, is %v, and the parts before it have %d axes", i, onnx.Quote(n.proto.Input[i]), n.arg(i), len(dims))
			return
		}
		for j := range d {
			if j != axis {
				dims[j] = n.equal(dims[j], d[j], "axis %d of input %d, %s, and of those before it differ", j, i, onnx.Quote(n.proto.Input[i]))
			}
		}
		parts = append(parts, d[axis])
	}
	if n.failed || dims == nil {
		return
	}
	if dims[axis] = sum(parts...); !known {
		dims[axis] = onnx.Unknown()
	}
	n.shape(0, dims)
}

func ruleQLinearReduce(n *Node) {
	d := n.dims(0)
	axes, _ := n.ints("axes")
	if d == nil {
		return
	}
	set, ok := n.axisSet(axes, len(d))
	if !ok {
		return
	}
	for a := range d {
		if len(axes) == 0 {
			set = append(set, a)
		}
	}
	n.shape(0, reduced(d, set, n.int("keepdims") == 1))
}

// ruleQLinearSoftmax works along an axis from opset 13 on, before it on all axes
// from that one on; the attribute says which opset is meant.
func ruleQLinearSoftmax(n *Node) {
	d := n.dims(0)
	n.shape(0, d)
	if d != nil {
		n.axis(n.int("axis"), len(d))
	}
}

func ruleQGemm(n *Node) {
	n.set(0, pb.TensorProto_FLOAT, nil)
	if n.given(8) {
		n.set(0, n.arg(8).Elem, nil)
	}
	a, b := n.dims(0), n.dims(3)
	if a == nil || b == nil {
		return
	}
	if n.flag("transA") {
		a = []onnx.Dim{a[1], a[0]}
	}
	if n.flag("transB") {
		b = []onnx.Dim{b[1], b[0]}
	}
	k := n.equal(a[1], b[0], "the inner axes of %v and %v differ", n.arg(0), n.arg(3))
	for _, s := range []int{4, 5} {
		if d := n.dims(s); len(d) == 1 && d[0] != onnx.Fixed(1) {
			n.like(s, b[1])
		}
	}
	if n.failed {
		return
	}
	dims := []onnx.Dim{a[0], b[1]}
	n.shape(0, dims)
	n.fits(6, dims)
	n.host.Spend(sat.Mul(LeastElements(dims), LeastElements([]onnx.Dim{k})))
}

// ruleMatMulInteger16 gives uint32 where neither operand has a sign.
func ruleMatMulInteger16(n *Node) {
	a, b := n.arg(0).Elem, n.arg(1).Elem
	switch {
	case a == pb.TensorProto_UINT16 && b == pb.TensorProto_UINT16:
		n.set(0, pb.TensorProto_UINT32, nil)
	case a != pb.TensorProto_UNDEFINED && b != pb.TensorProto_UNDEFINED:
		n.set(0, pb.TensorProto_INT32, nil)
	}
	n.matmul(1)
}

func ruleMatMulIntegerToFloat(n *Node) {
	n.perColumn(1, 3)
	n.perColumn(1, 5)
	n.matmul(1)
	n.columnBias(6)
}

func ruleDynamicMatMul(n *Node) {
	n.perColumn(1, 2)
	n.perColumn(1, 3)
	n.matmul(1)
	n.columnBias(4)
}

// columnBias sees that input i has an element for each column of the matrices of
// input 1.
func (n *Node) columnBias(i int) {
	if b := n.dims(1); len(b) > 1 {
		n.like(i, b[len(b)-1])
	}
}

// ruleFusedMatMul is MatMul of operands that are transposed before: transBatch makes
// the first axis the rows, trans swaps the last two.
func ruleFusedMatMul(n *Node) {
	in := n.in
	defer func() { n.in = in }()
	n.in = slices.Clone(n.in)
	for i, names := range [][2]string{{"transBatchA", "transA"}, {"transBatchB", "transB"}} {
		d := n.dims(i)
		if len(d) < 2 {
			continue // a vector has nothing to be transposed
		}
		r := len(d)
		if n.flag(names[0]) {
			d = join(d[1:r-1], d[:1], d[r-1:])
		}
		if n.flag(names[1]) {
			d = join(d[:r-2], d[r-1:], d[r-2:r-1])
		}
		n.in[i].Dims = d
	}
	n.matmul(1)
}

// ruleFusedConv is Conv, to whose result Z is added before the activation.
func ruleFusedConv(n *Node) {
	if a := n.string("activation"); a != "" {
		want, got := activationParams[a], 0
		if p := n.attr("activation_params"); p != nil {
			got = len(p.Floats)
		}
		if want > 0 && got != want {
			n.wrong("attribute-range", "attribute \"activation_params\" has %d entries, want %d for %s", got, want, a)
			return
		}
	}
	n.conv(1, 2)
	if !n.failed && len(n.out) > 0 && n.out[0].Dims != nil {
		n.like(3, n.out[0].Dims...)
	}
}

// activationParams is how many parameters an activation of a fused convolution
// has; others take none, whatever is given.
var activationParams = map[string]int{"LeakyRelu": 1, "Clip": 2, "HardSigmoid": 2}

// ruleDynamicLSTM is LSTM with the weights transposed and of bytes.
func ruleDynamicLSTM(n *Node) {
	x, w, r := n.dims(0), n.dims(1), n.dims(2)
	directions := onnx.Fixed(1)
	if n.string("direction") == "bidirectional" {
		directions = onnx.Fixed(2)
	}
	if a := n.attr("activations"); a != nil && int64(len(a.Strings)) != 3*directions.Size {
		n.wrong("attribute-range", "attribute \"activations\" has %d entries, want %d", len(a.Strings), 3*directions.Size)
		return
	}
	hidden := onnx.Unknown()
	if h := n.int("hidden_size"); h > 0 {
		hidden = onnx.Fixed(h)
	}
	if r != nil {
		hidden = n.equal(hidden, r[1], "hidden_size and R differ")
	}
	if x == nil {
		return
	}
	gates := scaled(hidden, 4, 1)
	n.like(1, directions, x[2], gates)
	n.like(2, directions, hidden, gates)
	n.like(3, directions, scaled(hidden, 8, 1))
	n.like(4, x[1])
	n.like(5, directions, x[1], hidden)
	n.like(6, directions, x[1], hidden)
	n.like(7, directions, scaled(hidden, 3, 1))
	for i := 8; i < 12; i++ { // for each direction, or for each column of its weights
		if d := n.dims(i); len(d) == 2 {
			n.like(i, directions, gates)
		} else {
			n.like(i, directions)
		}
	}
	if n.failed {
		return
	}
	all := []onnx.Dim{x[0], directions, x[1], hidden}
	n.shape(0, all)
	n.shape(1, []onnx.Dim{directions, x[1], hidden})
	n.shape(2, []onnx.Dim{directions, x[1], hidden})
	if w != nil {
		n.host.Spend(sat.Mul(sat.Mul(LeastElements(all), 4), LeastElements([]onnx.Dim{hidden})+LeastElements([]onnx.Dim{x[2]})))
	}
}

// ruleQAttention is self-attention on a product with the weights of queries, keys
// and values side by side.
func ruleQAttention(n *Node) {
	x, w := n.dims(0), n.dims(1)
	if w == nil {
		return
	}
	heads := n.int("num_heads", 1)
	hidden := onnx.Unknown()
	if w[1].Known() {
		if w[1].Size%(3*heads) != 0 {
			n.wrong("shape-mismatch", "the %v columns of the weights are not three times %d heads", w[1], heads)
			return
		}
		hidden = onnx.Fixed(w[1].Size / 3)
	}
	n.like(2, w[1])
	for _, s := range []int{4, 7} {
		if d := n.dims(s); len(d) == 1 && d[0] != onnx.Fixed(1) {
			n.like(s, w[1])
		}
	}
	if x == nil {
		return
	}
	n.equal(x[2], w[0], "the last axis of %v and the rows of %v differ", n.arg(0), n.arg(1))
	past, total := n.dims(8), x[1]
	if n.given(8) {
		if total = onnx.Unknown(); past != nil {
			n.like(8, onnx.Fixed(2), x[0], onnx.Fixed(heads), past[3], scaled(hidden, 1, heads))
			total = sum(past[3], x[1])
		}
	}
	if n.failed {
		return
	}
	n.shape(0, []onnx.Dim{x[0], x[1], hidden})
	n.shape(1, []onnx.Dim{onnx.Fixed(2), x[0], onnx.Fixed(heads), total, scaled(hidden, 1, heads)})
	n.host.Spend(sat.Mul(LeastElements(x), LeastElements(w[1:])))
}

// ruleQEmbed adds up embeddings and normalises the sum.
func ruleQEmbed(n *Node) {
	ids, words := n.dims(0), n.dims(2)
	if len(ids) != 2 || len(words) != 2 {
		return
	}
	n.like(1, ids...)
	n.like(7, ids...)
	for _, i := range []int{3, 4} {
		if d := n.dims(i); len(d) == 2 && n.given(i) {
			n.like(i, d[0], words[1])
		}
	}
	n.like(5, words[1])
	n.like(6, words[1])
	if n.failed {
		return
	}
	n.shape(0, join(ids, words[1:]))
	n.shape(1, ids[:1])
}
