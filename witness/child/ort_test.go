package child

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/internal/witnesstest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/witness"
)

// runtimes are the real ones, with what they need here; a missing one skips its subtest.
var runtimes = map[string]func(t *testing.T) *Runtime{
	"node": func(t *testing.T) *Runtime {
		r := Node()
		r.Program = witnesstest.Node(t, "onnxruntime-node")
		return r
	},
	"web": func(t *testing.T) *Runtime {
		r := Web()
		r.Program = witnesstest.Node(t, "onnxruntime-web")
		return r
	},
	// Never required, unlike the others: the stand-in below holds the driver itself to the same tests, and the package is not
	// to be had everywhere.
	"python": func(t *testing.T) *Runtime {
		r := Python()
		if _, err := r.Version(t.Context()); err != nil {
			t.Skip(err)
		}
		return r
	},
	"C library": func(t *testing.T) *Runtime {
		r := CLibrary()
		r.Program = witnesstest.Python(t, "numpy")
		r.Places = []string{witnesstest.ORTLibrary(t)}
		return r
	},
	"python driver on a stand-in": func(t *testing.T) *Runtime {
		r := Python()
		r.Program = witnesstest.Python(t, "onnx", "numpy")
		dir, err := filepath.Abs("testdata/standin")
		if err != nil {
			t.Fatal(err)
		}
		r.Places = []string{dir}
		return r
	},
}

func eachRuntime(t *testing.T, f func(t *testing.T, r *Runtime)) {
	for name, find := range runtimes {
		t.Run(name, func(t *testing.T) { f(t, find(t)) })
	}
}

func TestRealRuntimeIsFound(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r *Runtime) {
		if _, err := r.Version(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestRealRuntimeComputes(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r *Runtime) {
		s, err := r.Start(t.Context(), affine(t))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if !strings.Contains(s.Version(), "onnxruntime") {
			t.Errorf("version is %q", s.Version())
		}
		for _, n := range []int{1, 2, 7} {
			in := make([]float32, 2*n)
			for i := range in {
				in[i] = float32(i)
			}
			out, err := s.Run(t.Context(), []*onnx.Tensor{onnxtest.Tensor(t, "x", in, n, 2)})
			if err != nil {
				t.Fatal(err)
			}
			if len(out) != 2 || out[0].Name != "y" || out[1].Name != "x2" || len(out[0].Dims) != 2 || out[0].Dims[0] != n || out[0].Dims[1] != 3 {
				t.Fatalf("batch %d: outputs %+v", n, out)
			}
			// y = x [[1 2 3] [4 5 6]] + [10 20 30], exact in float32
			for i, got := range out[0].Data.(onnx.Slice[float32]) {
				row, col := i/3, i%3
				want := in[2*row]*float32(col+1) + in[2*row+1]*float32(col+4) + float32(10*(col+1))
				if got != want {
					t.Errorf("batch %d: y[%d,%d] is %v, want %v", n, row, col, got, want)
				}
			}
			for i, got := range out[1].Data.(onnx.Slice[float32]) {
				if got != in[i]+in[i] {
					t.Errorf("batch %d: x2[%d] is %v", n, i, got)
				}
			}
		}
		_, each, err := s.Time(t.Context(), []*onnx.Tensor{onnxtest.Tensor(t, "x", []float32{1, 2}, 1, 2)}, 5)
		if err != nil || len(each) != 5 || each[0] <= 0 {
			t.Errorf("timed runs: %v, %v", each, err)
		}
	})
}

// affine has two outputs, of which the first declared is the second computed.
func affine(t *testing.T) *onnx.Model {
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "affine"})
	in := e.Input("x", pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(2))
	e.Step("double", "x2")
	double := e.Node("Add", "", []onnx.Value{in, in})
	e.Step("fc", "y")
	w := e.Const("weight", onnxtest.Tensor(t, "", []float32{1, 2, 3, 4, 5, 6}, 2, 3))
	b := e.Const("bias", onnxtest.Tensor(t, "", []float32{10, 20, 30}, 1, 3))
	y := e.Node("Add", "", []onnx.Value{e.Node("MatMul", "product", []onnx.Value{in, w}), b})
	e.Output(y, pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(3))
	e.Output(double, pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(2))
	return onnxtest.Model(t, e)
}

func TestRealRuntimeTypes(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r *Runtime) {
		e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "types"})
		var given []*onnx.Tensor
		for i, v := range allTypes(t) {
			if v.Type() == pb.TensorProto_BFLOAT16 {
				continue // none of the interfaces has it
			}
			dims := make([]onnx.Dim, len(v.Dims))
			for i, d := range v.Dims {
				dims[i] = onnx.Fixed(int64(d))
			}
			in := e.Input(v.Name, v.Type(), dims...)
			e.Step(fmt.Sprintf("same%d", i), fmt.Sprintf("same%d", i))
			e.Output(e.Node("Identity", "", []onnx.Value{in}), v.Type(), dims...)
			given = append(given, v)
		}
		s, err := r.Start(t.Context(), onnxtest.Model(t, e))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		out, err := s.Run(t.Context(), given)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range given {
			a, b := v.Proto(), out[i].Proto()
			if !v.Data.Equal(out[i].Data) || a.GetDataType() != b.GetDataType() || len(a.Dims) != len(b.Dims) {
				t.Errorf("%s came back as %v", v.Name, b)
			}
		}
	})
}

