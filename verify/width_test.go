package verify

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/models"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// A family is a small network whose sums grow with its width.
type family struct {
	name  string
	build func(e *onnx.Emitter, r *rand.Rand, w int)
}

var families = []family{
	{"perceptron", func(e *onnx.Emitter, r *rand.Rand, w int) {
		hidden := min(w, 256)
		v := e.Input("x", elem, onnx.Fixed(4), onnx.Fixed(int64(w)))
		e.Step("net", "")
		weight := func(name string, scale float64, dims ...int) onnx.Value {
			return e.Const(name, &onnx.Tensor{Dims: dims, Data: onnx.Slice[float32](normals(r, lengthOf(dims), scale))})
		}
		v = e.Node("MatMul", "first", []onnx.Value{v, weight("a", 1/math.Sqrt(float64(w)), w, hidden)})
		v = e.Node("Add", "shift", []onnx.Value{v, weight("b", 0.3, hidden)})
		v = e.Node("Gelu", "gelu", []onnx.Value{v})
		v = e.Node("LayerNormalization", "norm", []onnx.Value{v, weight("s", 1, hidden), weight("o", 0.3, hidden)}, onnx.Float("epsilon", 1e-5))
		v = e.Node("MatMul", "second", []onnx.Value{v, weight("c", 1/math.Sqrt(float64(hidden)), hidden, 32)})
		e.Output(v, elem, onnx.Fixed(4), onnx.Fixed(32))
	}},
	{"convolution", func(e *onnx.Emitter, r *rand.Rand, w int) {
		v := e.Input("x", elem, onnx.Fixed(1), onnx.Fixed(int64(w)), onnx.Fixed(5), onnx.Fixed(5))
		e.Step("net", "")
		k := e.Const("a", &onnx.Tensor{Dims: []int{16, w, 3, 3}, Data: onnx.Slice[float32](normals(r, 16*w*9, 1/math.Sqrt(9*float64(w))))})
		b := e.Const("b", &onnx.Tensor{Dims: []int{16}, Data: onnx.Slice[float32](normals(r, 16, 0.3))})
		v = e.Node("Conv", "first", []onnx.Value{v, k, b}, onnx.Ints("kernel_shape", 3, 3), onnx.Ints("pads", 1, 1, 1, 1))
		v = e.Node("Relu", "relu", []onnx.Value{v})
		e.Output(v, elem, onnx.Fixed(1), onnx.Fixed(16), onnx.Fixed(5), onnx.Fixed(5))
	}},
	{"attention", func(e *onnx.Emitter, r *rand.Rand, w int) {
		dims := []onnx.Dim{onnx.Fixed(12), onnx.Fixed(int64(w))}
		q, k, v := e.Input("q", elem, dims...), e.Input("k", elem, dims...), e.Input("v", elem, dims...)
		e.Step("net", "")
		t := e.Node("Transpose", "keys", []onnx.Value{k}, onnx.Ints("perm", 1, 0))
		s := e.Node("MatMul", "scores", []onnx.Value{q, t})
		c := e.Const("scale", &onnx.Tensor{Dims: []int{}, Data: onnx.Slice[float32]{float32(1 / math.Sqrt(float64(w)))}})
		s = e.Node("Mul", "scaled", []onnx.Value{s, c})
		s = e.Node("Softmax", "weights", []onnx.Value{s})
		e.Output(e.Node("MatMul", "mix", []onnx.Value{s, v}), elem, dims...)
	}},
}

