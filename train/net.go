package train

import (
	"fmt"
	"math"
	"slices"

	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/internal/kernel"
	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/model"
	"github.com/petrify-ml/petrify/random"
)

// netState is a net's parameters with the moments of Adam.
type netState struct {
	plan   *layer.Plan
	params []param
	adamT  int                              // Adam steps taken
	stream func(step string) *random.Stream // random numbers of the run for a layer that draws
}

type param struct {
	layer.Param
	w, m, v []float32 // m and v are nil where the parameter is tracked
}

func newNetState(n layer.Net, seed uint64, stream func(string) *random.Stream) (*netState, error) {
	plan, err := n.Plan()
	if err != nil {
		return nil, err
	}
	s := &netState{plan: plan, stream: stream}
	for q := range plan.Params() {
		size := q.Shape.Len()
		p := param{Param: q, w: make([]float32, size)}
		if !q.Tracked {
			p.m, p.v = make([]float32, size), make([]float32, size)
		}
		q.Init(random.New(seed, q.Name), p.w)
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

// inputOf makes the input of a net for a batch.
func inputOf(g *G.ExprGraph, s *netState, batch int) (*G.Node, []float32) {
	port := s.plan.Net.Input
	return layer.InputNode[float32](g, port.Name, append(layer.Shape{batch}, port.Shape...))
}

func (b *bound) node(q layer.Param) (*G.Node, error) {
	for i, p := range b.state.params {
		if p.Name == q.Name {
			return b.nodes[i], nil
		}
	}
	return nil, fmt.Errorf("%s: no such parameter in %s", q.Name, b.state.plan.Net.Name)
}

// build adds the net to the graph of x, as it behaves in training or in inference.
func (b *bound) build(x *G.Node, training bool, need layer.Need, until string) (G.Nodes, error) {
	return b.state.plan.Build(layer.BuildOptions{Input: x, Param: b.node, Training: training, Need: need, Stream: b.state.stream, Until: until})
}

// update is one step of the optimiser: a graph that gives the loss and the gradients of the parameters of some nets.
type update struct {
	learners []learner
	nets     []*netState // all whose parameters enter the loss
	machine  *gop.Machine
	loss     *G.Node
	adam     model.Adam
}

// learner is a net whose parameters an update moves.
type learner struct {
	state  *netState
	params []param // those that are learnt, not tracked
	grads  [][]float32
}

// updateConfig says what an update is made of.
type updateConfig struct {
	loss     *G.Node
	learners []*bound     // nets to differentiate by
	nets     []*netState  // all that enter the loss
	given    *gop.Machine // what it computes is taken from its latest run; nil: everything is computed
	also     G.Nodes      // further nodes to compute
	adam     model.Adam
}

// newUpdate differentiates the loss with respect to the learners' parameters.
func newUpdate(c updateConfig) (*update, error) {
	u := &update{nets: c.nets, loss: c.loss, adam: c.adam}
	var by G.Nodes
	for _, b := range c.learners {
		l := learner{state: b.state}
		for i, p := range b.state.params {
			if !p.Tracked {
				l.params, by = append(l.params, p), append(by, b.nodes[i])
			}
		}
		u.learners = append(u.learners, l)
	}
	grads, err := gop.Grad(c.loss, by...)
	if err != nil {
		return nil, err
	}
	given := c.given
	if given == nil {
		given = new(gop.Machine)
	}
	if u.machine, err = given.Continue(slices.Concat(G.Nodes{c.loss}, c.also, grads)...); err != nil {
		return nil, err
	}
	for k := range u.learners {
		l := &u.learners[k]
		for _, p := range l.params {
			d, ok := grads[0].Value().Data().([]float32)
			if !ok || len(d) != len(p.w) {
				return nil, fmt.Errorf("%s: gradient has shape %v, want %v", p.Name, grads[0].Shape(), p.Shape)
			}
			l.grads, grads = append(l.grads, d), grads[1:]
		}
	}
	return u, nil
}

// run computes the loss and the gradients and moves the parameters. A loss that is not finite moves nothing.
func (u *update) run() (loss float64, err error) {
	if loss, err = u.compute(); err != nil {
		return loss, err
	}
	u.move()
	return loss, nil
}

// compute gives the loss, which is finite, and leaves the gradients in place.
func (u *update) compute() (loss float64, err error) {
	if err := u.machine.RunAll(); err != nil {
		return 0, err
	}
	loss = scalar(u.loss)
	if !finite(loss) {
		return loss, u.diverged(loss)
	}
	return loss, nil
}

// move takes one step of Adam along the gradients.
func (u *update) move() {
	for _, l := range u.learners {
		l.state.adamT++
		for i, p := range l.params {
			kernel.Adam(kernel.AdamConfig(u.adam), l.state.adamT, p.w, l.grads[i], p.m, p.v)
		}
	}
}

// add adds the gradients of another update of the same nets to those of u.
func (u *update) add(other *update) {
	for k, l := range u.learners {
		for i, g := range l.grads {
			kernel.Add(g, g, other.learners[k].grads[i])
		}
	}
}

func scalar(n *G.Node) float64 { return float64(*n.Value().(*G.F32)) }

// diverged names the first tensor that is not finite: a parameter, else a gradient, else the loss itself.
func (u *update) diverged(loss float64) *DivergedError {
	for _, n := range u.nets {
		if d := n.diverged(); d != nil {
			return d
		}
	}
	for _, l := range u.learners {
		for i, p := range l.params {
			if d := firstBad("the gradient of "+p.Name, l.grads[i]); d != nil {
				return d
			}
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
