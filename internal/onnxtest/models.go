// Package onnxtest has the models that tests of several rooms share: a sound one,
// that model broken in each way that a rule forbids, nodes of each operator, bytes
// that are no message of ONNX, and the models of ONNX's own back-end tests.
package onnxtest

import (
	"errors"
	"math"
	"testing"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"google.golang.org/protobuf/proto"
)

// Dense writes y = LeakyRelu(xW + b) for 3 inputs and 2 outputs.
func Dense(e *onnx.Emitter) {
	x := e.Input("x", pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(3))
	e.Step("net.fc1", "net.fc1")
	h := e.Node("MatMul", "matmul", []onnx.Value{x, e.Param("weight")})
	h = e.Node("Add", "", []onnx.Value{h, e.Param("bias", 1, 2)})
	e.Step("net.act", "y")
	y := e.Node("LeakyRelu", "", []onnx.Value{h}, onnx.Float("alpha", 0.01))
	e.Output(y, pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(2))
}

// DenseParam has the weights of that model.
func DenseParam(full string) (*onnx.Tensor, error) {
	switch full {
	case "net.fc1.weight":
		return onnx.NewTensor(full, []float32{1, 2, 3, 4, 5, 6}, 3, 2)
	case "net.fc1.bias":
		return onnx.NewTensor(full, []float32{-1, 1}, 2)
	}
	return nil, errors.New("no such parameter")
}

// DenseModel is the model that Dense writes, without a fault.
func DenseModel(t testing.TB) *pb.ModelProto {
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "net", Param: DenseParam})
	Dense(e)
	m, err := e.Model()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Everything is a model with one of each thing that Text shows.
func Everything(t testing.TB) *pb.ModelProto {
	m := DenseModel(t)
	m.ProducerName, m.ProducerVersion = proto.String("petrify"), proto.String("0.1")
	m.DocString = proto.String("two lines\nof doc")
	m.MetadataProps = []*pb.StringStringEntryProto{{Key: proto.String("petrify.seed"), Value: proto.String("7")}}
	WithIf(m)
	m.Functions = []*pb.FunctionProto{ReluFunction()}
	g := m.Graph
	Sparse(func(*pb.SparseTensorProto) {})(m)
	g.Initializer = append(g.Initializer,
		&pb.TensorProto{Name: proto.String("large weight"), DataType: proto.Int32(1), Dims: []int64{3, 3}, FloatData: []float32{1, 2, 3, 4, 5, 6, 7, 8, 9}},
		&pb.TensorProto{Name: proto.String("s"), DataType: proto.Int32(8), Dims: []int64{1}, StringData: [][]byte{[]byte("a b")}},
		&pb.TensorProto{Name: proto.String("broken"), DataType: proto.Int32(1), Dims: []int64{9}, RawData: []byte{1}},
		&pb.TensorProto{Name: proto.String("e"), DataType: proto.Int32(1), Dims: []int64{9}, DataLocation: pb.TensorProto_EXTERNAL.Enum(), ExternalData: []*pb.StringStringEntryProto{{Key: proto.String("location"), Value: proto.String("w.bin")}}},
	)
	g.ValueInfo = []*pb.ValueInfoProto{ValueInfo("net.fc1", pb.TensorProto_FLOAT, []onnx.Dim{onnx.Unknown(), onnx.Fixed(2)})}
	h, err := onnx.NewTensor("", []onnx.Float16{onnx.NewFloat16(0.5)})
	if err != nil {
		t.Fatal(err)
	}
	custom := Node("Many", Names("x", "", "odd name\x1b"), Names("p", "", "q"),
		onnx.Int("i", -1), onnx.Ints("is", 1, 2), onnx.Float("f", 0.1), onnx.Floats("fs", 1.5, float32(math.Inf(1))), onnx.String("s", "tab\t"), onnx.TensorAttr("t", h))
	custom.Name, custom.Domain, custom.Overload = proto.String("many"), proto.String("com.acme"), proto.String("o")
	g.Node = append(g.Node, custom)
	return m
}