// quantised is a product of bytes, as ONNX Runtime's quantiser writes it.
var quantised = family{"product of bytes", func(e *onnx.Emitter, r *rand.Rand, w int) {
	x := e.Input("x", elem, onnx.Fixed(4), onnx.Fixed(int64(w)))
	e.Step("net", "")
	scale := func(name string, v float32) onnx.Value {
		return e.Const(name, &onnx.Tensor{Dims: []int{}, Data: onnx.Slice[float32]{v}})
	}
	zero := e.Const("zero", &onnx.Tensor{Dims: []int{}, Data: onnx.Slice[uint8]{128}})
	x = e.Node("QuantizeLinear", "bytes", []onnx.Value{x, scale("in", 0x1p-6), zero})
	weights := drawn(w*16, func() int8 { return int8(r.IntN(255) - 127) })
	v := e.Node("MatMulInteger", "product", []onnx.Value{x, e.Const("a", &onnx.Tensor{Dims: []int{w, 16}, Data: onnx.Slice[int8](weights)})})
	v = e.Node("Cast", "number", []onnx.Value{v}, onnx.Int("to", int64(pb.TensorProto_FLOAT)))
	wide := float32(math.Exp2(math.Round(math.Log2(94 * math.Sqrt(float64(w))))))
	v = e.Node("QuantizeLinear", "result", []onnx.Value{v, scale("out", wide), e.Const("middle", &onnx.Tensor{Dims: []int{}, Data: onnx.Slice[int8]{0}})})
	e.Output(v, pb.TensorProto_INT8, onnx.Fixed(4), onnx.Fixed(16))
	// Half of the bytes end in a half.
	x = e.Node("Cast", "again", []onnx.Value{x}, onnx.Int("to", int64(pb.TensorProto_FLOAT)))
	x = e.Node("QuantizeLinear", "halves", []onnx.Value{x, scale("two", 2), e.Const("nothing", &onnx.Tensor{Dims: []int{}, Data: onnx.Slice[int8]{0}})})
	e.Output(x, pb.TensorProto_INT8, onnx.Fixed(4), onnx.Fixed(int64(w)))
}}

var slipsOfBytes = []slip{
	{"pairs of products saturate", func(m *pb.ModelProto) bool {
		n := firstNode(m, "MatMulInteger")
		ints := func(name string, v ...int64) {
			m.Graph.Initializer = append(m.Graph.Initializer, (&onnx.Tensor{Name: name, Dims: []int{len(v)}, Data: onnx.Slice[int64](v)}).Proto())
		}
		ints("pair.left", 4, -1, 2)
		ints("pair.right", -1, 2, 16)
		ints("pair.axis", 0)
		for name, v := range map[string]int32{"pair.low": -0x8000, "pair.high": 0x7FFF} {
			m.Graph.Initializer = append(m.Graph.Initializer, (&onnx.Tensor{Name: name, Dims: []int{}, Data: onnx.Slice[int32]{v}}).Proto())
		}
		before(m, n,
			line("pair.a = Reshape("+n.Input[0]+", pair.left)"), line("pair.b = Transpose(pair.a)", intsOf("perm", 1, 0, 2)), line("pair.c = Reshape("+n.Input[1]+", pair.right)"),
			line("pair.p = MatMulInteger(pair.b, pair.c)"), line("pair.q = Clip(pair.p, pair.low, pair.high)"))
		n.OpType, n.Input, n.Attribute = proto.String("ReduceSum"), []string{"pair.q", "pair.axis"}, []*pb.AttributeProto{intOf("keepdims", 0)}
		return true
	}},
	{"halves rounded up, not to even", func(m *pb.ModelProto) bool {
		n := m.Graph.Node[len(m.Graph.Node)-1]
		for _, other := range m.Graph.Node {
			if strings.Contains(other.Output[0], "halves") {
				n = other
			}
		}
		for name, v := range map[string]float32{"half": 0.5, "least": -128, "most": 127} {
			m.Graph.Initializer = append(m.Graph.Initializer, (&onnx.Tensor{Name: "up." + name, Dims: []int{}, Data: onnx.Slice[float32]{v}}).Proto())
		}
		before(m, n, line("up.q = Div("+n.Input[0]+", "+n.Input[1]+")"), line("up.s = Add(up.q, up.half)"), line("up.f = Floor(up.s)"), line("up.c = Clip(up.f, up.least, up.most)"))
		n.OpType, n.Input, n.Attribute = proto.String("Cast"), []string{"up.c"}, []*pb.AttributeProto{intOf("to", int64(pb.TensorProto_INT8))}
		return true
	}},
}

func lengthOf(dims []int) int {
	n := 1
	for _, d := range dims {
		n *= d
	}
	return n
}

