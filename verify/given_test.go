package verify

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/load"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/reference"
	"github.com/petrify-ml/petrify/witness"
	"google.golang.org/protobuf/proto"
)

// node is a node of a sketch: its output, operator, inputs and attributes.
type node struct {
	out, op string
	in      []string
	attrs   []onnx.Attr
}

// A sketch is a small model, written down quickly.
type sketch struct {
	inputs  []witness.Port
	weights []*onnx.Tensor
	nodes   []node
	outputs []witness.Port
	imports map[string]int64
}

func (s sketch) model(t *testing.T) *onnx.Model {
	t.Helper()
	g := &pb.GraphProto{Name: proto.String("g")}
	for _, p := range s.inputs {
		g.Input = append(g.Input, &pb.ValueInfoProto{Name: proto.String(p.Name), Type: p.Type.Proto()})
	}
	for _, p := range s.outputs {
		g.Output = append(g.Output, &pb.ValueInfoProto{Name: proto.String(p.Name), Type: p.Type.Proto()})
	}
	for _, w := range s.weights {
		g.Initializer = append(g.Initializer, w.Proto())
	}
	for _, n := range s.nodes {
		op, domain := n.op, ""
		if i := strings.LastIndexByte(op, '.'); i >= 0 {
			domain, op = op[:i], op[i+1:]
		}
		p := &pb.NodeProto{OpType: &op, Domain: &domain, Input: n.in, Output: strings.Fields(n.out)}
		for _, a := range n.attrs {
			p.Attribute = append(p.Attribute, a.Proto())
		}
		g.Node = append(g.Node, p)
	}
	m := &pb.ModelProto{IrVersion: proto.Int64(8), OpsetImport: []*pb.OperatorSetIdProto{{Domain: proto.String(""), Version: proto.Int64(17)}}, Graph: g}
	for _, domain := range []string{"com.microsoft", "ai.onnx.ml"} {
		if v := s.imports[domain]; v > 0 {
			m.OpsetImport = append(m.OpsetImport, &pb.OperatorSetIdProto{Domain: proto.String(domain), Version: proto.Int64(v)})
		}
	}
	b, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return &onnx.Model{Proto: m, Bytes: b}
}

func port(name string, elem pb.TensorProto_DataType, dims ...any) witness.Port {
	t := onnx.Type{Elem: elem, Dims: []onnx.Dim{}}
	for _, d := range dims {
		switch d := d.(type) {
		case int:
			t.Dims = append(t.Dims, onnx.Fixed(int64(d)))
		case string:
			if d == "?" {
				t.Dims = append(t.Dims, onnx.Unknown())
			} else {
				t.Dims = append(t.Dims, onnx.Symbolic(d))
			}
		}
	}
	return witness.Port{Name: name, Type: t}
}

func rankless(name string, elem pb.TensorProto_DataType) witness.Port {
	return witness.Port{Name: name, Type: onnx.Type{Elem: elem}}
}

func weight[T onnx.Element](name string, data []T, dims ...int) *onnx.Tensor {
	return &onnx.Tensor{Name: name, Dims: dims, Data: onnx.Slice[T](data)}
}

func zeros(name string, dims ...int) *onnx.Tensor {
	n := 1
	for _, d := range dims {
		n *= d
	}
	return weight(name, make([]float32, n), dims...)
}

const (
	float  = pb.TensorProto_FLOAT
	int64s = pb.TensorProto_INT64
)

// drawnFor draws a set for a model as verify does, with batches of one.
func drawnFor(t *testing.T, m *onnx.Model, o Options) (dataSet, error) {
	t.Helper()
	j := &job{options: o.withDefaults(), model: m, report: &ModelReport{}, progress: &progress{}}
	var err error
	if j.program, err = reference.Compile(m, reference.Options{}); err != nil {
		t.Fatal(err)
	}
	d, err := newDrawing(j.program.Inputs(), m.Proto, j.options)
	if err != nil {
		return dataSet{}, err
	}
	return j.drawSet(t.Context(), d, 1)
}

func valueNamed(t *testing.T, s dataSet, name string) (*reference.Value, origin) {
	t.Helper()
	i := slices.IndexFunc(s.values, func(v *reference.Value) bool { return v.Name == name })
	if i < 0 {
		t.Fatalf("nothing was drawn for %s", name)
	}
	return s.values[i], s.drawn[i]
}

