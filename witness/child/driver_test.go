package child

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/wire"
	"github.com/petrify-ml/petrify/witness"
)

const behaviourEnv = "PETRIFY_TEST_DRIVER"

// TestMain lets the test binary stand in for drivers of every behaviour.
func TestMain(m *testing.M) {
	if b := os.Getenv(behaviourEnv); b != "" {
		behaviours[b]()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// echo is an honest driver: it returns its inputs under the names of the outputs.
type echo struct{ model string }

func (e *echo) Version() string { return "echo 1.0" }

func (e *echo) Open(model []byte, threads int) error {
	m, err := wire.Parse("stdin", model, wire.Limits{})
	if err != nil {
		return err
	}
	e.model = fmt.Sprintf("%s, %d threads", m.Proto.GetGraph().GetName(), threads)
	if e.model == "foreign, 1 threads" {
		return &onnx.UnsupportedError{Op: "Foo", Domain: "bar", Opset: 3, Why: "never heard of it"}
	}
	return nil
}

func (e *echo) Run(in []*onnx.Tensor) ([]*onnx.Tensor, error) {
	out := *in[0]
	out.Name = "y"
	if x, ok := in[0].Data.(onnx.Slice[float32]); ok && len(x) == 1 {
		switch {
		case x[0] < 0:
			return nil, fmt.Errorf("%s: x is %v", e.model, x[0])
		case x[0] == 13:
			out.Name = "z"
		}
	}
	return []*onnx.Tensor{&out}, nil
}

// say writes a line and bytes as they are.
func say(line string, body ...byte) {
	os.Stdout.WriteString(line + "\n")
	os.Stdout.Write(body)
}

// opened speaks honestly up to the first run.
func opened() *bufio.Reader {
	say(`{"hello":1,"runtime":"test"}`)
	r := bufio.NewReader(os.Stdin)
	readFrame(r, 1<<20)
	say(`{}`)
	readFrame(r, 1<<20)
	return r
}

const forever = time.Hour

var behaviours = map[string]func(){
	"honest": func() { Serve(os.Stdin, os.Stdout, &echo{}) },
	"missing": func() {
		say(`{"hello":1,"missing":"no module test","remedy":"install test"}`)
	},
	// tells what it finds around itself as its version.
	"describes its surroundings": func() {
		dir, _ := os.Getwd()
		entries, _ := os.ReadDir(dir)
		b, _ := json.Marshal(surroundings{dir, len(entries), os.Environ(), os.Args[1:]})
		os.WriteFile("left behind", nil, 0o644)
		line, _ := json.Marshal(header{Hello: 1, Runtime: string(b)})
		say(string(line))
		io.Copy(io.Discard, os.Stdin)
	},
	"broken":                func() { say(`{"hello":1,"error":"libonnx.so has no version GLIBC_9"}`) },
	"silent from the start": func() { time.Sleep(forever) },
	"no greeting":           func() { os.Exit(4) },
	"another protocol":      func() { say(`{"hello":99}`) },
	"prints on stdout":      func() { say("WARNING: deprecated"); time.Sleep(forever) },
	"deaf": func() {
		say(`{"hello":1}`)
		time.Sleep(forever) // never reads: a large model fills the pipe
	},
	"dies at open": func() {
		say(`{"hello":1}`)
		readFrame(bufio.NewReader(os.Stdin), 1<<20)
		fmt.Fprintln(os.Stderr, "panic: out of luck")
		os.Exit(2)
	},
	"never answers":    func() { opened(); time.Sleep(forever) },
	"dies in a header": func() { opened(); os.Stdout.WriteString(`{"tensors":[{"na`); os.Exit(5) },
	"dies in a tensor": func() {
		opened()
		say(`{"tensors":[{"name":"y","type":"float32","dims":[4],"bytes":16}]}`, 1, 2, 3)
		os.Exit(6)
	},
	"stalls in a tensor": func() {
		opened()
		say(`{"tensors":[{"name":"y","type":"float32","dims":[4],"bytes":16}]}`, 1, 2, 3)
		time.Sleep(forever)
	},
	"lies about bytes": func() {
		opened()
		say(`{"tensors":[{"name":"y","type":"float32","dims":[4],"bytes":12}]}`, make([]byte, 12)...)
		time.Sleep(forever)
	},
	"announces a terabyte": func() {
		opened()
		say(`{"tensors":[{"name":"y","type":"uint8","dims":[1099511627776],"bytes":1099511627776}]}`)
		time.Sleep(forever)
	},
	"announces 3 GiB and dies": func() {
		opened()
		say(`{"tensors":[{"name":"y","type":"uint8","dims":[3221225472],"bytes":3221225472}]}`)
		os.Exit(7)
	},
	"endless header": func() {
		opened()
		line := bytes.Repeat([]byte("x"), 1<<20)
		for {
			if _, err := os.Stdout.Write(line); err != nil {
				return
			}
		}
	},
	"wrong output name": func() {
		opened()
		say(`{"tensors":[{"name":"q","type":"uint8","dims":[1],"bytes":1}]}`, 1)
		io.Copy(io.Discard, os.Stdin)
	},
	"floods stderr": func() {
		for range 20000 {
			fmt.Fprintln(os.Stderr, strings.Repeat("noise ", 20))
		}
		Serve(os.Stdin, os.Stdout, &echo{})
	},
	"floods stderr and dies": func() {
		opened()
		for i := range 20000 {
			fmt.Fprintln(os.Stderr, "line", i)
		}
		os.Exit(9)
	},
	"ends badly": func() { Serve(os.Stdin, os.Stdout, &echo{}); os.Exit(11) },
	"will not end": func() {
		Serve(os.Stdin, os.Stdout, &echo{})
		time.Sleep(forever)
	},
	"leaves a child behind": func() {
		// The grandchild inherits all pipes and outlives the driver.
		exe, _ := os.Executable()
		c := exec.Command(exe)
		c.Env = append(os.Environ(), behaviourEnv+"=silent from the start")
		c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
		opened()
		c.Start()
		fmt.Fprintln(os.Stderr, "grandchild", c.Process.Pid)
		os.Exit(8)
	},
}

func driver(t testing.TB, behaviour string) *Runtime {
	t.Helper()
	if behaviours[behaviour] == nil {
		t.Fatalf("no behaviour %q", behaviour)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &Runtime{Label: "test", Program: exe, Env: []string{behaviourEnv + "=" + behaviour, "GORACE=atexit_sleep_ms=0"}, Timeout: 30 * time.Second, parting: time.Second}
}

// model is one Identity from x to y, under the graph's name.
func model(t testing.TB, name string, padding int) *onnx.Model {
	t.Helper()
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: name})
	x := e.Input("x", pb.TensorProto_FLOAT, onnx.Symbolic("N"))
	if padding > 0 {
		w := onnxtest.Tensor(t, "", make([]float32, padding), padding)
		x = e.Node("Add", "sum", []onnx.Value{x, e.Const("pad", w)})
	}
	e.Step("s", "y")
	e.Output(e.Node("Identity", "", []onnx.Value{x}), pb.TensorProto_FLOAT, onnx.Symbolic("N"))
	return onnxtest.Model(t, e)
}

func x(t testing.TB, v ...float32) []*onnx.Tensor {
	return []*onnx.Tensor{onnxtest.Tensor(t, "x", v, len(v))}
}

func TestProbe(t *testing.T) {
	if _, err := driver(t, "honest").Version(t.Context()); err != nil {
		t.Errorf("a runtime that is here: %v", err)
	}
	for _, test := range []struct {
		claim, want string
		r           *Runtime
	}{
		{"names module and remedy", "test: no module test: install test", driver(t, "missing")},
		{"names the interpreter that is not in PATH", "x: nosuchprogram is not in PATH: get it",
			&Runtime{Label: "x", names: []string{"nosuchprogram"}, remedy: "get it"}},
		{"finds no Program", "x: /no/such/program is not in PATH", &Runtime{Label: "x", Program: "/no/such/program"}},
	} {
		_, err := test.r.Version(t.Context())
		if _, ok := errors.AsType[*witness.MissingError](err); !ok || err.Error() != test.want {
			t.Errorf("%s: error is %v, want %s", test.claim, err, test.want)
		}
	}
	if _, err := new(Runtime).Version(t.Context()); err == nil {
		t.Error("the zero Runtime starts")
	}
}

func TestSessionRunsAgainAndAgain(t *testing.T) {
	s := open(t, "honest")
	if s.Version() != "echo 1.0" {
		t.Errorf("version %q", s.Version())
	}
	for n := range 5 {
		in := make([]float32, n*1000)
		for i := range in {
			in[i] = float32(i) - 0.5
		}
		out, err := s.Run(t.Context(), x(t, in...))
		if err != nil {
			t.Fatal(err)
		}
		got, ok := out[0].Data.(onnx.Slice[float32])
		if !ok || out[0].Name != "y" || len(out[0].Dims) != 1 || len(got) != len(in) {
			t.Fatalf("n=%d: output %q %v of %T", n, out[0].Name, out[0].Dims, out[0].Data)
		}
		for i := range in {
			if got[i] != in[i] {
				t.Fatalf("n=%d: element %d is %v, want %v", n, i, got[i], in[i])
			}
		}
	}
}

func open(t *testing.T, behaviour string) *Session {
	t.Helper()
	s, err := driver(t, behaviour).Start(t.Context(), model(t, "g", 0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func TestErrorsOfTheRuntimeLeaveTheSessionAlive(t *testing.T) {
	s := open(t, "honest")
	_, err := s.Run(t.Context(), x(t, -1))
	if want := "test: run: g, 1 threads: x is -1"; err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
	if _, err := s.Run(t.Context(), []*onnx.Tensor{onnxtest.Tensor(t, "x", []string{"a"}, 1)}); err == nil {
		t.Error("strings travelled")
	}
	if _, err := s.Run(t.Context(), []*onnx.Tensor{{Name: "x", Dims: []int{3}, Data: onnx.Slice[float32]{1}}}); err == nil {
		t.Error("a tensor that contradicts itself travelled")
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Run(canceled, x(t, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("run under a context that has ended: %v", err)
	}
	if _, err := s.Run(t.Context(), x(t, 1)); err != nil {
		t.Errorf("after all that: %v", err)
	}
}

func TestInputsAreCheckedByName(t *testing.T) {
	s := open(t, "honest")
	for _, test := range []struct {
		claim string
		in    []*onnx.Tensor
		want  string
	}{
		{"missing", nil, `input "x" is missing`},
		{"unknown", append(x(t, 1), onnxtest.Tensor(t, "q", []float32{1}, 1)), `"q" is not an input of the model`},
		{"twice", append(x(t, 1), x(t, 2)...), `input "x" is given twice`},
		{"nil", []*onnx.Tensor{nil}, "input 0 is nil"},
	} {
		if _, err := s.Run(t.Context(), test.in); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error is %v, want %s", test.claim, err, test.want)
		}
	}
	if _, err := s.Run(t.Context(), x(t, 13)); err == nil || !strings.Contains(err.Error(), `outputs ["z"] came, want ["y"]`) {
		t.Errorf("an output of another name: %v", err)
	}
}

func TestUnsupportedModelSaysSo(t *testing.T) {
	_, err := driver(t, "honest").Start(t.Context(), model(t, "foreign", 0))
	u, ok := errors.AsType[*onnx.UnsupportedError](err)
	if !ok || u.Op != "Foo" || u.Domain != "bar" || u.Opset != 3 || u.Why != "never heard of it" {
		t.Errorf("error is %#v", err)
	}
}

func TestThreadsReachTheDriver(t *testing.T) {
	r := driver(t, "honest")
	r.Threads = 7
	s, err := r.Start(t.Context(), model(t, "g", 0))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Run(t.Context(), x(t, -1)); err == nil || !strings.Contains(err.Error(), "g, 7 threads") {
		t.Errorf("error is %v, want one that tells of 7 threads", err)
	}
}

// TestEveryEndIsToldAndBounded drives every broken driver and wants an error that says what happened, soon, and no process left.
func TestEveryEndIsToldAndBounded(t *testing.T) {
	for _, test := range []struct {
		behaviour string
		timeout   time.Duration // where only the deadline can tell
		want      []string
	}{
		{"silent from the start", time.Second, []string{"test: start: no answer within 1s", "signal: killed"}},
		{"no greeting", 0, []string{"test: start: process ended before it answered", "exit status 4"}},
		{"another protocol", 0, []string{"greeting of protocol 99, want 1"}},
		{"prints on stdout", 0, []string{"WARNING: deprecated", "not a frame"}},
		{"deaf", time.Second, []string{"test: open: no answer within 1s"}},
		{"dies at open", 0, []string{"test: open: ", "exit status 2", "panic: out of luck"}},
		{"never answers", time.Second, []string{"test: run: no answer within 1s"}},
		{"dies in a header", 0, []string{"test: run: header ends after 16 bytes", "exit status 5"}},
		{"dies in a tensor", 0, []string{`tensor "y" of 16 bytes: stream ends after 3 of 16 bytes`, "exit status 6"}},
		{"stalls in a tensor", time.Second, []string{"no answer within 1s"}},
		{"lies about bytes", 0, []string{"float32 of dims [4] takes 16 bytes, header says 12"}},
		{"announces a terabyte", 0, []string{"1099511627776 bytes, 4294967296 are left of the limit"}},
		{"announces 3 GiB and dies", 0, []string{"stream ends after 0 of 3221225472 bytes", "exit status 7"}},
		{"endless header", 0, []string{"a header of more than 16777216 bytes", "xxx..."}},
		{"floods stderr and dies", 0, []string{"exit status 9", "stderr: line 0; line 1; ", "; ...; ", "line 19999"}},
		{"leaves a child behind", 0, []string{"process ended before it answered", "exit status 8", "grandchild "}},
	} {
		t.Run(test.behaviour, func(t *testing.T) {
			t.Parallel()
			r := driver(t, test.behaviour)
			if test.timeout > 0 {
				r.Timeout = test.timeout
			}
			padding := 0
			if test.behaviour == "deaf" {
				padding = 1 << 20
			}
			start := time.Now()
			s, err := r.Start(t.Context(), model(t, "g", padding))
			if err == nil {
				_, err = s.Run(t.Context(), x(t, 1))
				if _, again := s.Run(t.Context(), x(t, 1)); again == nil || !strings.Contains(again.Error(), "session has ended") {
					t.Errorf("a run after the end: %v", again)
				}
				if err := s.Close(); err != nil {
					t.Errorf("close repeats the error: %v", err)
				}
			}
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error is %v\nwant %q in it", err, want)
				}
			}
			if len(err.Error()) > 2*stderrTail {
				t.Errorf("error of %d bytes", len(err.Error()))
			}
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("took %v", took)
			}
			if s != nil {
				select {
				case <-s.done:
				default:
					t.Error("the process was not waited for")
				}
			}
		})
	}
}

func TestWhatADriverStartedEndsWithIt(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	s := open(t, "leaves a child behind")
	_, err := s.Run(t.Context(), x(t, 1))
	d, ok := errors.AsType[*DiedError](err)
	if !ok {
		t.Fatalf("error is %v, want a DiedError", err)
	}
	var pid int
	if _, err := fmt.Sscanf(d.Stderr, "grandchild %d", &pid); err != nil {
		t.Fatalf("stderr is %q: %v", d.Stderr, err)
	}
	for range 100 {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") { // gone, or waiting for init to notice
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("process %d lives on", pid)
}

func TestContextEndsARun(t *testing.T) {
	s, err := driver(t, "never answers").Start(t.Context(), model(t, "g", 0))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the user went home")
	time.AfterFunc(50*time.Millisecond, func() { cancel(why) })
	if _, err := s.Run(ctx, x(t, 1)); !errors.Is(err, why) {
		t.Errorf("error is %v, want the context's cause in it", err)
	}
	select {
	case <-s.done:
	default:
		t.Error("the process lives on")
	}
}

func TestMismatchedOutputsAreRefused(t *testing.T) {
	s := open(t, "wrong output name")
	if _, err := s.Run(t.Context(), x(t, 1)); err == nil || !strings.Contains(err.Error(), `outputs ["q"] came, want ["y"]`) {
		t.Errorf("error is %v", err)
	}
}

func TestStderrFloodDoesNotBlock(t *testing.T) {
	s := open(t, "floods stderr")
	if _, err := s.Run(t.Context(), x(t, 1)); err != nil {
		t.Error(err)
	}
}

func TestCloseTellsABadEnd(t *testing.T) {
	for behaviour, want := range map[string]string{"ends badly": "exit status 11", "will not end": "did not end within"} {
		t.Run(behaviour, func(t *testing.T) {
			t.Parallel()
			s, err := driver(t, behaviour).Start(t.Context(), model(t, "g", 0))
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("close: %v, want %s", err, want)
			}
			if err := s.Close(); err != nil {
				t.Errorf("second close: %v", err)
			}
			if _, err := s.Run(t.Context(), x(t, 1)); err == nil || !strings.Contains(err.Error(), "closed") {
				t.Errorf("run after close: %v", err)
			}
		})
	}
}

func TestRunsFromSeveralGoroutines(t *testing.T) {
	s := open(t, "honest")
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for range 20 {
				out, err := s.Run(t.Context(), x(t, float32(g), float32(g)))
				if err != nil {
					t.Error(err)
					return
				}
				if got := out[0].Data.(onnx.Slice[float32]); got[0] != float32(g) || got[1] != float32(g) {
					t.Errorf("goroutine %d got the answer %v", g, got)
				}
			}
		})
	}
	wg.Wait()
}

