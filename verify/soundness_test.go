package verify

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/internal/witnesstest"
	"github.com/petrify-ml/petrify/load"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/reference"
	"github.com/petrify-ml/petrify/witness"
	"github.com/petrify-ml/petrify/witness/child"
)

// Sweeps are asked for by flags; without them, every run has a few hundred graphs.
var (
	sweepRuntime = flag.String("sweep.runtime", "", "runtimes of a sweep, separated by commas: load, torch, ort-node, ort-web; ort-node or ort-web may be followed by :off, :basic, :extended or :all, and :2 for two threads")
	sweepCount   = flag.Int("sweep.count", 0, "random graphs, or models of ONNX's test data, in a sweep")
	sweepFirst   = flag.Int("sweep.first", 0, "number of the first of them")
)

// graphsToDraw is how many random graphs a test draws.
func graphsToDraw(t *testing.T, otherwise int) int {
	if *sweepCount < 0 || *sweepFirst < 0 {
		t.Fatalf("-sweep.count %d, -sweep.first %d: want numbers from 0 on", *sweepCount, *sweepFirst)
	}
	if *sweepCount > 0 {
		return *sweepCount
	}
	return otherwise
}

// A contender is a runtime in a sweep.
type contender struct {
	name  string
	rt    witness.Runtime
	alone bool     // a graph by itself: one that lacks an operator would take others with it
	only  []string // operators of its graphs; nil means all
	seeds uint64   // where those of its graphs begin
	least int      // operators that must occur in a sweep of every run
}

// contenders are the runtimes that a sweep names.
func contenders(t *testing.T, list string) []contender {
	t.Helper()
	var all []contender
	for spec := range strings.SplitSeq(list, ",") {
		name, how, _ := strings.Cut(spec, ":")
		c := contender{name: spec, least: 80}
		switch name {
		case "load":
			c.rt, c.alone, c.only, c.seeds, c.least = loadRuntime, true, load.Operators(), 1<<20, 30
		case "torch":
			c.rt, c.only, c.seeds, c.least = torchRuntime(t), torchOperators, 1<<21, 50
		case "ort-node", "ort-web":
			r := ortNode(t)
			if name == "ort-web" {
				r = ortWeb(t)
			}
			for part := range strings.SplitSeq(how, ":") {
				if n, err := strconv.Atoi(part); err == nil {
					r.Threads = n
				} else {
					r.Optimization = part
				}
			}
			c.rt = r
		default:
			t.Fatalf("-sweep.runtime: no runtime of sweeps is called %q", name)
		}
		if how != "" && !strings.HasPrefix(name, "ort-") {
			t.Fatalf("-sweep.runtime: %s has no settings", name)
		}
		all = append(all, c)
	}
	return all
}

// patience is how long a single call in a sweep may take, on a machine with other
// things to do.
const patience = 10 * time.Minute

// ortNode is ONNX Runtime for Node, if it is here.
func ortNode(t testing.TB) *child.Runtime {
	r := child.Node()
	r.Timeout = patience
	r.Program = witnesstest.Node(t, "onnxruntime-node")
	return r
}

// ortWeb is ONNX Runtime Web, if it is here.
func ortWeb(t testing.TB) *child.Runtime {
	r := child.Web()
	r.Timeout = patience
	r.Program = witnesstest.Node(t, "onnxruntime-web")
	return r
}

// loadRuntime is package load as a Runtime.
var loadRuntime = load.Runtime{}

// opsets that the random graphs are written for: each changes some operator
// that they hold.
var opsets = []int64{11, 13, 17, 18, 21, 23}

// A tally counts the elements that were compared with their limits.
type tally struct {
	graphs, elements, alarms, beyond, unbounded, unsupported, different int
	worst                                                               float64 // in spreads, of outputs
	proofs                                                              int
	wide                                                                int        // graphs with axes of up to 4096
	doubts                                                              int        // graphs whose proof was asked for
	nodes                                                               statistics // of all nodes, in those proofs
	operators                                                           map[string]int
}

// A drawnGraph is a random graph with what the reference makes of it.
type drawnGraph struct {
	sweptGraph
	job  *job
	data dataSet
}

// A sweptGraph is a graph that a sweep draws, of either kind.
type sweptGraph interface {
	fmt.Stringer
	label() (prefix string, opset int64, wide bool)
	operators() []string
	whole() *onnx.Model
}