func TestNumbersMeanSomethingToTheGraph(t *testing.T) {
	table := func(rows int) *onnx.Tensor { return zeros("table", rows, 2) }
	for _, c := range []struct {
		name      string
		s         sketch
		input     string
		low, high float64 // both are drawn, or come close
		why       string
	}{
		{"rows of a table", sketch{inputs: []witness.Port{port("ids", int64s, 1, 64)}, weights: []*onnx.Tensor{table(1000)},
			nodes: []node{{"y", "Gather", []string{"table", "ids"}, nil}}}, "ids", 0, 999, `rows of "table"`},
		{"rows, after a cast and a sum", sketch{inputs: []witness.Port{port("ids", pb.TensorProto_INT32, 1, 64)}, weights: []*onnx.Tensor{table(100), weight("two", []int64{2})},
			nodes: []node{{"wide", "Cast", []string{"ids"}, []onnx.Attr{onnx.Int("to", int64(int64s))}}, {"column", "Unsqueeze", []string{"wide", "axis"}, nil}, {"moved", "Add", []string{"column", "two"}, nil}, {"y", "Gather", []string{"table", "moved"}, nil}},
		}, "ids", -2, 97, `rows of "table"`},
		{"rows of two tables", sketch{inputs: []witness.Port{port("ids", int64s, 1, 64)}, weights: []*onnx.Tensor{table(50), zeros("small", 7, 2)},
			nodes: []node{{"a", "Gather", []string{"table", "ids"}, nil}, {"b", "Gather", []string{"small", "ids"}, nil}, {"y", "Add", []string{"a", "b"}, nil}}}, "ids", 0, 6, `rows of "small"`},
		{"classes", sketch{inputs: []witness.Port{port("ids", int64s, 64)}, weights: []*onnx.Tensor{weight("depth", []int64{12}), weight("values", []float32{0, 1}, 2)},
			nodes: []node{{"y", "OneHot", []string{"ids", "depth", "values"}, nil}}}, "ids", 0, 11, "OneHot"},
		{"bytes", sketch{inputs: []witness.Port{port("x", pb.TensorProto_UINT8, 4, 512)}, nodes: []node{{"y", "Cast", []string{"x"}, []onnx.Attr{onnx.Int("to", 1)}}}}, "x", 0, 255, "range of the type"},
		{"signed bytes", sketch{inputs: []witness.Port{port("x", pb.TensorProto_INT8, 4, 512)}, nodes: []node{{"y", "Identity", []string{"x"}, nil}}}, "x", -128, 127, "range of the type"},
		{"pixels", sketch{inputs: []witness.Port{port("x", float, 1, 3, 32, 32)}, weights: []*onnx.Tensor{weight("scale", []float32{255})}, nodes: []node{{"y", "Div", []string{"x", "scale"}, nil}}}, "x", 0, 255, "pixels"},
		{"pixels less their mean", sketch{inputs: []witness.Port{port("x", float, 1, 3, 32, 32)}, weights: []*onnx.Tensor{weight("mean", []float32{123.7, 116.3, 103.5}, 3, 1, 1)}, nodes: []node{{"y", "Sub", []string{"x", "mean"}, nil}}}, "x", 0, 255, "pixels"},
		{"what a quantiser keeps", sketch{inputs: []witness.Port{port("x", float, 1, 4096)}, weights: []*onnx.Tensor{weight("scale", []float32{0.5}), weight("zero", []uint8{100})}, nodes: []node{{"y", "QuantizeLinear", []string{"x", "scale", "zero"}, nil}}}, "x", -50, 77.5, "quantiser"},
		{"logarithms", sketch{inputs: []witness.Port{port("x", float, 1, 4096)}, nodes: []node{{"y", "Log", []string{"x"}, nil}}}, "x", 0.01, 4, "logarithm"},
		{"probabilities from logits", sketch{inputs: []witness.Port{port("x", float, 1, 4096)}, weights: []*onnx.Tensor{weight("one", []float32{1})}, nodes: []node{{"z", "Sub", []string{"one", "x"}, nil}, {"y", "Sqrt", []string{"z"}, nil}}}, "x", -3, 1, "root"},
		{"steps of waves", sketch{inputs: []witness.Port{port("timestep", int64s, 64)}, weights: []*onnx.Tensor{weight("pace", []float32{0.5, 0.25}, 2)},
			nodes: []node{{"t", "Cast", []string{"timestep"}, []onnx.Attr{onnx.Int("to", 1)}}, {"column", "Unsqueeze", []string{"t", "axis"}, nil}, {"row", "Transpose", []string{"column"}, nil}, {"angles", "Mul", []string{"row", "pace"}, nil}, {"y", "Cos", []string{"angles"}, nil}}},
			"timestep", 0, 999, "waves"},
		{"classes that are spread out by Equal", sketch{inputs: []witness.Port{port("ids", int64s, 512, 1)}, weights: []*onnx.Tensor{weight("all", []int64{2, 3, 4, 5, 6, 7}, 6)}, nodes: []node{{"y", "Equal", []string{"ids", "all"}, nil}}}, "ids", 2, 7, "compares"},
		{"masks that are compared with 0", sketch{inputs: []witness.Port{port("attention_mask", pb.TensorProto_INT32, 4, 64)}, weights: []*onnx.Tensor{weight("none", []int32{0})},
			nodes: []node{{"y", "Equal", []string{"attention_mask", "none"}, nil}}}, "attention_mask", 0, 1, "a mask"},
		{"lengths of sequences", sketch{inputs: []witness.Port{port("sizes", int64s, 32)}, weights: []*onnx.Tensor{zeros("x", 7, 32, 2), zeros("w", 1, 3, 2), zeros("r", 1, 3, 3)},
			nodes: []node{{"ends", "Cast", []string{"sizes"}, []onnx.Attr{onnx.Int("to", 6)}}, {"y", "RNN", []string{"x", "w", "r", "", "ends"}, []onnx.Attr{onnx.Int("hidden_size", 3)}}}}, "sizes", 1, 7, "of 7 steps"},
		{"what is valid of a past in a buffer", sketch{inputs: []witness.Port{port("n", pb.TensorProto_INT32, 1)}, weights: []*onnx.Tensor{zeros("q", 1, 1, 8), zeros("past", 1, 2, 6, 4)}, imports: map[string]int64{"com.microsoft": 1},
			nodes: []node{{"y", "com.microsoft.MultiHeadAttention", []string{"q", "q", "q", "", "", "", "past", "past", "n"}, []onnx.Attr{onnx.Int("num_heads", 2)}}}}, "n", 5, 5, "valid of the past"},
		{"factors by their name", sketch{inputs: []witness.Port{port("scales", float, 4096)}, nodes: []node{{"y", "Identity", []string{"scales"}, nil}}}, "scales", 0.5, 1.5, "a factor"},
		{"thresholds by their name", sketch{inputs: []witness.Port{port("conf_thres", float, 4096)}, nodes: []node{{"y", "Identity", []string{"conf_thres"}, nil}}}, "conf_thres", 0.05, 0.95, "a threshold"},
		{"switches by their name", sketch{inputs: []witness.Port{port("has_mask_input", float, 64)}, nodes: []node{{"y", "Identity", []string{"has_mask_input"}, nil}}}, "has_mask_input", 0, 1, "a switch"},
		{"integers that become floats", sketch{inputs: []witness.Port{port("hour", int64s, 512, 1)}, nodes: []node{{"y", "Cast", []string{"hour"}, []onnx.Attr{onnx.Int("to", 1)}}}}, "hour", 0, 100, "makes floats of it"},
		{"how many are taken", sketch{inputs: []witness.Port{port("k", int64s, 1)}, weights: []*onnx.Tensor{zeros("x", 2, 50)}, nodes: []node{{"y i", "TopK", []string{"x", "k"}, nil}}}, "k", 3, 3, "how many are taken"},
		{"where bags begin", sketch{inputs: []witness.Port{port("indices", int64s, 64), port("offsets", int64s, 16)}, nodes: []node{{"z", "Identity", []string{"indices"}, nil}, {"y", "Identity", []string{"offsets"}, nil}}}, "offsets", 0, 60, "each bag begins"},
		{"a size to resize to", sketch{inputs: []witness.Port{port("size", float, 2)}, weights: []*onnx.Tensor{zeros("picture", 1, 1, 4, 4), weight("front", []int64{1, 1}, 2)},
			nodes: []node{{"whole", "Cast", []string{"size"}, []onnx.Attr{onnx.Int("to", int64(int64s))}}, {"sizes", "Concat", []string{"front", "whole"}, []onnx.Attr{onnx.Int("axis", 0)}}, {"y", "Resize", []string{"picture", "", "", "sizes"}, nil}}},
			"size", 16, 48, "resize"},
	} {
		c.s.weights = append(c.s.weights, weight("axis", []int64{0}, 1))
		if c.s.outputs == nil {
			c.s.outputs = []witness.Port{rankless("y", 0)}
		}
		s, err := drawnFor(t, c.s.model(t), Options{Seed: 3})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		v, from := valueNamed(t, s, c.input)
		least, greatest := v.Float(0), v.Float(0)
		for i := range v.Len() {
			least, greatest = min(least, v.Float(i)), max(greatest, v.Float(i))
		}
		near := 0.02 * (c.high - c.low)
		if v.Len() < 64 {
			near = c.high - c.low
		}
		if least < c.low || least > c.low+near || greatest > c.high || greatest < c.high-near {
			t.Errorf("%s: drew %v to %v, want %v to %v", c.name, least, greatest, c.low, c.high)
		}
		if !strings.Contains(from.why, c.why) {
			t.Errorf("%s: because %q, want %q in it", c.name, from.why, c.why)
		}
	}
}

