package verify

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/petrify-ml/petrify/internal/witnesstest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/witness"
	"google.golang.org/protobuf/proto"
)

// quantizedNets writes a small MobileNetV2 of bytes in every form that it is deployed
// in, below one folder: as quantisers write it, and as ONNX Runtime's optimiser does.
func quantizedNets(t *testing.T) string {
	t.Helper()
	python := witnesstest.Python(t, "onnx", "numpy")
	node := witnesstest.Node(t, "onnxruntime-node")
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), python, "testdata/quantized.py", dir).CombinedOutput(); err != nil {
		t.Fatalf("quantized.py: %v\n%s", err, out)
	}
	for _, level := range []string{"extended", "layout"} {
		b, err := os.ReadFile(filepath.Join(dir, "qdq", "model.onnx"))
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, level+".onnx")
		if err := os.WriteFile(to, b, 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), node, "testdata/optimize.js", "onnxruntime-node", level, to).CombinedOutput(); err != nil {
			t.Fatalf("optimize.js: %v\n%s", err, out)
		}
	}
	return dir
}

// TestQuantizedNetworks has ONNX Runtime judged on them, and then faults of one node.
func TestQuantizedNetworks(t *testing.T) {
	if testing.Short() {
		t.Skip("whole networks, which take minutes under the race detector")
	}
	dir := quantizedNets(t)
	t.Run("equal in every form", func(t *testing.T) { holdForms(t, dir) })
	for _, s := range slipsOfNets {
		t.Run(s.name, func(t *testing.T) { s.hold(t, dir) })
	}
}

func holdForms(t *testing.T, dir string) {
	var paths []string
	for _, form := range []string{"qdq", "qoperator", "powers", "extended.onnx", "layout.onnx"} {
		paths = append(paths, filepath.Join(dir, form))
	}
	r := report(t, Options{Paths: paths, Runtimes: []witness.Runtime{ortNode(t)}, Prove: true})
	if len(r.Models) != len(paths) {
		t.Fatalf("%d models, want %d", len(r.Models), len(paths))
	}
	for _, m := range r.Models {
		if m.Problem != "" || len(m.Rows) == 0 {
			t.Errorf("%s: %d rows, %s", m.Path, len(m.Rows), m.Problem)
		}
		for _, row := range m.Rows {
			if row.Verdict != Equal || row.Stage != Proof {
				t.Errorf("%s: %s by %s: %s", m.Path, row.Verdict, row.Stage, row.Reason)
			}
		}
	}
}

// A slipOfBytes changes one node of a network of bytes into what a faulty runtime
// would compute.
type slipOfBytes struct {
	name, form, node string
	plant            func(m *pb.ModelProto, n *pb.NodeProto)
}

var slipsOfNets = []slipOfBytes{
	{"scale 1e-3 too large", "qoperator", "project1.bytes", func(m *pb.ModelProto, n *pb.NodeProto) {
		replaceInput(m, n, 6, func(d onnx.Slice[float32]) { d[0] *= 1.001 })
	}},
	{"zero point off by one", "qoperator", "project1.bytes", func(m *pb.ModelProto, n *pb.NodeProto) {
		replaceInput(m, n, 7, func(d onnx.Slice[uint8]) { d[0]++ })
	}},
	{"scale of weights 1e-3 too large", "qoperator", "depth1.bytes", func(m *pb.ModelProto, n *pb.NodeProto) {
		replaceInput(m, n, 4, func(d onnx.Slice[float32]) {
			for i := range d {
				d[i] *= 1.001
			}
		})
	}},
	{"bias off by one per cent", "qoperator", "head.bytes", func(m *pb.ModelProto, n *pb.NodeProto) {
		replaceInput(m, n, 8, func(d onnx.Slice[int32]) {
			for i := range d {
				d[i] += d[i] / 100
			}
		})
	}},
	{"scale of a sum 1e-3 too large", "qoperator", "sum2.bytes", func(m *pb.ModelProto, n *pb.NodeProto) {
		replaceInput(m, n, 6, func(d onnx.Slice[float32]) { d[0] *= 1.001 })
	}},
	{"zero point of a mean off by one", "qoperator", "pool.map", func(m *pb.ModelProto, n *pb.NodeProto) {
		replaceInput(m, n, 4, func(d onnx.Slice[uint8]) { d[0]++ })
	}},
	{"halves rounded up, not to even", "powers", "expand1.bytes", roundedUp},
	{"pairs of products saturate", "wide", "expand1.bytes", saturatedPairs},
}