// newDrawnGraph evaluates a graph on inputs, which it may refuse.
func newDrawnGraph(t *testing.T, g sweptGraph, inputs []*onnx.Tensor) (drawnGraph, error) {
	t.Helper()
	m := g.whole()
	prefix, _, _ := g.label()
	d := drawnGraph{sweptGraph: g, job: &job{options: Options{Timeout: patience}.withDefaults(), model: m}}
	var err error
	if d.job.program, err = reference.Compile(m, reference.Options{Sound: true}); err != nil {
		t.Fatal(err)
	}
	r, err := d.job.program.RunTensors(t.Context(), inputs)
	if err != nil {
		return d, err
	}
	d.data = dataSet{name: prefix, inputs: inputs, values: valuesOf(inputs), want: r.Outputs}
	return d, nil
}

// hold compares the outputs of one runtime on a graph with the reference. Every
// false alarm of the screen goes to the proof.
func (y *tally) hold(t *testing.T, g drawnGraph, rt witness.Runtime, got func(name string) *onnx.Tensor) {
	t.Helper()
	j, d := g.job, g.data
	prefix, opset, wide := g.label()
	var outputs []*onnx.Tensor
	alarm := false
	for _, want := range d.want {
		outputs = append(outputs, got(want.Name))
		x := valueOf(got(want.Name))
		if err := mismatch(want, x); err != nil {
			t.Errorf("%s: graph %sat opset %d: %s: %v\n%s", rt.Name(), prefix, opset, want.Name, err, g)
			return
		}
		for i := range want.Len() {
			if math.IsNaN(want.Screen(i)) {
				t.Errorf("graph %sat opset %d: the limit of element %d of %s is not a number\n%s", prefix, opset, i, want.Name, g)
				return
			}
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
			t.Errorf("%s: graph %sat opset %d: %s%v is beyond the sound limit\n%s", rt.Name(), prefix, opset, want.Name, sound.First, g)
		}
		if screen.Outside > 0 {
			t.Logf("%s: graph %sat opset %d: %s%v is beyond the screen: %d of %d", rt.Name(), prefix, opset, want.Name, screen.First, screen.Outside, want.Len())
		}
		_, bad := collect(want, x).outside()
		alarm = alarm || screen.Outside > 0 || bad
	}
	y.graphs++
	y.wide += map[bool]int{true: 1}[wide]
	if y.operators == nil {
		y.operators = map[string]int{}
	}
	for _, op := range g.operators() {
		y.operators[op]++
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
		t.Errorf("graph %s: %v\n%s", prefix, err, g)
		return
	}
	y.nodes.spreads, y.nodes.rms, y.nodes.bias = max(y.nodes.spreads, p.spreads), max(y.nodes.rms, p.rms), max(y.nodes.bias, p.bias)
	for i, want := range d.want {
		row := j.judge(rt.Name(), d.name, want.Name, want, valueOf(outputs[i]))
		p.judge(&row, want, outputs[i], p.outputs[i])
		if row.Verdict != Equal && row.Verdict != Unchecked {
			y.different++
			t.Errorf("%s: graph %s: the proof leaves output %d %s: %s\n%s", rt.Name(), prefix, i, row.Verdict, row.Reason, g)
		}
	}
}

