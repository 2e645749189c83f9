package verify

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/reference"
	"github.com/petrify-ml/petrify/witness"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// A Fault is the first node whose result rounding does not explain.
type Fault struct {
	Node   string    `json:"node"`
	Op     string    `json:"op"`
	Output string    `json:"output"`
	At     Deviation `json:"at"` // the first element beyond its limit, or the worst one of a collective fault
	// Proven says that the element is beyond its sound limit: rounding cannot explain it. Otherwise
	// Log10 bounds the decimal logarithm of the probability that it does.
	Proven     bool        `json:"proven"`
	Log10      Number      `json:"log10_probability"`
	Collective *Collective `json:"collective,omitempty"` // set if it is the errors taken together that are improbable

	// Around lists the nodes that compute its inputs or read its output, and the node itself, in graph
	// order.
	Around []Neighbour `json:"around,omitempty"`

	value string // the output's name, without what is wrong with it
}

// A Neighbour is a node near a fault.
type Neighbour struct {
	Node    string   `json:"node"`
	Op      string   `json:"op"`
	Inputs  []string `json:"inputs"`
	Outputs []string `json:"outputs"`
}

// around lists node i of a graph with those next to it, at most so many of them.
func around(nodes []reference.Node, i int) []Neighbour {
	const most = 12
	var near []Neighbour
	for k, n := range nodes {
		next := k == i || slices.ContainsFunc(n.Outputs, func(v string) bool { return v != "" && slices.Contains(nodes[i].Inputs, v) }) ||
			slices.ContainsFunc(n.Inputs, func(v string) bool { return v != "" && slices.Contains(nodes[i].Outputs, v) })
		if next && (k <= i || len(near) < most) {
			near = append(near, Neighbour{n.Label, n.Op, n.Inputs, n.Outputs})
		}
	}
	return near[max(0, len(near)-most):]
}

// Value is the name of the wrong value.
func (f *Fault) Value() string { return f.value }

func (f *Fault) String() string {
	node := f.Node
	if !strings.HasPrefix(node, f.Op) { // a label without a name begins with it
		node += " (" + f.Op + ")"
	}
	if what, bad := f.Collective.outside(); bad {
		return fmt.Sprintf("%s: %s: %s", node, f.Output, what)
	}
	return fmt.Sprintf("%s: %s%s", node, f.Output, f.At.String())
}

// Verdict says how sure it is that rounding is not the cause.
func (f *Fault) verdict() string {
	if f.Proven {
		return fmt.Sprintf("rounding cannot explain %s", f)
	}
	return fmt.Sprintf("%s: %s", improbable(float64(f.Log10)), f)
}

// improbable is a probability in words.
func improbable(log10 float64) string {
	if log10 < -300 {
		return "improbable as rounding (below 1 in 10^300)"
	}
	return fmt.Sprintf("improbable as rounding (about 1 in 10^%.0f)", -log10)
}

// A proof is what the second stage found.
type proof struct {
	program   *reference.Program
	nodes     []reference.Node
	faults    []*Fault    // in the order of the nodes
	unbounded [][2]string // output and label of nodes that the reference has no limit for
	random    [][2]string // the same of nodes that draw their results
	outputs   []*onnx.Tensor
	given     func(name string) *reference.Value // what the runtime gave for a value, nil where it was not asked
	statistics
}

// statistics are the largest figures of nodes that passed.
type statistics struct{ spreads, rms, bias float64 }

func (s *statistics) add(spreads Number, c *Collective) {
	if !math.IsInf(float64(spreads), 0) {
		s.spreads = max(s.spreads, float64(spreads))
	}
	if c != nil {
		s.rms = max(s.rms, float64(c.RMS))
		s.bias = max(s.bias, (float64(c.Bias)-c.shared)/c.noise)
	}
}

func (s *statistics) String() string {
	return fmt.Sprintf("at most %.2g spreads, root mean square %.2g", s.spreads, s.rms)
}