// Tensor is onnx.NewTensor for values that are right.
func Tensor[T onnx.Element](t testing.TB, name string, data []T, dims ...int) *onnx.Tensor {
	t.Helper()
	v, err := onnx.NewTensor(name, data, dims...)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Model is what an emitter has written, with its bytes.
func Model(t testing.TB, e *onnx.Emitter) *onnx.Model {
	t.Helper()
	m, err := e.Model()
	if err != nil {
		t.Fatal(err)
	}
	return &onnx.Model{Proto: m, Bytes: Bytes(t, m)}
}

// Node is a node by its operator, inputs and outputs.
func Node(op string, in, out []string, attrs ...onnx.Attr) *pb.NodeProto {
	n := &pb.NodeProto{OpType: proto.String(op), Input: in, Output: out}
	for _, a := range attrs {
		n.Attribute = append(n.Attribute, a.Proto())
	}
	return n
}

// Names is a list of names.
func Names(s ...string) []string { return s }

// ReluFunction is the function local.act with one attribute.
func ReluFunction() *pb.FunctionProto {
	return &pb.FunctionProto{
		Name: proto.String("act"), Domain: proto.String("local"), Attribute: Names("slope"), Input: Names("a"), Output: Names("b"),
		OpsetImport: []*pb.OperatorSetIdProto{{Version: proto.Int64(13)}},
		Node: []*pb.NodeProto{Node("LeakyRelu", Names("a"), Names("b"), onnx.AttrOf(&pb.AttributeProto{
			Name: proto.String("alpha"), RefAttrName: proto.String("slope"), Type: pb.AttributeProto_FLOAT.Enum(),
		}))},
	}
}

// WithFunction makes the last node of the model a call of reluFunction.
func WithFunction(m *pb.ModelProto) {
	m.Functions = []*pb.FunctionProto{ReluFunction()}
	m.OpsetImport = append(m.OpsetImport, &pb.OperatorSetIdProto{Domain: proto.String("local"), Version: proto.Int64(1)})
	last := m.Graph.Node[2]
	last.OpType, last.Domain = proto.String("act"), proto.String("local")
	last.Attribute[0].Name = proto.String("slope")
}

// WithIf puts the last node of the model into both branches of an If.
func WithIf(m *pb.ModelProto) {
	branch := func(name string) onnx.Attr {
		g := &pb.GraphProto{
			Name:   proto.String(name),
			Node:   []*pb.NodeProto{Node("Relu", Names("net.fc1"), Names("r"))},
			Output: []*pb.ValueInfoProto{ValueInfo("r", pb.TensorProto_FLOAT, []onnx.Dim{onnx.Symbolic("N"), onnx.Fixed(2)})},
		}
		return onnx.AttrOf(&pb.AttributeProto{Name: proto.String(name), Type: pb.AttributeProto_GRAPH.Enum(), G: g})
	}
	m.Graph.Input = append(m.Graph.Input, ValueInfo("cond", pb.TensorProto_BOOL, nil))
	last := Node("If", Names("cond"), Names("y"), branch("then_branch"), branch("else_branch"))
	last.Name = proto.String("y")
	m.Graph.Node[2] = last
}

// Branch is the first branch of the If that WithIf makes.
func Branch(m *pb.ModelProto) *pb.GraphProto { return m.Graph.Node[2].Attribute[0].G }

// Floats is a tensor of floats.
func Floats(name string, dims []int64, v ...float32) *pb.TensorProto {
	return &pb.TensorProto{Name: proto.String(name), DataType: proto.Int32(1), Dims: dims, FloatData: v}
}

// External makes the first weight of the model external.
func External(entries ...string) func(m *pb.ModelProto) {
	return func(m *pb.ModelProto) {
		t := m.Graph.Initializer[0]
		t.RawData, t.DataLocation = nil, pb.TensorProto_EXTERNAL.Enum()
		for i := 0; i < len(entries); i += 2 {
			t.ExternalData = append(t.ExternalData, &pb.StringStringEntryProto{Key: &entries[i], Value: &entries[i+1]})
		}
	}
}

// Sparse adds a sparse initializer, changed as change does.
func Sparse(change func(t *pb.SparseTensorProto)) func(m *pb.ModelProto) {
	return func(m *pb.ModelProto) {
		t := &pb.SparseTensorProto{
			Values:  Floats("sp", []int64{2}, 1, 2),
			Indices: &pb.TensorProto{DataType: proto.Int32(7), Dims: []int64{2}, Int64Data: []int64{1, 5}},
			Dims:    []int64{2, 3},
		}
		change(t)
		m.Graph.SparseInitializer = append(m.Graph.SparseInitializer, t)
	}
}

// SetDim sets the length of an axis in a declaration.
func SetDim(v *pb.ValueInfoProto, axis int, n int64) {
	v.Type.GetTensorType().Shape.Dim[axis].Value = &pb.TensorShapeProto_Dimension_DimValue{DimValue: n}
}

// ValueInfo declares a tensor; no dims are those of a scalar.
func ValueInfo(name string, elem pb.TensorProto_DataType, dims []onnx.Dim) *pb.ValueInfoProto {
	return &pb.ValueInfoProto{Name: proto.String(name), Type: onnx.Type{Elem: elem, Dims: append([]onnx.Dim{}, dims...)}.Proto()}
}

// Bytes is a message as it is in a file.
func Bytes(t testing.TB, m proto.Message) []byte {
	b, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