// judge wants few false alarms, and says the row of docs/verification.md.
func (y *tally) judge(t *testing.T, name string, operators int) {
	t.Helper()
	if len(y.operators) < operators {
		t.Errorf("%d operators occur in the graphs, want at least %d: %v", len(y.operators), operators, y.operators)
	}
	t.Logf("%d graphs, %d of them wide, %d unsupported; %d elements, %d without a limit, %d beyond the sound limit; %d graphs looked odd", y.graphs, y.wide, y.unsupported, y.elements, y.unbounded, y.beyond, y.doubts)
	t.Logf("| %s | %d | %d | %d | %.1f | %d | %.1f | %.2f | %.2f | %d |", name, y.graphs, y.elements, y.alarms, y.worst, y.proofs, y.nodes.spreads, y.nodes.rms, y.nodes.bias, y.different)
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

func (g *randomGraph) label() (string, int64, bool) { return g.prefix, g.opset, g.wide }

func (g *randomGraph) operators() (ops []string) {
	for _, n := range g.nodes {
		ops = append(ops, n.op)
	}
	return ops
}

// String lists the nodes.
func (g *randomGraph) String() string {
	s := ""
	for _, n := range g.nodes {
		s += fmt.Sprintf("  %s = %s%v\n", n.out, n.op, n.in)
	}
	return s
}

// together is how many graphs become one model, because starting a process takes
// longer than running it.
const together = 40

// sweep draws graphs and compares all contenders with them, which have the same
// operators.
func sweep(t *testing.T, list []contender, total int) []tally {
	t.Helper()
	tallies := make([]tally, len(list))
	for first := *sweepFirst; first < *sweepFirst+total; first += together {
		opset := opsets[first/together%len(opsets)]
		e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "random", Opset: opset, IR: 8})
		var graphs []drawnGraph
		var inputs []*onnx.Tensor
		for i := first; i < min(first+together, *sweepFirst+total); i++ {
			g := newRandomGraph(t, list[0].seeds+uint64(i), opset, 3+i%10, list[0].only, nil)
			if len(g.nodes) == 0 {
				continue
			}
			emitInputs(e, g.values[:len(g.inputs)], false)
			d, err := newDrawnGraph(t, g, g.inputs)
			if err != nil {
				t.Fatal(err)
			}
			graphs, inputs = append(graphs, d), append(inputs, g.inputs...)
		}
		for _, d := range graphs {
			g := d.sweptGraph.(*randomGraph)
			g.emit(e, g.nodes, g.outputs())
		}
		m := onnxtest.Model(t, e)
		for i, c := range list {
			if c.alone {
				for _, g := range graphs {
					outputs, err := attempt(t, c.rt, g.job.model, g.data.inputs)
					if _, ok := errors.AsType[*onnx.UnsupportedError](err); ok {
						tallies[i].unsupported++
						continue
					}
					if err != nil {
						t.Fatalf("graph %s: %v\n%s", g.data.name, err, g)
					}
					tallies[i].hold(t, g, c.rt, func(name string) *onnx.Tensor { return outputs[name] })
				}
				continue
			}
			outputs := runOnce(t, c.rt, m, inputs)
			for _, g := range graphs {
				tallies[i].hold(t, g, c.rt, func(name string) *onnx.Tensor { return outputs[name] })
			}
		}
	}
	return tallies
}

// TestRandomGraphs compares runtimes that are right with the limits, on graphs of
// all operators that they have: a few hundred in every run, and thousands when
// flags ask for a sweep.
func TestRandomGraphs(t *testing.T) {
	if *sweepRuntime != "" {
		groups := map[uint64][]contender{}
		for _, c := range contenders(t, *sweepRuntime) {
			groups[c.seeds] = append(groups[c.seeds], c)
		}
		for _, seeds := range slices.Sorted(maps.Keys(groups)) {
			list := groups[seeds]
			for i, y := range sweep(t, list, graphsToDraw(t, 240)) {
				y.judge(t, list[i].name, 1)
			}
		}
		return
	}
	for name, total := range map[string]int{"ort-node": 240, "ort-web:off": together, "load": 300, "torch": 2 * together} {
		t.Run(name, func(t *testing.T) {
			c := contenders(t, name)
			if testing.Short() {
				total = min(total, together)
			}
			y := sweep(t, c, graphsToDraw(t, total))[0]
			if total >= 200 {
				y.judge(t, name, c[0].least)
			}
		})
	}
}

// runOnce runs a model that the runtime must take, and gives its outputs by name.
func runOnce(t *testing.T, rt witness.Runtime, m *onnx.Model, inputs []*onnx.Tensor) map[string]*onnx.Tensor {
	t.Helper()
	named, err := attempt(t, rt, m, inputs)
	if err != nil {
		t.Fatal(err)
	}
	return named
}

// attempt is runOnce for a model that the runtime may refuse.
func attempt(t *testing.T, rt witness.Runtime, m *onnx.Model, inputs []*onnx.Tensor) (map[string]*onnx.Tensor, error) {
	t.Helper()
	s, err := rt.Open(t.Context(), m)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	outputs, err := s.Run(t.Context(), inputs)
	if err != nil {
		return nil, err
	}
	named := map[string]*onnx.Tensor{}
	for _, x := range outputs {
		named[x.Name] = x
	}
	return named, nil
}
