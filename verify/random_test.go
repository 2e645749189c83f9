package verify

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/reference"
)

const elem = pb.TensorProto_FLOAT

// A randomGraph grows node by node: every recipe takes values that are there,
// and the reference says what shape the result has.
type randomGraph struct {
	*rand.Rand
	t      testing.TB
	opset  int64
	prefix string
	inputs []*onnx.Tensor
	nodes  []randomNode
	values []*reference.Value // of inputs and nodes, without figures
	used   map[string]bool    // read by a node
	only   []string           // operators that it may have; nil means all
	wide   bool               // axes of up to 4096
	shared *sharing           // nil in most graphs
}

type randomNode struct {
	op, out string
	in      []string
	attrs   []onnx.Attr
	consts  []*onnx.Tensor
}

// newRandomGraph makes a graph of about so many nodes, of the operators in only
// unless that is nil.
func newRandomGraph(t testing.TB, seed uint64, opset int64, nodes int, only []string, shared *sharing) *randomGraph {
	g := &randomGraph{Rand: rand.New(rand.NewPCG(seed, 77)), t: t, opset: opset, prefix: fmt.Sprintf("g%d.", seed), used: map[string]bool{}, only: only, shared: shared}
	shapes := [][]int{{2, 3, 5, 7}, {1, 4, 6, 6}, {3, 8}, {2, 5, 4}, {5, 9}}
	if g.wide = seed%8 == 3; g.wide {
		shapes = [][]int{{2, g.width()}, {3, g.width()}, {1, 2, g.width()}, {1, 64, 5, 5}, {1, 256, 3, 3}}
	}
	for i := range 1 + g.IntN(2) {
		x := g.normal(g.prefix+fmt.Sprintf("x%d", i), 1, shapes[g.IntN(len(shapes))]...)
		g.inputs = append(g.inputs, x)
		v, err := reference.FromTensor(x)
		if err != nil {
			t.Fatal(err)
		}
		g.values = append(g.values, v)
	}
	for tries := 0; len(g.nodes) < nodes && tries < 200*nodes; tries++ {
		if g.shared != nil && g.IntN(4) == 0 {
			growLayer(g)
			continue
		}
		recipe := recipes[g.IntN(len(recipes))]
		if g.opset >= recipe.since && (recipe.until == 0 || g.opset <= recipe.until) {
			recipe.grow(g)
		}
	}
	return g
}

// width is a length of an axis from 64 to 4096, short ones as likely as long ones.
func (g *randomGraph) width() int { return int(64 * math.Exp2(6*g.Float64())) }

// columns is how many columns a matrix of so many rows gets.
func (g *randomGraph) columns(rows, most int) int {
	if g.wide && g.IntN(2) == 0 {
		return min(g.width(), 1+(1<<20)/rows)
	}
	return 1 + g.IntN(most)
}

// normal draws a tensor of normal numbers.
func (g *randomGraph) normal(name string, scale float64, dims ...int) *onnx.Tensor {
	n := 1
	for _, d := range dims {
		n *= d
	}
	return &onnx.Tensor{Name: name, Dims: dims, Data: drawn(n, func() float32 { return float32(scale * g.NormFloat64()) })}
}

// pick returns a value that the predicate accepts, nil if none does. Later ones
// are likelier, so that graphs grow deep.
func (g *randomGraph) pick(ok func(v *reference.Value) bool) *reference.Value {
	for range 8 {
		i := len(g.values) - 1 - int(math.Abs(g.NormFloat64())*3)
		if i >= 0 && g.values[i].Len() > 0 && ok(g.values[i]) {
			return g.values[i]
		}
	}
	return nil
}

func any1(*reference.Value) bool { return true }

// rank accepts values of a rank; within accepts those whose elements are all in
// an interval.
func rank(least, most int) func(*reference.Value) bool {
	return func(v *reference.Value) bool { return len(v.Dims) >= least && len(v.Dims) <= most }
}

func within(lo, hi float64) func(*reference.Value) bool {
	return func(v *reference.Value) bool {
		for i := range v.Len() {
			if x := v.Float(i); !(x >= lo && x <= hi) {
				return false
			}
		}
		return true
	}
}

