package verify

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/wire"
	"github.com/petrify-ml/petrify/witness"
	"google.golang.org/protobuf/proto"
)

// A fake is a runtime in float32 that knows the operators of netModel, with
// faults to be switched on.
type fake struct {
	flip    string // initializer of which one bit of one element is flipped,
	bit     int    // that one
	alpha   float32
	memory  float32 // added to every output, times the number of runs before
	nan     bool    // one element of every output is NaN
	shape   bool    // outputs have another shape
	double  bool    // outputs have another element type
	panics  bool
	hangs   bool // ignores its context
	waits   bool // hangs until its context ends
	fails   error
	writes  bool    // into its inputs
	extra   bool    // an output too many
	lossy   bool    // sums in half precision
	reorder bool    // another order of summation in every run
	plain   float32 // added where the model is not instrumented
}

// made is a runtime of functions.
type made struct {
	name    string
	version func(context.Context) (string, error)
	open    func(context.Context, *onnx.Model) (witness.Session, error)
}

func (m made) Name() string { return m.name }

func (m made) Version(ctx context.Context) (string, error) {
	if m.version == nil {
		return "", nil
	}
	return m.version(ctx)
}

func (m made) Open(ctx context.Context, model *onnx.Model) (witness.Session, error) {
	return m.open(ctx, model)
}

func (f *fake) runtime(name string) made {
	runs := new(atomic.Int64) // of all sessions, several at the same time where models are verified in parallel
	return made{name: name, open: func(_ context.Context, m *onnx.Model) (witness.Session, error) {
		// What a real runtime would see: the bytes, not the message.
		again, err := wire.Parse("fake", m.Bytes, wire.Limits{})
		if err != nil {
			return nil, err
		}
		return &fakeSession{f, again.Proto.GetGraph(), runs}, nil
	}}
}

type fakeSession struct {
	*fake
	g    *pb.GraphProto
	runs *atomic.Int64
}

func (s *fakeSession) Close() error { return nil }

func (s *fakeSession) Run(ctx context.Context, inputs []*onnx.Tensor) ([]*onnx.Tensor, error) {
	defer s.runs.Add(1)
	switch {
	case s.panics:
		panic("out of my depth")
	case s.hangs:
		select {}
	case s.waits:
		<-ctx.Done()
		return nil, ctx.Err()
	case s.fails != nil:
		return nil, s.fails
	}
	values := map[string]*onnx.Tensor{}
	for _, p := range s.g.GetInitializer() {
		t, err := onnx.FromProto(p)
		if err != nil {
			return nil, err
		}
		if d, ok := t.Data.(onnx.Slice[float32]); ok && t.Name == s.flip {
			d[len(d)/2] = math.Float32frombits(math.Float32bits(d[len(d)/2]) ^ 1<<s.bit)
		}
		values[t.Name] = t
	}
	for _, t := range inputs {
		values[t.Name] = t
	}
	for _, n := range s.g.GetNode() {
		y, err := s.node(n, values)
		if err != nil {
			return nil, err
		}
		values[n.GetOutput()[0]] = y
	}
	if s.writes {
		inputs[0].Data.(onnx.Slice[float32])[0]++
	}
	return s.outputs(values)
}

func (s *fakeSession) outputs(values map[string]*onnx.Tensor) ([]*onnx.Tensor, error) {
	var outputs []*onnx.Tensor
	for _, o := range s.g.GetOutput() {
		v := values[o.GetName()]
		if v == nil {
			return nil, fmt.Errorf("no value %q", o.GetName())
		}
		t := clone([]*onnx.Tensor{v})[0]
		t.Name = o.GetName()
		d := t.Data.(onnx.Slice[float32])
		for i := range d {
			d[i] += s.memory * float32(s.runs.Load())
			if len(s.g.GetOutput()) == 1 {
				d[i] += s.plain
			}
		}
		if s.nan {
			d[len(d)-1] = float32(math.NaN())
		}
		if s.shape {
			t.Dims = append([]int{1}, t.Dims...)
		}
		if s.double {
			t.Data = make(onnx.Slice[float64], len(d))
		}
		outputs = append(outputs, t)
	}
	if s.extra {
		outputs = append(outputs, outputs[0])
	}
	return outputs, nil
}

