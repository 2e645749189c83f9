package load

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/wire"
)

// graphOf reads a graph from lines: "in x float 2 N" and "out y int64 -" declare, with - for an unknown shape, "const k int64 2 = 3 4" is
// data, and "y, z = Op(x, , k) axis=1 perm=1,0 mode=s body=@name" is a node, whose graphs are given by name.
func graphOf(t testing.TB, text string, bodies map[string]*pb.GraphProto) *pb.GraphProto {
	t.Helper()
	g := &pb.GraphProto{Name: proto.String("g")}
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		line = strings.TrimSpace(line)
		switch words := strings.Fields(line); words[0] {
		case "in", "out":
			v := &pb.ValueInfoProto{Name: proto.String(words[1]), Type: typeOf(words[2], words[3:]).Proto()}
			if words[0] == "in" {
				g.Input = append(g.Input, v)
			} else {
				g.Output = append(g.Output, v)
			}
		case "const":
			left, right, _ := strings.Cut(line, "=")
			typ := typeOf(words[2], strings.Fields(left)[3:])
			var numbers []float64
			for _, w := range strings.Fields(right) {
				v, err := strconv.ParseFloat(w, 64)
				if err != nil {
					t.Fatal(err)
				}
				numbers = append(numbers, v)
			}
			dims := make([]int, len(typ.Dims))
			for i, d := range typ.Dims {
				dims[i] = int(d.Size)
			}
			c, err := fromReals(typ.Elem, numbers, dims)
			if err != nil {
				t.Fatal(err)
			}
			c.Name = words[1]
			g.Initializer = append(g.Initializer, c.Proto())
		default:
			left, right, _ := strings.Cut(line, " = ")
			op, rest, _ := strings.Cut(right, "(")
			in, attrs, _ := strings.Cut(rest, ")")
			n := &pb.NodeProto{OpType: proto.String(op), Output: strings.Split(strings.ReplaceAll(left, " ", ""), ",")}
			if in != "" {
				n.Input = strings.Split(strings.ReplaceAll(in, " ", ""), ",")
			}
			for _, a := range strings.Fields(attrs) {
				name, v, _ := strings.Cut(a, "=")
				n.Attribute = append(n.Attribute, attrOf(name, v, bodies))
			}
			g.Node = append(g.Node, n)
		}
	}
	return g
}

func typeOf(elem string, dims []string) onnx.Type {
	typ := onnx.Type{Elem: pb.TensorProto_DataType(pb.TensorProto_DataType_value[strings.ToUpper(elem)]), Dims: []onnx.Dim{}}
	for _, d := range dims {
		n, err := strconv.ParseInt(d, 10, 64)
		switch {
		case d == "-":
			typ.Dims = nil
		case d == "?":
			typ.Dims = append(typ.Dims, onnx.Unknown())
		case err != nil:
			typ.Dims = append(typ.Dims, onnx.Symbolic(d))
		default:
			typ.Dims = append(typ.Dims, onnx.Fixed(n))
		}
	}
	return typ
}

func attrOf(name, v string, bodies map[string]*pb.GraphProto) *pb.AttributeProto {
	if g, ok := strings.CutPrefix(v, "@"); ok {
		return &pb.AttributeProto{Name: proto.String(name), Type: pb.AttributeProto_GRAPH.Enum(), G: proto.CloneOf(bodies[g])}
	}
	var ints []int64
	for w := range strings.SplitSeq(v, ",") {
		n, err := strconv.ParseInt(w, 10, 64)
		if err != nil {
			return onnx.String(name, v).Proto()
		}
		ints = append(ints, n)
	}
	if len(ints) == 1 && !slices.Contains([]string{"axes", "scan_input_axes", "scan_output_axes", "scan_input_directions"}, name) {
		return onnx.Int(name, ints[0]).Proto()
	}
	return onnx.Ints(name, ints...).Proto()
}