// hold has the fault told, by the proof, at its node.
func (s slipOfBytes) hold(t *testing.T, dir string) {
	rt := ortNode(t)
	planted := made{name: "faulty", open: func(ctx context.Context, m *onnx.Model) (witness.Session, error) {
		p := proto.CloneOf(m.Proto)
		i := slices.IndexFunc(p.Graph.Node, func(n *pb.NodeProto) bool { return n.GetName() == s.node })
		s.plant(p, p.Graph.Node[i])
		b, err := onnx.Marshal(p)
		if err != nil {
			return nil, err
		}
		return rt.Open(ctx, &onnx.Model{Proto: p, Bytes: b})
	}}
	r := report(t, Options{Paths: []string{filepath.Join(dir, s.form)}, Runtimes: []witness.Runtime{planted}})
	told := 0
	for _, row := range r.Models[0].Rows {
		if row.Verdict != Different || row.Fault == nil {
			continue
		}
		told++
		if want := fmt.Sprintf("node %q", s.node); row.Fault.Node != want {
			t.Errorf("the fault is at %s, want %s: %s", row.Fault.Node, want, row.Reason)
		}
	}
	if told == 0 {
		t.Errorf("no row is DIFFERENT: %+v", r.Models[0].Rows)
	}
}

// replaceInput gives a node a changed copy of one of its constants.
func replaceInput[T onnx.Element](m *pb.ModelProto, n *pb.NodeProto, i int, change func(d onnx.Slice[T])) {
	t := constantOf(m, n.Input[i])
	d := slices.Clone(t.Data.(onnx.Slice[T]))
	change(d)
	t.Data, t.Name = d, n.GetName()+".planted"
	m.Graph.Initializer = append(m.Graph.Initializer, t.Proto())
	n.Input[i] = t.Name
}

func constantOf(m *pb.ModelProto, name string) *onnx.Tensor {
	i := slices.IndexFunc(m.Graph.Initializer, func(p *pb.TensorProto) bool { return p.GetName() == name })
	t, err := onnx.FromProto(m.Graph.Initializer[i])
	if err != nil {
		panic(err)
	}
	return t
}

func floatsOf(m *pb.ModelProto, name string) []float32 {
	return constantOf(m, name).Data.(onnx.Slice[float32])
}

