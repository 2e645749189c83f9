package verify

import (
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/reference"
	"github.com/petrify-ml/petrify/witness"
	"google.golang.org/protobuf/proto"
)

// layers writes two layers, x (N,8) to y (N,4), changed as change says, and returns the folder.
func layers(t *testing.T, change func(g *pb.GraphProto)) string {
	t.Helper()
	random := func(name string, rows, columns int) *pb.TensorProto {
		w := onnxtest.Floats(name, []int64{int64(rows), int64(columns)})
		for i := range rows * columns {
			w.FloatData = append(w.FloatData, float32(math.Sin(float64(1+i*i))))
		}
		return w
	}
	batch := func(n int64) []onnx.Dim { return []onnx.Dim{onnx.Symbolic("N"), onnx.Fixed(n)} }
	node := onnxtest.Node
	m := &pb.ModelProto{
		IrVersion: proto.Int64(8), OpsetImport: []*pb.OperatorSetIdProto{{Domain: proto.String(""), Version: proto.Int64(13)}},
		Graph: &pb.GraphProto{
			Name:        proto.String("g"),
			Input:       []*pb.ValueInfoProto{onnxtest.ValueInfo("x", pb.TensorProto_FLOAT, batch(8))},
			Output:      []*pb.ValueInfoProto{onnxtest.ValueInfo("y", pb.TensorProto_FLOAT, batch(4))},
			Initializer: []*pb.TensorProto{random("w1", 8, 16), onnxtest.Floats("b1", []int64{1}, 0), random("w2", 16, 4), onnxtest.Floats("b2", []int64{4}, 1, 2, 3, 4)},
			Node: []*pb.NodeProto{
				node("MatMul", []string{"x", "w1"}, []string{"h"}), node("Add", []string{"h", "b1"}, []string{"s"}), node("Relu", []string{"s"}, []string{"a"}),
				node("MatMul", []string{"a", "w2"}, []string{"q"}), node("Add", []string{"q", "b2"}, []string{"y"}),
			},
		},
	}
	if change != nil {
		change(m.Graph)
	}
	dir := t.TempDir()
	writeModel(t, dir, &onnx.Model{Proto: m, Bytes: onnxtest.Bytes(t, m)})
	return dir
}

// An equal that says nothing says so: of the output, and of each row.
func TestAnEqualThatIsWorthNothingSaysSo(t *testing.T) {
	fill := func(name string, v float32) func(*pb.GraphProto) {
		return func(g *pb.GraphProto) {
			for _, w := range g.Initializer {
				for i := range w.FloatData {
					if w.GetName() == name {
						w.FloatData[i] = v
					}
				}
			}
		}
	}
	last := func(op string, more ...string) func(*pb.GraphProto) {
		return func(g *pb.GraphProto) {
			g.Node[4].Output[0] = "z"
			g.Node = append(g.Node, onnxtest.Node(op, append([]string{"z"}, more...), []string{"y"}))
		}
	}
	both := func(changes ...func(*pb.GraphProto)) func(*pb.GraphProto) {
		return func(g *pb.GraphProto) {
			for _, c := range changes {
				c(g)
			}
		}
	}
	around := func(g *pb.GraphProto) { // the first layer is dead, and there is a way around it
		g.Node[4].Output[0] = "z"
		g.Initializer = append(g.Initializer, onnxtest.Floats("one", []int64{8, 4}, slices.Repeat([]float32{1}, 32)...))
		g.Node = append(g.Node, onnxtest.Node("MatMul", []string{"x", "one"}, []string{"r"}), onnxtest.Node("Add", []string{"z", "r"}, []string{"y"}))
	}
	spread := func(g *pb.GraphProto) { // the mean of each row, four times
		g.Initializer = append(g.Initializer, onnxtest.Floats("zero", []int64{4}, 0, 0, 0, 0))
		g.Node = []*pb.NodeProto{onnxtest.Node("ReduceMean", []string{"x"}, []string{"m"}, onnx.Ints("axes", 1)), onnxtest.Node("Add", []string{"m", "zero"}, []string{"y"})}
	}
	for _, tt := range []struct {
		name             string
		change           func(*pb.GraphProto)
		rule, why, cause string
	}{
		{"a net as it should be", nil, "", "", ""},
		{"NaN in a bias", fill("b2", float32(math.NaN())), "outputs-not-finite", "every element is NaN", ""},
		{"an overflow", both(fill("b2", 200), last("Exp"), func(g *pb.GraphProto) { g.Node[5].Input[0] = "z" }), "outputs-not-finite", "every element is infinite", ""},
		{"a layer that died", fill("b1", -1e6), "outputs-constant", "it is the same whatever goes in", `Relu node of "a" gives 0 in every element`},
		{"a way around it", both(fill("b1", -1e6), around), "", "", ""},
		{"no weights at the end", both(fill("w2", 0), fill("b2", 0)), "outputs-constant", "every element is 0, whatever goes in", `MatMul node of "q" gives 0 in every element`},
		{"saturation", both(fill("b2", 1e6), last("Sigmoid")), "outputs-constant", "every element is 1, whatever goes in", `Sigmoid node of "y" gives 1 in every element`},
		{"one number made many", spread, "", "", ""},
		{"the logarithm of what may be negative", last("Log"), "outputs-nan", " elements are NaN", ""},
	} {
		m := report(t, Options{Paths: []string{layers(t, tt.change)}, Runtimes: []witness.Runtime{reference.Runtime{}}}).Models[0]
		if m.Verdict() != Equal {
			t.Errorf("%s: %s, %s", tt.name, m.Verdict(), m.Problem)
		}
		var got Caveat
		if len(m.Caveats) > 0 {
			got = m.Caveats[0]
		}
		if len(m.Caveats) > 1 || got.Rule != tt.rule || !strings.Contains(got.Why, tt.why) || got.Cause != tt.cause || got.Output != map[bool]string{true: "y"}[tt.rule != ""] {
			t.Errorf("%s: caveats %+v, want %s, %s, %s", tt.name, m.Caveats, tt.rule, tt.why, tt.cause)
		}
		for _, row := range m.Rows {
			want := got.Why
			if tt.rule == "outputs-nan" {
				want = "" // the row counts them anyway
			}
			if row.Caveat != want {
				t.Errorf("%s: the row of %s says %q, want %q", tt.name, row.Set, row.Caveat, want)
			}
		}
		var b strings.Builder
		if err := m.WriteTable(&b); err != nil {
			t.Fatal(err)
		}
		if says := strings.Contains(b.String(), "equal, but "); says != (tt.rule != "" && tt.rule != "outputs-nan") {
			t.Errorf("%s: the table says\n%s", tt.name, b.String())
		}
	}
}