// node adds a node if its result is small, of moderate size, and no NaN. Inputs
// are values, constants, or nil for one that is left out.
func (g *randomGraph) node(op string, in []any, attrs ...onnx.Attr) {
	if g.only != nil && !slices.Contains(g.only, op) {
		return
	}
	n := randomNode{op: op, out: fmt.Sprintf("%sv%d", g.prefix, len(g.nodes)), attrs: attrs}
	var given []*reference.Value
	for i, x := range in {
		switch x := x.(type) {
		case *reference.Value:
			n.in = append(n.in, x.Name)
			if !slices.Contains(given, x) {
				given = append(given, x)
			}
		case *onnx.Tensor:
			if v := g.again(x); v != nil {
				if n.in = append(n.in, v.Name); !slices.Contains(given, v) {
					given = append(given, v)
				}
				continue
			}
			x.Name = fmt.Sprintf("%s.c%d", n.out, i)
			n.in, n.consts = append(n.in, x.Name), append(n.consts, x)
		default:
			n.in = append(n.in, "")
		}
	}
	m := g.model([]randomNode{n}, given, []string{n.out})
	p, err := reference.Compile(m, reference.Options{})
	if err != nil {
		g.t.Fatalf("%s: %v", op, err)
	}
	r, err := p.Run(context.Background(), given)
	if err != nil && g.shared != nil {
		return // old versions of the operator, which the recipe does not know
	}
	if err != nil {
		g.t.Fatalf("%s of %v: %v", op, given, err)
	}
	y := r.Outputs[0]
	if y.Len() == 0 || y.Len() > g.most() || !within(-1e4, 1e4)(y) {
		return
	}
	g.nodes = append(g.nodes, n)
	for _, x := range given {
		g.used[x.Name] = true
	}
	g.values = append(g.values, &reference.Value{Name: n.out, Type: y.Type, Dims: y.Dims, Data: y.Data})
	if g.shared != nil {
		g.shared.note(g, n)
	}
}

// most is how many elements a value may have.
func (g *randomGraph) most() int {
	if g.wide {
		return 16384
	}
	return 2000
}

// outputs are the values that no node reads, and where parts are shared some others.
func (g *randomGraph) outputs() []string {
	var names []string
	for _, v := range g.values[len(g.inputs):] {
		if !g.used[v.Name] || g.shared != nil && g.shared.outputs[v.Name] {
			names = append(names, v.Name)
		}
	}
	return names
}

// model writes nodes as a model.
func (g *randomGraph) model(nodes []randomNode, inputs []*reference.Value, outputs []string) *onnx.Model {
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "random", Opset: g.opset, IR: 8})
	emitInputs(e, inputs, g.shared != nil)
	g.emit(e, nodes, outputs)
	return onnxtest.Model(g.t, e)
}

// whole is the graph as a model of its own.
func (g *randomGraph) whole() *onnx.Model {
	return g.model(g.nodes, g.values[:len(g.inputs)], g.outputs())
}

func emitInputs(e *onnx.Emitter, inputs []*reference.Value, free bool) {
	for _, v := range inputs {
		dims := make([]onnx.Dim, len(v.Dims))
		for i, d := range v.Dims {
			if dims[i] = onnx.Fixed(int64(d)); i == 0 && free {
				dims[i] = onnx.Unknown()
			}
		}
		e.Input(v.Name, v.Type, dims...)
	}
}

func (g *randomGraph) emit(e *onnx.Emitter, nodes []randomNode, outputs []string) {
	for _, n := range nodes {
		e.Step(n.out, n.out)
		in := make([]onnx.Value, len(n.in))
		for i, name := range n.in {
			in[i] = onnx.Value{Name: name}
		}
		for _, c := range n.consts {
			e.Const(c.Name[len(n.out)+1:], c)
		}
		e.Node(n.op, "", in, n.attrs...)
	}
	for _, name := range outputs {
		dims := 0
		for _, v := range g.values {
			if v.Name == name {
				dims = len(v.Dims)
			}
		}
		e.Output(onnx.Value{Name: name}, elem, slices.Repeat([]onnx.Dim{onnx.Unknown()}, dims)...)
	}
}

// A recipe adds one node, or none if the values at hand do not suit it.
type recipe struct {
	since, until int64
	grow         func(g *randomGraph)
}

func listOf(v ...int64) *onnx.Tensor {
	return &onnx.Tensor{Dims: []int{len(v)}, Data: onnx.Slice[int64](v)}
}

