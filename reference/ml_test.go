package reference

import (
	"math"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"google.golang.org/protobuf/proto"
)

// treeModel squares its input and asks a tree of one question: 1.44 or less gives -1,
// more gives 3.
func treeModel(t testing.TB, change func(n *pb.NodeProto)) *onnx.Model {
	m := graph(t, 13, "in x float 3,1\ns = Mul(x, x)\nout y")
	n := &pb.NodeProto{OpType: proto.String("TreeEnsembleRegressor"), Domain: proto.String("ai.onnx.ml"), Input: []string{"s"}, Output: []string{"y"}}
	for _, a := range []onnx.Attr{
		onnx.Ints("nodes_treeids", 0, 0, 0), onnx.Ints("nodes_nodeids", 0, 1, 2), onnx.Ints("nodes_featureids", 0, 0, 0),
		onnx.Ints("nodes_truenodeids", 1, 0, 0), onnx.Ints("nodes_falsenodeids", 2, 0, 0), onnx.Floats("nodes_values", 1.44, 0, 0),
		onnx.Strings("nodes_modes", "BRANCH_LEQ", "LEAF", "LEAF"), onnx.Int("n_targets", 1),
		onnx.Ints("target_treeids", 0, 0), onnx.Ints("target_nodeids", 1, 2), onnx.Ints("target_ids", 0, 0), onnx.Floats("target_weights", -1, 3),
	} {
		n.Attribute = append(n.Attribute, a.Proto())
	}
	if change != nil {
		change(n)
	}
	m.Proto.Graph.Node = append(m.Proto.Graph.Node, n)
	m.Proto.OpsetImport = append(m.Proto.OpsetImport, &pb.OperatorSetIdProto{Domain: proto.String("ai.onnx.ml"), Version: proto.Int64(3)})
	return m
}

func TestAThresholdWithinTheErrorAllowsBothWays(t *testing.T) {
	y := run(t, treeModel(t, nil), tensor(t, "x", []float32{1, 1.2, 2}, 3, 1))[0]
	for i, want := range []struct{ v, sound float64 }{{-1, 0}, {y.Float(1), 4}, {3, 0}} {
		n := y.at(i) // a sum of float32 has a rounding besides
		if n.v != want.v || math.Abs(n.sound-want.sound) > 1e-6 || math.Abs(n.declared-want.sound) > 1e-6 {
			t.Errorf("row %d: %v within %v and declared %v, want %v within %v", i, y.Float(i), y.at(i).sound, y.at(i).declared, want.v, want.sound)
		}
	}
}

func TestTreesThatAreNoneAreRefused(t *testing.T) {
	set := func(name string, list ...int64) func(n *pb.NodeProto) {
		return func(n *pb.NodeProto) {
			for _, a := range n.Attribute {
				if a.GetName() == name {
					a.Ints = list
				}
			}
		}
	}
	for _, c := range []struct {
		name, want string
		change     func(n *pb.NodeProto)
	}{
		{"a circle", "leads back", func(n *pb.NodeProto) {
			set("nodes_truenodeids", 0, 0, 0)(n)
		}},
		{"a node that is not there", "which are not both there", set("nodes_falsenodeids", 9, 0, 0)},
		{"a feature that is not there", "feature 7 of 1", set("nodes_featureids", 7, 0, 0)},
		{"a negative feature", "feature -1 of 1", set("nodes_featureids", -1, 0, 0)},
		{"a target that is not there", "target 5 of 1", set("target_ids", 5, 0)},
		{"lists of two lengths", "have 3 and 2 entries", set("nodes_treeids", 0, 0)},
		{"no targets", "0 targets", func(n *pb.NodeProto) {
			for _, a := range n.Attribute {
				if a.GetName() == "n_targets" {
					a.I = proto.Int64(0)
				}
			}
		}},
	} {
		_, err := Run(treeModel(t, c.change), []*onnx.Tensor{tensor(t, "x", []float32{1, 1.2, 2}, 3, 1)})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.name, err, c.want)
		}
	}
}
