package reduce

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/internal/race"
	"github.com/petrify-ml/petrify/load"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/verify"
	"github.com/petrify-ml/petrify/witness"
)

// planted is a right runtime with a fault: what it computes is what a changed model says.
type planted struct {
	change func(m *pb.ModelProto) error                                               // when a model is opened; an error is the runtime's
	run    func(ctx context.Context, outputs []*onnx.Tensor) error                    // after each run
	given  func(inputs []*onnx.Tensor, m *pb.ModelProto) (wrong func(*pb.ModelProto)) // before each run
}

func (planted) Name() string                            { return "planted" }
func (planted) Version(context.Context) (string, error) { return "planted 1.0", nil }

func (p planted) Open(ctx context.Context, m *onnx.Model) (witness.Session, error) {
	changed := proto.CloneOf(m.Proto)
	if p.change != nil {
		if err := p.change(changed); err != nil {
			return nil, err
		}
	}
	changed = (&state{model: changed}).undeclared().model // its outputs may have other shapes now
	s, err := load.Runtime{}.Open(ctx, inMemory(changed))
	return plantedSession{p, s, changed}, err
}

type plantedSession struct {
	planted
	witness.Session
	model *pb.ModelProto
}

func (s plantedSession) Run(ctx context.Context, inputs []*onnx.Tensor) ([]*onnx.Tensor, error) {
	session := s.Session
	if s.given != nil {
		if wrong := s.given(inputs, s.model); wrong != nil {
			m := proto.CloneOf(s.model)
			wrong(m)
			var err error
			if session, err = (load.Runtime{}).Open(ctx, inMemory(m)); err != nil {
				return nil, err
			}
		}
	}
	outputs, err := session.Run(ctx, inputs)
	if err == nil && s.run != nil {
		err = s.run(ctx, outputs)
	}
	return outputs, err
}

func inMemory(p *pb.ModelProto) *onnx.Model {
	b, err := onnx.Marshal(p)
	if err != nil {
		panic(err)
	}
	return &onnx.Model{Proto: p, Bytes: b}
}

// A net is a graph that grows node by node.
type net struct {
	*pb.GraphProto
	*rand.Rand
	functions []*pb.FunctionProto
}

func newNet() *net {
	return &net{GraphProto: &pb.GraphProto{Name: proto.String("net")}, Rand: rand.New(rand.NewPCG(1, 2))}
}

func ofType(name string, t pb.TensorProto_DataType, dims ...int64) *pb.ValueInfoProto {
	typ := onnx.Type{Elem: t, Dims: []onnx.Dim{}}
	for _, d := range dims {
		typ.Dims = append(typ.Dims, onnx.Fixed(d))
	}
	return &pb.ValueInfoProto{Name: proto.String(name), Type: typ.Proto()}
}

func (n *net) input(name string, dims ...int64) string {
	n.Input = append(n.Input, ofType(name, pb.TensorProto_FLOAT, dims...))
	return name
}

func (n *net) weight(dims ...int) string {
	size := 1
	for _, d := range dims {
		size *= d
	}
	data := make(onnx.Slice[float32], size)
	for i := range data {
		data[i] = float32(n.NormFloat64() / 2)
	}
	return n.constant(&onnx.Tensor{Dims: dims, Data: data})
}

func (n *net) constant(t *onnx.Tensor) string {
	t.Name = fmt.Sprintf("weight.%d", len(n.Initializer))
	n.Initializer = append(n.Initializer, t.Proto())
	return t.Name
}

func nodeOf(op, out string, in []string, attrs ...onnx.Attr) *pb.NodeProto {
	x := &pb.NodeProto{OpType: proto.String(op), Name: proto.String("layer/" + out), Input: in, Output: []string{out}}
	for _, a := range attrs {
		x.Attribute = append(x.Attribute, a.Proto())
	}
	return x
}

func (n *net) node(op string, in []string, attrs ...onnx.Attr) string {
	out := fmt.Sprintf("value.%d", len(n.Node))
	n.Node = append(n.Node, nodeOf(op, out, in, attrs...))
	return out
}

// chain adds so many right nodes.
func (n *net) chain(x string, width, nodes int) string {
	for i := range nodes {
		switch i % 4 {
		case 0:
			x = n.node("MatMul", []string{x, n.weight(width, width)})
		case 1:
			x = n.node("Add", []string{x, n.weight(width)})
		case 2:
			x = n.node("Tanh", []string{x})
		case 3:
			x = n.node("Mul", []string{x, n.weight(width)})
		}
	}
	return x
}