// probePrefix begins the names of the outputs that are added to a model.
const probePrefix = "petrify.probe."

// instrumented returns the model with every value that a node computes as an
// output besides. Each gets an Identity node of its own: some runtimes return
// zeros for an output that other nodes read.
func instrumented(m *onnx.Model, values []*reference.Value) (*onnx.Model, map[string]string, error) {
	clone := shallow(m.Proto) // weights are shared
	clone.Graph = shallow(m.Proto.Graph)
	g := clone.Graph
	g.Node, g.Output = slices.Clip(g.Node), slices.Clip(g.Output)
	probes := map[string]string{} // value -> output
	for i, v := range values {
		if v.Kind != reference.Tensor {
			continue
		}
		name := fmt.Sprintf("%s%d", probePrefix, i)
		probes[v.Name] = name
		g.Node = append(g.Node, &pb.NodeProto{
			OpType: proto.String("Identity"), Name: proto.String(name),
			Input: []string{v.Name}, Output: []string{name},
		})
		dims := make([]onnx.Dim, len(v.Dims))
		for a := range dims {
			dims[a] = onnx.Unknown()
		}
		g.Output = append(g.Output, &pb.ValueInfoProto{Name: proto.String(name), Type: onnx.Type{Elem: v.Type, Dims: dims}.Proto()})
	}
	if m.Bytes == nil {
		return &onnx.Model{Proto: clone}, probes, nil // it may be too large for a message
	}
	b, err := onnx.Marshal(clone)
	if err != nil {
		return nil, nil, err
	}
	return &onnx.Model{Proto: clone, Bytes: b}, probes, nil
}

// shallow returns a message whose fields are those of m.
func shallow[M proto.Message](m M) M {
	from := m.ProtoReflect()
	to := from.New()
	from.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		to.Set(f, v)
		return true
	})
	to.SetUnknown(from.GetUnknown())
	return to.Interface().(M)
}

// prove runs the instrumented model on the runtime and compares every node with
// the reference on the inputs that the runtime itself gave it. Functions, branches
// and loops are written out before; where they cannot be, or the runtime does not
// take the result, a node with graphs within is judged as a whole, by its screen.
func (j *job) prove(ctx context.Context, rt witness.Runtime, d dataSet) (*proof, error) {
	if _, recorded := rt.(witness.Recorded); recorded {
		return j.proveRecorded(ctx, d)
	}
	if slices.ContainsFunc(j.program.Nodes(), func(n reference.Node) bool { return n.Composite }) {
		if model, program := j.flat(ctx, d); program != nil {
			if p, err := j.proveAs(ctx, rt, d, model, program); err == nil {
				return p, nil
			}
		}
	}
	return j.proveAs(ctx, rt, d, j.model, j.program)
}

// errInside says that what nodes gave to each other is not known.
var errInside = errors.New("what was computed between inputs and outputs was not recorded")

// proveRecorded is prove for outputs in files: those of a graph of one node are all that a proof looks at.
func (j *job) proveRecorded(ctx context.Context, d dataSet) (*proof, error) {
	p := &proof{program: j.program, nodes: j.program.Nodes()}
	if len(p.nodes) != 1 {
		return nil, errInside
	}
	p.given = func(name string) *reference.Value {
		k := slices.IndexFunc(d.recorded, func(v *reference.Value) bool { return v.Name == name })
		if k < 0 {
			return nil
		}
		return d.recorded[k]
	}
	var err error
	if p.outputs, err = tensorsOf(d.recorded); err != nil {
		return nil, err
	}
	return p, j.holdNodes(ctx, p, d.values)
}

// flat is the model written out for the data, nil where that is not possible.
func (j *job) flat(ctx context.Context, d dataSet) (*onnx.Model, *reference.Program) {
	trace, err := j.program.Trace(ctx, d.values)
	if err != nil || trace == nil {
		return nil, nil
	}
	model, err := flatten(j.model, trace)
	if err != nil {
		return nil, nil
	}
	program, err := reference.Compile(model, j.options.Reference)
	if err != nil {
		return nil, nil
	}
	return model, program
}

