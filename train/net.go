package train

import (
	"fmt"
	"math"

	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/internal/kernel"
	"github.com/petrify-ml/petrify/layer"
)

// netState is a net's parameters with the moments of Adam.
type netState struct {
	plan   *layer.Plan
	params []param
	adamT  int // Adam steps taken
}

type param struct {
	layer.Param
	w, m, v []float32
}

func newNetState(n layer.Net, seed uint64) (*netState, error) {
	plan, err := n.Plan()
	if err != nil {
		return nil, err
	}
	s := &netState{plan: plan}
	for q := range plan.Params() {
		size := q.Shape.Len()
		p := param{Param: q, w: make([]float32, size), m: make([]float32, size), v: make([]float32, size)}
		q.Init(kernel.NewStream(seed, q.Name), p.w)
		s.params = append(s.params, p)
	}
	return s, nil
}

// weights is the storage of a parameter.
func (s *netState) weights(q layer.Param) ([]float32, error) {
	for _, p := range s.params {
		if p.Name == q.Name {
			return p.w, nil
		}
	}
	return nil, fmt.Errorf("%s: no such parameter in %s", q.Name, s.plan.Net.Name)
}

// bound puts a net's parameters into one graph, each once, and remembers their nodes.
type bound struct {
	state *netState
	graph *G.ExprGraph
	nodes G.Nodes // as state.params
}

func (s *netState) bind(g *G.ExprGraph) (*bound, error) {
	b := &bound{state: s, graph: g}
	for _, p := range s.params {
		n, err := layer.ParamNode(g, p.Param, p.w)
		if err != nil {
			return nil, err
		}
		b.nodes = append(b.nodes, n)
	}
	return b, nil
}

func (b *bound) node(q layer.Param) (*G.Node, error) {
	for i, p := range b.state.params {
		if p.Name == q.Name {
			return b.nodes[i], nil
		}
	}
	return nil, fmt.Errorf("%s: no such parameter in %s", q.Name, b.state.plan.Net.Name)
}

// build adds the net to the graph of x.
func (b *bound) build(x *G.Node, need gop.Need, until string) (*G.Node, error) {
	out, err := b.state.plan.Build(layer.BuildOptions{Input: x, Param: b.node, Training: true, Need: need, Until: until})
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

// update is one step of the optimiser: a graph that gives the loss and the gradients of one net's parameters.
type update struct {
	state   *netState
	nets    []*netState // all whose parameters enter the loss
	machine *gop.Machine
	loss    *G.Node
	grads   [][]float32
	adam    kernel.AdamConfig
}

// newUpdate differentiates the loss with respect to the parameters of b, one of the nets that enter it. also are further
// nodes to compute.
func newUpdate(loss *G.Node, b *bound, nets []*netState, adam kernel.AdamConfig, also ...*G.Node) (*update, error) {
	grads, err := gop.Grad(loss, b.nodes...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.state.plan.Net.Name, err)
	}
	m, err := gop.NewMachine(append(append(G.Nodes{loss}, also...), grads...)...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.state.plan.Net.Name, err)
	}
	u := &update{state: b.state, nets: nets, machine: m, loss: loss, adam: adam}
	for i, g := range grads {
		d, ok := g.Value().Data().([]float32)
		if !ok || len(d) != len(b.state.params[i].w) {
			return nil, fmt.Errorf("%s: gradient has shape %v, want %v", b.state.params[i].Name, g.Shape(), b.state.params[i].Shape)
		}
		u.grads = append(u.grads, d)
	}
	return u, nil
}

// run computes the loss and the gradients and moves the parameters. A loss that is not finite moves nothing.
func (u *update) run() (loss float64, err error) {
	if err := u.machine.RunAll(); err != nil {
		return 0, err
	}
	loss = float64(*u.loss.Value().(*G.F32))
	if !finite(loss) {
		return loss, u.diverged(loss)
	}
	u.state.adamT++
	for i, p := range u.state.params {
		kernel.Adam(u.adam, u.state.adamT, p.w, u.grads[i], p.m, p.v)
	}
	return loss, nil
}

// diverged names the first tensor that is not finite: a parameter, else a gradient, else the loss itself.
func (u *update) diverged(loss float64) *DivergedError {
	for _, n := range u.nets {
		if d := n.diverged(); d != nil {
			return d
		}
	}
	for i, p := range u.state.params {
		if d := firstBad("the gradient of "+p.Name, u.grads[i]); d != nil {
			return d
		}
	}
	return &DivergedError{Tensor: u.loss.Name(), Value: loss}
}

// diverged names the first parameter that is not finite, or is nil.
func (s *netState) diverged() *DivergedError {
	for _, p := range s.params {
		if d := firstBad(p.Name, p.w); d != nil {
			return d
		}
	}
	return nil
}

func firstBad(name string, x []float32) *DivergedError {
	for i, v := range x {
		if !finite(float64(v)) {
			return &DivergedError{Tensor: name, Index: i, Value: float64(v)}
		}
	}
	return nil
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