func (s *fakeSession) node(n *pb.NodeProto, values map[string]*onnx.Tensor) (*onnx.Tensor, error) {
	a := values[n.GetInput()[0]]
	x := a.Data.(onnx.Slice[float32])
	y := make(onnx.Slice[float32], len(x))
	out := &onnx.Tensor{Name: n.GetOutput()[0], Dims: a.Dims, Data: y}
	switch n.GetOpType() {
	case "Identity":
		copy(y, x)
	case "LeakyRelu":
		alpha := n.GetAttribute()[0].GetF() + s.alpha
		for i, v := range x {
			if y[i] = v; v < 0 {
				y[i] = alpha * v
			}
		}
	case "Tanh":
		for i, v := range x {
			y[i] = float32(math.Tanh(float64(v)))
		}
	case "Add":
		b := values[n.GetInput()[1]].Data.(onnx.Slice[float32])
		for i, v := range x {
			y[i] = v + b[i%len(b)]
		}
	case "MatMul":
		b := values[n.GetInput()[1]]
		k, cols := b.Dims[0], b.Dims[1]
		rows := a.Dims[0]
		out.Dims = []int{rows, cols}
		y = make(onnx.Slice[float32], rows*cols)
		order := make([]int, k)
		for i := range order {
			order[i] = i
		}
		if s.reorder {
			order = rand.New(rand.NewPCG(uint64(s.runs.Load()), 1)).Perm(k)
		}
		for i := range rows {
			for j := range cols {
				for _, l := range order {
					p := x[i*k+l] * b.Data.(onnx.Slice[float32])[l*cols+j]
					y[i*cols+j] += p
					if s.lossy {
						y[i*cols+j] = onnx.NewFloat16(y[i*cols+j]).Float32()
					}
				}
			}
		}
		out.Data = y
	default:
		return nil, &onnx.UnsupportedError{Op: n.GetOpType()}
	}
	return out, nil
}

// netModel is a small generator: z (N,5) -> 16 -> LeakyRelu -> y (N,6) -> Tanh.
func netModel(t testing.TB) *onnx.Model {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 1))
	w := map[string][]float32{}
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "net", Opset: 13, IR: 8, Param: func(full string) (*onnx.Tensor, error) {
		size := map[string][]int{"net.a.weight": {5, 16}, "net.a.bias": {1, 16}, "net.b.weight": {16, 6}}[full]
		data := make([]float32, size[0]*size[1])
		for i := range data {
			data[i] = float32(r.NormFloat64() / 2)
		}
		w[full] = data
		return onnx.NewTensor(full, data, size...)
	}})
	v := e.Input("z", pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(5))
	e.Step("net.a", "net.a")
	v = e.Node("MatMul", "product", []onnx.Value{v, e.Param("weight", 5, 16)})
	v = e.Node("Add", "", []onnx.Value{v, e.Param("bias", 1, 16)})
	e.Step("net.leaky", "net.leaky")
	v = e.Node("LeakyRelu", "", []onnx.Value{v}, onnx.Float("alpha", 0.2))
	e.Step("net.b", "net.b")
	v = e.Node("MatMul", "", []onnx.Value{v, e.Param("weight", 16, 6)})
	e.Step("net.tanh", "y")
	v = e.Node("Tanh", "", []onnx.Value{v})
	e.Output(v, pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(6))
	p, err := e.Model()
	if err != nil {
		t.Fatal(err)
	}
	p.ProducerName = proto.String("test")
	b, err := onnx.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return &onnx.Model{Proto: p, Bytes: b}
}

// writeModel writes the model as dir/net.onnx.
func writeModel(t testing.TB, dir string, m *onnx.Model) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "net.onnx")
	if err := os.WriteFile(path, m.Bytes, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// writeSet writes inputs and outputs in ONNX's layout.
func writeSet(t testing.TB, dir string, n int, inputs, outputs []*onnx.Tensor) {
	t.Helper()
	set := filepath.Join(dir, fmt.Sprintf("test_data_set_%d", n))
	if err := os.MkdirAll(set, 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(what string, ts []*onnx.Tensor) {
		for k, x := range ts {
			b, err := onnx.Marshal(x.Proto())
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(set, fmt.Sprintf("%s_%d.pb", what, k)), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	write("input", inputs)
	write("output", outputs)
}

// folder writes the model with a recorded set of each batch size, whose outputs
// the fake computed, and returns the folder.
func folder(t testing.TB, m *onnx.Model, f *fake, batches ...int) string {
	t.Helper()
	dir := t.TempDir()
	writeModel(t, dir, m)
	s, err := f.runtime("fake").Open(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(2, 2))
	for i, n := range batches {
		z := make([]float32, n*5)
		for k := range z {
			z[k] = float32(r.NormFloat64())
		}
		in := []*onnx.Tensor{{Name: "z", Dims: []int{n, 5}, Data: onnx.Slice[float32](z)}}
		out, err := s.Run(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		writeSet(t, dir, i, in, out)
	}
	return dir
}