// uNet halves pictures so many times, and doubles them again, with connections
// across: it takes multiples of 2^n alone.
func uNet(n int) sketch {
	s := sketch{inputs: []witness.Port{port("x", float, "N", 1, "H", "W")}, outputs: []witness.Port{rankless("y", 0)}}
	s.weights = append(s.weights, ones4("w"), weight("double", []float32{1, 1, 2, 2}, 4))
	name := func(prefix string, i int) string { return prefix + string(rune('0'+i)) }
	last := "x"
	for i := range n {
		s.nodes = append(s.nodes, node{name("down", i), "MaxPool", []string{last}, []onnx.Attr{onnx.Ints("kernel_shape", 2, 2), onnx.Ints("strides", 2, 2)}})
		last = name("down", i)
	}
	for i := n - 1; i >= 0; i-- {
		across := "x"
		if i > 0 {
			across = name("down", i-1)
		}
		s.nodes = append(s.nodes, node{name("wide", i), "Resize", []string{last, "", "double"}, nil}, node{name("both", i), "Concat", []string{name("wide", i), across}, []onnx.Attr{onnx.Int("axis", 1)}},
			node{name("up", i), "ReduceMean", []string{name("both", i)}, []onnx.Attr{onnx.Ints("axes", 1), onnx.Int("keepdims", 1)}})
		last = name("up", i)
	}
	s.nodes = append(s.nodes, node{"y", "Identity", []string{last}, nil})
	return s
}

