package verify

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/load"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/witness"
)

// recurrent is a filter of pictures whose state is as large as half a picture, or a single element at first, and whose axes have the
// names of the picture's: Expand alone knows better.
func recurrent() sketch {
	return sketch{
		inputs:  []witness.Port{port("src", float, "batch_size", 1, "height", "width"), port("r1i", float, "batch_size", "channels", "height", "width")},
		weights: []*onnx.Tensor{ones4("w"), weight("front", []int64{0}, 1), weight("four", []int64{4}, 1), weight("two", []float32{2, 2, 0, 0}[:1])},
		nodes: []node{{"half", "MaxPool", []string{"src"}, []onnx.Attr{onnx.Ints("kernel_shape", 2, 2), onnx.Ints("strides", 2, 2)}}, {"size", "Shape", []string{"half"}, nil},
			{"r", "Expand", []string{"r1i", "size"}, nil}, {"y", "Concat", []string{"half", "r"}, []onnx.Attr{onnx.Int("axis", 1)}}},
		outputs: []witness.Port{port("y", float, "batch_size", 2, "?", "?")},
	}
}

func TestAxesOfOneNameMayHaveDifferentLengths(t *testing.T) {
	dir := t.TempDir()
	path := writeModel(t, dir, recurrent().model(t))
	runtimes := []witness.Runtime{ortNode(t), load.Runtime{}}
	for _, c := range []struct {
		name  string
		given Given
		sets  int
		note  string
	}{
		{"drawn", Given{}, 2, "called height, width"},
		{"as asked for", Given{Shapes: map[string][]int{"src": {1, 1, 8, 12}, "r1i": {1, 1, 1, 1}}}, 1, "called height, width"},
		{"one by its own name", Given{Sizes: map[string]int{"r1i.height": 1, "width": 6}}, 2, "as in INPUT.height"},
	} {
		r := report(t, Options{Paths: []string{path}, Runtimes: runtimes, Given: c.given})
		if m := r.Models[0]; m.Problem != "" || len(m.Sets) != c.sets || !strings.Contains(strings.Join(m.Notes, "\n"), c.note) || r.ExitCode(true) != 0 {
			t.Errorf("%s: exit code %d: %+v", c.name, r.ExitCode(true), m)
		}
	}
	recording, err := Record(t.Context(), Options{Paths: []string{path}, Runtimes: runtimes[:1]}, 1, "test")
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join(dir, "golden")
	if _, err := recording.Write(golden, false); err != nil {
		t.Fatal(err)
	}
	if r := report(t, Options{Paths: []string{golden}, Runtimes: runtimes}); r.ExitCode(true) != 0 {
		t.Errorf("recorded: exit code %d: %+v", r.ExitCode(true), r.Models[0])
	}
}

func TestAnInputWithoutAShapeIsAskedFor(t *testing.T) {
	s := sketch{inputs: []witness.Port{rankless("x", float)}, weights: []*onnx.Tensor{zeros("w", 5, 3)}, nodes: []node{{"y", "MatMul", []string{"x", "w"}, nil}}, outputs: []witness.Port{rankless("y", float)}}
	path := writeModel(t, t.TempDir(), s.model(t))
	runtimes := []witness.Runtime{load.Runtime{}, ortNode(t)}
	r := report(t, Options{Paths: []string{path}, Runtimes: runtimes})
	if m := r.Models[0]; !m.Unjudged || !strings.Contains(m.Problem, "--shape x=1x3x224x224") {
		t.Errorf("without: %+v", m)
	}
	r = report(t, Options{Paths: []string{path}, Runtimes: runtimes, Given: Given{Shapes: map[string][]int{"x": {2, 5}}}})
	if m := r.Models[0]; m.Problem != "" || r.ExitCode(true) != 0 || !strings.Contains(strings.Join(m.Notes, "\n"), `input "x" has no shape`) {
		t.Errorf("with: exit code %d: %+v", r.ExitCode(true), m)
	}
}

