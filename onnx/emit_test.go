package onnx

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// dense writes y = LeakyRelu(xW + b) for 3 inputs and 2 outputs.
func dense(e *Emitter) {
	x := e.Input("x", pb.TensorProto_FLOAT, Symbolic("N"), Fixed(3))
	e.Step("net.fc1", "net.fc1")
	h := e.Node("MatMul", "matmul", []Value{x, e.Param("weight")})
	h = e.Node("Add", "", []Value{h, e.Param("bias", 1, 2)})
	e.Step("net.act", "y")
	y := e.Node("LeakyRelu", "", []Value{h}, Float("alpha", 0.01))
	e.Output(y, pb.TensorProto_FLOAT, Symbolic("N"), Fixed(2))
}

func denseParam(full string) (*Tensor, error) {
	switch full {
	case "net.fc1.weight":
		return NewTensor(full, []float32{1, 2, 3, 4, 5, 6}, 3, 2)
	case "net.fc1.bias":
		return NewTensor(full, []float32{-1, 1}, 2)
	}
	return nil, errors.New("no such parameter")
}

func denseModel(t testing.TB) *pb.ModelProto {
	e := NewEmitter(EmitterOptions{Graph: "net", Param: denseParam})
	dense(e)
	m, err := e.Model()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestEmitterNamesEverythingAfterItsStep(t *testing.T) {
	m := denseModel(t)
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
	if m.GetIrVersion() != 8 || opset(m.OpsetImport, "ai.onnx") != 13 {
		t.Errorf("IR %d opset %d, want 8 and 13 by default", m.GetIrVersion(), opset(m.OpsetImport, ""))
	}
}

func TestEmitterWritesTheSameBytesEachTime(t *testing.T) {
	a, err := Marshal(denseModel(t))
	if err != nil {
		t.Fatal(err)
	}
	b, err := Marshal(denseModel(t))
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
		emit func(e *Emitter)
		want string
	}{
		{"a name taken twice", func(e *Emitter) { e.Input("x", pb.TensorProto_FLOAT); e.Input("x", pb.TensorProto_FLOAT) }, `the name "x" is taken`},
		{"a parameter of unknown name", func(e *Emitter) { e.Step("s", "s"); e.Param("w") }, `s: parameter "s.w": no such parameter`},
		{"a parameter in a shape that does not fit", func(e *Emitter) { e.Step("net.fc1", ""); e.Param("bias", 3) }, "wants 3 elements, got 2"},
		{"a parameter in two shapes", func(e *Emitter) { e.Step("net.fc1", ""); e.Param("bias", 1, 2); e.Param("bias", 2) }, "with shape [1 2] and with [2]"},
		{"an undefined input", func(e *Emitter) { e.Step("s", "s"); e.Node("Relu", "", []Value{{"z"}}) }, `s: Relu: input 0, "z", is not defined`},
		{"an undefined output", func(e *Emitter) { e.Output(Value{"z"}, pb.TensorProto_FLOAT) }, `output "z" is not defined`},
		{"no output", func(e *Emitter) { e.Input("x", pb.TensorProto_FLOAT) }, "has no output"},
		{"a failure of the caller", func(e *Emitter) { e.Step("s", "s"); e.Fail(errors.New("kernel 9 is larger than 3")) }, "s: kernel 9 is larger than 3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := NewEmitter(EmitterOptions{Graph: "g", Param: denseParam})
			c.emit(e)
			e.Output(e.Input("later", pb.TensorProto_FLOAT), pb.TensorProto_FLOAT)
			if c.name == "no output" {
				e.graph.Output = nil
			}
			if _, err := e.Model(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestEmitterGivesAParameterAskedForTwiceOnce(t *testing.T) {
	e := NewEmitter(EmitterOptions{Graph: "g", Param: denseParam})
	e.Step("net.fc1", "y")
	a, b := e.Param("bias", 1, 2), e.Param("bias", 1, 2)
	e.Output(e.Node("Add", "", []Value{a, b}), pb.TensorProto_FLOAT, Fixed(1), Fixed(2))
	m, err := e.Model()
	if err != nil || a != b || len(m.Graph.Initializer) != 1 {
		t.Errorf("got %v %v %d initializers (%v), want one value of one initializer", a, b, len(m.GetGraph().GetInitializer()), err)
	}
}
