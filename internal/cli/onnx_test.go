package cli_test

import (
	"maps"
	"math"
	"os"
	"slices"

	"github.com/rogpeppe/go-internal/testscript"
	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// spoiled are the ways in which `model` spoils its model.
var spoiled = map[string]func(m *pb.ModelProto){
	"sound": func(*pb.ModelProto) {},
	"elu":   func(m *pb.ModelProto) { m.Graph.Node[1].OpType = proto.String("Elu") },
	"wrong": func(m *pb.ModelProto) { // twice, with a name made for terminals
		m.Graph.Node[0].Input[0] = "\x1b[31mnowhere"
		m.Graph.Node[1].Attribute[0].Name = proto.String("alhpa")
	},
	"nan": func(m *pb.ModelProto) {
		w := m.Graph.Initializer[0]
		w.RawData = onnxTensor("w", []float32{float32(math.NaN()), 1, 2, 3, 4, 5}, 3, 2).RawData
	},
	"unused": func(m *pb.ModelProto) {
		m.Graph.Initializer = append(m.Graph.Initializer, onnxTensor("idle", []float32{1}))
	},
	"external": func(m *pb.ModelProto) {
		w := m.Graph.Initializer[0]
		w.RawData, w.DataLocation = nil, pb.TensorProto_EXTERNAL.Enum()
		w.ExternalData = []*pb.StringStringEntryProto{{Key: proto.String("location"), Value: proto.String("w.bin")}}
	},
	"leaving": func(m *pb.ModelProto) {
		w := m.Graph.Initializer[0]
		w.RawData, w.DataLocation = nil, pb.TensorProto_EXTERNAL.Enum()
		w.ExternalData = []*pb.StringStringEntryProto{{Key: proto.String("location"), Value: proto.String("../w.bin")}}
	},
	"bomb": func(m *pb.ModelProto) {
		m.Graph.Initializer = append(m.Graph.Initializer, onnxTensor("shape", []int64{1 << 40, 1}, 2))
		m.Graph.Node = append(m.Graph.Node, &pb.NodeProto{OpType: proto.String("Tile"), Input: []string{"y", "shape"}, Output: []string{"z"}})
		m.Graph.Output[0].Name = proto.String("z")
	},
}

func onnxTensor[T onnx.Element](name string, data []T, dims ...int) *pb.TensorProto {
	t, err := onnx.NewTensor(name, data, dims...)
	if err != nil {
		panic(err)
	}
	return t.Proto()
}

// model FILE KIND writes y = LeakyRelu(MatMul(x, w)) with 3 inputs and 2 outputs, spoiled in one of the ways above.
func writeModel(ts *testscript.TestScript, _ bool, args []string) {
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "net", Param: func(name string) (*onnx.Tensor, error) {
		return onnx.NewTensor(name, []float32{0, 1, 2, 3, 4, 5}, 3, 2)
	}})
	x := e.Input("x", pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(3))
	e.Step("fc", "fc")
	h := e.Node("MatMul", "", []onnx.Value{x, e.Param("weight")})
	e.Step("act", "y")
	e.Output(e.Node("LeakyRelu", "", []onnx.Value{h}, onnx.Float("alpha", 0.01)), pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(2))
	m, err := e.Model()
	ts.Check(err)
	spoil, ok := spoiled[args[1]]
	if !ok {
		ts.Fatalf("no kind %s, want one of %v", args[1], slices.Sorted(maps.Keys(spoiled)))
	}
	spoil(m)
	b, err := onnx.Marshal(m)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o644))
}
