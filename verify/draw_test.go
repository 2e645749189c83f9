package verify

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/petrify-ml/petrify/internal/race"
	"github.com/petrify-ml/petrify/load"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/reference"
	"github.com/petrify-ml/petrify/witness"
	"google.golang.org/protobuf/proto"
)

// single is a model of one node, whose inputs are named and typed as ports; further
// inputs of the node are initializers.
func single(t *testing.T, op string, inputs []witness.Port, weights []*onnx.Tensor, out onnx.Type) *onnx.Model {
	t.Helper()
	g := &pb.GraphProto{Name: proto.String("g"), Output: []*pb.ValueInfoProto{{Name: proto.String("y"), Type: out.Proto()}}}
	n := &pb.NodeProto{OpType: &op, Output: []string{"y"}}
	for _, p := range inputs {
		g.Input = append(g.Input, &pb.ValueInfoProto{Name: proto.String(p.Name), Type: p.Type.Proto()})
		n.Input = append(n.Input, p.Name)
	}
	for _, w := range weights {
		g.Initializer = append(g.Initializer, w.Proto())
		n.Input = append(n.Input, w.Name)
	}
	g.Node = []*pb.NodeProto{n}
	p := &pb.ModelProto{IrVersion: proto.Int64(8), OpsetImport: []*pb.OperatorSetIdProto{{Domain: proto.String(""), Version: proto.Int64(13)}}, Graph: g}
	b, err := onnx.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return &onnx.Model{Proto: p, Bytes: b}
}

func typed(elem pb.TensorProto_DataType, dims ...onnx.Dim) onnx.Type {
	return onnx.Type{Elem: elem, Dims: dims}
}