// Where an output has few elements, further inputs tell what never changes from what is one number by chance.
func TestSmallOutputsAreLookedAtAgain(t *testing.T) {
	four := []onnx.Dim{onnx.Fixed(1), onnx.Fixed(4)}
	small := func(bias float32, factor float32) func(*pb.GraphProto) {
		return func(g *pb.GraphProto) {
			g.Input[0], g.Output[0] = onnxtest.ValueInfo("x", pb.TensorProto_FLOAT, four), onnxtest.ValueInfo("y", pb.TensorProto_FLOAT, four)
			g.Initializer = []*pb.TensorProto{onnxtest.Floats("b", []int64{1}, bias), onnxtest.Floats("f", []int64{1}, factor)}
			g.Node = []*pb.NodeProto{
				onnxtest.Node("Mul", []string{"x", "f"}, []string{"m"}), onnxtest.Node("Add", []string{"m", "b"}, []string{"s"}), onnxtest.Node("Relu", []string{"s"}, []string{"y"}),
			}
		}
	}
	for _, tt := range []struct {
		name         string
		bias, factor float32
		rule         string
		zeros        bool // in what is drawn first
	}{
		{"dead", -1e6, 1, "outputs-constant", true},
		{"times 0", 2, 0, "outputs-constant", false},
		{"0 by chance", -1.3, 1, "", true},
		{"alive", 0.5, 1, "", false},
	} {
		dir := layers(t, small(tt.bias, tt.factor))
		m := report(t, Options{Paths: []string{dir}, Runtimes: []witness.Runtime{reference.Runtime{}}, Seed: 1}).Models[0]
		got := ""
		for _, c := range m.Caveats {
			got += c.Rule
		}
		if got != tt.rule || len(m.Rows) != 1 || m.Verdict() != Equal {
			t.Errorf("%s: caveats %+v of %d rows, %s, want %q of one", tt.name, m.Caveats, len(m.Rows), m.Problem, tt.rule)
		}
		if zeros := m.Rows[0].Worst.Want == 0; zeros != tt.zeros {
			t.Errorf("%s: the first draw is %v, want zeros: %v", tt.name, m.Rows[0].Worst.Want, tt.zeros)
		}
	}
}

// Recorded inputs that are zero throughout show no wrong weight.
func TestRecordedInputsOfOneNumberAreSaid(t *testing.T) {
	for _, tt := range []struct {
		x    []float32
		want string
	}{{make([]float32, 8), "inputs-constant"}, {[]float32{1, 0, 0, 0, 0, 0, 0, 0}, ""}} {
		dir := layers(t, nil)
		writeSet(t, dir, 0, []*onnx.Tensor{onnxtest.Tensor(t, "x", tt.x, 1, 8)}, nil)
		m := report(t, Options{Paths: []string{filepath.Join(dir, "net.onnx")}, Runtimes: []witness.Runtime{reference.Runtime{}}}).Models[0]
		got := ""
		for _, c := range m.Caveats {
			got += c.Rule
		}
		if got != tt.want {
			t.Errorf("inputs %v: caveats %+v, want %q", tt.x, m.Caveats, tt.want)
		}
	}
}

// Outputs of a sequence have their caveat in each of its rows, and an output without elements has one.
func TestCaveatsOfSequencesAndOfNothing(t *testing.T) {
	tensor := func(data ...float64) *reference.Value {
		return &reference.Value{Type: pb.TensorProto_FLOAT, Dims: []int{len(data)}, Data: onnx.Slice[float64](data)}
	}
	nan, inf := math.NaN(), math.Inf(1)
	for _, tt := range []struct {
		want *reference.Value
		why  string
	}{
		{&reference.Value{Kind: reference.Sequence, Elems: []*reference.Value{tensor(nan), tensor(nan, nan)}}, "every element is NaN"},
		{&reference.Value{Kind: reference.Sequence, Elems: []*reference.Value{tensor(nan), tensor(1)}}, "1 of 2 elements are NaN"},
		{tensor(nan, -inf), "every element is NaN or infinite"},
		{tensor(), "it has no elements"},
		{&reference.Value{Type: pb.TensorProto_STRING, Dims: []int{1}, Data: onnx.Slice[string]{"NaN"}}, ""},
	} {
		tt.want.Name = "y"
		j := &job{sets: []dataSet{{name: "set", want: []*reference.Value{tt.want}}}}
		if c, _ := j.caveat(0, tt.want, []map[string]end{{}}); c.Why != tt.why {
			t.Errorf("%v: %+v, want %q", tt.want, c, tt.why)
		}
	}
}
