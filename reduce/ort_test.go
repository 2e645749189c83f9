package reduce

import (
	"cmp"
	"os"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/internal/witnesstest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/witness/child"
)

// TestFaultsOfONNXRuntime buries nodes that ONNX Runtime 1.30 gets wrong between 40 and 60 others.
func TestFaultsOfONNXRuntime(t *testing.T) {
	witnesstest.Node(t, "onnxruntime-node")
	microsoft := &pb.OperatorSetIdProto{Domain: proto.String("com.microsoft"), Version: proto.Int64(1)}
	for _, c := range []struct {
		op      string
		class   Class // empty is Different
		long    bool  // left out, unless PETRIFY_LONG says otherwise
		imports []*pb.OperatorSetIdProto
		fault   func(n *net, x string) string // x is float[2,16]; the result, too
	}{
		{op: "Resize", fault: func(n *net, x string) string {
			image := n.node("Reshape", []string{x, n.ints(1, 2, 4, 4)})
			scales := n.constant(&onnx.Tensor{Dims: []int{4}, Data: onnx.Slice[float32]{1, 1, 0.6, 0.6}})
			image = n.node("Resize", []string{image, "", scales}, onnx.String("mode", "linear"), onnx.String("coordinate_transformation_mode", "align_corners"))
			return n.node("MatMul", []string{n.node("Reshape", []string{image, n.ints(2, 4)}), n.weight(4, 16)})
		}},
		{op: "QLinearSoftmax", long: true, imports: []*pb.OperatorSetIdProto{microsoft}, fault: func(n *net, x string) string {
			pairs := n.node("Reshape", []string{x, n.ints(32, 1)})
			scale, zero := n.scalar(onnx.Slice[float32]{0.03}), n.scalar(onnx.Slice[uint8]{128})
			pairs = n.node("QuantizeLinear", []string{pairs, scale, zero})
			pairs = n.node("QLinearSoftmax", []string{pairs, scale, zero, n.scalar(onnx.Slice[float32]{1. / 256}), n.scalar(onnx.Slice[uint8]{0})}, onnx.Int("axis", -1), onnx.Int("opset", 13))
			n.Node[len(n.Node)-1].Domain = proto.String("com.microsoft")
			pairs = n.node("DequantizeLinear", []string{pairs, n.scalar(onnx.Slice[float32]{1. / 256}), n.scalar(onnx.Slice[uint8]{0})})
			return n.node("Reshape", []string{pairs, n.ints(2, 16)})
		}},
		{op: "Col2Im", long: true, fault: func(n *net, x string) string {
			columns := n.node("MatMul", []string{n.node("Reshape", []string{x, n.ints(1, 8, 4)}), n.weight(4, 1)})
			image := n.node("Col2Im", []string{columns, n.ints(3, 4, 5), n.ints(2, 2, 2)}, onnx.Ints("dilations", 2, 3, 4))
			return n.node("MatMul", []string{n.node("Reshape", []string{image, n.ints(2, 30)}), n.weight(30, 16)})
		}},
		{op: "Attention", class: Crashed, long: true, imports: []*pb.OperatorSetIdProto{microsoft}, fault: func(n *net, x string) string {
			words := n.node("Reshape", []string{x, n.ints(1, 2, 16)})
			words = n.node("Attention", []string{words, n.weight(16, 48)}, onnx.Int("num_heads", 2)) // without a bias
			n.Node[len(n.Node)-1].Domain = proto.String("com.microsoft")
			return n.node("Reshape", []string{words, n.ints(2, 16)})
		}},
	} {
		t.Run(c.op, func(t *testing.T) {
			if c.long && os.Getenv("PETRIFY_LONG") == "" {
				t.Skip("takes long: PETRIFY_LONG=1 runs it")
			}
			n := newNet()
			x := n.chain(n.input("x", 2, 16), 16, 20)
			n.output(n.chain(c.fault(n, x), 16, 25), 2, 16)
			o := options(n.write(t, c.imports...), child.Node())
			o.Verify.Timeout, o.Tries = time.Minute, 60
			if !c.long {
				o.Tries = 12
			}
			before := len(n.Node)
			r, err := Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if got := operators(r); !slices.Equal(got, []string{c.op}) || r.Failure.Class != cmp.Or(c.class, Different) {
				t.Errorf("of %d nodes %v are left, %v, want %s, %s", before, got, r.Failure, c.op, cmp.Or(c.class, Different))
			}
			t.Logf("%d of %d bytes after %d tries: %s", r.After.Bytes, r.Before.Bytes, r.Tries, r.Failure)
		})
	}
}

func (n *net) ints(v ...int64) string {
	return n.constant(&onnx.Tensor{Dims: []int{len(v)}, Data: onnx.Slice[int64](v)})
}

func (n *net) scalar(d onnx.Data) string { return n.constant(&onnx.Tensor{Dims: []int{}, Data: d}) }