func ones(t *testing.T, name string, dims ...int) *onnx.Tensor {
	t.Helper()
	n := 1
	for _, d := range dims {
		n *= d
	}
	w := make([]float32, n)
	for i := range w {
		w[i] = 1
	}
	x, err := onnx.NewTensor(name, w, dims...)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestOpenAxesBecomeLongEnough(t *testing.T) {
	const float = pb.TensorProto_FLOAT
	image := typed(float, onnx.Symbolic("N"), onnx.Fixed(1), onnx.Symbolic("H"), onnx.Symbolic("W"))
	m := single(t, "Conv", []witness.Port{{Name: "x", Type: image}}, []*onnx.Tensor{ones(t, "w", 1, 1, 5, 7)}, typed(float, onnx.Symbolic("N"), onnx.Fixed(1), onnx.Unknown(), onnx.Unknown()))
	r := report(t, Options{Paths: []string{writeModel(t, t.TempDir(), m)}, Runtimes: []witness.Runtime{load.Runtime{}}})
	var sets []string
	for _, s := range r.Models[0].Sets {
		sets = append(sets, s.Name)
	}
	if want := []string{"seed 0, batch 1, other axes 32", "seed 0, batch 3, other axes 32"}; !slices.Equal(sets, want) || r.ExitCode(true) != 0 {
		t.Errorf("sets %q, exit code %d, want %q and 0: %+v", sets, r.ExitCode(true), want, r.Models[0])
	}
}

func TestABatchThatAModelRefusesIsLeftOut(t *testing.T) {
	const float = pb.TensorProto_FLOAT
	rows := typed(float, onnx.Symbolic("N"), onnx.Fixed(4))
	m := single(t, "Add", []witness.Port{{Name: "x", Type: rows}}, []*onnx.Tensor{ones(t, "w", 2, 4)}, typed(float, onnx.Fixed(2), onnx.Fixed(4)))
	r := report(t, Options{Paths: []string{writeModel(t, t.TempDir(), m)}, Runtimes: []witness.Runtime{load.Runtime{}}})
	if got := r.Models[0]; len(got.Sets) != 1 || len(got.Notes) != 1 || !strings.Contains(got.Notes[0], "left out: seed 0, batch 3") || r.ExitCode(true) != 0 {
		t.Errorf("sets %+v, notes %q, exit code %d, want the batch of 3 left out, and 0", got.Sets, got.Notes, r.ExitCode(true))
	}
	m = single(t, "Add", []witness.Port{{Name: "x", Type: typed(float, onnx.Symbolic("N"))}}, []*onnx.Tensor{ones(t, "w", 7)}, typed(float, onnx.Fixed(7)))
	m.Proto.Graph.Node = append(m.Proto.Graph.Node, &pb.NodeProto{OpType: proto.String("Reshape"), Input: []string{"x", "shape"}, Output: []string{"z"}})
	m.Proto.Graph.Initializer = append(m.Proto.Graph.Initializer, (&onnx.Tensor{Name: "shape", Dims: []int{1}, Data: onnx.Slice[int64]{7}}).Proto())
	var err error
	if m.Bytes, err = onnx.Marshal(m.Proto); err != nil {
		t.Fatal(err)
	}
	r = report(t, Options{Paths: []string{writeModel(t, t.TempDir(), m)}, Runtimes: []witness.Runtime{load.Runtime{}}})
	if got := r.Models[0]; !got.Unjudged || !strings.Contains(got.Problem, "these inputs were drawn") || r.ExitCode(false) != 2 {
		t.Errorf("report %+v, exit code %d, want that no drawn input fits, and 2", got, r.ExitCode(false))
	}
}

func TestDrawnNumbersAreThoseThatNodesTake(t *testing.T) {
	const float, whole = pb.TensorProto_FLOAT, pb.TensorProto_INT64
	for _, c := range []struct {
		op        string
		ports     []witness.Port
		input     string
		low, high float64 // what may be drawn, both included
	}{
		{"NonMaxSuppression", []witness.Port{{Name: "boxes", Type: typed(float, onnx.Fixed(1), onnx.Fixed(8), onnx.Fixed(4))}, {Name: "scores", Type: typed(float, onnx.Fixed(1), onnx.Fixed(1), onnx.Fixed(8))},
			{Name: "most", Type: typed(whole, onnx.Fixed(1))}, {Name: "iou", Type: typed(float, onnx.Fixed(1))}, {Name: "score", Type: typed(float, onnx.Fixed(1))}}, "iou", 0, 1},
		{"Div", []witness.Port{{Name: "a", Type: typed(whole, onnx.Fixed(64))}, {Name: "b", Type: typed(whole, onnx.Fixed(64))}}, "b", 1, 3},
		{"Dropout", []witness.Port{{Name: "x", Type: typed(float, onnx.Fixed(64))}, {Name: "ratio", Type: onnx.Type{Elem: float, Dims: []onnx.Dim{}}}}, "ratio", 0, 1},
		{"Loop", []witness.Port{{Name: "n", Type: onnx.Type{Elem: whole, Dims: []onnx.Dim{}}}, {Name: "go", Type: onnx.Type{Elem: pb.TensorProto_BOOL, Dims: []onnx.Dim{}}}}, "n", 3, 3},
		{"Add", []witness.Port{{Name: "a", Type: typed(pb.TensorProto_INT8, onnx.Fixed(64))}, {Name: "b", Type: typed(pb.TensorProto_INT8, onnx.Fixed(64))}}, "b", -128, 127},
	} {
		m := single(t, c.op, c.ports, nil, typed(float))
		var inputs []reference.Input
		for _, p := range c.ports {
			inputs = append(inputs, reference.Input{Name: p.Name, Type: p.Type, Kind: reference.Tensor})
		}
		for seed := range uint64(20) {
			d, err := newDrawing(inputs, m.Proto, Options{Seed: seed})
			if err != nil {
				t.Fatal(err)
			}
			s, err := d.set(d.start(1), 1, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range s.values {
				for i := range v.Len() {
					if x := v.Float(i); v.Name == c.input && !(x >= c.low && x <= c.high) || math.IsNaN(x) {
						t.Errorf("%s: %s[%d] is %v, want %v to %v", c.op, v.Name, i, x, c.low, c.high)
					}
				}
			}
		}
	}
}

func TestARefusalIsAFindingWhereTheInputsWereRecorded(t *testing.T) {
	m := netModel(t)
	picky := &fake{fails: &witness.RefusedError{Err: errors.New("x must be in range [0, 1]")}}
	r := report(t, Options{Paths: []string{writeModel(t, t.TempDir(), m)}, Runtimes: []witness.Runtime{picky.runtime("picky"), (&fake{}).runtime("fake")}})
	for _, row := range rowsOf(r, "picky") {
		if row.Verdict != Unchecked || !strings.Contains(row.Reason, "these inputs were drawn") {
			t.Errorf("drawn: %+v", row)
		}
	}
	if r.ExitCode(false) != 2 {
		t.Errorf("drawn: exit code %d, want 2: this is not green either", r.ExitCode(false))
	}
	r = report(t, Options{Paths: []string{folder(t, m, &fake{}, 1)}, Runtimes: []witness.Runtime{picky.runtime("picky")}})
	if rows := rowsOf(r, "picky"); len(rows) != 1 || rows[0].Verdict != Failed || r.ExitCode(false) != 1 {
		t.Errorf("recorded: %+v, exit code %d", rows, r.ExitCode(false))
	}
}

func TestTheReferenceIsBounded(t *testing.T) {
	const float = pb.TensorProto_FLOAT
	m := single(t, "MatMul", []witness.Port{{Name: "x", Type: typed(float, onnx.Fixed(2048), onnx.Fixed(2048))}, {Name: "w", Type: typed(float, onnx.Fixed(2048), onnx.Fixed(2048))}}, nil,
		typed(float, onnx.Fixed(2048), onnx.Fixed(2048)))
	path := writeModel(t, t.TempDir(), m)
	bounds := []struct {
		bound string
		o     Options
		want  string
	}{
		{"time", Options{Timeout: 300 * time.Millisecond}, "the reference did not finish within 300ms"},
		{"work", Options{Reference: reference.Options{Work: 1 << 30}}, "a run of 4.3e+09 products, beyond the budget of 1.1e+09"},
		{"memory", Options{Reference: reference.Options{Memory: 1 << 20}}, "beyond the budget"},
		{"memory for weights", Options{Paths: []string{writeModel(t, t.TempDir(), netModel(t))}, Reference: reference.Options{Memory: 20}}, "beyond the budget"},
	}
	for _, c := range bounds[:race.Pick(len(bounds), 1)] {
		if c.o.Paths == nil {
			c.o.Paths = []string{path}
		}
		begun := time.Now()
		r := report(t, c.o)
		if got := r.Models[0]; !got.Unjudged && !got.Unsupported || !strings.Contains(got.Problem, c.want) || r.ExitCode(false) != 2 {
			t.Errorf("%s: %q, exit code %d, want %q and 2", c.bound, got.Problem, r.ExitCode(false), c.want)
		}
		if took := time.Since(begun); took > race.Pick(20*time.Second, 3*time.Minute) {
			t.Errorf("%s: it took %v", c.bound, took)
		}
	}
	var b strings.Builder
	if err := report(t, Options{Paths: []string{path}, Timeout: time.Millisecond}).WriteTable(&b); err != nil || !strings.Contains(b.String(), "not judged: ") {
		t.Errorf("table %q, %v", b.String(), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(200*time.Millisecond, cancel)
	if _, err := Run(ctx, Options{Paths: []string{path}}); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}