func (j *job) proveAs(ctx context.Context, rt witness.Runtime, d dataSet, m *onnx.Model, program *reference.Program) (*proof, error) {
	nodes := program.Nodes()
	constant := map[string]bool{} // outputs of nodes that read nothing
	for _, n := range nodes {
		if len(n.Inputs) == 0 {
			for _, out := range n.Outputs {
				constant[out] = true
			}
		}
	}
	values := d.made
	if program != j.program || values == nil { // d was not evaluated by the job
		values = nil
		if _, err := program.Watch(ctx, d.values, func(v *reference.Value) { values = append(values, outline(v)) }); err != nil {
			return nil, err
		}
	}
	values = slices.DeleteFunc(slices.Clone(values), func(v *reference.Value) bool { return constant[v.Name] })
	model, probes, err := instrumented(m, values)
	if err != nil {
		return nil, err
	}
	session, err := guarded(ctx, j.options.Timeout, func(ctx context.Context) (witness.Session, error) { return rt.Open(ctx, model) })
	if err != nil {
		return nil, fmt.Errorf("opening the model with all intermediate values as outputs: %w", err)
	}
	defer closeSession(ctx, session)
	outputs, err := guarded(ctx, j.options.Timeout, func(ctx context.Context) ([]*onnx.Tensor, error) {
		return session.Run(ctx, clone(d.inputs))
	})
	if err != nil {
		return nil, fmt.Errorf("running the model with all intermediate values as outputs: %w", err)
	}
	got := map[string]*onnx.Tensor{}
	for _, t := range outputs {
		if t != nil {
			got[t.Name] = t
		}
	}
	own := len(j.model.Proto.GetGraph().GetOutput())
	if len(outputs) < own {
		return nil, fmt.Errorf("%d outputs of the model with all intermediate values as outputs, want at least %d", len(outputs), own)
	}
	p := &proof{program: program, nodes: nodes, outputs: slices.Clone(outputs[:own])}
	clear(outputs)
	kept := map[string]bool{}
	for _, v := range j.model.Proto.GetGraph().GetOutput() {
		kept[v.GetName()] = true
	}
	p.given = func(name string) *reference.Value {
		t := got[probes[name]]
		if !kept[name] {
			delete(got, probes[name]) // a node's result is requested once
		}
		return valueOf(t)
	}
	return p, j.holdNodes(ctx, p, d.values)
}

// holdNodes goes through the nodes in order. What comes after a fault is examined,
// too: other outputs may not depend on it.
func (j *job) holdNodes(ctx context.Context, p *proof, inputs []*reference.Value) error {
	values := map[string]*reference.Value{}
	for _, v := range inputs {
		values[v.Name] = v
	}
	last := map[string]int{} // node that reads a value
	for i, n := range p.nodes {
		for _, name := range n.Inputs {
			last[name] = i
		}
	}
	for i, n := range p.nodes {
		j.progress.tell(Event{Path: j.source.model, Model: j.number, Node: i + 1, Nodes: len(p.nodes)})
		r, err := p.program.RunNode(ctx, i, values)
		if err != nil && len(p.faults) > 0 && ctx.Err() == nil {
			return nil // what a faulty node gave may be no operand
		}
		if err != nil {
			return err
		}
		for k, want := range r.Outputs {
			if want == nil || n.Outputs[k] == "" {
				continue
			}
			values[n.Outputs[k]] = want
			t := p.given(n.Outputs[k])
			if t == nil {
				continue // a constant, or no tensor: the reference's own value goes on
			}
			e, err := examine(ctx, p.program, i, k, values, want, t)
			if err != nil {
				return err
			}
			switch {
			case e.fault != nil:
				p.faults = append(p.faults, e.fault)
			case e.unbounded && n.Random:
				p.random = append(p.random, [2]string{n.Outputs[k], n.Label})
			case e.unbounded:
				p.unbounded = append(p.unbounded, [2]string{n.Outputs[k], n.Label})
			default:
				p.add(e.spreads, e.collective)
			}
			v := *t
			v.Name = n.Outputs[k]
			values[v.Name] = j.operand(&v)
		}
		for _, name := range slices.Concat(n.Inputs, n.Outputs) {
			if last[name] <= i {
				delete(values, name)
			}
		}
	}
	return nil
}