// unaryRecipe applies an operator to a value within the interval.
func unaryRecipe(op string, since int64, lo, hi float64, attrs ...func(g *randomGraph) onnx.Attr) recipe {
	return recipe{since, 0, func(g *randomGraph) {
		if x := g.pick(within(lo, hi)); x != nil {
			var list []onnx.Attr
			for _, a := range attrs {
				list = append(list, a(g))
			}
			g.node(op, []any{x}, list...)
		}
	}}
}

func alpha(g *randomGraph) onnx.Attr { return onnx.Float("alpha", float32(0.1+g.Float64())) }

// binaryRecipe applies an operator to two values, or one and a constant, that
// broadcast.
func binaryRecipe(op string, left, right func(*reference.Value) bool) recipe {
	return recipe{0, 0, func(g *randomGraph) {
		a := g.pick(left)
		if a == nil {
			return
		}
		var b any
		if other := g.pick(func(v *reference.Value) bool { return slices.Equal(v.Dims, a.Dims) && right(v) }); other != nil && g.IntN(3) > 0 {
			b = other
		} else {
			dims := slices.Clone(a.Dims)
			for i := range dims {
				if g.IntN(2) == 0 {
					dims[i] = 1
				}
			}
			c := g.normal("", 1, dims[g.IntN(len(dims)+1):]...)
			for i, x := range c.Data.(onnx.Slice[float32]) {
				c.Data.(onnx.Slice[float32])[i] = x + float32(math.Copysign(0.3, float64(x))) // away from zero, for quotients
			}
			if v, err := reference.FromTensor(c); err != nil || !right(v) {
				return
			}
			b = c
		}
		in := []any{a, b}
		if g.IntN(2) == 0 && left(a) && right(a) {
			if v, ok := b.(*reference.Value); ok && left(v) && right(v) {
				in = []any{b, a}
			}
		}
		g.node(op, in)
	}}
}

// reduceRecipe folds axes: an attribute until opset 17, an input from 18 on
// (from 13 on for ReduceSum).
func reduceRecipe(op string, input int64, lo, hi float64) recipe {
	return recipe{0, 0, func(g *randomGraph) {
		x := g.pick(func(v *reference.Value) bool { return len(v.Dims) > 0 && within(lo, hi)(v) })
		if x == nil {
			return
		}
		axis, keep := int64(g.IntN(len(x.Dims))), onnx.Int("keepdims", int64(g.IntN(2)))
		if g.opset >= input {
			g.node(op, []any{x, listOf(axis)}, keep)
			return
		}
		g.node(op, []any{x}, onnx.Ints("axes", axis), keep)
	}}
}

func far(v *reference.Value) bool { return !within(-0.2, 0.2)(v) && awayFromZero(v) }

func awayFromZero(v *reference.Value) bool {
	for i := range v.Len() {
		if math.Abs(v.Float(i)) < 0.05 {
			return false
		}
	}
	return true
}

