package onnx_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

func TestEmitterNamesEverythingAfterItsStep(t *testing.T) {
	m := onnxtest.DenseModel(t)
	var nodes, inits []string
	for _, n := range m.Graph.Node {
		if n.GetName() != n.Output[0] {
			t.Errorf("node %q does not bear the name of its output %q", n.GetName(), n.Output[0])
		}
		nodes = append(nodes, n.GetName())
	}
	for _, p := range m.Graph.Initializer {
		inits = append(inits, p.GetName())
	}
	if got, want := strings.Join(nodes, " "), "net.fc1.matmul net.fc1 y"; got != want {
		t.Errorf("nodes %s, want %s", got, want)
	}
	if got, want := strings.Join(inits, " "), "net.fc1.weight net.fc1.bias"; got != want {
		t.Errorf("initializers %s, want %s", got, want)
	}
	if b := m.Graph.Initializer[1]; len(b.Dims) != 2 || b.Dims[0] != 1 || b.Dims[1] != 2 {
		t.Errorf("bias has shape %v, want the one that Param was given, [1 2]", b.Dims)
	}
	if m.GetIrVersion() != 8 || onnx.Opset(m.OpsetImport, "ai.onnx") != 13 {
		t.Errorf("IR %d opset %d, want 8 and 13 by default", m.GetIrVersion(), onnx.Opset(m.OpsetImport, ""))
	}
}

func TestEmitterWritesTheSameBytesEachTime(t *testing.T) {
	a, err := onnx.Marshal(onnxtest.DenseModel(t))
	if err != nil {
		t.Fatal(err)
	}
	b, err := onnx.Marshal(onnxtest.DenseModel(t))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Error("two runs of the same calls differ")
	}
}

func TestEmitterErrorsStick(t *testing.T) {
	for _, c := range []struct {
		name string
		emit func(e *onnx.Emitter)
		want string
	}{
		{"a name taken twice", func(e *onnx.Emitter) { e.Input("x", pb.TensorProto_FLOAT); e.Input("x", pb.TensorProto_FLOAT) }, `the name "x" is taken`},
		{"a parameter of unknown name", func(e *onnx.Emitter) { e.Step("s", "s"); e.Param("w") }, `s: parameter "s.w": no such parameter`},
		{"a parameter in a shape that does not fit", func(e *onnx.Emitter) { e.Step("net.fc1", ""); e.Param("bias", 3) }, "wants 3 elements, got 2"},
		{"a parameter in two shapes", func(e *onnx.Emitter) { e.Step("net.fc1", ""); e.Param("bias", 1, 2); e.Param("bias", 2) }, "with shape [1 2] and with [2]"},
		{"an undefined input", func(e *onnx.Emitter) { e.Step("s", "s"); e.Node("Relu", "", []onnx.Value{{"z"}}) }, `s: Relu: input 0, "z", is not defined`},
		{"an undefined output", func(e *onnx.Emitter) { e.Output(onnx.Value{"z"}, pb.TensorProto_FLOAT) }, `output "z" is not defined`},
		{"no output", func(e *onnx.Emitter) { e.Input("x", pb.TensorProto_FLOAT) }, "has no output"},
		{"a failure of the caller", func(e *onnx.Emitter) { e.Step("s", "s"); e.Fail(errors.New("kernel 9 is larger than 3")) }, "s: kernel 9 is larger than 3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "g", Param: onnxtest.DenseParam})
			c.emit(e)
			if c.name != "no output" {
				e.Output(e.Input("later", pb.TensorProto_FLOAT), pb.TensorProto_FLOAT)
			}
			if _, err := e.Model(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestEmitterGivesAParameterAskedForTwiceOnce(t *testing.T) {
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "g", Param: onnxtest.DenseParam})
	e.Step("net.fc1", "y")
	a, b := e.Param("bias", 1, 2), e.Param("bias", 1, 2)
	e.Output(e.Node("Add", "", []onnx.Value{a, b}), pb.TensorProto_FLOAT, onnx.Fixed(1), onnx.Fixed(2))
	m, err := e.Model()
	if err != nil || a != b || len(m.Graph.Initializer) != 1 {
		t.Errorf("got %v %v %d initializers (%v), want one value of one initializer", a, b, len(m.GetGraph().GetInitializer()), err)
	}
}