func TestRealRuntimeSaysWhatItLacks(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r *Runtime) {
		for _, test := range []struct {
			op     string
			opset  int64
			elem   pb.TensorProto_DataType
			wantOp string
		}{
			{"LeakyRelu", 13, pb.TensorProto_DOUBLE, "LeakyRelu"}, // the CPU provider has it in float32 only
			{"NoSuchOperator", 13, pb.TensorProto_FLOAT, "NoSuchOperator"},
			{"Identity", 9000, pb.TensorProto_FLOAT, ""}, // an operator set of the far future
		} {
			e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "g", Opset: test.opset})
			e.Step("s", "y")
			e.Output(e.Node(test.op, "", []onnx.Value{e.Input("x", test.elem, onnx.Fixed(1))}), test.elem, onnx.Fixed(1))
			s, err := r.Start(t.Context(), onnxtest.Model(t, e))
			if err == nil {
				s.Close()
			}
			u, ok := errors.AsType[*onnx.UnsupportedError](err)
			if !ok || u.Op != test.wantOp || u.Why == "" {
				t.Errorf("%s of opset %d: error is %v, want one that names %q as unsupported", test.op, test.opset, err, test.wantOp)
			}
		}
	})
}

func TestRealRuntimeRefusesWithoutDying(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r *Runtime) {
		bad := &onnx.Model{Proto: affine(t).Proto} // without Bytes: Start writes them
		bad.Proto.Graph.Node[2].Input[0] = "nowhere"
		if s, err := r.Start(t.Context(), bad); err == nil {
			s.Close()
			t.Error("a model with a dangling input opens")
		}
		s, err := r.Start(t.Context(), affine(t))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if _, err := s.Run(t.Context(), []*onnx.Tensor{onnxtest.Tensor(t, "x", []float32{1, 2, 3}, 1, 3)}); err == nil {
			t.Error("a wrong shape runs")
		}
		if _, err := s.Run(t.Context(), []*onnx.Tensor{onnxtest.Tensor(t, "x", []int64{1, 2}, 1, 2)}); err == nil {
			t.Error("a wrong element type runs")
		}
		nan := float32(math.NaN())
		out, err := s.Run(t.Context(), []*onnx.Tensor{onnxtest.Tensor(t, "x", []float32{nan, 2}, 1, 2)})
		if err != nil {
			t.Fatal(err)
		}
		if v := out[0].Data.(onnx.Slice[float32])[0]; v == v {
			t.Errorf("NaN became %v", v)
		}
	})
}

func TestLargeTensorsTravel(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r *Runtime) {
		s, err := r.Start(t.Context(), affine(t))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		const n = 1 << 20 // 8 MiB in, 20 MiB out: far more than a pipe holds
		in := make([]float32, 2*n)
		for i := range in {
			in[i] = float32(i % 251)
		}
		out, err := s.Run(t.Context(), []*onnx.Tensor{onnxtest.Tensor(t, "x", in, n, 2)})
		if err != nil {
			t.Fatal(err)
		}
		got := out[1].Data.(onnx.Slice[float32])
		for i := range in {
			if got[i] != 2*in[i] {
				t.Fatalf("element %d is %v, want %v", i, got[i], 2*in[i])
			}
		}
	})
}

func TestMissingModuleNamesTheRemedy(t *testing.T) {
	for name, test := range map[string]struct {
		r    *Runtime
		want []string
	}{
		"node": {Node(), []string{"onnxruntime-node", "npm install onnxruntime-node", "--node-path",
			`passed over in NODE_PATH: "node_modules", which is relative`}},
		"web":    {Web(), []string{"onnxruntime-web", "npm install onnxruntime-web"}},
		"python": {Python(), []string{"cannot import", "pip install onnxruntime", `passed over in PYTHONPATH: "lib", which is relative`}},
	} {
		t.Run(name, func(t *testing.T) {
			if name != "python" {
				test.r.Program = witnesstest.Node(t, "fs")
			} else {
				test.r.Program = witnesstest.Python(t)
				test.r.Args = append([]string{"-S"}, test.r.Args...) // without site-packages nothing can be imported
			}
			t.Chdir(t.TempDir())
			t.Setenv("NODE_PATH", "node_modules")
			t.Setenv("PYTHONPATH", "lib")
			_, err := test.r.Version(t.Context())
			if _, ok := errors.AsType[*witness.MissingError](err); !ok {
				t.Fatalf("error is %v, want a MissingError", err)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error is %v, want %q in it", err, want)
				}
			}
		})
	}
}

