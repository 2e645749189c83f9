package gop

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Machine computes some nodes of a graph and what they depend on, in one straight line. It is a gorgonia.VM.
//
// Every input of the graph must have its value when the machine is made; afterwards values change by writing into
// their storage. The outputs' values are set once and for all, too: each RunAll fills them again. Machines of several
// graphs may share input values, but a Machine must not run at the same time as another that writes what it reads.
type Machine struct {
	steps  []step
	values map[*G.Node]G.Value // of every node planned so far
}

type step struct {
	name string
	own  operator // one of ours, bound: only run is left to do
	// A stock operator of Gorgonia returns fresh storage; it is copied to where later steps expect it.
	stock G.Op
	in    []G.Value
	out   *tensor.Dense // of one that gives a tensor
	one   scalar        // of one that gives a scalar
}

var _ G.VM = (*Machine)(nil)

// NewMachine plans the computation of the given nodes, which are of one graph.
func NewMachine(outputs ...*G.Node) (*Machine, error) {
	return new(Machine).Continue(outputs...)
}

// Continue makes a machine for further nodes of the same graph. It takes what m computes as given, as of m's latest run.
func (m *Machine) Continue(outputs ...*G.Node) (next *Machine, err error) {
	defer recovered(&err, "planning the graph")
	next = &Machine{values: map[*G.Node]G.Value{}}
	maps.Copy(next.values, m.values)
	for _, n := range outputs {
		if n == nil {
			return nil, errors.New("an output node is missing")
		}
		if _, err := next.plan(n); err != nil {
			return nil, err
		}
	}
	return next, nil
}

// plan appends the steps that n needs, then n's own, and returns the value that will hold n.
func (m *Machine) plan(n *G.Node) (G.Value, error) {
	if v, ok := m.values[n]; ok {
		return v, nil
	}
	if n.Op() == nil || n.Op().Arity() == 0 {
		v := n.Value()
		if v == nil {
			return nil, fmt.Errorf("%s has no value", n.Name())
		}
		m.values[n] = v
		return v, nil
	}
	children, err := inputsOf(n)
	if err != nil {
		return nil, err
	}
	in := make([]G.Value, len(children))
	for i, c := range children {
		if in[i], err = m.plan(c); err != nil {
			return nil, err
		}
	}
	s := step{name: n.Name(), in: in}
	var out G.Value
	o, ok := n.Op().(operator)
	if !ok {
		o, ok = ownSum(n, children)
	}
	if ok {
		s.own = o
		if out, err = bind(o, in); err != nil {
			return nil, fmt.Errorf("%s: %w", n.Name(), err)
		}
	} else {
		s.stock = n.Op()
		if n.IsScalar() {
			s.one, out = newScalar(n.Dtype())
		} else {
			s.out = tensor.New(tensor.Of(n.Dtype()), tensor.WithShape(n.Shape()...))
			out = s.out
		}
	}
	if err := G.UnsafeLet(n, out); err != nil {
		return nil, fmt.Errorf("%s: %w", n.Name(), err)
	}
	m.values[n] = out
	m.steps = append(m.steps, s)
	return out, nil
}

// ownSum is our form of the stock sum that Gorgonia puts in when it differentiates a value with several uses, where it is
// element by element.
func ownSum(n *G.Node, in []*G.Node) (operator, bool) {
	if !strings.HasPrefix(n.Op().String(), "+ ") || len(in) != 2 || n.Shape().IsScalar() ||
		!in[0].Shape().Eq(n.Shape()) || !in[1].Shape().Eq(n.Shape()) {
		return nil, false
	}
	o, err := typed(n, &add[float32]{}, &add[float64]{})
	if err != nil {
		return nil, false
	}
	o.common().init(o, "sum", n.Dtype(), n.Shape(), in)
	return o, true
}

// inputsOf are the inputs of n in order.
func inputsOf(n *G.Node) ([]*G.Node, error) {
	if o, ok := n.Op().(operator); ok {
		return o.common().inputs, nil
	}
	var children []*G.Node
	for it := n.Graph().From(n.ID()); it.Next(); {
		children = append(children, it.Node().(*G.Node))
	}
	if a := n.Op().Arity(); a >= 0 && a != len(children) {
		return nil, fmt.Errorf("%s: the graph holds %d inputs of %v, which takes %d", n.Name(), len(children), n.Op(), a)
	}
	return children, nil
}

// RunAll computes every output. It allocates nothing where all operators are of this package.
func (m *Machine) RunAll() (err error) {
	name := ""
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: %v", name, r)
		}
	}()
	for i := range m.steps {
		s := &m.steps[i]
		name = s.name
		if s.own != nil {
			s.own.run()
			continue
		}
		v, err := s.stock.Do(s.in...)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if err := s.keep(v); err != nil {
			return fmt.Errorf("%s: %v: %w", s.name, s.stock, err)
		}
	}
	return nil
}

// keep copies what a stock operator gave.
func (s *step) keep(v G.Value) error {
	if s.out == nil {
		x, err := scalarOf(v)
		if err == nil {
			s.one.set(x.get())
		}
		return err
	}
	d, ok := v.(*tensor.Dense)
	if !ok {
		return fmt.Errorf("a %T, want a dense tensor", v)
	}
	return tensor.Copy(s.out, d)
}

// Reset does nothing: no state outlives a run.
func (m *Machine) Reset() {}

// Close does nothing: a machine holds memory only.
func (m *Machine) Close() error { return nil }

// recovered turns a panic of Gorgonia into an error.
func recovered(err *error, doing string) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%s: %v", doing, r)
	}
}

// Grad differentiates a scalar cost with respect to input nodes. Panics of Gorgonia become errors.
func Grad(cost *G.Node, wrt ...*G.Node) (grads G.Nodes, err error) {
	defer recovered(&err, "differentiating "+cost.Name())
	return G.Grad(cost, wrt...)
}