var recipes = []recipe{
	unaryRecipe("Abs", 6, -1e4, 1e4),
	unaryRecipe("Acos", 7, -1, 1),
	unaryRecipe("Acosh", 9, 1, 1e4),
	unaryRecipe("Asin", 7, -1, 1),
	unaryRecipe("Asinh", 9, -1e4, 1e4),
	unaryRecipe("Atan", 7, -1e4, 1e4),
	unaryRecipe("Atanh", 9, -0.9, 0.9),
	unaryRecipe("Ceil", 6, -1e4, 1e4),
	unaryRecipe("Celu", 12, -1e4, 20, alpha),
	unaryRecipe("Cos", 7, -100, 100),
	unaryRecipe("Cosh", 9, -8, 8),
	unaryRecipe("Elu", 6, -1e4, 1e4, alpha),
	unaryRecipe("Erf", 9, -1e4, 1e4),
	unaryRecipe("Exp", 6, -20, 8),
	unaryRecipe("Floor", 6, -1e4, 1e4),
	unaryRecipe("Gelu", 20, -1e4, 1e4),
	unaryRecipe("HardSigmoid", 6, -1e4, 1e4, alpha),
	unaryRecipe("HardSwish", 14, -1e4, 1e4),
	unaryRecipe("LeakyRelu", 6, -1e4, 1e4, alpha),
	unaryRecipe("Log", 6, 0.01, 1e4),
	unaryRecipe("Mish", 18, -1e4, 1e4),
	unaryRecipe("Neg", 6, -1e4, 1e4),
	unaryRecipe("Reciprocal", 6, 0.05, 1e4),
	unaryRecipe("Relu", 6, -1e4, 1e4),
	unaryRecipe("Round", 11, -1e4, 1e4),
	unaryRecipe("Selu", 6, -1e4, 1e4),
	unaryRecipe("Sigmoid", 6, -1e4, 1e4),
	unaryRecipe("Sign", 9, -1e4, 1e4),
	unaryRecipe("Sin", 7, -100, 100),
	unaryRecipe("Sinh", 9, -8, 8),
	unaryRecipe("Softplus", 1, -1e4, 1e4),
	unaryRecipe("Softsign", 1, -1e4, 1e4),
	unaryRecipe("Sqrt", 6, 0, 1e4),
	unaryRecipe("Tan", 7, -1.4, 1.4),
	unaryRecipe("Tanh", 6, -1e4, 1e4),
	unaryRecipe("ThresholdedRelu", 10, -1e4, 1e4, alpha),
	binaryRecipe("Add", any1, any1),
	binaryRecipe("Sub", any1, any1),
	binaryRecipe("Mul", any1, any1),
	binaryRecipe("Div", any1, far),
	binaryRecipe("Max", any1, any1),
	binaryRecipe("Min", any1, any1),
	binaryRecipe("Mean", any1, any1),
	binaryRecipe("Sum", any1, any1),
	binaryRecipe("Pow", within(0.1, 10), within(-3, 3)),
	reduceRecipe("ReduceL1", 18, -1e4, 1e4),
	reduceRecipe("ReduceL2", 18, -1e4, 1e4),
	reduceRecipe("ReduceLogSum", 18, 0.01, 1e4),
	reduceRecipe("ReduceLogSumExp", 18, -20, 20),
	reduceRecipe("ReduceMax", 18, -1e4, 1e4),
	reduceRecipe("ReduceMean", 18, -1e4, 1e4),
	reduceRecipe("ReduceMin", 18, -1e4, 1e4),
	reduceRecipe("ReduceProd", 18, -10, 10),
	reduceRecipe("ReduceSum", 13, -1e4, 1e4),
	reduceRecipe("ReduceSumSquare", 18, -100, 100),
	{0, 0, growGemm}, {0, 0, growMatMul}, {0, 0, growConv}, {0, 0, growConv}, {0, 0, growConvTranspose}, {0, 0, growConvTranspose},
	{0, 0, growPool}, {0, 0, growGlobalPool}, {7, 0, growBatchNorm}, {0, 0, growInstanceNorm}, {17, 0, growLayerNorm}, {0, 0, growLRN},
	{0, 0, growSoftmax}, {0, 0, growTranspose}, {5, 0, growFlatten}, {11, 0, growPad}, {10, 0, growSlice}, {4, 0, growConcat},
	{11, 0, growResize}, {16, 0, growGridSample}, {11, 0, growDepthToSpace}, {11, 0, growCumSum}, {12, 0, growEinsum}, {11, 0, growClip},
	{9, 0, growPRelu}, {11, 0, growGather}, {0, 0, growMatMulOfTwo}, {7, 0, growRecurrent}, {23, 0, growAttention}, {23, 0, growRMSNorm},
	{23, 0, growRotaryEmbedding},
}

func growGemm(g *randomGraph) {
	x := g.pick(rank(2, 2))
	if x == nil {
		return
	}
	transA, transB := g.IntN(2), g.IntN(2)
	out := g.columns(x.Dims[1-transA], 20)
	w := g.normal("", 0.5, x.Dims[1-transA], out)
	if transB == 1 {
		w.Dims = []int{out, x.Dims[1-transA]}
	}
	g.node("Gemm", []any{x, w, g.normal("", 1, out)}, onnx.Int("transA", int64(transA)), onnx.Int("transB", int64(transB)),
		onnx.Float("alpha", []float32{1, 0.3}[g.IntN(2)]), onnx.Float("beta", []float32{1, 1.7}[g.IntN(2)]))
}

func growMatMul(g *randomGraph) {
	if x := g.pick(rank(2, 4)); x != nil {
		k := x.Dims[len(x.Dims)-1]
		g.node("MatMul", []any{x, g.normal("", 0.5, k, g.columns(k, 12))})
	}
}

