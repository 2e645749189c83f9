package verify

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/petrify-ml/petrify/internal/witnesstest"
	"github.com/petrify-ml/petrify/load"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/reference"
	"github.com/petrify-ml/petrify/witness"
	"github.com/petrify-ml/petrify/witness/child"
)

// graphsEnv asks for another number of random graphs than the few hundred of
// every run.
const graphsEnv = "PETRIFY_RANDOM_GRAPHS"

func graphsToDraw(t *testing.T, otherwise int) int {
	text := os.Getenv(graphsEnv)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q, want a number of graphs", graphsEnv, text)
	}
	return n
}

// ortNode is ONNX Runtime for Node as a Runtime, if it is here.
func ortNode(t testing.TB) witness.Runtime {
	r := child.Node()
	r.Program = witnesstest.Node(t, "onnxruntime-node")
	return r
}

// loadRuntime is package load as a Runtime.
var loadRuntime = load.Runtime{}

// opsets that the random graphs are written for: each changes some operator
// that they hold.
var opsets = []int64{11, 13, 17, 18, 21, 23}

// A tally counts the elements that were held against their limits.
type tally struct {
	graphs, elements, alarms, beyond, unbounded, unsupported int
	worst                                                    float64 // in spreads, of outputs
	proofs                                                   int
	wide                                                     int        // graphs with axes of up to 4096
	doubts                                                   int        // graphs whose proof was asked for
	nodes                                                    statistics // of all nodes, in those proofs
	operators                                                map[string]int
}

// hold holds the outputs of one runtime on a graph against the reference. Every
// false alarm of the screen goes to the proof.
func (y *tally) hold(t *testing.T, g *randomGraph, rt witness.Runtime, got func(name string) *onnx.Tensor) {
	t.Helper()
	m := g.whole()
	j := &job{options: Options{Timeout: time.Minute}.withDefaults(), model: m}
	var err error
	if j.program, err = reference.Compile(m, reference.Options{}); err != nil {
		t.Fatal(err)
	}
	r, err := j.program.RunTensors(t.Context(), g.inputs)
	if err != nil {
		t.Fatal(err)
	}
	d := dataSet{name: g.prefix, inputs: g.inputs, values: valuesOf(g.inputs), want: r.Outputs}
	var outputs []*onnx.Tensor
	alarm := false
	for _, want := range r.Outputs {
		outputs = append(outputs, got(want.Name))
		x := valueOf(got(want.Name))
		if err := mismatch(want, x); err != nil {
			t.Errorf("%s: graph %sat opset %d: %s: %v\n%s", rt.Name(), g.prefix, g.opset, want.Name, err, g)
			return
		}
		sound := measure(want, x, func(i int) float64 { return figure(want.Sound, i) })
		screen := measure(want, x, want.Screen)
		y.elements += want.Len()
		y.unbounded += sound.Unbounded
		y.alarms += screen.Outside
		y.beyond += sound.Outside
		if !math.IsInf(float64(screen.Spreads), 0) {
			y.worst = max(y.worst, float64(screen.Spreads))
		}
		if sound.Outside > 0 {
			t.Errorf("%s: graph %sat opset %d: %s%v is beyond the sound limit\n%s", rt.Name(), g.prefix, g.opset, want.Name, sound.First, g)
		}
		if screen.Outside > 0 {
			t.Logf("%s: graph %sat opset %d: %s%v is beyond the screen: %d of %d", rt.Name(), g.prefix, g.opset, want.Name, screen.First, screen.Outside, want.Len())
		}
		_, bad := collect(want, x).outside()
		alarm = alarm || screen.Outside > 0 || bad
	}
	y.graphs++
	y.wide += map[bool]int{true: 1}[g.wide]
	if y.operators == nil {
		y.operators = map[string]int{}
	}
	for _, n := range g.nodes {
		y.operators[n.op]++
	}
	switch {
	case alarm:
		y.doubts++
	case y.graphs%8 > 0:
		return // one of eight goes to the proof in any case
	}
	y.proofs++
	p, err := j.prove(t.Context(), rt, d)
	if err != nil {
		t.Fatal(err)
	}
	y.nodes.spreads, y.nodes.rms, y.nodes.bias = max(y.nodes.spreads, p.spreads), max(y.nodes.rms, p.rms), max(y.nodes.bias, p.bias)
	for i, want := range d.want {
		row := j.judge(rt.Name(), d.name, want.Name, want, valueOf(outputs[i]))
		p.judge(&row, want, outputs[i], p.outputs[i])
		if row.Verdict != Equal && row.Verdict != Unchecked {
			t.Errorf("%s: graph %s: the proof leaves output %d %s: %s\n%s", rt.Name(), g.prefix, i, row.Verdict, row.Reason, g)
		}
	}
}