func (n *net) output(name string, dims ...int64) {
	n.Output = append(n.Output, ofType(name, pb.TensorProto_FLOAT, dims...))
}

// write makes a model file of the graph.
func (n *net) write(t testing.TB, imports ...*pb.OperatorSetIdProto) string {
	t.Helper()
	imports = append([]*pb.OperatorSetIdProto{{Domain: proto.String(""), Version: proto.Int64(18)}}, imports...)
	b, err := onnx.Marshal(&pb.ModelProto{IrVersion: proto.Int64(9), OpsetImport: imports, Graph: n.GraphProto, Functions: n.functions})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "net.onnx")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func options(path string, rt witness.Runtime) Options {
	return Options{Verify: verify.Options{Paths: []string{path}, Runtimes: []witness.Runtime{rt}, Named: true, Seed: 1, Timeout: 20 * time.Second}}
}

func reduced(t *testing.T, path string, rt witness.Runtime) *Result {
	t.Helper()
	r, err := Run(t.Context(), options(path, rt))
	if err != nil {
		t.Fatal(err)
	}
	if r.Unfinished {
		t.Error("the search did not end")
	}
	return r
}

func operators(r *Result) []string {
	var ops []string
	for n := range onnx.Nodes(r.Model.Proto.GetGraph().GetNode()) {
		ops = append(ops, n.GetOpType())
	}
	return ops
}

// in returns a change to every node of an operator, in graphs within as well.
func in(op string, f func(n *pb.NodeProto)) func(m *pb.ModelProto) error {
	return func(m *pb.ModelProto) error {
		for n := range onnx.Nodes(m.GetGraph().GetNode()) {
			if n.GetOpType() == op {
				f(n)
			}
		}
		for _, fn := range m.GetFunctions() {
			for n := range onnx.Nodes(fn.GetNode()) {
				if n.GetOpType() == op {
					f(n)
				}
			}
		}
		return nil
	}
}

func becomes(op string) func(*pb.NodeProto) {
	return func(n *pb.NodeProto) { n.OpType = proto.String(op) }
}

// buried is a chain with a Softplus in the middle.
func buried(t *testing.T, op string) string {
	n := newNet()
	x := n.chain(n.input("x", 3, 16), 16, 22)
	x = n.node(op, []string{x})
	n.output(n.chain(x, 16, 25), 3, 16)
	return n.write(t)
}

func TestTheFirstWrongNodeIsLeft(t *testing.T) {
	r := reduced(t, buried(t, "Softplus"), planted{change: in("Softplus", becomes("Relu"))})
	if got := operators(r); !slices.Equal(got, []string{"Softplus"}) || r.Failure.Class != Different || !r.Failure.Proven {
		t.Fatalf("left are %v, %v, want a Softplus that is different", got, r.Failure)
	}
	if got := r.Inputs[0].Len(); got != 1 {
		t.Errorf("an input of %d elements is left, want one", got)
	}
	if r.Tries > 60 {
		t.Errorf("%d tries, want at most 60", r.Tries)
	}
	if got, want := r.OriginalName["y0"], "value.22"; got != want {
		t.Errorf("the output is called %q in the model, want %q", got, want)
	}
}

// fused makes a runtime wrong where a value is read by the next node alone, as a wrong fusion is.
func fused(m *pb.ModelProto) error {
	g := m.GetGraph()
	for _, v := range g.GetOutput() {
		for _, n := range g.GetNode() {
			if n.GetOpType() == "Sin" && n.GetOutput()[0] == v.GetName() {
				return nil
			}
		}
	}
	readers := map[string][]*pb.NodeProto{}
	for _, n := range g.GetNode() {
		for _, name := range n.GetInput() {
			readers[name] = append(readers[name], n)
		}
	}
	for _, n := range g.GetNode() {
		if next := readers[n.GetOutput()[0]]; n.GetOpType() == "Sin" && len(next) == 1 && next[0].GetOpType() == "Abs" {
			next[0].OpType = proto.String("Neg")
		}
	}
	return nil
}

func TestAFaultOfTwoNodesTogether(t *testing.T) {
	n := newNet()
	x := n.chain(n.input("x", 2, 8), 8, 20)
	x = n.node("Abs", []string{n.node("Sin", []string{x})})
	n.output(n.chain(x, 8, 14), 2, 8)
	r := reduced(t, n.write(t), planted{change: fused})
	if got := operators(r); !slices.Equal(got, []string{"Sin", "Abs"}) {
		t.Errorf("left are %v, want Sin and Abs", got)
	}
}