// outline is v without its elements.
func outline(v *reference.Value) *reference.Value {
	return &reference.Value{Name: v.Name, Kind: v.Kind, Type: v.Type, Dims: v.Dims}
}

// operand is a value that a runtime gave as the next node may have read it.
func (j *job) operand(v *reference.Value) *reference.Value {
	if j.options.Reference.Profile.SumsInOwnType() {
		return v
	}
	return v.Unrounded()
}

// leadingTo returns the values that an output is made of, itself among them.
func (p *proof) leadingTo(output string) map[string]bool {
	made := map[string]bool{output: true}
	for i := len(p.nodes) - 1; i >= 0; i-- {
		n := p.nodes[i]
		if slices.ContainsFunc(n.Outputs, func(out string) bool { return out != "" && made[out] }) {
			for _, in := range n.Inputs {
				made[in] = true
			}
		}
	}
	return made
}

// An examination is what came of the result of one node.
type examination struct {
	fault      *Fault
	unbounded  bool
	spreads    Number
	collective *Collective
}

// examine compares output k of node i, evaluated on values, with a runtime's. What
// the usual spread makes improbable is looked at again with one that holds for
// other orders of summation.
func examine(ctx context.Context, program *reference.Program, i, k int, values map[string]*reference.Value, want, got *reference.Value) (examination, error) {
	nodes := program.Nodes()
	n := nodes[i]
	// The figures of operands have no part in what independent errors are.
	collective := !n.Composite && want.Terms > 0
	for _, name := range n.Inputs {
		if v := values[name]; v != nil && v.Sound != nil {
			collective = false
		}
	}
	e := hold(n, want, got, collective)
	if e.fault != nil && !e.fault.Proven {
		r, err := program.ReorderNode(ctx, i, values)
		if err != nil {
			return e, err
		}
		e = hold(n, r.Outputs[k], got, collective)
	}
	if e.fault != nil {
		e.fault.Around = around(nodes, i)
	}
	return e, nil
}

// hold compares one result of a node with its limits.
func hold(n reference.Node, want, got *reference.Value, collective bool) examination {
	fault := &Fault{Node: n.Label, Op: n.Op, Output: want.Name, value: want.Name}
	t := *got
	t.Name = want.Name
	if err := mismatch(want, &t); err != nil {
		if excused(want, err) {
			return examination{unbounded: true}
		}
		fault.Output += ": " + err.Error()
		fault.Proven = true
		return examination{fault: fault}
	}
	m := measure(want, &t, want.Screen)
	e := examination{unbounded: m.Unbounded > 0, spreads: m.Spreads}
	if m.First != nil {
		fault.At, fault.Log10 = *m.First, Number(m.log10())
		if sound := measure(want, &t, func(i int) float64 { return figure(want.Sound, i) }); sound.First != nil {
			fault.At, fault.Proven = *sound.First, true
		}
		e.fault = fault
		return e
	}
	if !collective {
		return e
	}
	e.collective = collect(want, &t)
	if _, bad := e.collective.outside(); bad {
		fault.Collective, fault.Log10 = e.collective, Number(e.collective.log10())
		if m.Worst != nil {
			fault.At = *m.Worst
		}
		e.fault = fault
	}
	return e
}