func (y *tally) judge(t *testing.T, operators int) {
	t.Helper()
	if len(y.operators) < operators {
		t.Errorf("%d operators occur in the graphs, want at least %d: %v", len(y.operators), operators, y.operators)
	}
	t.Logf("%d graphs, %d elements, %d without a limit, %d beyond the screen, %d beyond the sound limit, worst %.1f spreads, %d graphs unsupported",
		y.graphs, y.elements, y.unbounded, y.alarms, y.beyond, y.worst, y.unsupported)
	t.Logf("%d graphs wide; %d graphs looked odd; in %d proofs nodes had at most %.2g spreads, root mean square %.2g, bias %.2g", y.wide, y.doubts, y.proofs, y.nodes.spreads, y.nodes.rms, y.nodes.bias)
	if y.alarms*10000 >= y.elements {
		t.Errorf("the screen raises %d false alarms in %d elements, want fewer than one in 10,000", y.alarms, y.elements)
	}
	if y.unbounded*20 > y.elements {
		t.Errorf("%d of %d elements have no limit, want few", y.unbounded, y.elements)
	}
	if y.graphs == 0 {
		t.Error("no graph was compared")
	}
}

// String lists the nodes.
func (g *randomGraph) String() string {
	s := ""
	for _, n := range g.nodes {
		s += fmt.Sprintf("  %s = %s%v\n", n.out, n.op, n.in)
	}
	return s
}

// TestONNXRuntimeStaysWithinTheSoundLimit draws graphs, many of them in one
// model because starting a process takes longer than running it.
func TestONNXRuntimeStaysWithinTheSoundLimit(t *testing.T) {
	rt := ortNode(t)
	const together = 40
	total := graphsToDraw(t, 240)
	if testing.Short() {
		total = together
	}
	var y tally
	for first := 0; first < total; first += together {
		opset := opsets[first/together%len(opsets)]
		e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "random", Opset: opset, IR: 8})
		var graphs []*randomGraph
		var inputs []*onnx.Tensor
		for i := first; i < min(first+together, total); i++ {
			g := newRandomGraph(t, uint64(i), opset, 3+i%10, nil)
			emitInputs(e, g.values[:len(g.inputs)])
			graphs, inputs = append(graphs, g), append(inputs, g.inputs...)
		}
		for _, g := range graphs {
			g.emit(e, g.nodes, g.outputs())
		}
		outputs := runOnce(t, rt, finished(t, e), inputs)
		for _, g := range graphs {
			y.hold(t, g, rt, func(name string) *onnx.Tensor { return outputs[name] })
		}
	}
	if !testing.Short() {
		y.judge(t, 80)
	}
}

func runOnce(t *testing.T, rt witness.Runtime, m *onnx.Model, inputs []*onnx.Tensor) map[string]*onnx.Tensor {
	t.Helper()
	s, err := rt.Open(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	outputs, err := s.Run(t.Context(), inputs)
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]*onnx.Tensor{}
	for _, x := range outputs {
		named[x.Name] = x
	}
	return named
}

func TestLoadStaysWithinTheSoundLimit(t *testing.T) {
	var y tally
	for i := range graphsToDraw(t, 300) {
		g := newRandomGraph(t, uint64(1<<20+i), opsets[i%len(opsets)], 2+i%8, load.Operators())
		s, err := loadRuntime.Open(t.Context(), g.whole())
		if _, ok := errors.AsType[*onnx.UnsupportedError](err); ok {
			y.unsupported++
			continue
		}
		if err != nil {
			t.Fatalf("graph %s: %v\n%s", g.prefix, err, g)
		}
		outputs, err := s.Run(t.Context(), g.inputs)
		if _, ok := errors.AsType[*onnx.UnsupportedError](err); ok {
			y.unsupported++
			continue
		}
		if err != nil {
			t.Fatalf("graph %s: %v\n%s", g.prefix, err, g)
		}
		named := map[string]*onnx.Tensor{}
		for _, x := range outputs {
			named[x.Name] = x
		}
		y.hold(t, g, loadRuntime, func(name string) *onnx.Tensor { return named[name] })
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	y.judge(t, 30)
}