func TestOtherClassesOfFailures(t *testing.T) {
	refuses := func(err func(n *pb.NodeProto) error) func(*pb.ModelProto) error {
		return func(m *pb.ModelProto) error {
			for _, n := range m.GetGraph().GetNode() {
				if n.GetOpType() == "Softplus" {
					return err(n)
				}
			}
			return nil
		}
	}
	for _, c := range []struct {
		class Class
		rt    planted
	}{
		{Crashed, planted{change: refuses(func(*pb.NodeProto) error { return &witness.CrashError{Err: errors.New("signal: segmentation fault")} })}},
		{Refused, planted{change: refuses(func(n *pb.NodeProto) error {
			return fmt.Errorf("node %s: bad arena at 0x%x", n.GetName(), len(n.GetOutput()[0]))
		})}},
		{Lacking, planted{change: refuses(func(*pb.NodeProto) error { return &onnx.UnsupportedError{Op: "Softplus"} })}},
		{Unfit, planted{change: in("Softplus", becomes("ReduceSum"))}},
	} {
		t.Run(string(c.class), func(t *testing.T) {
			path := buried(t, "Softplus")
			if c.class == Unfit {
				n := newNet()
				n.output(n.node("Softplus", []string{n.chain(n.input("x", 3, 16), 16, 30)}), 3, 16)
				path = n.write(t)
			}
			r := reduced(t, path, c.rt)
			if got := operators(r); !slices.Equal(got, []string{"Softplus"}) || r.Failure.Class != c.class {
				t.Errorf("left are %v, %v, want Softplus, %s", got, r.Failure, c.class)
			}
		})
	}
}

func TestARuntimeThatHangs(t *testing.T) {
	patience := race.Pick(150*time.Millisecond, 2*time.Second)
	rt := planted{run: func(ctx context.Context, _ []*onnx.Tensor) error { return nil }}
	rt.given = func(_ []*onnx.Tensor, m *pb.ModelProto) func(*pb.ModelProto) {
		if slices.ContainsFunc(m.GetGraph().GetNode(), func(n *pb.NodeProto) bool { return n.GetOpType() == "Softplus" }) {
			time.Sleep(2 * patience)
		}
		return nil
	}
	o := options(buried(t, "Softplus"), rt)
	o.Verify.Timeout, o.Search = patience, 30*patience
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if got := operators(r); r.Failure.Class != Hung || len(got) > 3 || !slices.Contains(got, "Softplus") {
		t.Errorf("left are %v, %v, want few nodes, Softplus among them, that hang", got, r.Failure)
	}
}

// TestAnotherFailureIsNoProgress has a runtime that refuses parts of the model for a reason of their own.
func TestAnotherFailureIsNoProgress(t *testing.T) {
	rt := planted{change: func(m *pb.ModelProto) error {
		if len(m.GetGraph().GetNode()) < 5 {
			return errors.New("the graph is too small for me")
		}
		for _, n := range m.GetGraph().GetNode() {
			if n.GetOpType() == "Softplus" {
				return fmt.Errorf("no kernel for %q", n.GetName())
			}
		}
		return nil
	}}
	r := reduced(t, buried(t, "Softplus"), rt)
	if got := operators(r); len(got) != 5 || !slices.Contains(got, "Softplus") {
		t.Errorf("left are %v, want 5 nodes, Softplus among them", got)
	}
}

func TestShapesAndNumbersStayAsLargeAsTheFailureAsks(t *testing.T) {
	// Wrong for rows longer than 5, and where an element is above 1.
	rt := planted{given: func(inputs []*onnx.Tensor, m *pb.ModelProto) func(*pb.ModelProto) {
		for _, n := range m.GetGraph().GetNode() {
			if n.GetOpType() != "Softplus" || len(inputs[0].Dims) != 2 || inputs[0].Dims[1] <= 5 {
				continue
			}
			for _, v := range inputs[0].Data.(onnx.Slice[float32]) {
				if v > 1 {
					return func(m *pb.ModelProto) { in("Softplus", becomes("Relu"))(m) }
				}
			}
		}
		return nil
	}}
	n := newNet()
	n.output(n.node("Softplus", []string{n.input("x", 4, 40)}), 4, 40)
	r := reduced(t, n.write(t), rt)
	if got := r.Inputs[0].Dims; !slices.Equal(got, []int{1, 6}) {
		t.Errorf("an input of %v is left, want [1 6]", got)
	}
	above := 0
	for _, v := range r.Inputs[0].Data.(onnx.Slice[float32]) {
		if v != 0 {
			above++
		}
	}
	if above != 1 {
		t.Errorf("%v is left, want one element that is not zero", r.Inputs[0].Data)
	}
}

