package reference

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"google.golang.org/protobuf/proto"
)

// withBody gives the first node of m a graph made as graph makes a model's.
func withBody(t testing.TB, m *onnx.Model, name, src string, inits ...*onnx.Tensor) *onnx.Model {
	t.Helper()
	n := m.Proto.Graph.Node[0]
	body := graph(t, 13, src, inits...).Proto.Graph
	n.Attribute = append(n.Attribute, &pb.AttributeProto{Name: proto.String(name), Type: pb.AttributeProto_GRAPH.Enum(), G: body})
	return m
}

// loop is a model of one Loop with the trip count n, which is its only input.
func loop(t testing.TB, node, body string, inits ...*onnx.Tensor) *onnx.Model {
	t.Helper()
	outs, _, _ := strings.Cut(node, " = ")
	return withBody(t, graph(t, 13, "in n int64 -\n"+node+"\nout "+strings.ReplaceAll(outs, ",", ""), inits...), "body", body, inits...)
}

func trips(t testing.TB, n int64) []*onnx.Tensor { return []*onnx.Tensor{tensor(t, "n", []int64{n})} }

func TestALoopStacksAnyNumberOfOutputs(t *testing.T) {
	m := loop(t, "v, s, q = Loop(n, , zero)", "in i int64 -\nin c bool -\nin a float -\nd = Identity(c)\nf = Cast(i) to=1\nb = Add(a, f)\ng = Mul(b, b)\nout d b b g", tensor(t, "zero", []float32{0}))
	r := run(t, m, trips(t, 4)...)
	for k, want := range [][]float64{{6}, {0, 1, 3, 6}, {0, 1, 9, 36}} {
		if got := r[k].floats(); !slices.Equal(got, want) {
			t.Errorf("output %d is %v, want %v", k, got, want)
		}
	}
}

// TestWithoutAnIterationStacksHaveTheInferredType: nothing was computed that would
// tell element type and shape.
func TestWithoutAnIterationStacksHaveTheInferredType(t *testing.T) {
	two := tensor(t, "two", []float32{1, 2}, 2)
	body := "in i int64 -\nin c bool -\nd = Identity(c)\nj = Identity(i)\nx = Identity(two)\nout d j x"
	inFunction := loop(t, "s, q = Loop(n, )", body, two)
	g := inFunction.Proto.Graph
	f := &pb.FunctionProto{Name: proto.String("F"), Domain: proto.String("own"), Input: []string{"n", "two"}, Output: []string{"s", "q"}, Node: g.Node, OpsetImport: inFunction.Proto.OpsetImport}
	inFunction.Proto.Functions = []*pb.FunctionProto{f}
	inFunction.Proto.OpsetImport = append(slices.Clone(f.OpsetImport), &pb.OperatorSetIdProto{Domain: proto.String("own"), Version: proto.Int64(1)})
	f.Node[0].Attribute[0].G.Initializer = nil // the body reads the function's
	g.Node = []*pb.NodeProto{{OpType: proto.String("F"), Domain: proto.String("own"), Input: []string{"n", "two"}, Output: []string{"s", "q"}}}

	for name, m := range map[string]*onnx.Model{"in the graph": loop(t, "s, q = Loop(n, )", body, two), "in a function": inFunction} {
		for _, count := range []int64{0, -1} { // the second as runtimes have it
			r := run(t, m, trips(t, count)...)
			if s := r[0]; s.Type != pb.TensorProto_INT64 || !slices.Equal(s.Dims, []int{0}) {
				t.Errorf("%s, %d trips: the stack of iterations is %s, want int64[0]", name, count, s)
			}
			if q := r[1]; q.Type != pb.TensorProto_FLOAT || !slices.Equal(q.Dims, []int{0, 2}) {
				t.Errorf("%s, %d trips: the stack of pairs is %s, want float32[0,2]", name, count, q)
			}
		}
	}
	scan := withBody(t, graph(t, 13, "in n float 3,0\ny = Scan(n) num_scan_inputs=1 scan_input_axes=1, scan_output_axes=-1,\nout y"), "body", "in x float 3\ny = Cast(x) to=7\nout y")
	if y := run(t, scan, tensor(t, "n", []float32{}, 3, 0))[0]; y.Type != pb.TensorProto_INT64 || !slices.Equal(y.Dims, []int{3, 0}) {
		t.Errorf("a Scan of no steps gives %s, want int64[3,0]", y)
	}
}