func ones4(name string) *onnx.Tensor { return weight(name, []float32{1}, 1, 1, 1, 1) }

func TestFreeAxesGetLengthsThatTheGraphAccepts(t *testing.T) {
	decoder := sketch{
		inputs: []witness.Port{port("input_ids", int64s, "batch", "sequence_length"), port("attention_mask", int64s, "batch", "total_sequence_length"),
			port("past_key", float, "batch", 2, "past_sequence_length", 4)},
		weights: []*onnx.Tensor{zeros("table", 20, 8), weight("heads", []int64{0, -1, 2, 4}, 4), weight("axes", []int64{1, 2}, 2)},
		nodes: []node{{"e", "Gather", []string{"table", "input_ids"}, nil}, {"r", "Reshape", []string{"e", "heads"}, nil},
			{"k", "Transpose", []string{"r"}, []onnx.Attr{onnx.Ints("perm", 0, 2, 1, 3)}}, {"present", "Concat", []string{"past_key", "k"}, []onnx.Attr{onnx.Int("axis", 2)}},
			{"t", "Transpose", []string{"present"}, []onnx.Attr{onnx.Ints("perm", 0, 1, 3, 2)}}, {"scores", "MatMul", []string{"k", "t"}, nil},
			{"m", "Cast", []string{"attention_mask"}, []onnx.Attr{onnx.Int("to", 1)}}, {"wide", "Unsqueeze", []string{"m", "axes"}, nil}, {"y", "Mul", []string{"scores", "wide"}, nil}},
		outputs: []witness.Port{rankless("y", 0)},
	}
	formula := decoder
	formula.inputs = slices.Clone(decoder.inputs)
	formula.inputs[1] = port("attention_mask", int64s, "batch", "past_sequence_length + sequence_length")
	for _, c := range []struct {
		name  string
		s     sketch
		input string
		want  func(dims []int) bool
	}{
		{"a U-Net of five levels", uNet(5), "x", func(d []int) bool { return d[2]%32 == 0 && d[3]%32 == 0 }},
		{"a U-Net of seven levels", uNet(7), "x", func(d []int) bool { return d[2]%128 == 0 && d[3]%128 == 0 }},
		{"a classifier of one size", sketch{inputs: []witness.Port{port("x", float, "N", 3, "?", "?")}, weights: []*onnx.Tensor{weight("flat", []int64{-1, 3 * 48 * 48}, 2), zeros("w", 3*48*48, 2)},
			nodes: []node{{"f", "Reshape", []string{"x", "flat"}, nil}, {"y", "MatMul", []string{"f", "w"}, nil}}, outputs: []witness.Port{rankless("y", 0)}}, "x", func(d []int) bool { return d[2]*d[3]*d[1]%(3*48*48) == 0 }},
		{"a kernel larger than usual", sketch{inputs: []witness.Port{port("x", float, "N", 1, "T")}, weights: []*onnx.Tensor{zeros("w", 1, 1, 400)}, nodes: []node{{"y", "Conv", []string{"x", "w"}, nil}}, outputs: []witness.Port{rankless("y", 0)}},
			"x", func(d []int) bool { return d[2] >= 400 }},
		{"a number of features", sketch{inputs: []witness.Port{port("x", float, "N", "features")}, weights: []*onnx.Tensor{zeros("w", 37, 2)}, nodes: []node{{"y", "MatMul", []string{"x", "w"}, nil}}, outputs: []witness.Port{rankless("y", 0)}},
			"x", func(d []int) bool { return d[1] == 37 }},
		{"steps of a recurrence", sketch{inputs: []witness.Port{port("x", float, "frames", "N", 2)}, weights: []*onnx.Tensor{zeros("w", 1, 3, 2), zeros("r", 1, 3, 3)}, nodes: []node{{"y", "RNN", []string{"x", "w", "r"}, []onnx.Attr{onnx.Int("hidden_size", 3)}}}, outputs: []witness.Port{rankless("y", 0)}},
			"x", func(d []int) bool { return d[0] == firstSequence && d[1] == 1 }},
		{"steps before the batch, without names", sketch{inputs: []witness.Port{port("x", float, "?", "?", 2)}, weights: []*onnx.Tensor{zeros("w", 1, 3, 2), zeros("r", 1, 3, 3)}, nodes: []node{{"y", "RNN", []string{"x", "w", "r"}, []onnx.Attr{onnx.Int("hidden_size", 3)}}}, outputs: []witness.Port{rankless("y", 0)}},
			"x", func(d []int) bool { return d[0] == firstSequence && d[1] == 1 }},
		{"names that PyTorch makes", sketch{inputs: []witness.Port{port("length", int64s, "length_dynamic_axes_1")}, nodes: []node{{"y", "Identity", []string{"length"}, nil}}, outputs: []witness.Port{rankless("y", 0)}}, "length", func(d []int) bool { return d[0] == 1 }},
		{"equal names", sketch{inputs: []witness.Port{port("a", float, "N", "L"), port("b", float, "N", "L")}, nodes: []node{{"y", "Add", []string{"a", "b"}, nil}}, outputs: []witness.Port{rankless("y", 0)}}, "b", func(d []int) bool { return d[1] > 1 }},
		{"a mask of past and present", decoder, "attention_mask", nil},
		{"a mask whose name says so", formula, "attention_mask", func(d []int) bool { return d[1] == firstPast+firstSequence }},
	} {
		s, err := drawnFor(t, c.s.model(t), Options{})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		v, _ := valueNamed(t, s, c.input)
		if c.want == nil {
			ids, _ := valueNamed(t, s, "input_ids")
			key, _ := valueNamed(t, s, "past_key")
			c.want = func(d []int) bool { return ids.Dims[1] > 1 && d[1] == ids.Dims[1]+key.Dims[2] }
		}
		if !c.want(v.Dims) {
			t.Errorf("%s: %s is %s", c.name, c.input, v)
		}
	}
}

