package verify

import (
	"context"
	"fmt"
	"strings"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/reference"
	"google.golang.org/protobuf/proto"
)

// A Fault is the first node whose result rounding cannot explain.
type Fault struct {
	Node   string    `json:"node"`
	Op     string    `json:"op"`
	Output string    `json:"output"`
	At     Deviation `json:"at"`
}

func (f *Fault) String() string {
	node := f.Node
	if !strings.HasPrefix(node, f.Op) { // a label without a name begins with it
		node += " (" + f.Op + ")"
	}
	return fmt.Sprintf("%s: %s%s", node, f.Output, f.At.String())
}

// A proof is what the second stage found.
type proof struct {
	nodes     int // held against their limits
	fault     *Fault
	unbounded []string // nodes that the reference has no limit for
	outputs   []*onnx.Tensor
}

// probePrefix begins the names of the outputs that are added to a model.
const probePrefix = "petrify.probe."

// instrumented returns the model with every value that a node computes as an
// output besides. Each gets an Identity node of its own: some runtimes return
// zeros for an output that other nodes read.
func instrumented(m *onnx.Model, values []*reference.Value) (*onnx.Model, map[string]string, error) {
	clone := proto.CloneOf(m.Proto)
	g := clone.Graph
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
	b, err := onnx.Marshal(clone)
	if err != nil {
		return nil, nil, err
	}
	return &onnx.Model{Proto: clone, Bytes: b}, probes, nil
}

// prove runs the instrumented model on the runtime and holds every node against
// its own sound limit, on the inputs that the runtime itself gave it.
func (j *job) prove(ctx context.Context, rt Runtime, d dataSet) (*proof, error) {
	var values []*reference.Value
	nodes := j.program.Nodes()
	constant := map[string]bool{} // outputs of nodes that read nothing
	for _, n := range nodes {
		if len(n.Inputs) == 0 {
			for _, out := range n.Outputs {
				constant[out] = true
			}
		}
	}
	_, err := j.program.Watch(ctx, d.values, func(v *reference.Value) {
		if !constant[v.Name] {
			values = append(values, &reference.Value{Name: v.Name, Kind: v.Kind, Type: v.Type, Dims: v.Dims})
		}
	})
	if err != nil {
		return nil, err
	}
	model, probes, err := instrumented(j.model, values)
	if err != nil {
		return nil, err
	}
	session, err := guarded(ctx, j.options.Timeout, func(ctx context.Context) (Session, error) { return rt.Open(ctx, model) })
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
	got := map[string]*reference.Value{}
	for _, v := range valuesOf(outputs) {
		if v != nil {
			got[v.Name] = v
		}
	}
	own := len(j.model.Proto.GetGraph().GetOutput())
	if len(outputs) < own {
		return nil, fmt.Errorf("%d outputs of the model with all intermediate values as outputs, want at least %d", len(outputs), own)
	}
	p := &proof{outputs: outputs[:own]}
	return p, j.holdNodes(ctx, p, nodes, d.values, func(name string) *reference.Value { return got[probes[name]] })
}

// holdNodes goes through the nodes in order until one is beyond its limit.
func (j *job) holdNodes(ctx context.Context, p *proof, nodes []reference.Node, inputs []*reference.Value, got func(name string) *reference.Value) error {
	values := map[string]*reference.Value{}
	for _, v := range inputs {
		values[v.Name] = v
	}
	for i, n := range nodes {
		r, err := j.program.RunNode(ctx, i, values)
		if err != nil {
			return err
		}
		for k, want := range r.Outputs {
			if want == nil || n.Outputs[k] == "" {
				continue
			}
			values[n.Outputs[k]] = want
			t := got(n.Outputs[k])
			if t == nil {
				continue // a constant, or no tensor: the reference's own value goes on
			}
			if fault, unbounded := hold(n, want, t); fault != nil {
				p.fault = fault
				return nil
			} else if unbounded {
				p.unbounded = append(p.unbounded, n.Label)
			}
			v := *t
			v.Name = n.Outputs[k]
			values[v.Name] = &v
		}
		p.nodes++
	}
	return nil
}

// hold holds one result of a node against its sound limit.
func hold(n reference.Node, want, got *reference.Value) (*Fault, bool) {
	fault := &Fault{Node: n.Label, Op: n.Op, Output: want.Name}
	t := *got
	t.Name = want.Name
	if err := mismatch(want, &t); err != nil {
		fault.Output += ": " + err.Error()
		return fault, false
	}
	m := measure(want, &t, func(i int) float64 { return figure(want.Sound, i) })
	if m.First == nil {
		return nil, m.Unbounded > 0
	}
	fault.At = *m.First
	return fault, false
}

// judge turns what the proof found into the verdict of a row.
func (p *proof) judge(row *Row, want *reference.Value, plain, probed *onnx.Tensor) {
	row.Stage = Proof
	switch {
	case p.fault != nil:
		row.Verdict, row.Fault = Different, p.fault
		row.Reason = fmt.Sprintf("rounding cannot explain %s", p.fault)
	case len(p.unbounded) > 0:
		row.Verdict = Unchecked
		row.Reason = "no limit is known for " + strings.Join(p.unbounded, ", ")
	default:
		row.Verdict = Equal
		row.Reason = fmt.Sprintf("all %d nodes are within their sound limits", p.nodes)
		// The proof is about the instrumented run; it carries over if the plain
		// one is no farther from it than rounding takes two runs apart.
		center := valueOf(probed)
		if err := mismatch(want, center); err != nil {
			row.Verdict, row.Reason = Different, fmt.Sprintf("with all intermediate values as outputs %v", err)
			return
		}
		if sameBits([]*onnx.Tensor{plain}, []*onnx.Tensor{probed}) {
			return
		}
		if m := measure(center, valueOf(plain), want.Screen); m.Outside > 0 {
			row.Verdict = Different
			row.Reason = fmt.Sprintf("all %d nodes are within their sound limits when intermediate values are outputs, but the outputs of the plain model are others: %v", p.nodes, m.First)
		}
	}
}

func closeSession(ctx context.Context, s Session) {
	_, _ = guarded(context.WithoutCancel(ctx), grace, func(context.Context) (struct{}, error) { return struct{}{}, s.Close() })
}