// A slip is a fault of arithmetic or of a kernel.
type slip struct {
	name  string
	plant func(m *pb.ModelProto) bool
}

var slips = []slip{
	{"operands in TF32", func(m *pb.ModelProto) bool { return narrowOperands(m, 11) }},
	{"operands in float16", halfOperands},
	{"operands in bfloat16", func(m *pb.ModelProto) bool { return narrowOperands(m, 8) }},
	{"weights 1e-3 too large", gainOf(1e-3)},
	{"weights 1e-4 too large", gainOf(1e-4)},
	{"weights 3e-5 too large", gainOf(3e-5)},
	{"weights 1e-5 too large", gainOf(1e-5)},
	{"one input left out", func(m *pb.ModelProto) bool {
		in, _ := weightAxes(m)
		return editFirst(m, func(t *onnx.Tensor, d []float32) {
			step := stepAlong(t.Dims, in)
			for i := range d {
				if i/step%t.Dims[in] == t.Dims[in]-1 {
					d[i] = 0
				}
			}
		})
	}},
	{"two channels swapped", func(m *pb.ModelProto) bool {
		_, out := weightAxes(m)
		return editFirst(m, func(t *onnx.Tensor, d []float32) {
			step := stepAlong(t.Dims, out)
			for i := range d {
				if i/step%t.Dims[out] == 0 {
					d[i], d[i+step] = d[i+step], d[i]
				}
			}
		})
	}},
	{"bit 8 of a weight", func(m *pb.ModelProto) bool {
		return editFirst(m, func(_ *onnx.Tensor, d []float32) {
			at := largest(d)
			d[at] = math.Float32frombits(math.Float32bits(d[at]) ^ 1<<8)
		})
	}},
	{"RMS for layer normalisation", rmsForLayerNorm},
	{"Gelu by tanh", func(m *pb.ModelProto) bool {
		n := firstNode(m, "Gelu")
		if n == nil {
			return false
		}
		n.Attribute = append(n.Attribute, &pb.AttributeProto{Name: proto.String("approximate"), Type: pb.AttributeProto_STRING.Enum(), S: []byte("tanh")})
		return true
	}},
	{"epsilon 1e-6 for 1e-5", func(m *pb.ModelProto) bool {
		n := firstNode(m, "LayerNormalization")
		if n == nil {
			return false
		}
		attributeOf(n, "epsilon").F = proto.Float32(1e-6)
		return true
	}},
}

// gainOf makes the weights of the first product too large; where it has none, one
// of its inputs.
func gainOf(g float32) func(m *pb.ModelProto) bool {
	return func(m *pb.ModelProto) bool {
		if editFirst(m, func(_ *onnx.Tensor, d []float32) {
			for i := range d {
				d[i] *= 1 + g
			}
		}) {
			return true
		}
		n := firstNode(m, "MatMul")
		m.Graph.Initializer = append(m.Graph.Initializer, (&onnx.Tensor{Name: "gain", Dims: []int{}, Data: onnx.Slice[float32]{1 + g}}).Proto())
		before(m, n, line("gained = Mul("+n.Input[0]+", gain)"))
		n.Input[0] = "gained"
		return true
	}
}

// editFirst edits the weights of the first product.
func editFirst(m *pb.ModelProto, f func(t *onnx.Tensor, d []float32)) bool {
	n := firstNode(m, products...)
	return n != nil && edit(m, n.Input[1], f)
}

var products = []string{"MatMul", "Gemm", "Conv", "ConvTranspose"}

// weightAxes are the axes of the inputs and of the outputs of the first product's
// weights.
func weightAxes(m *pb.ModelProto) (in, out int) {
	if n := firstNode(m, products...); n.GetOpType() == "Conv" || attributeOf(n, "transB").GetI() != 0 {
		return 1, 0
	}
	return 0, 1
}

// stepAlong is how far apart neighbours along an axis are.
func stepAlong(dims []int, axis int) int { return lengthOf(dims[axis+1:]) }