// What decoders for ONNX Runtime make of a mask: its sums, less one, are the lengths of rows, of which the new tokens are the last.
func TestAMaskWhoseSumsAreLengthsLeavesRoomForTheNewTokens(t *testing.T) {
	const heads, width = 2, 16
	s := sketch{
		inputs: []witness.Port{port("input_ids", int64s, "batch", "sequence_length"), port("attention_mask", int64s, "batch", "total_sequence_length"),
			port("past.key", float, "batch", heads, "past_sequence_length", width), port("past.value", float, "batch", heads, "past_sequence_length", width)},
		weights: []*onnx.Tensor{zeros("table", 20, heads*width), weight("one", []int64{1}, 1), weight("second", []int64{1})},
		nodes: []node{{"x", "Gather", []string{"table", "input_ids"}, nil}, {"sum", "ReduceSum", []string{"attention_mask", "one"}, nil}, {"less", "Sub", []string{"sum", "one"}, nil},
			{"ends", "Cast", []string{"less"}, []onnx.Attr{onnx.Int("to", 6)}}, {"shape", "Shape", []string{"attention_mask"}, nil}, {"length", "Gather", []string{"shape", "second"}, nil}, {"total", "Cast", []string{"length"}, []onnx.Attr{onnx.Int("to", 6)}},
			{"y present.key present.value", "com.microsoft.GroupQueryAttention", []string{"x", "x", "x", "past.key", "past.value", "ends", "total"}, []onnx.Attr{onnx.Int("num_heads", heads), onnx.Int("kv_num_heads", heads)}}},
		outputs: []witness.Port{port("y", float, "?", "?", "?"), port("present.key", float, "?", "?", "?", "?"), port("present.value", float, "?", "?", "?", "?")},
		imports: map[string]int64{"com.microsoft": 1},
	}
	r := report(t, Options{Paths: []string{writeModel(t, t.TempDir(), s.model(t))}, Runtimes: []witness.Runtime{ortNode(t)}})
	if m := r.Models[0]; m.Problem != "" || len(m.Sets) != 2 || r.ExitCode(true) != 0 {
		t.Errorf("exit code %d: %+v", r.ExitCode(true), m)
	}
	m := s.model(t)
	j := &job{options: Options{}.withDefaults(), model: m, report: &ModelReport{}, progress: &progress{}}
	var err error
	if j.program, err = reference.Compile(m, reference.Options{}); err != nil {
		t.Fatal(err)
	}
	d, err := newDrawing(j.program.Inputs(), m.Proto, j.options)
	if err != nil {
		t.Fatal(err)
	}
	set, err := j.drawSet(t.Context(), d, 8)
	if err != nil {
		t.Fatal(err)
	}
	ids, _ := valueNamed(t, set, "input_ids")
	mask, _ := valueNamed(t, set, "attention_mask")
	total, short := mask.Dims[1], 0
	for row := range mask.Dims[0] {
		sum := 0
		for i := range total {
			sum += int(mask.Float(row*total + i))
		}
		if sum < ids.Dims[1] || ids.Dims[1] != 1 {
			t.Errorf("row %d has %d keys for %d queries, of which ONNX Runtime takes one in a batch", row, sum, ids.Dims[1])
		}
		if sum < total {
			short++
		}
	}
	if short == 0 {
		t.Error("all rows are full")
	}
}