// whole names the nodes with graphs within that an output is made of.
func (p *proof) whole(made map[string]bool) []string {
	var labels []string
	for _, n := range p.nodes {
		if n.Composite && slices.ContainsFunc(n.Outputs, func(out string) bool { return made[out] }) {
			labels = append(labels, n.Label)
		}
	}
	return labels
}

// computes reports whether one of the values is computed, and not merely drawn.
func (p *proof) computes(made map[string]bool) bool {
	return slices.ContainsFunc(p.nodes, func(n reference.Node) bool {
		return !n.Random && len(n.Inputs) > 0 && slices.ContainsFunc(n.Outputs, func(out string) bool { return made[out] })
	})
}

// judge turns what the proof found into the verdict of a row.
func (p *proof) judge(row *Comparison, want *reference.Value, plain, probed *onnx.Tensor) {
	row.Stage = Proof
	made := p.leadingTo(want.Name)
	labels := func(list [][2]string) []string {
		var some []string
		for _, u := range list {
			if made[u[0]] {
				some = append(some, u[1])
			}
		}
		return some
	}
	unbounded, random := labels(p.unbounded), labels(p.random)
	at := slices.IndexFunc(p.faults, func(f *Fault) bool { return made[f.value] })
	switch {
	case at >= 0:
		row.Verdict, row.Fault = Different, p.faults[at]
		row.Reason = row.Fault.verdict()
	case len(random) > 0 && !p.computes(made):
		row.Verdict = Unchecked
		row.Reason = "it is nothing but what was drawn by " + strings.Join(random, ", ")
	case len(unbounded) > 0:
		row.Verdict = Unchecked
		row.Reason = "no limit is known for " + strings.Join(unbounded, ", ")
	default:
		row.Verdict = Equal
		row.Reason = fmt.Sprintf("all %d nodes compute what they should, except for rounding: %v", len(p.nodes), &p.statistics)
		if len(p.nodes) == 1 {
			row.Reason = fmt.Sprintf("the only node computes what it should, except for rounding: %v", &p.statistics)
		}
		if whole := p.whole(made); len(whole) > 0 {
			row.Reason = join(row.Reason, "judged as a whole: "+strings.Join(whole, ", "))
		}
		if len(p.faults) > 0 {
			row.Reason = "every node inside it computes what it should, except for rounding"
		}
		if len(random) > 0 { // two runs draw other numbers
			row.Reason = join(row.Reason, "what was drawn is taken as it is: "+strings.Join(random, ", "))
			return
		}
		// The proof is about the instrumented run; it carries over if the plain
		// one is no farther from it than rounding takes two runs apart.
		center := valueOf(probed)
		err := mismatch(want, center)
		if excused(want, err) { // then the output must be what the proof has seen of it
			if seen := p.given(want.Name); seen != nil && slices.Equal(seen.Dims, center.Dims) {
				err = nil
			}
		}
		if err != nil {
			row.Verdict, row.Reason = Different, fmt.Sprintf("with all intermediate values as outputs %v", err)
			return
		}
		if sameBits([]*onnx.Tensor{plain}, []*onnx.Tensor{probed}) {
			return
		}
		other := valueOf(plain)
		if err := mismatch(center, other); err != nil {
			row.Verdict, row.Reason = Different, fmt.Sprintf("every node is right when intermediate values are outputs, but the output of the plain model is another: %v", err)
			if excused(want, err) {
				row.Verdict = Unchecked
			}
			return
		}
		if m := measure(center, other, screenOf(want, center)); m.Outside > 0 {
			row.Verdict = Different
			row.Reason = fmt.Sprintf("every node is right when intermediate values are outputs, but the outputs of the plain model are others: %v", m.First)
		}
	}
}

func closeSession(ctx context.Context, s witness.Session) {
	_, _ = guarded(context.WithoutCancel(ctx), grace, func(context.Context) (struct{}, error) { return struct{}{}, s.Close() })
}