func TestSettingsReachSessions(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r *Runtime) {
		for i, optimization := range Optimizations() {
			r.Optimization, r.Threads = optimization, 1+i%2
			s, err := r.Start(t.Context(), affine(t))
			if err != nil {
				t.Errorf("optimisations %q: %v", optimization, err)
				continue
			}
			if _, err := s.Run(t.Context(), []*onnx.Tensor{onnxtest.Tensor(t, "x", []float32{1, 2}, 1, 2)}); err != nil {
				t.Error(err)
			}
			if said := s.Settings(); !strings.Contains(said, "optimisations "+optimization) || strings.Contains(said, "2 threads") != (r.Threads == 2) {
				t.Errorf("%d threads, optimisations %q: the session says %q", r.Threads, optimization, said)
			}
			s.Close()
		}
		r.Optimization = "most"
		if s, err := r.Start(t.Context(), affine(t)); err == nil {
			s.Close()
			t.Error("optimisations that are none are accepted")
		}
	})
}

// TestAMissingProviderIsNeverTheCPU asks for providers that are not here, and for one that takes a part of the graph.
func TestAMissingProviderIsNeverTheCPU(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r *Runtime) {
		for _, provider := range []string{"nosuch", "tensorrt", "CPU provider"} {
			r.Provider = provider
			if _, err := r.Version(t.Context()); err == nil {
				t.Errorf("%s: is here", provider)
			} else if _, broken := errors.AsType[*witness.BrokenError](err); !broken {
				t.Errorf("%s: error is %v, want a BrokenError", provider, err)
			}
			if s, err := r.Start(t.Context(), affine(t)); err == nil {
				s.Close()
				t.Errorf("%s: opens", provider)
			}
		}
	})
	standin := runtimes["python driver on a stand-in"](t)
	for provider, want := range map[string]string{"cpu": "provider cpu", "TEST": "provider TEST (nodes that it does not take are on the CPU)", "broken": ""} {
		standin.Provider = provider
		if _, err := standin.Version(t.Context()); (err == nil) != (want != "") {
			t.Errorf("%s: error is %v", provider, err)
		}
		s, err := standin.Start(t.Context(), affine(t))
		if err != nil {
			if want != "" || !strings.Contains(err.Error(), "onnxruntime would go on with CPUExecutionProvider") {
				t.Errorf("%s: %v", provider, err)
			}
			continue
		}
		if s.Settings() != want {
			t.Errorf("%s: the session says %q, want %q", provider, s.Settings(), want)
		}
		s.Close()
	}
}

// TestACrashIsSaidToBeOne has drivers end as ONNX Runtime does when it divides the least integer by -1.
func TestACrashIsSaidToBeOne(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r *Runtime) {
		last := len(r.Args) - 1
		for i := range r.Args {
			if strings.Contains(r.Args[i], "session.run(") {
				last = i
			}
		}
		r.Args[last] = strings.NewReplacer("session.run(feeds)", "process.kill(process.pid, 'SIGFPE')", "session.run(None, feeds)", "os.kill(os.getpid(), 8)", `call("Run"`, `os.kill(os.getpid(), 8); call("Run"`).Replace(r.Args[last])
		s, err := r.Start(t.Context(), affine(t))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		_, err = s.Run(t.Context(), []*onnx.Tensor{onnxtest.Tensor(t, "x", []float32{1, 2}, 1, 2)})
		if _, crashed := errors.AsType[*witness.CrashError](err); !crashed || !strings.Contains(err.Error(), "run: the runtime crashed (signal: floating point exception") {
			t.Errorf("error is %v, want a CrashError", err)
		}
	})
}

// TestATrapInWebAssemblyIsACrash divides the least integer by -1, which the standard leaves undefined.
func TestATrapInWebAssemblyIsACrash(t *testing.T) {
	r := runtimes["web"](t)
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "g"})
	a, b := e.Input("a", pb.TensorProto_INT32, onnx.Fixed(1)), e.Input("b", pb.TensorProto_INT32, onnx.Fixed(1))
	e.Step("s", "y")
	e.Output(e.Node("Div", "", []onnx.Value{a, b}), pb.TensorProto_INT32, onnx.Fixed(1))
	s, err := r.Start(t.Context(), onnxtest.Model(t, e))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, err = s.Run(t.Context(), []*onnx.Tensor{onnxtest.Tensor(t, "a", []int32{math.MinInt32}, 1), onnxtest.Tensor(t, "b", []int32{-1}, 1)})
	if _, crashed := errors.AsType[*witness.CrashError](err); !crashed || !strings.Contains(err.Error(), "divide result unrepresentable") {
		t.Errorf("error is %v, want a CrashError that names the trap", err)
	}
}