// growMatMulOfTwo multiplies two computed matrices, maybe one by itself.
func growMatMulOfTwo(g *randomGraph) {
	if a, b := g.pick(rank(2, 2)), g.pick(rank(2, 2)); a != nil && b != nil && a.Dims[1] == b.Dims[0] {
		g.node("MatMul", []any{a, b})
	}
}

// window draws the attributes of a sliding kernel over two axes.
func (g *randomGraph) window(x *reference.Value) (kernel []int64, attrs []onnx.Attr, ok bool) {
	kernel = []int64{int64(1 + g.IntN(3)), int64(1 + g.IntN(3))}
	pads := []int64{int64(g.IntN(int(kernel[0]))), int64(g.IntN(int(kernel[1]))), int64(g.IntN(int(kernel[0]))), int64(g.IntN(int(kernel[1])))}
	for i, k := range kernel {
		if int64(x.Dims[2+i])+pads[i]+pads[2+i] < k {
			return nil, nil, false
		}
	}
	return kernel, []onnx.Attr{
		onnx.Ints("kernel_shape", kernel...), onnx.Ints("strides", int64(1+g.IntN(2)), int64(1+g.IntN(2))), onnx.Ints("pads", pads...),
	}, true
}

func growConv(g *randomGraph) {
	x := g.pick(rank(4, 4))
	if x == nil || x.Dims[1] > 256 {
		return
	}
	kernel, attrs, ok := g.window(x)
	if !ok {
		return
	}
	group := 1
	if g.IntN(3) == 0 {
		group = x.Dims[1]
	}
	out := group * (1 + g.IntN(4))
	g.node("Conv", []any{x, g.normal("", 0.4, out, x.Dims[1]/group, int(kernel[0]), int(kernel[1])), g.normal("", 1, out)},
		append(attrs, onnx.Int("group", int64(group)))...)
}

func growConvTranspose(g *randomGraph) {
	x := g.pick(rank(4, 4))
	if x == nil || x.Dims[1] > 64 {
		return
	}
	kernel, stride := []int64{int64(2 + g.IntN(3)), int64(2 + g.IntN(3))}, []int64{int64(1 + g.IntN(2)), int64(1 + g.IntN(2))}
	out := 1 + g.IntN(4)
	g.node("ConvTranspose", []any{x, g.normal("", 0.4, x.Dims[1], out, int(kernel[0]), int(kernel[1])), g.normal("", 1, out)},
		onnx.Ints("kernel_shape", kernel...), onnx.Ints("strides", stride...), onnx.Ints("pads", 0, int64(g.IntN(2)), 0, int64(g.IntN(2))),
		onnx.Ints("output_padding", int64(g.IntN(int(stride[0]))), int64(g.IntN(int(stride[1])))))
}

func growPool(g *randomGraph) {
	x := g.pick(rank(4, 4))
	if x == nil {
		return
	}
	if _, attrs, ok := g.window(x); ok {
		op := []string{"MaxPool", "AveragePool"}[g.IntN(2)]
		if op == "AveragePool" {
			attrs = append(attrs, onnx.Int("count_include_pad", int64(g.IntN(2))))
		}
		g.node(op, []any{x}, attrs...)
	}
}

func growGlobalPool(g *randomGraph) {
	if x := g.pick(rank(4, 4)); x != nil {
		g.node([]string{"GlobalAveragePool", "GlobalMaxPool"}[g.IntN(2)], []any{x})
	}
}

func (g *randomGraph) positive(dims ...int) *onnx.Tensor {
	x := g.normal("", 1, dims...)
	for i, v := range x.Data.(onnx.Slice[float32]) {
		x.Data.(onnx.Slice[float32])[i] = v*v + 0.1
	}
	return x
}

func growBatchNorm(g *randomGraph) {
	if x := g.pick(rank(2, 4)); x != nil {
		c := x.Dims[1]
		g.node("BatchNormalization", []any{x, g.normal("", 1, c), g.normal("", 1, c), g.normal("", 1, c), g.positive(c)}, onnx.Float("epsilon", 1e-3))
	}
}

func growInstanceNorm(g *randomGraph) {
	if x := g.pick(rank(3, 4)); x != nil && x.Len() >= 4*x.Dims[0]*x.Dims[1] {
		g.node("InstanceNormalization", []any{x, g.normal("", 1, x.Dims[1]), g.normal("", 1, x.Dims[1])})
	}
}