// TestALoopReleasesWhatAnIterationFrees: a long loop needs no more memory than a
// short one, unless it stacks.
func TestALoopReleasesWhatAnIterationFrees(t *testing.T) {
	big := tensor(t, "big", make([]float32, 1000), 1000)
	step := "in i int64 -\nin c bool -\nin a float 1000\nd = Identity(c)\nb = Add(a, one)\nout d b"
	one := tensor(t, "one", []float32{1})
	for _, tc := range []struct {
		name, node, body string
		n                int64
		want             string // part of the error, "" for none
	}{
		{"carried", "v = Loop(n, , big)", step, 2000, ""},
		{"stacked within the budget", "v, s = Loop(n, , big)", step + " b", 2, ""},
		{"stacked beyond it", "v, s = Loop(n, , big)", step + " b", 200, "beyond the budget"},
		{"values by the million", "s = Loop(n, )", "in i int64 -\nin c bool -\nd = Identity(c)\nj = Identity(i)\nout d j", 1 << 40, "beyond the budget"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, err := Compile(loop(t, tc.node, tc.body, big, one), Options{Memory: 40000})
			if err != nil {
				t.Fatal(err)
			}
			_, err = p.RunTensors(context.Background(), trips(t, tc.n))
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
	scan := withBody(t, graph(t, 13, "in x float 500,10\ny = Scan(z, x) num_scan_inputs=1\nout y", tensor(t, "z", make([]float32, 10), 10)), "body", "in a float 10\nin x float 10\nb = Add(a, x)\nout b")
	p, err := Compile(scan, Options{Memory: 6000})
	if err == nil {
		_, err = p.RunTensors(context.Background(), []*onnx.Tensor{tensor(t, "x", make([]float32, 5000), 500, 10)})
	}
	if err != nil {
		t.Errorf("a Scan that stacks nothing: %v", err)
	}
}

// TestWhatIsFarBeyondTheBudgetIsRefusedBeforeItStarts, whether inference knows it
// or only the run.
func TestWhatIsFarBeyondTheBudgetIsRefusedBeforeItStarts(t *testing.T) {
	huge := func(n int) *onnx.Model {
		return graph(t, 13, fmt.Sprintf("in x float %d,%d\ny = MatMul(x, x)\nz = MatMul(y, y)\nout z", n, n))
	}
	if _, err := Compile(huge(1<<14), Options{}); err == nil || !strings.Contains(err.Error(), "beyond the budget") {
		t.Errorf("8.8e12 products: error %v", err)
	}
	open := graph(t, 13, "in x float N,M\nt = Transpose(x)\ny = MatMul(t, x)\nout y")
	p, err := Compile(open, Options{Work: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	_, err = p.RunTensors(context.Background(), []*onnx.Tensor{tensor(t, "x", make([]float32, 1<<22), 1<<10, 1<<12)})
	if err == nil || !strings.Contains(err.Error(), "beyond the budget") {
		t.Errorf("2^34 products: error %v", err)
	}
	forever := loop(t, "v = Loop(n, , one)", "in i int64 -\nin c bool -\nin a float -\nd = Identity(c)\nb = Add(a, a)\nout d b", tensor(t, "one", []float32{1}))
	if p, err = Compile(forever, Options{}); err != nil {
		t.Fatal(err)
	}
	if _, err = p.RunTensors(context.Background(), trips(t, 1e9)); err == nil || !strings.Contains(err.Error(), "beyond the budget") {
		t.Errorf("10^9 iterations: error %v", err)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("refusing takes %v", took)
	}
}

// A trip count is the most that a loop may do: one that ends early is not refused for it.
func TestALoopThatEndsEarlyIsNotRefusedForItsTripCount(t *testing.T) {
	for claim, d := range map[string]string{"ends after three": "l = Less(i, three)\nd = Identity(l)", "goes on": "d = Identity(c)"} {
		m := loop(t, "v = Loop(many, , one)", "in i int64 -\nin c bool -\nin a float -\n"+d+"\nb = MatMul(w, w)\ns = ReduceSum(b) keepdims=0\ne = Add(a, s)\nout d e",
			tensor(t, "one", []float32{1}), tensor(t, "many", []int64{1 << 40}), tensor(t, "three", []int64{3}), tensor(t, "w", []float32{1, 2, 3, 4}, 2, 2))
		p, err := Compile(m, Options{})
		if claim == "goes on" {
			if err == nil || !strings.Contains(err.Error(), "beyond the budget") {
				t.Errorf("%s: error %v", claim, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", claim, err)
		}
		if _, err := p.RunTensors(t.Context(), trips(t, 1)); err != nil {
			t.Errorf("%s: %v", claim, err)
		}
	}
}

// TestAContextEndsEveryLoop, and long products.
func TestAContextEndsEveryLoop(t *testing.T) {
	for name, m := range map[string]*onnx.Model{
		"an open condition":    loop(t, "v = Loop(n, , one)", "in i int64 -\nin c bool -\nin a float -\nd = Not(c)\ne = Not(d)\nb = Neg(a)\nout e b", tensor(t, "one", []float32{1})),
		"a product row by row": graph(t, 13, "in n int64 -\nw = ConstantOfShape(s)\ny = MatMul(w, w)\nout y", tensor(t, "s", []int64{3000, 3000}, 2)),
	} {
		p, err := Compile(m, Options{Work: 1 << 60})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		begin := time.Now()
		_, err = p.RunTensors(ctx, trips(t, math.MaxInt64))
		cancel()
		if took := time.Since(begin); !errors.Is(err, context.DeadlineExceeded) || took > 30*time.Second {
			t.Errorf("%s: error %v after %v, want a deadline that is exceeded", name, err, took)
		}
	}
}

// FuzzSubgraphs evaluates graphs with Loop, Scan, If, SequenceMap and functions in
// each other, which bytes draw: the reference must neither panic, nor hang, nor
// allocate past its budget.
func FuzzSubgraphs(f *testing.F) {
	for seed := range byte(40) {
		b := make([]byte, 64)
		for i := range b {
			b[i] = byte(int(seed)*37 + i*int(seed+11)*29)
		}
		f.Add(b)
	}
	f.Add([]byte{2, 0, 3, 2, 1, 1, 0, 0, 2, 2, 2})
	f.Fuzz(func(t *testing.T, b []byte) {
		d := &drawer{bytes: b}
		m := d.model()
		runWithinBudget(t, m)
	})
}

// TestManyGraphsWithinGraphs evaluates what FuzzSubgraphs would draw.
func TestManyGraphsWithinGraphs(t *testing.T) {
	ran := 0
	for seed := range 4000 {
		b := make([]byte, 80)
		x := uint64(seed)*0x9E3779B97F4A7C15 + 1
		for i := range b {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
			b[i] = byte(x >> 32)
		}
		p, err := Compile((&drawer{bytes: b}).model(), fuzzBudget)
		if err != nil {
			continue
		}
		if _, err := p.Run(t.Context(), inputsFor(p)); err == nil {
			ran++
		}
	}
	if ran < 200 {
		t.Errorf("only %d of 4000 models run to their end", ran)
	}
}

// A drawer makes models of bytes; of none left it makes zeros.
type drawer struct {
	bytes []byte
	names int
	fns   []*pb.FunctionProto
}

func (d *drawer) below(n int) int {
	if len(d.bytes) == 0 || n < 1 {
		return 0
	}
	b := int(d.bytes[0])
	d.bytes = d.bytes[1:]
	return b % n
}

func (d *drawer) name() string { d.names++; return fmt.Sprintf("v%d", d.names) }

var drawnOpsets = []int64{8, 11, 13, 16, 21}

func (d *drawer) model() *onnx.Model {
	opsets := []*pb.OperatorSetIdProto{{Version: proto.Int64(drawnOpsets[d.below(len(drawnOpsets))])}, {Domain: proto.String("own"), Version: proto.Int64(1)}}
	g := d.graph(3, nil, nil, 1+d.below(3))
	for _, f := range d.fns {
		f.OpsetImport = opsets
	}
	for i := range g.Input {
		typ := onnx.Type{Elem: []pb.TensorProto_DataType{pb.TensorProto_FLOAT, pb.TensorProto_INT64, pb.TensorProto_BOOL}[i%3], Dims: []onnx.Dim{}}
		for range d.below(3) {
			typ.Dims = append(typ.Dims, onnx.Fixed(int64(d.below(4))))
		}
		g.Input[i].Type = typ.Proto()
	}
	return &onnx.Model{Proto: &pb.ModelProto{IrVersion: proto.Int64(8), OpsetImport: opsets, Graph: g, Functions: d.fns}}
}

// graph draws a graph with the inputs and so many outputs, whose nodes may read the
// names in outer.
func (d *drawer) graph(depth int, outer, inputs []string, outputs int) *pb.GraphProto {
	g := &pb.GraphProto{Name: proto.String(d.name())}
	if inputs == nil && outer == nil {
		for range 3 {
			inputs = append(inputs, d.name())
		}
	}
	for _, in := range inputs {
		g.Input = append(g.Input, &pb.ValueInfoProto{Name: proto.String(in)})
	}
	known := slices.Concat(outer, inputs)
	for range d.below(3) {
		name := d.name()
		var x *onnx.Tensor
		switch d.below(3) {
		case 0:
			x, _ = onnx.NewTensor(name, []int64{int64(d.below(5)) - 1})
		case 1:
			x, _ = onnx.NewTensor(name, []bool{d.below(2) == 0})
		default:
			x, _ = onnx.NewTensor(name, []float32{1, 2, float32(d.below(9))}, 3)
		}
		if x.Dims == nil {
			x.Dims = []int{}
		}
		g.Initializer = append(g.Initializer, x.Proto())
		known = append(known, name)
	}
	for range 1 + d.below(5) {
		n := d.node(depth, known)
		g.Node = append(g.Node, n)
		known = append(known, n.Output...)
	}
	for range outputs {
		v := &pb.ValueInfoProto{Name: proto.String(known[len(known)-1-d.below(min(len(known), 6))])}
		if d.below(4) == 0 {
			v.Type = onnx.Type{Elem: pb.TensorProto_FLOAT, Dims: []onnx.Dim{onnx.Fixed(3)}}.Proto()
		}
		g.Output = append(g.Output, v)
	}
	return g
}

// node draws a node that reads known names.
func (d *drawer) node(depth int, known []string) *pb.NodeProto {
	read := func(n int) []string {
		in := make([]string, n)
		for i := range in {
			in[i] = known[d.below(len(known))]
		}
		return in
	}
	fresh := func(n int) []string {
		out := make([]string, n)
		for i := range out {
			out[i] = d.name()
		}
		return out
	}
	n := &pb.NodeProto{}
	body := func(name string, inputs []string, outputs int) {
		n.Attribute = append(n.Attribute, &pb.AttributeProto{Name: proto.String(name), Type: pb.AttributeProto_GRAPH.Enum(), G: d.graph(depth-1, known, append([]string{}, inputs...), outputs)})
	}
	kind := d.below(14)
	if depth == 0 && kind < 6 || kind == 6 && depth == 0 && len(d.fns) == 0 {
		kind += 7
	}
	switch kind {
	case 0, 1: // trips, condition, states, stacks
		states, stacks := d.below(3), d.below(3)
		n.OpType, n.Input, n.Output = proto.String("Loop"), append(read(2), read(states)...), fresh(states+stacks)
		if d.below(3) == 0 {
			n.Input[1] = ""
		}
		body("body", fresh(2+states), 1+states+stacks)
	case 2, 3:
		states, scanned, stacks := d.below(2), 1+d.below(2), d.below(3)
		n.OpType, n.Input, n.Output = proto.String("Scan"), read(states+scanned), fresh(states+stacks)
		n.Attribute = append(n.Attribute, &pb.AttributeProto{Name: proto.String("num_scan_inputs"), Type: pb.AttributeProto_INT.Enum(), I: proto.Int64(int64(scanned))})
		body("body", fresh(states+scanned), states+stacks)
	case 4:
		outputs := 1 + d.below(2)
		n.OpType, n.Input, n.Output = proto.String("If"), read(1), fresh(outputs)
		body("then_branch", nil, outputs)
		body("else_branch", nil, outputs)
	case 5:
		more := d.below(2)
		n.OpType, n.Input, n.Output = proto.String("SequenceMap"), read(1+more), fresh(1)
		body("body", fresh(1+more), 1)
	case 6:
		if len(d.fns) < 3 && depth > 0 || len(d.fns) == 0 {
			inputs := fresh(1 + d.below(2))
			f := &pb.FunctionProto{Domain: proto.String("own"), Name: proto.String(d.name()), Input: inputs}
			within := d.graph(depth-1, []string{}, inputs, 1)
			f.Node, f.Output = within.Node, []string{within.Output[0].GetName()}
			d.fns = append(d.fns, f)
		}
		f := d.fns[d.below(len(d.fns))]
		n.OpType, n.Domain, n.Input, n.Output = f.Name, f.Domain, read(len(f.Input)), fresh(1)
	case 7:
		n.OpType, n.Input, n.Output = proto.String("SequenceConstruct"), read(1+d.below(2)), fresh(1)
	case 8:
		n.OpType, n.Input, n.Output = proto.String("Cast"), read(1), fresh(1)
		n.Attribute = append(n.Attribute, &pb.AttributeProto{Name: proto.String("to"), Type: pb.AttributeProto_INT.Enum(), I: proto.Int64([]int64{1, 7, 9}[d.below(3)])})
	default:
		two := []string{"Add", "Sub", "Mul", "Less", "Equal", "Where", "Concat", "Gather", "Reshape", "SequenceInsert", "SequenceAt"}
		one := []string{"Identity", "Neg", "Exp", "Not", "Shape", "NonZero", "ReduceSum", "Softmax", "Unsqueeze", "SplitToSequence", "SequenceLength", "Sqrt"}
		if k := d.below(len(two) + len(one)); k < len(two) {
			n.OpType, n.Input, n.Output = proto.String(two[k]), read(2), fresh(1)
			if two[k] == "Where" {
				n.Input = read(3)
			}
			if two[k] == "Concat" {
				n.Attribute = append(n.Attribute, &pb.AttributeProto{Name: proto.String("axis"), Type: pb.AttributeProto_INT.Enum(), I: proto.Int64(int64(d.below(2)))})
			}
		} else {
			n.OpType, n.Input, n.Output = proto.String(one[k-len(two)]), read(1), fresh(1)
		}
	}
	return n
}