// unfused writes a quantized convolution with kernels of 1 as a product of integers,
// which product computes, and the nodes that bring it to bytes.
func unfused(m *pb.ModelProto, n *pb.NodeProto, product func(id string, channels int) (value string, zero float64), round func(id, value string) []*pb.NodeProto) {
	id := n.GetName()
	add := func(name string, data onnx.Data, dims ...int) string {
		m.Graph.Initializer = append(m.Graph.Initializer, (&onnx.Tensor{Name: id + "." + name, Dims: dims, Data: data}).Proto())
		return id + "." + name
	}
	x, w, y := floatsOf(m, n.Input[1]), floatsOf(m, n.Input[4]), floatsOf(m, n.Input[6])
	weights := constantOf(m, n.Input[3])
	bias := constantOf(m, n.Input[8]).Data.(onnx.Slice[int32])
	zeroY := constantOf(m, n.Input[7]).Data.(onnx.Slice[uint8])[0]
	value, zero := product(id, weights.Dims[1])
	factors, shifts := make(onnx.Slice[float32], len(w)), make(onnx.Slice[int32], len(w))
	for o := range w {
		factors[o] = x[0] * w[o] / y[0]
		shifts[o] = bias[o]
		for _, v := range weights.Data.(onnx.Slice[int8])[o*weights.Dims[1]:][:weights.Dims[1]] {
			shifts[o] -= int32(zero) * int32(v)
		}
	}
	add("half", onnx.Slice[float32]{0.5})
	add("least", onnx.Slice[float32]{0})
	add("most", onnx.Slice[float32]{255})
	nodes := []*pb.NodeProto{
		line(id + ".sum = Add(" + value + ", " + add("shift", shifts, 1, len(w), 1, 1) + ")"),
		line(id+".float = Cast("+id+".sum)", intOf("to", int64(pb.TensorProto_FLOAT))),
		line(id + ".scaled = Mul(" + id + ".float, " + add("factor", factors, 1, len(w), 1, 1) + ")"),
	}
	nodes = append(nodes, round(id, id+".scaled")...)
	nodes = append(nodes,
		line(id+".placed = Add("+id+".rounded, "+add("zero", onnx.Slice[float32]{float32(zeroY)})+")"),
		line(id+".cut = Clip("+id+".placed, "+id+".least, "+id+".most)"))
	before(m, n, nodes...)
	n.OpType, n.Input, n.Attribute = proto.String("Cast"), []string{id + ".cut"}, []*pb.AttributeProto{intOf("to", int64(pb.TensorProto_UINT8))}
}

// roundedUp rounds halves up.
func roundedUp(m *pb.ModelProto, n *pb.NodeProto) {
	unfused(m, n, func(id string, _ int) (string, float64) {
		before(m, n, line(id+".product = ConvInteger("+n.Input[0]+", "+n.Input[3]+", "+n.Input[2]+")"))
		return id + ".product", 0
	}, func(id, value string) []*pb.NodeProto {
		return []*pb.NodeProto{line(id + ".up = Add(" + value + ", " + id + ".half)"), line(id + ".rounded = Floor(" + id + ".up)")}
	})
}

// saturatedPairs adds up products of two channels each, cut to the range of int16.
func saturatedPairs(m *pb.ModelProto, n *pb.NodeProto) {
	unfused(m, n, func(id string, channels int) (string, float64) {
		w := constantOf(m, n.Input[3])
		out := w.Dims[0]
		d, pairs := w.Data.(onnx.Slice[int8]), make(onnx.Slice[int8], 0, len(w.Data.(onnx.Slice[int8])))
		for p := range channels / 2 {
			for o := range out {
				pairs = append(pairs, d[o*channels+2*p], d[o*channels+2*p+1])
			}
		}
		for _, x := range []*onnx.Tensor{
			{Name: id + ".pairs", Dims: []int{channels / 2 * out, 2, 1, 1}, Data: pairs},
			{Name: id + ".low", Dims: []int{}, Data: onnx.Slice[int32]{-0x8000}},
			{Name: id + ".high", Dims: []int{}, Data: onnx.Slice[int32]{0x7FFF}},
			{Name: id + ".apart", Dims: []int{5}, Data: onnx.Slice[int64]{0, int64(channels / 2), int64(out), 12, 12}},
			{Name: id + ".axis", Dims: []int{1}, Data: onnx.Slice[int64]{1}},
		} {
			m.Graph.Initializer = append(m.Graph.Initializer, x.Proto())
		}
		before(m, n,
			line(id+".twos = ConvInteger("+n.Input[0]+", "+id+".pairs)", intOf("group", int64(channels/2))),
			line(id+".stopped = Clip("+id+".twos, "+id+".low, "+id+".high)"),
			line(id+".parts = Reshape("+id+".stopped, "+id+".apart)"),
			line(id+".product = ReduceSum("+id+".parts, "+id+".axis)", intOf("keepdims", 0)))
		return id + ".product", float64(constantOf(m, n.Input[2]).Data.(onnx.Slice[uint8])[0])
	}, func(id, value string) []*pb.NodeProto {
		return []*pb.NodeProto{line(id + ".rounded = Round(" + value + ")")}
	})
}