func growLayerNorm(g *randomGraph) {
	if x := g.pick(rank(2, 4)); x != nil && x.Dims[len(x.Dims)-1] >= 3 {
		n := x.Dims[len(x.Dims)-1]
		g.node("LayerNormalization", []any{x, g.normal("", 1, n), g.normal("", 1, n)}, onnx.Int("axis", -1))
	}
}

func growLRN(g *randomGraph) {
	if x := g.pick(rank(4, 4)); x != nil {
		g.node("LRN", []any{x}, onnx.Int("size", 3), onnx.Float("alpha", 0.02))
	}
}

func growSoftmax(g *randomGraph) {
	if x := g.pick(rank(1, 4)); x != nil {
		g.node([]string{"Softmax", "LogSoftmax"}[g.IntN(2)], []any{x}, onnx.Int("axis", int64(g.IntN(len(x.Dims)))))
	}
}

func growTranspose(g *randomGraph) {
	if x := g.pick(rank(2, 4)); x != nil {
		var perm []int64
		for _, a := range g.Perm(len(x.Dims)) {
			perm = append(perm, int64(a))
		}
		g.node("Transpose", []any{x}, onnx.Ints("perm", perm...))
	}
}

func growFlatten(g *randomGraph) {
	if x := g.pick(rank(2, 4)); x != nil {
		g.node("Flatten", []any{x}, onnx.Int("axis", int64(g.IntN(len(x.Dims)))))
	}
}

func growPad(g *randomGraph) {
	if x := g.pick(rank(2, 4)); x != nil && slices.Min(x.Dims) >= 3 {
		pads := make([]int64, 2*len(x.Dims))
		pads[g.IntN(len(pads))], pads[g.IntN(len(pads))] = 1, 2
		g.node("Pad", []any{x, listOf(pads...)}, onnx.String("mode", []string{"constant", "edge", "reflect"}[g.IntN(3)]))
	}
}

func growSlice(g *randomGraph) {
	if x := g.pick(rank(1, 4)); x != nil {
		a := g.IntN(len(x.Dims))
		g.node("Slice", []any{x, listOf(int64(g.IntN(x.Dims[a]))), listOf(int64(x.Dims[a])), listOf(int64(a)), listOf(int64(1 + g.IntN(2)))})
	}
}

func growConcat(g *randomGraph) {
	if x := g.pick(rank(1, 4)); x != nil {
		if y := g.pick(func(v *reference.Value) bool { return slices.Equal(v.Dims, x.Dims) }); y != nil {
			g.node("Concat", []any{x, y}, onnx.Int("axis", int64(g.IntN(len(x.Dims)))))
		}
	}
}

func growResize(g *randomGraph) {
	if x := g.pick(rank(4, 4)); x != nil && min(x.Dims[2], x.Dims[3]) > 1 {
		sizes := listOf(int64(x.Dims[0]), int64(x.Dims[1]), int64(1+g.IntN(2*x.Dims[2])), int64(1+g.IntN(2*x.Dims[3])))
		none := func() *onnx.Tensor { return &onnx.Tensor{Dims: []int{0}, Data: onnx.Slice[float32]{}} }
		g.node("Resize", []any{x, none(), none(), sizes}, onnx.String("mode", []string{"nearest", "linear", "cubic"}[g.IntN(3)]),
			onnx.String("coordinate_transformation_mode", []string{"half_pixel", "align_corners", "asymmetric"}[g.IntN(3)]))
	}
}

func growGridSample(g *randomGraph) {
	if x := g.pick(rank(4, 4)); x != nil && g.opset < 20 {
		g.node("GridSample", []any{x, g.normal("", 0.7, x.Dims[0], 3, 4, 2)}, onnx.String("mode", []string{"bilinear", "bicubic"}[g.IntN(2)]),
			onnx.String("padding_mode", []string{"zeros", "border", "reflection"}[g.IntN(3)]), onnx.Int("align_corners", int64(g.IntN(2))))
	}
}

func growDepthToSpace(g *randomGraph) {
	if x := g.pick(rank(4, 4)); x != nil && x.Dims[1]%4 == 0 {
		g.node("DepthToSpace", []any{x}, onnx.Int("blocksize", 2), onnx.String("mode", []string{"DCR", "CRD"}[g.IntN(2)]))
	}
}