func TestSessionsLeakNothing(t *testing.T) {
	files := func() int {
		d, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skipf("descriptors cannot be counted here: %v", err)
		}
		return len(d)
	}
	before, goroutines := files(), runtime.NumGoroutine()
	for range 5 {
		for _, b := range []string{"honest", "dies at open", "dies in a tensor", "no greeting", "missing"} {
			if s, err := driver(t, b).Start(t.Context(), model(t, "g", 0)); err == nil {
				s.Run(t.Context(), x(t, 1))
				s.Close()
			}
		}
	}
	time.Sleep(100 * time.Millisecond)
	if after := files(); after > before+2 {
		t.Errorf("%d open descriptors, %d before", after, before)
	}
	if n := runtime.NumGoroutine(); n > goroutines+2 {
		t.Errorf("%d goroutines, %d before", n, goroutines)
	}
}

func TestServeEndsWithItsParent(t *testing.T) {
	in, out := io.Pipe()
	busy := make(chan struct{})
	ended := make(chan error)
	go func() { ended <- Serve(in, io.Discard, &stuck{busy}) }()
	f, err := newFrame(header{Do: "run"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(out)
	if err := f.send(w); err != nil {
		t.Fatal(err)
	}
	<-busy
	out.Close()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the end of input is an error: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("Serve waits for a run that nobody wants any more")
	}
}

type stuck struct{ busy chan struct{} }

func (*stuck) Version() string                              { return "stuck" }
func (*stuck) Open([]byte, int) error                       { return nil }
func (s *stuck) Run([]*onnx.Tensor) ([]*onnx.Tensor, error) { close(s.busy); select {} }