// before puts nodes in front of n.
func before(m *pb.ModelProto, n *pb.NodeProto, nodes ...*pb.NodeProto) {
	m.Graph.Node = slices.Insert(m.Graph.Node, slices.Index(m.Graph.Node, n), nodes...)
}

// narrowOperands rounds the operands of all products to so many bits, in float32
// arithmetic: x c - (x c - x) with c = 2^(24-bits) + 1 (Dekker 1971).
func narrowOperands(m *pb.ModelProto, bits int) bool {
	m.Graph.Initializer = append(m.Graph.Initializer, (&onnx.Tensor{Name: "splitter", Dims: []int{}, Data: onnx.Slice[float32]{float32(int(1)<<(24-bits) + 1)}}).Proto())
	for _, n := range slices.Clone(m.Graph.Node) {
		if !slices.Contains(products, n.GetOpType()) {
			continue
		}
		for k := range 2 {
			x := n.Input[k]
			id := fmt.Sprintf("%s.%d", n.Output[0], k)
			before(m, n,
				line("wide."+id+" = Mul("+x+", splitter)"),
				line("rest."+id+" = Sub(wide."+id+", "+x+")"),
				line("near."+id+" = Sub(wide."+id+", rest."+id+")"))
			n.Input[k] = "near." + id
		}
	}
	return true
}

// halfOperands rounds the operands of all products to float16, which has the
// precision of TF32 and its own subnormals: below 2^-14 the nearest multiple of
// 2^-24, which is what float32 makes of a sum with 3/4.
func halfOperands(m *pb.ModelProto) bool {
	operands := narrowOperands(m, 11)
	for name, v := range map[string]float32{"normal": 0x1p-14, "spacing": 0.75} {
		m.Graph.Initializer = append(m.Graph.Initializer, (&onnx.Tensor{Name: "half." + name, Dims: []int{}, Data: onnx.Slice[float32]{v}}).Proto())
	}
	for _, n := range slices.Clone(m.Graph.Node) {
		if !slices.Contains(products, n.GetOpType()) {
			continue
		}
		for k := range 2 {
			id := fmt.Sprintf("%s.%d", n.Output[0], k)
			x := strings.TrimPrefix(n.Input[k], "near.")
			if x != id {
				return false
			}
			before(m, n,
				line("half.up."+id+" = Add("+n.Input[k]+", half.spacing)"), line("half.down."+id+" = Sub(half.up."+id+", half.spacing)"),
				line("half.size."+id+" = Abs("+n.Input[k]+")"), line("half.small."+id+" = Less(half.size."+id+", half.normal)"),
				line("half."+id+" = Where(half.small."+id+", half.down."+id+", "+n.Input[k]+")"))
			n.Input[k] = "half." + id
		}
	}
	return operands
}

func rmsForLayerNorm(m *pb.ModelProto) bool {
	n := firstNode(m, "LayerNormalization")
	if n == nil {
		return false
	}
	m.Graph.Initializer = append(m.Graph.Initializer,
		(&onnx.Tensor{Name: "rms.epsilon", Dims: []int{}, Data: onnx.Slice[float32]{1e-5}}).Proto(),
		(&onnx.Tensor{Name: "rms.axis", Dims: []int{1}, Data: onnx.Slice[int64]{-1}}).Proto())
	before(m, n,
		line("rms.square = Mul("+n.Input[0]+", "+n.Input[0]+")"), line("rms.mean = ReduceMean(rms.square, rms.axis)"),
		line("rms.sum = Add(rms.mean, rms.epsilon)"), line("rms.root = Sqrt(rms.sum)"), line("rms.normal = Div("+n.Input[0]+", rms.root)"),
		line("rms.scaled = Mul(rms.normal, "+n.Input[1]+")"))
	n.OpType, n.Attribute, n.Input = proto.String("Add"), nil, []string{"rms.scaled", n.Input[2]}
	return true
}