func TestWhatCannotBeGuessedIsAskedFor(t *testing.T) {
	s := sketch{inputs: []witness.Port{rankless("x", float)}, nodes: []node{{"y", "Relu", []string{"x"}, nil}}, outputs: []witness.Port{rankless("y", float)}}
	if _, err := drawnFor(t, s.model(t), Options{}); err == nil || !strings.Contains(err.Error(), "--shape x=1x3x224x224") {
		t.Errorf("no shape: %v", err)
	}
	given, err := drawnFor(t, s.model(t), Options{Given: Given{Shapes: map[string][]int{"x": {2, 5}}}})
	if err != nil || given.values[0].String() != "float32[2,5]" {
		t.Errorf("with its shape: %v, %v", given.values, err)
	}
	s = sketch{inputs: []witness.Port{port("x", float, "N", "L"), port("shape", int64s, 2)}, weights: []*onnx.Tensor{zeros("w", 3, 5)},
		nodes: []node{{"z", "Reshape", []string{"x", "shape"}, nil}, {"y", "MatMul", []string{"z", "w"}, nil}}, outputs: []witness.Port{port("y", float, "?", 5)}}
	path := writeModel(t, t.TempDir(), s.model(t))
	r := report(t, Options{Paths: []string{path}, Runtimes: []witness.Runtime{load.Runtime{}}})
	if m := r.Models[0]; !m.Unjudged || m.Unreadable || !strings.Contains(m.Problem, "--shape, --range or --input (its inputs: x float32[N,L], shape int64[2])") || r.ExitCode(false) != 2 {
		t.Errorf("%+v, exit code %d", m, r.ExitCode(false))
	}
}

func TestSequencesAndOptionalsAreDrawn(t *testing.T) {
	m := sketch{inputs: []witness.Port{rankless("s", 0)}, nodes: []node{{"y", "ConcatFromSequence", []string{"s"}, []onnx.Attr{onnx.Int("axis", 0)}}}, outputs: []witness.Port{rankless("y", float)}}.model(t)
	m.Proto.Graph.Input[0].Type = &pb.TypeProto{Value: &pb.TypeProto_SequenceType{SequenceType: &pb.TypeProto_Sequence{ElemType: typed(float, onnx.Unknown(), onnx.Fixed(3)).Proto()}}}
	s, err := drawnFor(t, m, Options{})
	if err != nil || s.values[0].Kind != reference.Sequence || len(s.values[0].Elems) != 3 || s.want[0].Len() != 36 {
		t.Errorf("%v, %v", s.values, err)
	}
	m.Proto.Graph.Input[0].Type = &pb.TypeProto{Value: &pb.TypeProto_OptionalType{OptionalType: &pb.TypeProto_Optional{ElemType: typed(float, onnx.Fixed(3)).Proto()}}}
	m.Proto.Graph.Node[0] = &pb.NodeProto{OpType: new("OptionalHasElement"), Input: []string{"s"}, Output: []string{"y"}}
	m.Proto.Graph.Output[0].Type = onnx.Type{Elem: pb.TensorProto_BOOL}.Proto()
	if s, err = drawnFor(t, m, Options{}); err != nil || s.values[0].Kind != reference.Optional || s.want[0].Float(0) != 1 {
		t.Errorf("%v, %v", s.values, err)
	}
}