// What an exporter wrote for a batch of none, and what is empty whatever goes in, is judged as it stands.
func TestEmptyOutputsAreNoReasonNotToJudge(t *testing.T) {
	for name, s := range map[string]sketch{
		"an input without elements": {inputs: []witness.Port{port("x", float, 0, 3)}, nodes: []node{{"y", "Relu", []string{"x"}, nil}}, outputs: []witness.Port{port("y", float, 0, 3)}},
		"a range of none": {inputs: []witness.Port{port("x", float, 2)}, weights: []*onnx.Tensor{weight("five", []int64{5}), weight("down", []int64{-1})},
			nodes: []node{{"y", "Range", []string{"five", "five", "down"}, nil}}, outputs: []witness.Port{port("y", int64s, "?")}},
	} {
		r := report(t, Options{Paths: []string{writeModel(t, t.TempDir(), s.model(t))}, Runtimes: []witness.Runtime{load.Runtime{}}})
		if m := r.Models[0]; m.Problem != "" || r.ExitCode(true) != 0 || len(m.Caveats) != 1 || m.Caveats[0].Rule != "outputs-empty" {
			t.Errorf("%s: exit code %d: %+v", name, r.ExitCode(true), m)
		}
	}
}

func TestMasksHideWhatTheGraphHides(t *testing.T) {
	const boolean = pb.TensorProto_BOOL
	scores := []witness.Port{port("x", float, 2, 8), {}}
	least, great := weight("least", []float32{-1e9}), weight("one", []float32{1})
	where := func(of string) []node {
		return []node{{"s", "Where", []string{of, "least", "x"}, nil}, {"y", "Softmax", []string{"s"}, nil}}
	}
	product := func(of string) []node {
		return []node{{"m", "Cast", []string{of}, []onnx.Attr{onnx.Int("to", 1)}}, {"b", "Mul", []string{"m", "least"}, nil}, {"s", "Add", []string{"x", "b"}, nil}, {"y", "Softmax", []string{"s"}, nil}}
	}
	none := weight("none", []int64{0})
	for _, c := range []struct {
		name  string
		mask  witness.Port
		nodes []node
		first float64 // the first row is shown in full
	}{
		{"true hides", port("src_key_padding_mask", boolean, 2, 8), where("src_key_padding_mask"), 0},
		{"true keeps", port("mask", boolean, 2, 8), append([]node{{"not", "Not", []string{"mask"}, nil}}, where("not")...), 1},
		{"1 keeps, by Equal", port("attention_mask", int64s, 2, 8), append([]node{{"gone", "Equal", []string{"attention_mask", "none"}, nil}}, where("gone")...), 1},
		{"1 hides, by a product", port("padding_mask", float, 2, 8), product("padding_mask"), 0},
		{"1 keeps, by a product", port("padding_mask", float, 2, 8), append([]node{{"less", "Sub", []string{"one", "padding_mask"}, nil}}, product("less")...), 1},
		{"a condition that keeps", port("keep", boolean, 2, 8), append([]node{{"not", "Not", []string{"keep"}, nil}}, product("not")...), 1},
		{"added as it is", port("attention_mask", float, 2, 8), []node{{"s", "Add", []string{"x", "attention_mask"}, nil}, {"y", "Softmax", []string{"s"}, nil}}, 0},
		{"by its name", port("insample_mask", float, 2, 8), []node{{"y", "Mul", []string{"x", "insample_mask"}, nil}}, 1},
	} {
		s := sketch{inputs: slices.Clone(scores), weights: []*onnx.Tensor{least, great, none}, nodes: c.nodes, outputs: []witness.Port{rankless("y", float)}}
		s.inputs[1] = c.mask
		set, err := drawnFor(t, s.model(t), Options{Seed: 2})
		if err != nil {
			t.Fatal(err)
		}
		v, _ := valueNamed(t, set, c.mask.Name)
		for i := range 8 {
			if v.Float(i) != c.first {
				t.Errorf("%s: element %d of the first row is %v, want %v", c.name, i, v.Float(i), c.first)
			}
		}
		if last := v.Float(15); last == c.first && v.Float(9) == c.first {
			t.Errorf("%s: the second row is full, too", c.name)
		}
	}
}
