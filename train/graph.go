package train

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/internal/kernel"
	"github.com/petrify-ml/petrify/layer"
)

// Graph is a Gorgonia graph over the parameters of a run's nets. Each net's parameters enter it once, however often the net is
// applied, and several graphs share them.
type Graph struct {
	*G.ExprGraph
	trainer  *Trainer
	learners []*Net
	nets     []*Net // in the order in which they were applied first
	params   map[string]*G.Node
	class    *G.Node // of Class
	computed *gop.Machine
}

// NewGraph makes a graph for a loss that updates the parameters of the given nets. Every net in it behaves as in training; in
// a graph without learners, as in inference.
func (t *Trainer) NewGraph(learners ...*Net) *Graph {
	return &Graph{ExprGraph: G.NewGraph(), trainer: t, learners: learners, params: map[string]*G.Node{}, computed: new(gop.Machine)}
}

// Input makes the input of a net for a batch, (N, in...), and returns its storage beside it, which the caller fills.
func (g *Graph) Input(n *Net, batch int) (*G.Node, []float32) {
	port := n.plan.Net.Input
	return layer.InputNode[float32](g.ExprGraph, port.Name, append(layer.Shape{batch}, port.Shape...))
}

// Class makes the input of classes for a batch, one-hot (N, Count), and returns its storage, which the caller fills. Every net
// of the graph that takes a class takes this one. It is nil where the model has no such net.
func (g *Graph) Class(batch int) (classes []float32) {
	if c := g.trainer.class; c.Count > 0 {
		g.class, classes = layer.InputNode[float32](g.ExprGraph, c.Name, append(layer.Shape{batch}, c.Shape()...))
	}
	return classes
}

// Borrow returns an input that holds a value computed by another graph.
func (g *Graph) Borrow(n *G.Node) *G.Node {
	t := n.Value().(*tensor.Dense)
	return G.NewTensor(g.ExprGraph, t.Dtype(), t.Dims(), G.WithShape(t.Shape()...), G.WithName(n.Name()), G.WithValue(t))
}

// Apply adds a net after x, (N, in...), and returns its outputs, each (N, out...). If until names a row, it stops there and
// returns that row's output.
func (g *Graph) Apply(n *Net, x *G.Node, until string) (G.Nodes, error) {
	need := layer.Need{Params: slices.Contains(g.learners, n), Input: g.learns(x)}
	if !slices.Contains(g.nets, n) {
		g.nets = append(g.nets, n)
		for _, p := range n.params {
			node, err := layer.ParamNode(g.ExprGraph, p.Param, p.w)
			if err != nil {
				return nil, err
			}
			g.params[p.Name] = node
		}
	}
	return n.plan.Build(layer.BuildOptions{
		Input: x, Class: g.class, Param: g.param, Training: len(g.learners) > 0, Need: need, Stream: g.trainer.Stream, Until: until,
	})
}

func (g *Graph) param(q layer.Param) (*G.Node, error) {
	if n := g.params[q.Name]; n != nil {
		return n, nil
	}
	return nil, fmt.Errorf("%s: no such parameter", q.Name)
}

// learns says whether x depends on a parameter that must be updated.
func (g *Graph) learns(x *G.Node) bool {
	seen := map[*G.Node]bool{}
	for _, n := range g.learners {
		for _, p := range n.params {
			if node := g.params[p.Name]; node != nil && !p.Tracked {
				seen[node] = true
			}
		}
	}
	var depends func(n *G.Node) bool
	depends = func(n *G.Node) bool {
		if d, ok := seen[n]; ok {
			return d
		}
		seen[n] = false
		for it := g.From(n.ID()); it.Next(); {
			if depends(it.Node().(*G.Node)) {
				seen[n] = true
			}
		}
		return seen[n]
	}
	return depends(x)
}

// Compute makes a machine that computes some nodes in each RunAll. Later machines of the graph use the values of its latest
// run.
func (g *Graph) Compute(nodes ...*G.Node) (G.VM, error) {
	m, err := g.computed.Continue(nodes...)
	if err == nil {
		g.computed = m
	}
	return m, err
}

// Learn differentiates a scalar loss with respect to the parameters of the learners. Each run of the update also
// computes the nodes in also.
func (g *Graph) Learn(loss *G.Node, also ...*G.Node) (*Update, error) {
	u := &Update{graph: g, loss: loss, adam: kernel.AdamConfig(g.trainer.config.Adam)}
	var by G.Nodes
	for _, n := range g.learners {
		for _, p := range n.params {
			if p.Tracked {
				continue
			}
			node, err := g.param(p.Param)
			if err != nil {
				return nil, fmt.Errorf("%s is a learner but was not applied: %w", n.plan.Net.Name, err)
			}
			u.params, by = append(u.params, p), append(by, node)
		}
	}
	grads, err := gop.Grad(loss, by...)
	if err != nil {
		return nil, err
	}
	if u.machine, err = g.computed.Continue(slices.Concat(G.Nodes{loss}, also, grads)...); err != nil {
		return nil, err
	}
	for i, p := range u.params {
		d, ok := grads[i].Value().Data().([]float32)
		if !ok || len(d) != len(p.w) {
			return nil, fmt.Errorf("%s: gradient has shape %v, want %v", p.Name, grads[i].Shape(), p.Shape)
		}
		u.grads = append(u.grads, d)
	}
	return u, nil
}

// Update is one step of the optimiser: a loss and its gradients.
type Update struct {
	graph   *Graph
	machine *gop.Machine
	loss    *G.Node
	adam    kernel.AdamConfig
	params  []param // those that are learnt, not tracked
	grads   [][]float32
}

// Run computes the loss and the gradients and moves the parameters. A loss that is not finite is a DivergedError, and moves
// nothing.
func (u *Update) Run() (loss float64, err error) {
	if loss, err = u.Compute(); err != nil {
		return loss, err
	}
	u.Move()
	return loss, nil
}

// Compute returns the loss, which is finite, and keeps the gradients for Move.
func (u *Update) Compute() (loss float64, err error) {
	if err := u.machine.RunAll(); err != nil {
		return 0, err
	}
	loss = Scalar(u.loss)
	if !finite(loss) {
		return loss, u.diverged(loss)
	}
	return loss, nil
}

// Move takes one step of Adam along the gradients.
func (u *Update) Move() {
	for _, n := range u.graph.learners {
		n.adamT++
	}
	for i, p := range u.params {
		kernel.Adam(u.adam, p.net.adamT, p.w, u.grads[i], p.m, p.v)
	}
}

// Add adds the gradients of another update of the same learners to those of u.
func (u *Update) Add(other *Update) {
	for i, g := range u.grads {
		kernel.Add(g, g, other.grads[i])
	}
}

// Scalar returns the value of a scalar node after the latest run.
func Scalar(n *G.Node) float64 { return float64(*n.Value().(*G.F32)) }

// diverged names the first tensor that is not finite: a parameter, else a gradient, else the loss itself.
func (u *Update) diverged(loss float64) *DivergedError {
	for _, n := range u.graph.nets {
		if d := n.diverged(); d != nil {
			return d
		}
	}
	for i, p := range u.params {
		if d := firstBad("the gradient of "+p.Name, u.grads[i]); d != nil {
			return d
		}
	}
	return &DivergedError{Tensor: u.loss.Name(), Value: loss}
}