func TestGivenInputs(t *testing.T) {
	m := sketch{inputs: []witness.Port{port("x", float, "N", 3, "H"), port("n", int64s, "N")}, nodes: []node{{"y", "ReduceMean", []string{"x"}, nil}, {"z", "Identity", []string{"n"}, nil}},
		outputs: []witness.Port{rankless("y", float), rankless("z", int64s)}}.model(t)
	dir := t.TempDir()
	file := func(name string, x *onnx.Tensor) string {
		b, err := proto.Marshal(x.Proto())
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	right, double := file("x.pb", zeros("", 2, 3, 4)), file("d.pb", weight("", make([]float64, 24), 2, 3, 4))
	for _, c := range []struct {
		name  string
		given Given
		want  []string // parts of the error, or the types of the inputs
		fails bool
	}{
		{"a shape", Given{Shapes: map[string][]int{"x": {2, 3, 7}}}, []string{"float32[2,3,7]", "int64[2]"}, false},
		{"a free axis", Given{Sizes: map[string]int{"H": 9}}, []string{"float32[1,3,9]", "int64[1]"}, false},
		{"one number that is an axis", Given{Shapes: map[string][]int{"N": {4}}, Sizes: map[string]int{"N": 4}}, []string{"float32[4,3,16]", "int64[4]"}, false},
		{"one number that is an input", Given{Shapes: map[string][]int{"n": {4}}, Sizes: map[string]int{"n": 4}}, []string{"float32[4,3,16]", "int64[4]"}, false},
		{"a file", Given{Files: map[string]string{"x": right}}, []string{"float32[2,3,4]", "int64[2]"}, false},
		{"a range", Given{Ranges: map[string]Range{"n": {5, 6}}}, []string{"int64[1]"}, false},
		{"an unknown input", Given{Shapes: map[string][]int{"q": {2, 3}}}, []string{"--shape q=2x3", "no input of this name", "x float32[N,3,H], n int64[N]"}, true},
		{"a misspelt axis", Given{Shapes: map[string][]int{"Nn": {2}}, Sizes: map[string]int{"Nn": 2}}, []string{"no free axis of this name", "N, H"}, true},
		{"a wrong rank", Given{Shapes: map[string][]int{"x": {2, 3}}}, []string{"got 2 axes, want 3", "x float32[N,3,H]"}, true},
		{"a wrong length", Given{Shapes: map[string][]int{"x": {2, 4, 5}}}, []string{"got 4 on axis 1, want 3"}, true},
		{"a wrong type", Given{Files: map[string]string{"x": double}}, []string{"got float64[2,3,4], want float32[N,3,H]"}, true},
		{"a file that is none", Given{Files: map[string]string{"x": filepath.Join(dir, "none.npy")}}, []string{"none.npy", "no such file"}, true},
		{"a file of another kind", Given{Files: map[string]string{"x": "x.png"}}, []string{`"x.png", want .npy, .npz or .pb`}, true},
		{"lengths that disagree", Given{Shapes: map[string][]int{"x": {2, 3, 4}, "n": {3}}}, []string{"N is"}, true},
		{"a range beyond the type", Given{Ranges: map[string]Range{"x": {0, 1e39}}}, []string{"--range x=0..1e+39: the input is float32[N,3,H], which holds numbers from -3.40282e+38"}, true},
		{"a range without an integer", Given{Ranges: map[string]Range{"n": {5.25, 5.75}}}, []string{"no integer between them"}, true},
		{"a range for a file", Given{Files: map[string]string{"x": right}, Ranges: map[string]Range{"x": {0, 1}}}, []string{"nothing is drawn for it"}, true},
	} {
		s, err := drawnFor(t, m, Options{Given: c.given})
		if c.fails {
			for _, part := range c.want {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("%s: %v, want %q in it", c.name, err, part)
				}
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for _, v := range s.values {
			if !slices.Contains(c.want, v.String()) && len(c.want) == 2 {
				t.Errorf("%s: drew %s, want %s", c.name, v, c.want)
			}
		}
	}
	s, err := drawnFor(t, m, Options{Given: Given{Ranges: map[string]Range{"n": {5, 6}, "x": {-3, -2}}}})
	if err != nil {
		t.Fatal(err)
	}
	x, why := valueNamed(t, s, "x")
	for i := range x.Len() {
		if f := x.Float(i); f < -3 || f > -2 || why.why != "asked for" {
			t.Errorf("x[%d] is %v (%s), want -3 to -2", i, f, why.why)
		}
	}
}

func TestABatchThatIsAskedForIsThatOfAllInputs(t *testing.T) {
	m := sketch{
		inputs: []witness.Port{port("x", float, "?", 2), port("y", float, "?", 2), port("limit", float)},
		nodes:  []node{{"z", "Add", []string{"x", "y"}, nil}, {"w", "Min", []string{"z", "limit"}, nil}},
	}.model(t)
	r := report(t, Options{Paths: []string{writeModel(t, t.TempDir(), m)}, Runtimes: []witness.Runtime{load.Runtime{}}, Given: Given{Shapes: map[string][]int{"x": {5, 2}}}})
	if m := r.Models[0]; len(m.Sets) != 1 || m.Sets[0].Inputs[1].Type != "float32[5,2]" {
		t.Errorf("problem %q, sets %+v", m.Problem, m.Sets)
	}
	if _, err := drawnFor(t, m, Options{Given: Given{Shapes: map[string][]int{"limit": {1}}, Sizes: map[string]int{"limit": 1}}}); err == nil || !strings.Contains(err.Error(), "--shape limit=1: got 1 axes, want 0") {
		t.Errorf("error %v, want one that says how many axes the input has", err)
	}
}

func TestABatchThatIsPartOfTheModelIsFound(t *testing.T) {
	m := sketch{
		inputs:  []witness.Port{port("x", float, "N", 3)},
		weights: []*onnx.Tensor{weight("state", []float32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, 4, 3)},
		nodes:   []node{{"y", "Concat", []string{"x", "state"}, []onnx.Attr{onnx.Int("axis", 1)}}},
	}.model(t)
	r := report(t, Options{Paths: []string{writeModel(t, t.TempDir(), m)}, Runtimes: []witness.Runtime{load.Runtime{}}})
	if m := r.Models[0]; len(m.Sets) != 1 || m.Sets[0].Inputs[0].Type != "float32[4,3]" {
		t.Errorf("problem %q, sets %+v", m.Problem, m.Sets)
	}
}

func TestAGivenSetIsJudgedBesideRecordedOnes(t *testing.T) {
	dir := folder(t, netModel(t), &fake{}, 1)
	r := report(t, Options{Paths: []string{dir}, Runtimes: []witness.Runtime{(&fake{}).runtime("fake")}, Given: Given{Shapes: map[string][]int{"z": {5, 8}}}})
	if m := r.Models[0]; m.Problem == "" && (len(m.Sets) != 2 || m.Sets[1].Recorded || m.Sets[1].Inputs[0].Drawn == "") {
		t.Errorf("%+v", m.Sets)
	}
}

// detector finds boxes by their scores, of which only those that are very high count.
func detector() sketch {
	return sketch{
		inputs: []witness.Port{port("x", float, "N", 12, 6)},
		weights: []*onnx.Tensor{weight("zero", []int64{0}, 1), weight("four", []int64{4}, 1), weight("six", []int64{6}, 1), weight("last", []int64{2}, 1),
			weight("most", []int64{10}), weight("shared", []float32{0.5}), weight("score", []float32{0.9999}), weight("place", []int64{0, 2}, 2), weight("second", []int64{1})},
		nodes: []node{
			{"corners", "Slice", []string{"x", "zero", "four", "last"}, nil}, {"logits", "Slice", []string{"x", "four", "six", "last"}, nil},
			{"classes", "Transpose", []string{"logits"}, []onnx.Attr{onnx.Ints("perm", 0, 2, 1)}}, {"scores", "Sigmoid", []string{"classes"}, nil},
			{"selected", "NonMaxSuppression", []string{"corners", "scores", "most", "shared", "score"}, nil},
			{"at", "Gather", []string{"selected", "place"}, []onnx.Attr{onnx.Int("axis", 1)}}, {"boxes", "GatherND", []string{"corners", "at"}, nil},
			{"labels", "Gather", []string{"selected", "second"}, []onnx.Attr{onnx.Int("axis", 1)}},
		},
		outputs: []witness.Port{port("boxes", float, "found", 4), port("labels", int64s, "found")},
	}
}

func TestADetectorThatFindsNothingInNoiseIsGivenMore(t *testing.T) {
	r := report(t, Options{Paths: []string{writeModel(t, t.TempDir(), detector().model(t))}, Runtimes: []witness.Runtime{ortNode(t), load.Runtime{}}})
	m := r.Models[0]
	if m.Problem != "" || r.ExitCode(true) != 0 || len(m.Rows) != 8 {
		t.Errorf("exit code %d, problem %q, %d rows, want 8", r.ExitCode(true), m.Problem, len(m.Rows))
	}
	for _, row := range m.Rows {
		if row.Verdict != Equal || len(row.Shape) == 0 || row.Shape[0] == 0 {
			t.Errorf("%s, %s: %s of dims %v: %s", row.Runtime, row.Output, row.Verdict, row.Shape, row.Reason)
		}
	}
	if in := m.Sets[0].Inputs[0]; !strings.Contains(in.Drawn, "times 8") {
		t.Errorf("the input is %q, want larger numbers", in.Drawn)
	}
}
