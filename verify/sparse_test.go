package verify

import (
	"testing"

	"github.com/petrify-ml/petrify/load"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/witness"
	"google.golang.org/protobuf/proto"
)

// TestSparseWeightsAreJudged has an initializer whose places are counted in a row, and a Constant whose places are along the axes.
func TestSparseWeightsAreJudged(t *testing.T) {
	along := &pb.SparseTensorProto{Dims: []int64{2, 3}, Values: weight("", []float32{0.5, -3}, 2).Proto(), Indices: weight("", []int64{0, 2, 1, 0}, 2, 2).Proto()}
	m := sketch{
		inputs: []witness.Port{port("x", float, "N", 4)},
		nodes: []node{{"c", "Constant", nil, []onnx.Attr{onnx.AttrOf(&pb.AttributeProto{
			Name: proto.String("sparse_value"), Type: pb.AttributeProto_SPARSE_TENSOR.Enum(), SparseTensor: along,
		})}}, {"h", "MatMul", []string{"x", "w"}, nil}, {"y", "MatMul", []string{"h", "c"}, nil}},
		outputs: []witness.Port{port("y", float, "N", 3)},
	}.model(t)
	m.Proto.Graph.SparseInitializer = []*pb.SparseTensorProto{{Dims: []int64{4, 2}, Values: weight("w", []float32{2, -1, 0.25}, 3).Proto(), Indices: weight("", []int64{1, 4, 7}, 3).Proto()}}
	var err error
	if m.Bytes, err = onnx.Marshal(m.Proto); err != nil {
		t.Fatal(err)
	}
	r := report(t, Options{Paths: []string{writeModel(t, t.TempDir(), m)}, Runtimes: []witness.Runtime{ortNode(t), load.Runtime{}}})
	if v := r.Models[0]; v.Problem != "" || r.ExitCode(true) != 0 || len(v.Rows) != 4 {
		t.Errorf("exit code %d: %+v", r.ExitCode(true), v)
	}
}