// powerByWidth is the table of a family: which comparison tells which slip, at
// which width.
func powerByWidth(t *testing.T, f family, slips []slip, widths []int) string {
	t.Helper()
	var subjects []subject
	head := "| " + f.name + " of width |"
	for _, w := range widths {
		e := onnx.NewEmitter(onnx.EmitterOptions{Graph: f.name, Opset: 20, IR: 9})
		f.build(e, rand.New(rand.NewPCG(uint64(w), 5)), w)
		subjects = append(subjects, newSubject(t, fmt.Sprintf("%s %d", f.name, w), onnxtest.Model(t, e).Proto))
		head += fmt.Sprintf(" %d |", w)
	}
	var b strings.Builder
	b.WriteString(head + "\n|---|" + strings.Repeat("---|", len(widths)) + "\n")
	none := "| right in float32 |"
	for _, s := range subjects {
		c := s.try(t, func(*pb.ModelProto) {})
		none += fmt.Sprintf(" %s |", c)
		if c.screen || c.proof {
			t.Errorf("%s: a correct runtime is caught by %s", s.name, c)
		}
	}
	b.WriteString(none + "\n")
	for _, p := range slips {
		row := "| " + p.name + " |"
		some := false
		for _, s := range subjects {
			if !p.plant(proto.CloneOf(s.job.model.Proto)) {
				continue
			}
			some = true
			c := s.try(t, func(m *pb.ModelProto) { p.plant(m) })
			row += fmt.Sprintf(" %s |", c)
		}
		if some {
			b.WriteString(row + "\n")
		}
	}
	return b.String()
}

const widthsBegin = "<!-- made by go test ./verify -run PowerByWidth -update -->\n"

func slipsOf(f family) []slip {
	if f.name == quantised.name {
		return slipsOfBytes
	}
	return slips
}

// TestPowerByWidth writes the tables of docs/verification.md, or compares their first
// columns with what is caught.
func TestPowerByWidth(t *testing.T) {
	if testing.Short() {
		t.Skip("dozens of proofs")
	}
	if *update {
		text := "\n"
		for _, f := range append(families, quantised) {
			text += powerByWidth(t, f, slipsOf(f), []int{8, 64, 512, 4096}) + "\n"
		}
		holdPage(t, page, widthsBegin, text)
		return
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), widthsBegin)
	for _, f := range append(families, quantised) {
		for line := range strings.Lines(powerByWidth(t, f, slipsOf(f), []int{8, 64})) {
			if !strings.Contains(rest, "\n"+strings.TrimSpace(line)) {
				t.Errorf("%s has no line that begins with %s", page, line)
			}
		}
	}
}

const fullBegin = "<!-- made by go test ./verify -run PowerAtFullWidth -update -->\n"

// TestPowerAtFullWidth writes the table of the models as they are trained, or compares
// the smallest of them with it.
func TestPowerAtFullWidth(t *testing.T) {
	if testing.Short() {
		t.Skip("dozens of proofs")
	}
	ask := func(name string) bool { return *update || name == "gan" }
	general := slices.DeleteFunc(slices.Clone(slips), func(p slip) bool { return firstOf(p.name, "RMS", "Gelu", "epsilon") })
	var b strings.Builder
	b.WriteString("\n| model | right in float32 |")
	for _, p := range general {
		fmt.Fprintf(&b, " %s |", p.name)
	}
	b.WriteString("\n|---|---|" + strings.Repeat("---|", len(general)) + "\n")
	var rows []string
	for _, s := range exports(t, models.Options{}, ask) {
		c := s.try(t, func(*pb.ModelProto) {})
		if c.screen || c.proof {
			t.Errorf("%s: a correct runtime is caught by %s", s.name, c)
		}
		row := fmt.Sprintf("| %s | %s |", s.name, c)
		for _, p := range general {
			row += fmt.Sprintf(" %s |", s.try(t, func(m *pb.ModelProto) { p.plant(m) }))
		}
		rows = append(rows, row+"\n")
		b.WriteString(row + "\n")
	}
	b.WriteString("\n")
	if *update {
		holdPage(t, page, fullBegin, b.String())
		return
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if !strings.Contains(string(text), row) {
			t.Errorf("%s has no row %s", page, row)
		}
	}
}

// firstOf reports whether the text begins with one of the words.
func firstOf(text string, words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(text, w) })
}