// modelOf is a model of a graph at opset 18.
func modelOf(t testing.TB, text string, bodies map[string]*pb.GraphProto) *onnx.Model {
	t.Helper()
	b, err := onnx.Marshal(&pb.ModelProto{
		IrVersion: proto.Int64(8), Graph: graphOf(t, text, bodies), OpsetImport: []*pb.OperatorSetIdProto{{Domain: proto.String(""), Version: proto.Int64(18)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	m, err := wire.Parse("test", b, wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// programs are models that run by steps.
func programs(t testing.TB) map[string]*onnx.Model {
	body := func(text string, bodies ...*pb.GraphProto) map[string]*pb.GraphProto {
		all := map[string]*pb.GraphProto{"b": graphOf(t, text, nil)}
		for i, g := range bodies {
			all[string(rune('c'+i))] = g
		}
		return all
	}
	all := map[string]*onnx.Model{
		// The places that a rectifier leaves, between two layers.
		"shapes that depend on values": modelOf(t, `
			in x float N 4
			const w float 4 3 = 1 -2 3 -4 5 -6 7 -8 9 -1 2 -3
			h = MatMul(x, w)
			r = Relu(h)
			at = NonZero(r)
			t = Transpose(at) perm=1,0
			kept = GatherND(r, t)
			const one int64 1 = 1
			const minus int64 1 = -1
			row = Unsqueeze(kept, one)
			const v float 1 2 = 0.5 -0.25
			y = MatMul(row, v)
			z = Tanh(y)
			n = Shape(z)
			flat = Reshape(z, minus)
			out flat float ?
			out n int64 2
			out at int64 2 ?`, nil),
		"sizes that are inputs": modelOf(t, `
			in x float 1 1 3 4
			in size int64 4
			y = Resize(x, , , size) mode=linear
			s = Sigmoid(y)
			out s float ? ? ? ?`, nil),
		"branches": modelOf(t, `
			in x float 2 3
			in yes bool
			const w float 3 3 = 1 2 3 4 5 6 7 8 10
			h = MatMul(x, w)
			y = If(yes) then_branch=@b else_branch=@c
			z = Exp(y)
			out z float 2 3`, body(`
			a = MatMul(h, w)
			b = Tanh(a)
			out b float 2 3`, graphOf(t, `
			const k float 1 = 3
			c = Add(x, k)
			d = Sigmoid(c)
			out d float 2 3`, nil))),
		"a loop": modelOf(t, `
			in x float 2 3
			in n int64
			const w float 3 3 = 0.1 0.2 -0.3 0.4 -0.5 0.6 0.7 0.8 0.9
			const true bool = 1
			last, all, count = Loop(n, true, x) body=@b
			y = ReduceSum(all)
			out last float 2 3
			out all float ? 2 3
			out count int64 ?
			out y float 1 1 1`, body(`
			in i int64
			in c bool
			in h float 2 3
			a = MatMul(h, w)
			b = Tanh(a)
			f = Cast(i) to=1
			d = Add(b, f)
			const most int64 = 3
			go = Less(i, most)
			out go bool
			out d float 2 3
			out b float 2 3
			out i int64`)),
		"a loop that begins with a constant": modelOf(t, `
			in n int64
			const zero int64 = 0
			const true bool = 1
			last, all = Loop(n, true, zero) body=@b
			out last int64
			out all int64 ?`, body(`
			in i int64
			in c bool
			in s int64
			const one int64 = 1
			const most int64 = 4
			u = Add(s, one)
			go = Less(u, most)
			w = Mul(u, u)
			out go bool
			out u int64
			out w int64`)),
		"a loop whose states have defaults": modelOf(t, `
			in n int64
			in x float 3
			const true bool = 1
			last, all = Loop(n, true, x) body=@b
			out last float 3
			out all float ? 3`, body(`
			in i int64
			in c bool
			in s float 3
			const s float 3 = 7 7 7
			d = Identity(c)
			w = Mul(s, s)
			u = Tanh(w)
			out d bool
			out u float 3
			out w float 3`)),
		"a scan over nothing": modelOf(t, `
			in s float 2
			in n int64
			const zero int64 1 = 0
			const shape int64 2 = 0 2
			x = ConstantOfShape(shape)
			t, y = Scan(s, x) body=@b num_scan_inputs=1 scan_output_axes=1
			out t float 2
			out y float 2 ?`, body(`
			in a float 2
			in b float 2
			u = Add(a, b)
			v = Mul(u, b)
			out u float 2
			out v float 2`)),
		"a loop in a loop": modelOf(t, `
			in n int64
			const zero int64 = 0
			const true bool = 1
			y = Loop(n, true, zero) body=@b
			out y int64`, map[string]*pb.GraphProto{"b": graphOf(t, `
			in i int64
			in c bool
			in s int64
			d = Identity(c)
			u = Loop(i, c, s) body=@inner
			out d bool
			out u int64`, map[string]*pb.GraphProto{"inner": graphOf(t, `
			in j int64
			in e bool
			in v int64
			f = Identity(e)
			ij = Mul(i, j)
			w = Add(v, ij)
			out f bool
			out w int64`, nil)})}),
		"a scan": modelOf(t, `
			in s float 2
			in x float 2 5
			last, y = Scan(s, x) body=@b num_scan_inputs=1 scan_input_axes=1 scan_output_axes=1 scan_input_directions=1
			out last float 2
			out y float 2 5`, body(`
			in h float 2
			in a float 2
			b = Add(h, a)
			c = Mul(b, a)
			out b float 2
			out c float 2`)),
		"sequences": modelOf(t, `
			in x float 2 3
			const one int64 = 1
			parts = SplitToSequence(x) axis=1
			p = SequenceAt(parts, one)
			more = SequenceInsert(parts, p)
			y = ConcatFromSequence(more) axis=1
			n = SequenceLength(more)
			o = Optional(y)
			has = OptionalHasElement(o)
			got = OptionalGetElement(o)
			z = Relu(got)
			out z float ? ?
			out n int64
			out has bool`, nil),
		"halves": modelOf(t, `
			in x float16 2 3
			const w float16 3 2 = 1 2 3 4 -5 6
			h = MatMul(x, w)
			s = Softmax(h) axis=1
			a = ArgMax(s) axis=1
			out s float16 2 2
			out a int64 2 1`, nil),
	}
	all["functions"] = withFunctions(t)
	return all
}

// withFunctions is a model that calls functions, which call each other, one of them in a branch and with an attribute of its own.
func withFunctions(t testing.TB) *onnx.Model {
	m := modelOf(t, `
		in x float 2 3
		in yes bool
		a = Scaled(x) alpha=2
		b, c = Both(a)
		d = If(yes) then_branch=@then else_branch=@else
		e = Add(b, d)
		out e float 2 3
		out c float 2 3`, map[string]*pb.GraphProto{
		"then": graphOf(t, "u = Scaled(c) alpha=3\nout u float 2 3", nil), "else": graphOf(t, "v = Neg(c)\nout v float 2 3", nil),
	})
	imports := []*pb.OperatorSetIdProto{{Domain: proto.String(""), Version: proto.Int64(18)}, {Domain: proto.String("own"), Version: proto.Int64(1)}}
	function := func(name, text string, in, out []string) *pb.FunctionProto {
		return &pb.FunctionProto{Name: proto.String(name), Domain: proto.String("own"), Input: in, Output: out, Node: graphOf(t, text, nil).Node, OpsetImport: imports}
	}
	scaled := function("Scaled", "h = LeakyRelu(x)\ny = Neg(h)", []string{"x"}, []string{"y"})
	scaled.Attribute = []string{"alpha"}
	scaled.Node[0].Attribute = []*pb.AttributeProto{{Name: proto.String("alpha"), Type: pb.AttributeProto_FLOAT.Enum(), RefAttrName: proto.String("alpha")}}
	both := function("Both", "h = Scaled(x)\nz = Exp(h)", []string{"x"}, []string{"z", "x"})
	both.Node[0].Attribute = []*pb.AttributeProto{onnx.Float("alpha", 0.25).Proto()}
	m.Proto.Functions, m.Proto.OpsetImport, m.Proto.IrVersion = []*pb.FunctionProto{scaled, both}, imports, proto.Int64(10)
	for n := range onnx.Nodes(slices.Concat(m.Proto.Graph.Node, both.Node)) {
		if n.GetOpType() == "Scaled" || n.GetOpType() == "Both" {
			n.Domain = proto.String("own")
		}
		for i, a := range n.Attribute {
			if a.GetName() == "alpha" && a.GetType() == pb.AttributeProto_INT {
				n.Attribute[i] = onnx.Float("alpha", float32(a.GetI())).Proto()
			}
		}
	}
	b, err := onnx.Marshal(m.Proto)
	if err != nil {
		t.Fatal(err)
	}
	if m, err = wire.Parse("test", b, wire.Limits{}); err != nil {
		t.Fatal(err)
	}
	return m
}

// feeds draws inputs for the ports of a model.
func feeds(d dice, m *onnx.Model) []*onnx.Tensor {
	var inputs []*onnx.Tensor
	for _, v := range m.Proto.Graph.Input {
		typ, _ := onnx.TypeOf(v.Type)
		var dims []int
		for _, n := range typ.Dims {
			if !n.Known() {
				n.Size = int64(1 + d.IntN(4))
			}
			dims = append(dims, int(n.Size))
		}
		var x *onnx.Tensor
		switch typ.Elem {
		case pb.TensorProto_INT64:
			if x = d.number(int64(d.IntN(6))); len(dims) == 1 {
				x = d.list(1, 1, 1+int64(d.IntN(6)), 1+int64(d.IntN(6)))
			}
		case pb.TensorProto_BOOL:
			x = d.flags(dims...)
		default:
			x = d.floats(dims...)
			if isHalf(typ.Elem) {
				x, _ = cast(x, typ.Elem)
			}
		}
		x.Name = v.GetName()
		inputs = append(inputs, x)
	}
	return inputs
}

func TestProgramsAgreeWithTheReference(t *testing.T) {
	for name, m := range programs(t) {
		t.Run(name, func(t *testing.T) {
			s := open(t, m)
			for seed := range uint64(8) {
				inputs := feeds(dice{rand.New(rand.NewPCG(seed, 9)), t}, m)
				got, err := s.Run(t.Context(), inputs)
				if err != nil {
					t.Fatal(err)
				}
				hold(t, m, inputs, got)
				again, err := s.Run(t.Context(), inputs)
				if err != nil {
					t.Fatal(err)
				}
				for k := range got {
					if !got[k].Data.Equal(again[k].Data) {
						t.Errorf("output %d changes from run to run", k)
					}
				}
			}
		})
	}
}

// TestNoiseByACounter makes the numbers of a generator whose state is a counter, with shifts and products that wrap round.
func TestNoiseByACounter(t *testing.T) {
	m := modelOf(t, `
		in n int64
		const zero int64 = 0
		const one int64 = 1
		counter = Range(zero, n, one)
		c = Cast(counter) to=13
		const weyl uint64 = 11400714819323198485
		z = Mul(c, weyl)
		const s30 uint64 = 30
		a = BitShift(z, s30) direction=RIGHT
		b = BitwiseXor(z, a)
		const m1 uint64 = 13787848793156543929
		d = Mul(b, m1)
		const s27 uint64 = 27
		e = BitShift(d, s27) direction=RIGHT
		f = BitwiseXor(d, e)
		const s32 uint64 = 32
		high = BitShift(f, s32) direction=RIGHT
		w = Cast(high) to=12
		const odd uint32 = 2654435761
		x = Mul(w, odd)
		const six uint32 = 6
		face = Mod(x, six)
		const s8 uint32 = 8
		top = BitShift(x, s8) direction=RIGHT
		r = Cast(top) to=1
		const unit float = 5.9604644775390625e-08
		u = Mul(r, unit)
		out f uint64 ?
		out x uint32 ?
		out face uint32 ?
		out u float ?`, nil)
	// A float64 does not hold these constants.
	for _, c := range m.Proto.Graph.Initializer {
		for name, v := range map[string]uint64{"weyl": 0x9e3779b97f4a7c15, "m1": 0xbf58476d1ce4e5b9} {
			if c.GetName() == name {
				*c = *onnxtest.Tensor(t, name, []uint64{v}).Proto()
			}
		}
	}
	const n = 1000
	got, err := open(t, m).Run(t.Context(), []*onnx.Tensor{onnxtest.Tensor(t, "n", []int64{n})})
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint64(n) {
		z := i * 0x9e3779b97f4a7c15
		z ^= z >> 30
		z *= 0xbf58476d1ce4e5b9
		z ^= z >> 27
		x := uint32(z>>32) * 2654435761
		if f := got[0].Data.(onnx.Slice[uint64])[i]; f != z {
			t.Fatalf("number %d is %d, want %d", i, f, z)
		}
		if v, face, u := got[1].Data.(onnx.Slice[uint32])[i], got[2].Data.(onnx.Slice[uint32])[i], got[3].Data.(onnx.Slice[float32])[i]; v != x || face != x%6 || u != float32(x>>8)/(1<<24) {
			t.Fatalf("number %d is %d, %d, %v, want %d, %d, %v", i, v, face, u, x, x%6, float32(x>>8)/(1<<24))
		}
	}
}

// TestLoopsEnd runs loops that would not end, or collect more than there is.
func TestLoopsEnd(t *testing.T) {
	m := modelOf(t, `
		in x float 1
		const true bool = 1
		y, all = Loop(, true, x) body=@b
		out y float 1
		out all float ? 1024`, map[string]*pb.GraphProto{"b": graphOf(t, `
		in i int64
		in c bool
		in h float 1
		d = Identity(c)
		const k int64 1 = 1024
		e = Expand(h, k)
		out d bool
		out h float 1
		out e float 1024`, nil)})
	in := []*onnx.Tensor{onnxtest.Tensor(t, "x", []float32{1}, 1)}
	s := open(t, m)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Run(ctx, in); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a loop without an end: %v", err)
	}
	s.main.Load().limit = 1 << 20
	if _, err := s.Run(t.Context(), in); err == nil || !strings.Contains(err.Error(), "take more than 1 MiB") {
		t.Errorf("a loop that collects without an end: %v", err)
	}
}

// TestRowsByNumbersOfTheInputs takes rows by numbers that are inputs: one graph does for all of them, and says which is none of a row.
func TestRowsByNumbersOfTheInputs(t *testing.T) {
	m := modelOf(t, `
		in ids int64 N
		in place int64
		const table float 4 2 = 0 1 10 11 20 21 30 31
		a = Gather(table, ids)
		b = Gather(a, place) axis=1
		c = Tanh(b)
		n = Shape(ids)
		out a float N 2
		out c float N
		out n int64 1`, nil)
	s := open(t, m)
	for _, ids := range [][]int64{{0, 1, 2}, {3, -1, -4}, {1, 1, 1}, {2}, {}} {
		for place := range int64(2) {
			in := []*onnx.Tensor{onnxtest.Tensor(t, "ids", ids, len(ids)), onnxtest.Tensor(t, "place", []int64{place - 1})}
			got, err := s.Run(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			hold(t, m, in, got)
		}
	}
	for _, none := range []int64{4, -5, 1 << 24, -1<<24 - 1, 1<<62 + 1, math.MinInt64} {
		in := []*onnx.Tensor{onnxtest.Tensor(t, "ids", []int64{0, none, 2}, 3), onnxtest.Tensor(t, "place", []int64{0})}
		if got, err := s.Run(t.Context(), in); err == nil {
			t.Errorf("row %d of 4 is %v", none, got[0])
		}
	}
	built := 0
	for _, step := range s.main.Load().steps {
		if step.segment != nil {
			for _, e := range step.segment.kept {
				built += len(e.free)
			}
		}
	}
	if built > 3 {
		t.Errorf("%d graphs are built for two lengths of ids, want no other for other numbers", built)
	}
}

// TestStepsThatLieTogetherAreOneGraph counts the steps of a run.
func TestStepsThatLieTogetherAreOneGraph(t *testing.T) {
	all := programs(t)
	for name, want := range map[string]int{
		"shapes that depend on values": 5, // a layer; places, their transposition, what is there; a layer
		"a scan":                       1,
	} {
		if got := len(open(t, all[name]).main.Load().steps); got != want {
			t.Errorf("%s: %d steps, want %d", name, got, want)
		}
	}
}