func TestAttributesThatHaveNoPartAreGone(t *testing.T) {
	rt := planted{change: in("Conv", func(n *pb.NodeProto) {
		for _, a := range n.GetAttribute() {
			if a.GetName() == "strides" && a.GetInts()[0] > 1 {
				a.Ints[0]--
				a.Ints[1]++
			}
		}
	})}
	n := newNet()
	x := n.input("x", 1, 3, 12, 12)
	x = n.node("Conv", []string{x, n.weight(4, 3, 3, 3), n.weight(4)}, onnx.Ints("kernel_shape", 3, 3), onnx.Ints("pads", 1, 1, 1, 1), onnx.Ints("strides", 3, 3), onnx.Int("group", 1))
	n.output(x, 1, 4, 4, 4)
	r := reduced(t, n.write(t), rt)
	c := r.Model.Proto.GetGraph().GetNode()[0]
	if len(c.GetAttribute()) != 1 || c.GetAttribute()[0].GetName() != "strides" || len(c.GetInput()) != 2 {
		t.Errorf("left are %d inputs and %v, want no bias, and strides alone", len(c.GetInput()), c.GetAttribute())
	}
	if len(r.Inputs[0].Data.(onnx.Slice[float32])) > 9 {
		t.Errorf("an input of %v is left, and %d bytes in all", r.Inputs[0].Dims, r.After.Bytes)
	}
}

// branchNet has a fault within a branch, a loop or a function, after and before other nodes.
func branchNet(t *testing.T, kind string) string {
	n := newNet()
	x := n.chain(n.input("x", 2, 4), 4, 8)
	inner := func(in, out string) []*pb.NodeProto {
		return []*pb.NodeProto{nodeOf("Tanh", "i1", []string{in}), nodeOf("Exp", "i2", []string{"i1"}), nodeOf("Softplus", "i3", []string{"i2"}), nodeOf("Sin", "i4", []string{"i3"}), nodeOf("Abs", out, []string{"i4"})}
	}
	graph := func(name string, nodes []*pb.NodeProto, in, out []*pb.ValueInfoProto) onnx.Attr {
		return onnx.AttrOf(&pb.AttributeProto{Name: proto.String(name), Type: pb.AttributeProto_GRAPH.Enum(), G: &pb.GraphProto{Name: proto.String(name), Node: nodes, Input: in, Output: out}})
	}
	float := func(name string) *pb.ValueInfoProto { return ofType(name, pb.TensorProto_FLOAT, 2, 4) }
	var imports []*pb.OperatorSetIdProto
	switch kind {
	case "If":
		cond := n.constant(&onnx.Tensor{Dims: []int{}, Data: onnx.Slice[bool]{true}})
		x = n.node("If", []string{cond}, graph("then_branch", inner(x, "then"), nil, []*pb.ValueInfoProto{float("then")}),
			graph("else_branch", []*pb.NodeProto{nodeOf("Neg", "else", []string{x})}, nil, []*pb.ValueInfoProto{float("else")}))
	case "Loop":
		trips := n.constant(&onnx.Tensor{Dims: []int{}, Data: onnx.Slice[int64]{3}})
		nodes := append(inner("state", "next"), nodeOf("Identity", "on", []string{"cond"}))
		x = n.node("Loop", []string{trips, "", x}, graph("body", nodes,
			[]*pb.ValueInfoProto{ofType("i", pb.TensorProto_INT64), ofType("cond", pb.TensorProto_BOOL), float("state")},
			[]*pb.ValueInfoProto{ofType("on", pb.TensorProto_BOOL), float("next")}))
	case "function":
		imports = append(imports, &pb.OperatorSetIdProto{Domain: proto.String("own"), Version: proto.Int64(1)})
		n.functions = []*pb.FunctionProto{{Name: proto.String("block"), Domain: proto.String("own"), Input: []string{"a"}, Output: []string{"b"}, Node: inner("a", "b"),
			OpsetImport: []*pb.OperatorSetIdProto{{Domain: proto.String(""), Version: proto.Int64(18)}}}}
		x = n.node("block", []string{x})
		n.Node[len(n.Node)-1].Domain = proto.String("own")
	}
	n.output(n.chain(x, 4, 9), 2, 4)
	return n.write(t, imports...)
}