func growCumSum(g *randomGraph) {
	if x := g.pick(rank(1, 4)); x != nil {
		g.node("CumSum", []any{x, &onnx.Tensor{Dims: []int{}, Data: onnx.Slice[int64]{int64(g.IntN(len(x.Dims)))}}}, onnx.Int("reverse", int64(g.IntN(2))))
	}
}

func growEinsum(g *randomGraph) {
	if x := g.pick(rank(3, 3)); x != nil {
		g.node("Einsum", []any{x, g.normal("", 0.5, x.Dims[2], 4)}, onnx.String("equation", "abc,cd->adb"))
	}
}

func growClip(g *randomGraph) {
	if x := g.pick(any1); x != nil {
		g.node("Clip", []any{x, &onnx.Tensor{Dims: []int{}, Data: onnx.Slice[float32]{-0.7}}, &onnx.Tensor{Dims: []int{}, Data: onnx.Slice[float32]{0.9}}})
	}
}

func growPRelu(g *randomGraph) {
	if x := g.pick(rank(2, 4)); x != nil {
		g.node("PRelu", []any{x, g.normal("", 1, append([]int{x.Dims[1]}, slices.Repeat([]int{1}, len(x.Dims)-2)...)...)})
	}
}

func growGather(g *randomGraph) {
	if x := g.pick(rank(1, 3)); x != nil {
		a := g.IntN(len(x.Dims))
		g.node("Gather", []any{x, listOf(int64(g.IntN(x.Dims[a])), -1)}, onnx.Int("axis", int64(a)))
	}
}

func growRecurrent(g *randomGraph) {
	x := g.pick(rank(3, 3))
	if x == nil || x.Len() > 300 || !within(-20, 20)(x) {
		return
	}
	op := []string{"RNN", "GRU", "LSTM"}[g.IntN(3)]
	gates := map[string]int{"RNN": 1, "GRU": 3, "LSTM": 4}[op]
	dirs, hidden, in := 1+g.IntN(2), 2+g.IntN(3), x.Dims[2]
	attrs := []onnx.Attr{onnx.Int("hidden_size", int64(hidden)), onnx.String("direction", []string{"forward", "bidirectional"}[dirs-1])}
	if op == "GRU" {
		attrs = append(attrs, onnx.Int("linear_before_reset", int64(g.IntN(2))))
	}
	g.node(op, []any{x, g.normal("", 0.5, dirs, gates*hidden, in), g.normal("", 0.5, dirs, gates*hidden, hidden), g.normal("", 0.5, dirs, 2*gates*hidden)}, attrs...)
}

func growAttention(g *randomGraph) {
	x := g.pick(rank(4, 4))
	if x == nil || x.Len() > 500 || x.Dims[1] > 8 {
		return
	}
	keys := x.Dims[2] + g.IntN(3)
	k, v := g.normal("", 1, x.Dims[0], x.Dims[1], keys, x.Dims[3]), g.normal("", 1, x.Dims[0], x.Dims[1], keys, 3)
	g.node("Attention", []any{x, k, v, g.normal("", 1, x.Dims[2], keys)}, onnx.Int("is_causal", int64(g.IntN(2))))
}

func growRMSNorm(g *randomGraph) {
	if x := g.pick(rank(2, 4)); x != nil {
		g.node("RMSNormalization", []any{x, g.normal("", 1, x.Dims[len(x.Dims)-1])}, onnx.Int("axis", -1))
	}
}

func growRotaryEmbedding(g *randomGraph) {
	if x := g.pick(rank(4, 4)); x != nil && x.Dims[3]%2 == 0 {
		half := x.Dims[3] / 2
		g.node("RotaryEmbedding", []any{x, g.normal("", 1, 20, half), g.normal("", 1, 20, half), positions(g, x.Dims[0], x.Dims[2])},
			onnx.Int("interleaved", int64(g.IntN(2))))
	}
}

func positions(g *randomGraph, batch, steps int) *onnx.Tensor {
	return &onnx.Tensor{Dims: []int{batch, steps}, Data: drawn(batch*steps, func() int64 { return int64(g.IntN(20)) })}
}

func drawn[T onnx.Element](n int, f func() T) onnx.Slice[T] {
	s := make(onnx.Slice[T], n)
	for i := range s {
		s[i] = f()
	}
	return s
}