func TestFaultsWithinOthersGraphs(t *testing.T) {
	for _, kind := range []string{"If", "Loop", "function"} {
		t.Run(kind, func(t *testing.T) {
			r := reduced(t, branchNet(t, kind), planted{change: in("Softplus", becomes("Relu"))})
			if got := operators(r); !slices.Equal(got, []string{"Softplus"}) || len(r.Model.Proto.GetFunctions()) > 0 {
				t.Errorf("left are %v and %d functions, want Softplus alone", got, len(r.Model.Proto.GetFunctions()))
			}
		})
	}
}

// TestFaultsOfGraphsWithin has a fault that is there within another node's graph alone.
func TestFaultsOfGraphsWithin(t *testing.T) {
	within := func(m *pb.ModelProto) error {
		for _, n := range m.GetGraph().GetNode() {
			for _, a := range n.GetAttribute() {
				for inner := range onnx.Nodes(a.GetG().GetNode()) {
					if inner.GetOpType() == "Softplus" {
						inner.OpType = proto.String("Relu")
					}
				}
			}
		}
		for _, f := range m.GetFunctions() {
			for _, n := range f.GetNode() {
				if n.GetOpType() == "Softplus" {
					n.OpType = proto.String("Relu")
				}
			}
		}
		return nil
	}
	for kind, most := range map[string]int{"If": 5, "Loop": 5, "function": 3} {
		t.Run(kind, func(t *testing.T) {
			r := reduced(t, branchNet(t, kind), planted{change: within})
			if r.After.Nodes > most || len(r.Model.Proto.GetGraph().GetNode()) != 1 {
				t.Errorf("left are %v, %d nodes in all, want at most %d", operators(r), r.After.Nodes, most)
			}
		})
	}
}

func TestNothingFails(t *testing.T) {
	_, err := Run(t.Context(), options(buried(t, "Softplus"), planted{}))
	if !errors.Is(err, ErrNothing) {
		t.Errorf("got %v, want ErrNothing", err)
	}
}

func TestAFailureThatDoesNotComeAgain(t *testing.T) {
	opened := 0
	rt := planted{change: func(m *pb.ModelProto) error {
		if opened++; opened == 1 {
			return errors.New("out of luck")
		}
		return nil
	}}
	_, err := Run(t.Context(), options(buried(t, "Softplus"), rt))
	if !errors.Is(err, ErrUnsteady) {
		t.Errorf("got %v, want ErrUnsteady", err)
	}
}

func TestTheSameFailureGivesTheSameBytes(t *testing.T) {
	path := buried(t, "Softplus")
	rt := planted{change: in("Softplus", becomes("Relu"))}
	a, b := reduced(t, path, rt), reduced(t, path, rt)
	if string(a.Model.Bytes) != string(b.Model.Bytes) || !a.Inputs[0].Data.Equal(b.Inputs[0].Data) {
		t.Error("two reductions of one failure differ")
	}
}

func TestAnEndLeavesTheSmallestSoFar(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o := options(buried(t, "Softplus"), planted{change: in("Softplus", becomes("Relu"))})
	o.Progress = func(e Event) {
		if e.Nodes > 0 && e.Nodes < 10 {
			cancel()
		}
	}
	r, err := Run(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	if got := operators(r); !r.Interrupted || !r.Unfinished || len(got) >= 10 || !slices.Contains(got, "Softplus") {
		t.Errorf("interrupted %v, unfinished %v, left are %v", r.Interrupted, r.Unfinished, got)
	}
}

func TestMinimizeLeavesWhatIsNeeded(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		n := 1 + r.IntN(60)
		need := map[int]bool{}
		for range 1 + r.IntN(min(n, 4)) {
			need[r.IntN(n)] = true
		}
		got := minimize(numbered(n), func(kept []int) bool {
			found := 0
			for _, k := range kept {
				if need[k] {
					found++
				}
			}
			return found == len(need)
		})
		if len(got) != len(need) || !slices.IsSorted(got) {
			t.Fatalf("of %d, %v are left, want %v", n, got, need)
		}
	}
}
